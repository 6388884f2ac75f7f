"""A scene through the network: strips and seams, into the work store."""

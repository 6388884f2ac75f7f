"""From a model to the map of a scene."""

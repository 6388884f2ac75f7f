"""The table, the paper's claims put to it, and the figures."""

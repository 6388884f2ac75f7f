"""A cube from archives: an area and a date become backscatter, terrain, InSAR and labels."""

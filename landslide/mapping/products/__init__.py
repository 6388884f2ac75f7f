"""A map's rasters, polygons and numbers."""

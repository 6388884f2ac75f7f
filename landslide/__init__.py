"""Landslide mapping from SAR datacubes."""

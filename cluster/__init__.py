"""Dask and Ray, on this machine or elsewhere."""

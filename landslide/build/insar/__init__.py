"""Coherence and interferograms: found in a folder, ordered from HyP3, or made by ISCE2."""

"""Coherence and interferograms: found in a folder, ordered from HyP3, or made by ISCE2."""

from landslide.build.insar.layers import insar_layers
from landslide.build.insar.pairs import Pair, find_pairs, group_pairs, pairs_within

__all__ = ["Pair", "find_pairs", "group_pairs", "insar_layers", "pairs_within"]

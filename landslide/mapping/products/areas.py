"""Areas of a map's ground, a block at a time: all of it, what was seen, what slid, by slope."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from landslide.mapping.products.blocks import Block

SLOPE_EDGES = (0, 10, 20, 30, 40, 50, 90)
"""Edges of the slope classes [degrees]."""


def slope_class_names() -> list[str]:
    """Return what the slope classes are called; the last is ground of unknown slope."""
    return [*(f"{low}-{high} degrees" for low, high in pairwise(SLOPE_EDGES)), "unknown"]


def class_areas(block: Block) -> NDArray[np.float64]:
    """Return a block's landslide and observed area in each slope class: (2, class)."""
    classes = len(SLOPE_EDGES)
    slope = block.terrain.get("dem_slope_radians")
    if slope is None:
        number = np.full(block.probability.shape, classes - 1)
    else:
        number = np.digitize(np.degrees(slope), SLOPE_EDGES[1:-1])
        number = np.where(np.isfinite(slope), number, classes - 1)
    return np.stack([
        np.bincount(number.ravel(), np.where(where, block.area, 0.0).ravel(), classes)
        for where in (block.polygon > 0, block.observed)
    ])  # fmt: skip


def plain_areas(block: Block, threshold: float) -> dict[str, float]:
    """Return a block's areas: all, observed, at or above the threshold, in polygons, spread."""
    planes = {
        "total": np.ones_like(block.observed),
        "observed": block.observed,
        "above_threshold": block.probability >= threshold,
        "in_polygons": block.polygon > 0,
    }
    areas = {name: float((plane * block.area).sum()) for name, plane in planes.items()}
    if block.spread is not None:
        areas["spread"] = float((np.nan_to_num(block.spread) * block.area).sum())
    return areas

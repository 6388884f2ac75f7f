"""How much of the ground slid, cell by cell, as rapid mappings show it."""

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from landslide.mapping.products.blocks import Block
from landslide.mapping.products.ground import Ground, add_to_squares
from landslide.mapping.products.rasters import RasterKind

CELL_M = 1000.0
CELL_PIXELS = 100
"""Side of a cell where nothing says how large a pixel is."""
LEAST_OBSERVED = 0.1
"""Share of a cell that must be observed for its density to mean anything."""


def cell_of(ground: Ground) -> tuple[int, int]:
    """Return how many pixels a cell has along y and x: whole ones, as near 1 km as can be."""
    if ground.unit != "m":
        return CELL_PIXELS, CELL_PIXELS
    down, right = (max(1, round(CELL_M / size)) for size in ground.pixel)
    return down, right


def density_kind(ground: Ground) -> RasterKind:
    """Return what a density raster holds."""
    if ground.unit == "m":
        title, unit = "landslide area per observed square kilometre [m2 km-2]", "m2 km-2"
    else:
        title, unit = "landslide share of the observed area", "1"
    return RasterKind(title, "float32", np.nan, "AVERAGE", unit)


def cells_ground(ground: Ground) -> Ground:
    """Return the grid of the cells; the last ones may reach beyond the map."""
    down, right = cell_of(ground)
    shape = -(-ground.shape[0] // down), -(-ground.shape[1] // right)
    size = ground.pixel[0] * down, ground.pixel[1] * right
    transform = ground.transform @ Affine.scale(right, down)
    return Ground(shape, transform, ground.crs, ground.equal_area, ground.unit, size)


def add_to_cells(cells: NDArray[np.float64], block: Block, ground: Ground) -> None:
    """Add a block's areas to the cells that it lies in: landslide, observed, all (3, y, x)."""
    every = np.ones_like(block.observed)
    for total, where in zip(cells, (block.polygon > 0, block.observed, every), strict=True):
        areas = np.where(where, block.area, 0.0)
        add_to_squares(total, areas, (block.rows, block.columns), cell_of(ground))


def density(cells: NDArray[np.float64], ground: Ground) -> NDArray[np.float32]:
    """Return landslide over observed area of each cell (y, x); NaN where too little was seen."""
    slid, observed, every = cells
    seen = observed >= np.maximum(LEAST_OBSERVED * every, np.finfo(np.float64).tiny)
    per = 1e6 if ground.unit == "m" else 1.0
    share = np.divide(slid, observed, out=np.full(slid.shape, np.nan), where=seen)
    return (per * share).astype(np.float32)

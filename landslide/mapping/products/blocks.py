"""A map, its polygons and the cube beneath them, a block at a time."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
import shapely
import xarray as xr
from numpy.typing import NDArray

from landslide.cube.labels import NO_DATA
from landslide.mapping.products.ground import Ground, blocks_of, pixel_areas
from landslide.mapping.products.planes import Planes
from landslide.mapping.products.polygons import burnt
from landslide.mapping.products.rasters import read_block
from landslide.mapping.products.reading import read_plane

TERRAIN = ("dem", "dem_slope_radians", "dem_aspect")


@dataclass(frozen=True)
class Block:
    """One block of a map; all planes are (y, x)."""

    rows: slice
    columns: slice
    area: NDArray[np.float64]
    """Of a pixel, in the ground's area unit; (y, 1)."""
    probability: NDArray[np.float32]
    """NaN where there is no data."""
    polygon: NDArray[np.int32]
    """Number of the landslide that a pixel lies in; 0: none, or one below the minimum area."""
    spread: NDArray[np.float32] | None
    terrain: Mapping[str, NDArray[np.float32]]
    """Those of `TERRAIN` that the cube has, under its names and in its units."""
    label: NDArray[np.uint8] | None
    """1 landslide, 0 none, 255 no data; None where the cube has no labels."""
    mapped: NDArray[np.int32] | None
    """Number of the labelled landslide that a pixel lies in; 0: none."""

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Where the map says something."""
        return np.isfinite(self.probability)


@dataclass(frozen=True)
class Layers:
    """The planes of a map on disk, and its outlines in pixels."""

    planes: Planes
    landslides: NDArray[Any]
    """Outlines of the landslides that are kept, in the order of their numbers."""
    mapped: NDArray[Any] | None
    """Outlines of the labelled landslides."""


def map_blocks(
    layers: Layers, cube: xr.Dataset, ground: Ground, damages: set[str] | None = None
) -> Iterator[Block]:
    """Yield the blocks of a map, row by row; of the cube, terrain is read.

    Stored chunks that lie in several blocks are read for each of them.

    Parameters
    ----------
    layers : Layers
    cube : Dataset
        The part that the map covers.
    ground : Ground
    damages : set of str, optional
        As for `read_plane`.

    Raises
    ------
    DamagedChunkError
        As `read_plane` does.
    """
    kept = shapely.STRtree(layers.landslides)
    mapped = None if layers.mapped is None else shapely.STRtree(layers.mapped)
    with ExitStack() as opened:
        probability = opened.enter_context(rasterio.open(layers.planes.probability))
        spread, label = (
            None if path is None else opened.enter_context(rasterio.open(path))
            for path in (layers.planes.spread, layers.planes.label)
        )
        for rows, columns in blocks_of(ground.shape):
            yield Block(
                rows,
                columns,
                pixel_areas(ground, rows, columns),
                read_block(probability, rows, columns),
                burnt(layers.landslides, kept, rows, columns),
                None if spread is None else read_block(spread, rows, columns),
                {
                    name: read_plane(cube[name], rows, columns, damages)
                    for name in TERRAIN
                    if name in cube
                },
                None if label is None else read_block(label, rows, columns),
                None
                if mapped is None or layers.mapped is None
                else burnt(layers.mapped, mapped, rows, columns),
            )


def scored_pixels(block: Block) -> NDArray[np.bool_]:
    """Return where both the map and the labels say something (y, x)."""
    assert block.label is not None
    return block.observed & (block.label != NO_DATA)

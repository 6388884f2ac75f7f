"""A plane on a grid, made lazily one block at a time from what a function gives for each block."""

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.array.core import normalize_chunks
from dask.base import tokenize
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from landslide.cube.schema import VARIABLES

BLOCK_PIXELS = 1024


def by_block(
    make: Callable[..., NDArray[Any]],
    geobox: GeoBox,
    dtype: type[np.generic],
    *,
    name: str,
    block_pixels: int = BLOCK_PIXELS,
    chunks: tuple[tuple[int, ...], ...] | None = None,
    **given: Any,
) -> da.Array:
    """Return a Dask array (y, x) over `geobox`; `make(block, **given)` gives each block's values.

    `name` is what a dashboard shows; `make` must be a pure function that pickles, of the grid of
    its block and of what is `given`, which may be Dask's `delayed`. `chunks` replaces
    `block_pixels`.
    """
    chunks = chunks or normalize_chunks(block_pixels, geobox.shape)

    def block(block_info: Any = None, **given: Any) -> NDArray[Any]:
        rows, columns = block_info[None]["array-location"]
        return make(geobox[slice(*rows), slice(*columns)], **given)

    return da.map_blocks(
        block,
        chunks=chunks,
        dtype=dtype,
        meta=np.empty((0, 0), dtype),
        name=f"{name}-{tokenize(make, geobox, chunks, given)}",
        **given,
    )


def variable(data: da.Array, geobox: GeoBox, name: str, **attrs: str) -> xr.DataArray:
    """Return `data` as the schema's variable of a name on `geobox`, with y, x and `spatial_ref`."""
    house = VARIABLES[name]
    about = {"long_name": house.meaning} | ({"units": house.unit} if house.unit else {}) | attrs
    coords = xr_coords(geobox, dims=("y", "x"))
    return xr.DataArray(data, coords=coords, dims=house.dims, name=name, attrs=about)

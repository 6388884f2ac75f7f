"""A plane on a grid, made lazily one block at a time from what a function gives for each block."""

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

BLOCK_PIXELS = 1024


def block_sizes(length: int, block_pixels: int) -> tuple[int, ...]:
    """Return the lengths of the blocks that an axis of `length` pixels is cut into."""
    whole, rest = divmod(length, block_pixels)
    return (block_pixels,) * whole + ((rest,) if rest else ())


def by_block(
    make: Callable[..., NDArray[Any]],
    geobox: GeoBox,
    dtype: type[np.generic],
    *,
    name: str,
    block_pixels: int = BLOCK_PIXELS,
    chunks: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
    **given: Any,
) -> da.Array:
    """Return a Dask array (y, x) over `geobox`; `make(block, **given)` gives each block's values.

    `name` is what a dashboard shows; `make` must be a pure function that pickles, of the grid of
    its block and of what is `given`, which may be Dask's `delayed`. `chunks` replaces
    `block_pixels`.
    """
    height, width = geobox.shape
    if chunks is None:
        chunks = block_sizes(height, block_pixels), block_sizes(width, block_pixels)

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


def plane(
    data: da.Array, geobox: GeoBox, name: str, dims: tuple[str, ...] = ("y", "x"), **attrs: str
) -> xr.DataArray:
    """Return `data (..., y, x)` as an array on `geobox`: coordinates y, x and `spatial_ref`."""
    coords = xr_coords(geobox, dims=("y", "x"))
    return xr.DataArray(data, coords=coords, dims=dims, name=name, attrs=attrs)


def metric_grid(geobox: GeoBox) -> GeoBox:
    """Return `geobox`, which must have north up and square pixels in metres.

    Raises
    ------
    ValueError
        Where it has not.
    """
    crs = geobox.crs
    if crs is None or not crs.projected or crs.units[0] not in ("metre", "meter", "m"):
        raise ValueError(f"the grid's CRS is {crs}: choose a projected one in metres, such as UTM")
    step_y, step_x = geobox.resolution.y, geobox.resolution.x
    if not geobox.axis_aligned or step_x <= 0 or not np.isclose(step_y, -step_x, rtol=1e-6):
        raise ValueError(
            f"the grid's pixels are {step_x:g} x {step_y:g} {crs.units[0]}: "
            "choose square ones with north up"
        )
    return geobox

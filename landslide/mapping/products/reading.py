"""Planes of a cube read by block; what is damaged is an error, or no data."""

from typing import Any

import numpy as np
import xarray as xr
from dask.array.core import slices_from_chunks
from numpy.typing import NDArray

from landslide.cube.stored import DamagedChunkError


def read_plane(
    plane: xr.DataArray,
    rows: slice,
    columns: slice,
    damages: set[str] | None = None,
    *,
    no_data: float = np.nan,
) -> NDArray[Any]:
    """Read a block of a lazy plane (y, x).

    Parameters
    ----------
    plane : DataArray
        With the dimensions `y` and `x`.
    rows, columns : slice
    damages : set of str, optional
        Given, Dask's chunks that hold damage become `no_data`, and what is wrong is added here.
    no_data : float

    Raises
    ------
    DamagedChunkError
        Where a chunk is damaged, and `damages` is not given.
    """
    block = plane.isel(y=rows, x=columns).transpose("y", "x")
    try:
        return block.to_numpy()
    except DamagedChunkError as error:
        if damages is None:
            way_out = "leave out what it held with --skip-damaged"
            raise DamagedChunkError(f"{error}, or {way_out}") from error
    values = np.full(block.shape, no_data, block.dtype)
    for part in slices_from_chunks(block.chunks):
        try:
            values[part] = block[part].to_numpy()
        except DamagedChunkError as error:
            damages.add(str(error))
    return values

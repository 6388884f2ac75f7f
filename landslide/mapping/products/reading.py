"""Planes of a cube read by block; what is damaged is an error, or no data."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.cube.stored import DamagedChunkError

LEAST = 128
"""Side [pixels] of the smallest square that is left out for damage in it."""


def read_plane(
    plane: xr.DataArray,
    rows: slice,
    columns: slice,
    damages: set[str] | None = None,
    *,
    no_data: float = np.nan,
) -> NDArray[np.generic]:
    """Read a block of a lazy plane (y, x).

    Parameters
    ----------
    plane : DataArray
        With the dimensions `y` and `x`.
    rows, columns : slice
    damages : set of str, optional
        Given, what is damaged becomes `no_data`, and what is wrong with it is added here.
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
        return _salvaged(block, damages, no_data, error)


def _salvaged(
    block: xr.DataArray, damages: set[str], no_data: float, error: DamagedChunkError
) -> NDArray[np.generic]:
    """Read a damaged block by quarters, and theirs, down to squares that are left out."""
    values = np.full(block.shape, no_data, block.dtype)
    if max(block.shape) <= LEAST:
        damages.add(str(error))
        return values
    halves = []
    for size in block.shape:
        middle = LEAST * -(-size // (2 * LEAST))
        halves.append([slice(0, middle), slice(middle, size)] if size > LEAST else [slice(0, size)])
    for rows in halves[0]:
        for columns in halves[1]:
            part = block[rows, columns]
            try:
                values[rows, columns] = part.to_numpy()
            except DamagedChunkError as here:
                values[rows, columns] = _salvaged(part, damages, no_data, here)
    return values

"""The cube that is rewritten: its chunks, and its values region by region in the copy's order."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.chips.layout.cube import CubeLayout
from landslide.chips.optimize.regions import Region, Regions, divide
from landslide.cube.layers import readable


def divide_variables(cube: xr.Dataset, layout: CubeLayout) -> dict[str, Regions]:
    """Divide each variable into the regions that are read, written and verified one by one."""
    divided = {}
    for name, variable in layout.variables.items():
        array = cube[name]
        source = readable(array)
        numbers = []
        for dim in variable.dims:
            along = source.chunk_numbers(array.dims.index(dim))
            numbers.append(along[list(layout.order)] if dim == "timestep" else along)
        itemsize = array.dtype.itemsize
        divided[name] = divide(name, variable.shape, variable.shards, numbers, itemsize)
    return divided


def read_region(cube: xr.Dataset, layout: CubeLayout, region: Region) -> tuple[NDArray[Any], bool]:
    """Read a region of an opened cube.

    Returns
    -------
    values : array
        In the copy's order of dimensions and images.
    logarithms : bool
        Whether they are logarithms of backscatter, as the source stores it.

    Raises
    ------
    ValueError
        Where a chunk is damaged; the message names its key.
    ConnectionError, PermissionError
        Where the store cannot be read.
    """
    array, dims = cube[region.variable], layout.variables[region.variable].dims
    along: dict[Any, Any] = dict(zip(dims, region.slices, strict=True))
    if "timestep" in along:
        along["timestep"] = np.array(layout.order)[along["timestep"]]
    source = readable(array)
    values = source.start(tuple(along[dim] for dim in array.dims))()
    return values.transpose([array.dims.index(dim) for dim in dims]), source.to_power is not None

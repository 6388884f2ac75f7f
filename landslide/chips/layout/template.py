"""The metadata and the small variables of an optimised cube, as the objects of its store."""

import warnings
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from zarr.storage import MemoryStore

from landslide.chips.layout.cube import CubeLayout

TIMES = {"units": "nanoseconds since 1970-01-01", "dtype": "int64"}
"""How instants are stored: to the last bit."""


def metadata_objects(cube: xr.Dataset, layout: CubeLayout) -> dict[str, bytes]:
    """Return every object of the cube but its shards, by key; `zarr.json` makes it a group.

    Parameters
    ----------
    cube : Dataset
        In the house's form, with the attributes that the copy is to have.
    layout : CubeLayout
    """
    planes = {name: variable.encoding for name, variable in layout.variables.items()}
    template = _reordered(cube, layout)
    for name, variable in template.variables.items():
        variable.encoding = dict(TIMES) if variable.dtype.kind == "M" else {}
        if variable.dtype.kind == "U":  # fixed lengths of text are no part of Zarr 3
            template[name] = variable.astype(object)
    store = MemoryStore()
    with warnings.catch_warnings():
        # Of consolidated metadata, which Zarr 3 does not know yet: servers that list nothing
        # need them, and who does not know them reads each array's own.
        warnings.simplefilter("ignore")
        template.to_zarr(
            store,
            zarr_format=3,
            consolidated=False,
            compute=False,
            encoding=planes,
            safe_chunks=False,
        )
        zarr.consolidate_metadata(store)
    return {key: value.to_bytes() for key, value in store._store_dict.items()}  # noqa: SLF001


def _reordered(cube: xr.Dataset, layout: CubeLayout) -> xr.Dataset:
    """Return the cube with its images in the stored order, and room for its planes."""
    small = cube.drop_vars(list(layout.variables))
    if "timestep" in small.dims:
        small = small.isel(timestep=list(layout.order))
    planes: dict[str, Any] = {
        name: (
            variable.dims,
            da.zeros(variable.shape, dtype=np.dtype(variable.dtype), chunks=-1),
            dict(variable.attributes),
        )
        for name, variable in layout.variables.items()
    }
    coordinates = [name for name in planes if name in cube.coords]
    return small.assign(planes).set_coords(coordinates).copy()

"""How a cube is laid out for chips: which images share a chunk, and how a chunk is packed.

A chunk is a whole chip of the images that one side of a composite needs, so a chip is two chunks of
each polarisation. Nothing is read or written here: who builds a cube may lay it out so, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from zarr.codecs import BloscCodec, Crc32cCodec

from landslide.chips.images import geometries, sides
from landslide.chips.layout.order import chunk_dates, storage_order
from landslide.chips.layout.packing import PACKINGS, Packing
from landslide.cube.events import Event
from landslide.cube.schema import POLARISATIONS

VERSION = 1
"""Of the layout; another one is written where it changes."""


@dataclass(frozen=True)
class Layout:
    """What may be chosen.

    Raises
    ------
    ValueError
        Where a size is none, or the packing unknown.
    """

    chip_size: int = 128
    """Side of a chunk [pixels]."""
    dates: int = 4
    """Images in a chunk, at most: the paper averages up to 4 on each side."""
    shard_pixels: int = 1024
    """Side of a shard [pixels], rounded down to whole chips; one chip at least."""
    packing: str = "ln"
    """One of `landslide.chips.layout.packing.PACKINGS`."""

    def __post_init__(self) -> None:
        for name, flag in (("chip_size", " (--chip-size)"), ("dates", " (--dates)")):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}{flag}: give 1 or more")
        if self.packing not in PACKINGS:
            raise ValueError(f"no packing {self.packing!r}: choose one of {', '.join(PACKINGS)}")

    @property
    def shard_side(self) -> int:
        """Side of a shard [pixels]."""
        return self.chip_size * max(1, self.shard_pixels // self.chip_size)


@dataclass(frozen=True)
class StoredVariable:
    """How one variable lies in the store."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    """The smallest piece that can be read."""
    shards: tuple[int, ...]
    """What one object of the store holds."""
    dtype: np.dtype[Any]
    """As stored."""
    packing: Packing | None
    """For backscatter; None where values are stored as they are."""
    attributes: Mapping[str, Any]

    @property
    def encoding(self) -> dict[str, Any]:
        """What `xr.Dataset.to_zarr` and `zarr.create_array` take, but for the shape and type."""
        return {
            "chunks": self.chunks,
            # At the start, as some stores serve no suffix of an object; elsewhere it costs nothing.
            "shards": {"shape": self.shards, "index_location": "start"},
            "compressors": (BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"), Crc32cCodec()),
        }


@dataclass(frozen=True)
class CubeLayout:
    """How a whole cube lies in its store."""

    order: tuple[int, ...]
    """Which of the images, sorted by time, is stored at each position of `timestep`."""
    variables: Mapping[str, StoredVariable]
    """Every variable with `y` and `x`; all else is small and stored as it is."""


def cube_layout(cube: xr.Dataset, event: Event | None, layout: Layout) -> CubeLayout:
    """Decide how a cube is laid out; no pixel is read.

    Parameters
    ----------
    cube : Dataset
        In the house's form, its images sorted by time; a template without values will do.
    event : Event, optional
        The images nearest it lie together; needed where the cube has images.
    layout : Layout

    Returns
    -------
    CubeLayout

    Raises
    ------
    ValueError
        Where the cube has images and no event is given, or a chip is larger than the scene.
    """
    planes = {str(n): v for n, v in cube.variables.items() if {"y", "x"} <= set(v.dims)}
    if planes and layout.chip_size > max(cube.sizes["y"], cube.sizes["x"]):
        raise ValueError(
            f"chunks of {layout.chip_size} pixels are larger than the scene of "
            f"{cube.sizes['y']} x {cube.sizes['x']}: choose a smaller chip_size (--chip-size)"
        )
    order, dates = tuple(range(cube.sizes.get("timestep", 0))), 1
    if any("timestep" in variable.dims for variable in planes.values()):
        if event is None:
            raise ValueError("a cube with images is laid out for an event: give one (--event)")
        names, times = geometries(cube), cube["timestep"].to_numpy()
        before, after = sides(times, event)
        dates = chunk_dates(names, before, after, layout.dates)
        order = storage_order(times, names, before, after, dates)
    return CubeLayout(order, {name: _stored(cube[name], dates, layout) for name in planes})


def _stored(array: xr.DataArray, dates: int, layout: Layout) -> StoredVariable:
    lead = [str(dim) for dim in array.dims if dim not in ("y", "x")]
    dims = (*lead, "y", "x")
    shape = tuple(array.sizes[dim] for dim in dims)
    depth = [dates if dim == "timestep" else 1 for dim in lead]
    edges = [  # no shard is larger than what it holds
        min(layout.shard_side, -(-size // layout.chip_size) * layout.chip_size)
        for size in shape[-2:]
    ]
    packing = PACKINGS[layout.packing] if array.name in POLARISATIONS else None
    attributes = {key: value for key, value in array.attrs.items() if key != "_FillValue"}
    dtype = np.dtype(array.dtype)
    if packing is not None:
        dtype, attributes = packing.dtype, packing.describe(attributes)
    elif dtype == np.bool_:  # as xarray stores one
        dtype, attributes = np.dtype(np.int8), attributes | {"dtype": "bool"}
    return StoredVariable(
        dims=dims,
        shape=shape,
        chunks=(*depth, layout.chip_size, layout.chip_size),
        shards=(*depth, *edges),
        dtype=dtype,
        packing=packing,
        attributes=attributes,
    )

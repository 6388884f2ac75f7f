"""A layer's pixels, written block by block by whatever Dask computes with, in the chips' layout."""

import functools
import hashlib
import itertools
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
import zarr
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray
from zarr.core.array import AsyncArray
from zarr.core.metadata import ArrayV3Metadata
from zarr.storage import StorePath

from landslide.build.target import PROGRESS, Target
from landslide.chips.layout.cube import Layout, StoredVariable, cube_layout
from landslide.chips.layout.packing import PACKINGS, Counts, backscatter
from landslide.chips.layout.records import record, records
from landslide.chips.layout.template import metadata_objects
from landslide.cube.address import plain_write_errors, writable_store
from landslide.cube.events import Event
from landslide.cube.readers import pipeline

IN_FLIGHT_BYTES = 1 << 28
"""What the blocks that Dask is given at once hold, unpacked; what feeds them comes on top."""


@dataclass(frozen=True)
class Destination:
    """Where the blocks of one variable go; small, so that it travels with each of them."""

    cube: str
    """Address of the cube."""
    variable: str
    metadata: str
    """The array's, as JSON; in the store they appear with the layer."""
    packing: str | None
    """For backscatter, one of `landslide.chips.layout.packing.PACKINGS`."""
    progress: str
    """Folder of the records of blocks that are there."""


def write_layer(
    target: Target,
    name: str,
    layer: xr.Dataset,
    event: Event,
    digest: str,
    layout: Layout,
    at_once: int | None = None,
) -> tuple[dict[str, bytes], dict[str, Counts]]:
    """Write the chunks of a layer that are not there yet; nobody sees them before it is committed.

    Parameters
    ----------
    target : Target
    name : str
        Of the layer.
    layer : Dataset
        Lazy, in the house's form, in blocks of a shard.
    event : Event
        The images nearest it lie together.
    digest : str
        What determines the layer: records of another one do not count.
    layout : Layout
    at_once : int, optional
        How many blocks Dask is given at once; None for what `IN_FLIGHT_BYTES` hold.

    Returns
    -------
    objects : dict
        The layer's metadata and small variables, by key, and a root with these alone.
    counts : dict
        What became of the samples of each polarisation, and of the elevation's.

    Raises
    ------
    OSError
        Where the cube cannot be written, as where the disk is full.
    """
    lay = cube_layout(layer, event, layout)
    objects = metadata_objects(layer, lay)
    digest = hashlib.sha256(digest.encode()).hexdigest()[:16]
    folder = f"{target.address}/{PROGRESS}/{name}/{digest}"
    with plain_write_errors(target.address):
        done = records(folder)
    target.begin(map(str, layer.variables))
    if not done:
        # Of another digest's blocks: they do not stay, and nobody must go on from them.
        target.clear(f"{PROGRESS}/{name}")
        for variable in lay.variables:
            target.clear(variable)
    blocks: list[tuple[tuple[int, ...], str, Any]] = []
    for variable, stored in lay.variables.items():
        destination = Destination(
            target.address,
            variable,
            objects[f"{variable}/zarr.json"].decode(),
            None if stored.packing is None else stored.packing.name,
            folder,
        )
        for key, start, block in _blocks(layer[variable], stored, lay.order):
            if key not in done:
                write = delayed(write_block)(block, start, key, destination)
                blocks.append(((*start[-2:], *start[:-2]), key, write))
    # Layers of one place share what they read; places follow each other, as many as memory holds.
    blocks.sort(key=lambda block: block[:2])
    for batch in itertools.batched(blocks, at_once or _at_once(lay.variables.values())):
        counted = compute(*(write for _, _, write in batch))
        done |= zip((key for _, key, _ in batch), counted, strict=True)
    return objects, {
        variable: sum(
            (Counts(**of) for key, of in done.items() if key.startswith(f"{variable}/")), Counts()
        )
        for variable, stored in lay.variables.items()
        if stored.packing is not None or variable == "dem"  # flat ground's aspect does not lack
    }


def _at_once(variables: Iterable[StoredVariable]) -> int:
    """Return how many blocks Dask is given at once, in whatever order it computes them."""
    largest = max(math.prod(stored.shards) * stored.dtype.itemsize for stored in variables)
    return max(1, IN_FLIGHT_BYTES // largest)


def _blocks(
    array: xr.DataArray, stored: StoredVariable, order: tuple[int, ...]
) -> list[tuple[str, tuple[int, ...], Any]]:
    """Return key, start and lazy values of each shard of a variable, in the stored order."""
    turned = array.transpose(*stored.dims)
    if "timestep" in stored.dims:
        turned = turned.isel(timestep=list(order))
    data = turned.data.rechunk(stored.shards)
    edges = [np.cumsum([0, *sizes]).tolist() for sizes in data.chunks]
    # Optimised one by one, variables would read what feeds them all each for itself.
    blocks = data.to_delayed(optimize_graph=False)
    found = []
    for place in np.ndindex(*blocks.shape):
        start = tuple(along[index] for along, index in zip(edges, place, strict=True))
        key = f"{array.name}/{'_'.join(map(str, start))}"
        found.append((key, start, blocks[place]))
    return found


def write_block(
    values: NDArray[Any], start: tuple[int, ...], key: str, destination: Destination
) -> dict[str, Any]:
    """Write one block, remember that it is there, and return what became of its samples."""
    counts = Counts(missing=int(np.isnan(values).sum()) if values.dtype.kind == "f" else 0)
    array = _array(destination)
    if destination.packing is not None:
        values, counts = backscatter(
            values, logarithms=False, packing=PACKINGS[destination.packing]
        )
    where = tuple(slice(a, a + size) for a, size in zip(start, values.shape, strict=True))
    with plain_write_errors(destination.cube):
        array[where] = values.astype(array.dtype, copy=False)
        record(destination.progress, key, asdict(counts))
    return asdict(counts)


@functools.lru_cache(maxsize=64)
def _array(destination: Destination) -> zarr.Array[Any]:
    """Open an array to write to whose metadata are not in the store yet, once in each process.

    Raises
    ------
    FileNotFoundError
        Where no build has begun at the cube's address, as on a disk of a worker's own.
    """
    Target(destination.cube).require_begun()
    metadata = ArrayV3Metadata.from_dict(json.loads(destination.metadata))
    path = StorePath(writable_store(destination.cube), destination.variable)
    with pipeline("fused"):
        array = zarr.Array(AsyncArray(metadata, path))
        return array.with_config({"write_empty_chunks": True})

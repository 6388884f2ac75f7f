"""Open a cube where it lies: lazily, checked, in blocks that fit the store's chunks."""

import os
import uuid
import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, cast

import dask.array as da
import xarray as xr

from landslide.cube.address import UNLISTED, UNOPENED, open_group, plain_errors, unreadable
from landslide.cube.layering import house_order, layered_names, make_layer
from landslide.cube.layers import LAYER, Layer, run_sizes
from landslide.cube.opening import AS_NO_DATA, DAMAGE, MISSING
from landslide.cube.readers import AUTO, choose_reader
from landslide.cube.schema import LABEL_NAMES, house_schema
from landslide.cube.stored import StoredArray
from landslide.storage import absolute


@dataclass(frozen=True)
class StoredChunks:
    """How one variable lies in its store."""

    chunks: tuple[int, ...]
    """Pixels of the smallest piece that can be read, in the order of the dimensions."""
    shards: tuple[int, ...] | None
    """Pixels of the object that holds many chunks, where the store has such objects."""
    codecs: str
    """How a chunk is packed, in words."""


def block_shape(
    dims: tuple[Hashable, ...],
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None,
    block_pixels: int,
) -> tuple[int, ...]:
    """Return the shape of the Dask blocks for an array stored in `chunks` (and `shards`).

    Along y and x a block is a whole number of shards, or of chunks where it has no shards or
    larger ones than `block_pixels`; as many as fit into `block_pixels`, and at least one. Other
    dimensions keep the stored chunk, so that one image can be read without the others.
    """
    block = []
    for axis, dim in enumerate(dims):
        unit = chunks[axis]
        if dim in ("y", "x"):
            if shards is not None and shards[axis] <= block_pixels:
                unit = shards[axis]
            unit *= max(1, block_pixels // unit)
        block.append(max(1, min(unit, shape[axis])))
    return tuple(block)


def _in_blocks(variable: xr.Variable, block_pixels: int, name: str) -> xr.Variable:
    """Return a plane or a stack of planes as a Dask array, anything smaller in memory."""
    if not {"y", "x"} <= set(variable.dims):
        return variable.load()
    chunks, shards = variable.encoding["chunks"], variable.encoding.get("shards")
    block = block_shape(variable.dims, variable.shape, chunks, shards, block_pixels)
    chunked = variable.chunk(dict(zip(variable.dims, block, strict=True)), name, inline_array=True)
    chunked.encoding = variable.encoding
    return chunked


def _layered(
    layer: Layer, sample: xr.DataArray, encoding: dict[str, Any], block_pixels: int
) -> xr.DataArray:
    """Return a layer as a labelled Dask array, in blocks of its store's chunks."""
    dims = sample.dims
    chunks = tuple(layer.stored.chunks[axis] for axis in layer.axes)
    shards = None
    if encoding.get("shards"):
        shards = tuple(layer.stored.objects[axis] for axis in layer.axes)
    block = block_shape(dims, layer.shape, chunks, shards, block_pixels)
    sizes = tuple(run_sizes(layer.stored_positions(d) // n) for d, n in enumerate(block))
    data = da.from_array(
        layer, chunks=sizes, name=layer.name, inline_array=True, asarray=False, fancy=False
    )
    array = xr.DataArray(data, dims=dims, attrs=sample.attrs)
    array.encoding = dict(encoding) | {"chunks": chunks, "shards": shards, LAYER: layer}
    return array


def open_cube(
    uri: str | os.PathLike[str],
    *,
    block_pixels: int = 1024,
    reader: str = AUTO,
    missing: str = DAMAGE,
) -> xr.Dataset:
    """Open a cube lazily and check it.

    Parameters
    ----------
    uri
        A local path or an address (`gs://`, `s3://`, `https://`, `memory://`) of a Zarr group of
        version 2 or 3, or of a `.zip` that holds one, as Zenodo serves it. Credentials and
        endpoints come from the environment and from fsspec's configuration.
    block_pixels
        Side [pixels] of the Dask blocks, where stored chunks are smaller; see `block_shape`.
    reader
        `auto`, the fastest that is installed and fits, or one of `landslide.cube.readers.READERS`.
    missing
        What a chunk that the store lacks counts as: `damage`, or `no-data`, as Zarr says of chunks
        that were left empty. Labels may always be left out where they are of the fill value.

    Returns
    -------
    xr.Dataset
        The cube in the house's form (see `landslide.cube.schema`), as far as it holds it: `vv` and
        `vh` (timestep, y, x) float32, gamma0 in linear power, NaN where there are no data; `dem`
        [m], `dem_slope_radians`, `dem_aspect` [degrees clockwise from grid north] and
        `dem_curvature` [1/100 m] (y, x) float32; `coherence` [0 to 1] float32 and `interferogram`
        complex64 (timepair, y, x); `landslides` (y, x) uint8, 1 landslide, 0 none, 255 not mapped.
        `y` descends, images are sorted by time. All of them are Dask arrays: only coordinates have
        been read. Its address is in `encoding["source"]`.

    Notes
    -----
    Requests that zarr has under way at once to a store that is not a disk are zarr's own setting
    for the whole process, `async.concurrency`. Its default becomes 32 in place of 10 with the
    import of this module; what the environment, a file or `zarr.config.set` chose stays, unless it
    was 10.

    Raises
    ------
    FileNotFoundError
        Where there is no such address.
    PermissionError, ConnectionError
        Where the address cannot be read.
    ValueError
        Where no cube lies there, or the reader does not fit its address or an array.
    """
    if block_pixels < 1:
        raise ValueError(f"block_pixels is {block_pixels}: a block has one pixel or more")
    if missing not in MISSING:
        raise ValueError(f"missing chunks are {' or '.join(MISSING)}, not {missing!r}")
    uri = os.fspath(uri)
    # A fresh name: what lies at the address may have changed since it was last opened.
    token = uuid.uuid4().hex
    with warnings.catch_warnings():
        # What Zarr warns of (consolidated metadata and string types in version 3, double fill
        # values) is the writer's business, and nothing that a reader can change.
        warnings.simplefilter("ignore")
        group = open_group(uri)
        with plain_errors(uri):
            try:
                names = layered_names(dict.fromkeys(group.array_keys()))
                dataset = xr.open_dataset(
                    cast("Any", group.store),  # xarray takes a Zarr store, and does not say so
                    engine="zarr",
                    cache=False,
                    zarr_format=group.metadata.zarr_format,
                    consolidated=group.metadata.consolidated_metadata is not None,
                    mask_and_scale=dict.fromkeys((*LABEL_NAMES, *names), False),
                    decode_timedelta=False,
                )
                dataset = dataset.reset_coords([name for name in names if name in dataset.coords])
                planes = {name: dataset[name].variable for name in names}
                rest = {
                    name: _in_blocks(variable, block_pixels, f"{name}-{token}")
                    for name, variable in dataset.variables.items()
                    if name not in dataset.xindexes and name not in planes
                }
            except UNOPENED as error:
                raise unreadable(uri, error) from error
    if not dataset.variables and uri.startswith(UNLISTED):
        raise ValueError(
            f"{uri}: the server lists no variables; run zarr.consolidate_metadata on the cube "
            "before it is served"
        )
    if odd := [dim for dim in dataset.dims if not isinstance(dim, str)]:
        raise ValueError(f"{uri} has a dimension that is called {odd[0]!r}, no text: rename it")
    chosen = choose_reader(uri, reader)
    coordinates = [name for name in rest if name in dataset.coords]
    dataset = dataset.drop_vars(list(planes)).assign(rest).set_coords(coordinates)
    dataset, positions = house_order(dataset)
    for name, variable in planes.items():
        stored = StoredArray(
            uri=absolute(uri),
            path=name,
            reader=chosen,
            missing=AS_NO_DATA if name in LABEL_NAMES else missing,
            token=token,
            shape=variable.shape,
            chunks=tuple(variable.encoding["chunks"]),
            objects=tuple(variable.encoding.get("shards") or variable.encoding["chunks"]),
            dtype=variable.dtype,
        )
        if reader != AUTO:
            stored.require_reader()
        layer, sample = make_layer(stored, variable, names[name], positions)
        dataset[names[name]] = _layered(layer, sample, variable.encoding, block_pixels)
    dataset.encoding = {"source": uri, "missing": missing}
    return house_schema(dataset)


def _codec_name(codec: Any) -> str:
    config = codec.get_config() if hasattr(codec, "get_config") else codec.to_dict()
    details = config.get("configuration", config)
    name = str(config.get("id", config.get("name")))
    kind, level = details.get("cname"), details.get("clevel", details.get("level"))
    return " ".join(str(part) for part in (name, kind, level) if part is not None)


def stored_chunks(cube: xr.Dataset) -> dict[str, StoredChunks]:
    """Return how each plane or stack of planes of an opened cube lies in its store."""
    stored = {}
    for name, variable in cube.variables.items():
        if "chunks" not in variable.encoding or not {"y", "x"} <= set(variable.dims):
            continue
        codecs = [
            codec
            for key in ("filters", "compressors")
            for codec in variable.encoding.get(key) or ()
        ]
        stored[str(name)] = StoredChunks(
            tuple(variable.encoding["chunks"]),
            variable.encoding.get("shards"),
            ", ".join(map(_codec_name, codecs)) or "uncompressed",
        )
    return stored

"""Arrays opened for reading, once in each process, by the reader that was chosen for them."""

import functools
import importlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import zarr
from zarr.codecs import Crc32cCodec, ShardingCodec

from landslide.cube.address import open_group, plain_errors
from landslide.cube.blosc import checked
from landslide.cube.readers import (
    CONCURRENCY,
    TENSORSTORE,
    pipeline,
    tensorstore_context,
    tensorstore_error,
    tensorstore_spec,
)

log = logging.getLogger(__name__)

DAMAGE, AS_NO_DATA = "damage", "no-data"
MISSING = (DAMAGE, AS_NO_DATA)
"""What a chunk counts as that the store lacks: lost, or all fill value, as Zarr says."""

OTHERWISE = "fused"
"""Reads every array that zarr reads."""

_sharing = threading.Lock()
"""Held while what a process has once is had: a cache alone lets threads that come first together
each make their own."""


class UnfitReaderError(ValueError):
    """A reader that lacks what an array needs: a codec, mostly."""


@functools.lru_cache(maxsize=256)
def zarr_array(uri: str, path: str, _token: str) -> zarr.Array[Any]:
    """Open an array once in each process, for what its metadata say."""
    array = open_group(uri)[path]
    assert isinstance(array, zarr.Array)
    return array


@functools.lru_cache(maxsize=256)
def opened(uri: str, path: str, reader: str, missing: str, token: str) -> Any:
    """Open an array once in each process: a TensorStore, or a zarr array.

    What the reader cannot read, zarr's fused pipeline reads.
    """
    try:
        return opened_by(uri, path, reader, missing, token)
    except UnfitReaderError as error:
        log.warning("%s; it is read by %s", error, OTHERWISE)
        return opened_by(uri, path, OTHERWISE, missing, token)


def opened_by(uri: str, path: str, reader: str, missing: str, token: str) -> Any:
    """Open an array by one reader and no other.

    Raises
    ------
    UnfitReaderError
        Where the reader cannot read it.
    ConnectionError, PermissionError
        Where the store cannot be reached, or refuses.
    """
    by = _by_tensorstore if reader == TENSORSTORE else _by_zarr
    try:
        with plain_errors(uri):
            return by(uri, path, reader, missing, token)
    except ValueError as error:
        raise UnfitReaderError(f"{path} of {uri} cannot be read by {reader}: {error}") from error


def _by_tensorstore(uri: str, path: str, _reader: str, missing: str, token: str) -> Any:
    tensorstore = importlib.import_module("tensorstore")
    spec = tensorstore_spec(uri, path, zarr_array(uri, path, token).metadata.zarr_format)
    spec["fill_missing_data_reads"] = missing != DAMAGE
    with _sharing:
        context = shared_context()
    return waited(tensorstore.open(spec, read=True, open=True, context=context))


def _by_zarr(uri: str, path: str, reader: str, missing: str, token: str) -> zarr.Array[Any]:
    array = zarr_array(uri, path, token)
    if reader == "zarrs":
        codecs = getattr(array.metadata, "codecs", ())
        if any(isinstance(codec, Crc32cCodec | ShardingCodec) for codec in codecs):
            raise ValueError("it checks no checksum where it reads a part of a chunk")
        if not array.dtype.isnative:
            raise ValueError("it takes no other byte order than this machine's")
    settings: Any = {
        "read_missing_chunks": missing != DAMAGE or reader == "zarrs",
        "sharding_coalesce_max_gap_bytes": 0,  # no byte that nobody asked for
    }
    with pipeline(reader):
        if reader == "zarrs":  # has decoders of its own
            return array.with_config(settings)
        minding = zarr.AsyncArray(checked(array.metadata), array.store_path, array.config)
        return zarr.Array(minding.with_config(settings))


def waited(future: Any) -> Any:
    """Wait for TensorStore; its errors come in types that say what they are."""
    try:
        return future.result()
    except ValueError as error:
        raise tensorstore_error(error) from error


@functools.cache
def shared_context() -> Any:
    """Return what all of TensorStore's arrays in this process share."""
    return importlib.import_module("tensorstore").Context(tensorstore_context())


def requested[Answer](call: Callable[..., Answer], *given: Any) -> Future[Answer]:
    """Begin a call in the threads that wait for stores."""
    with _sharing:
        return requests().submit(call, *given)


@functools.cache
def requests() -> ThreadPoolExecutor:
    """Return the threads in which zarr waits for stores that are not disks."""
    return ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="request")

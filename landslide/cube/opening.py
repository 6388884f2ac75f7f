"""Arrays opened for reading, once in each process, by the reader that was chosen for them."""

import functools
import importlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import zarr
from zarr.codecs import Crc32cCodec, ShardingCodec

from landslide.cube.address import open_group, plain_errors
from landslide.cube.readers import (
    CONCURRENCY,
    PIPELINES,
    TENSORSTORE,
    tensorstore_context,
    tensorstore_error,
    tensorstore_spec,
)

log = logging.getLogger(__name__)

DAMAGE, AS_NO_DATA = "damage", "no-data"
MISSING = (DAMAGE, AS_NO_DATA)
"""What a chunk counts as that the store lacks: lost, or all fill value, as Zarr says."""

_opening = threading.Lock()


@functools.lru_cache(maxsize=256)
def zarr_array(uri: str, path: str, _token: str) -> zarr.Array[Any]:
    """Open an array once in each process, for what its metadata say."""
    array = open_group(uri)[path]
    assert isinstance(array, zarr.Array)
    return array


@functools.lru_cache(maxsize=256)
def opened(uri: str, path: str, reader: str, missing: str, token: str) -> Any:
    """Open an array once in each process: a TensorStore, or a zarr array."""
    if reader == TENSORSTORE:
        tensorstore = importlib.import_module("tensorstore")
        array = zarr_array(uri, path, token)
        spec = tensorstore_spec(uri, path, array.metadata.zarr_format)
        spec["fill_missing_data_reads"] = missing != DAMAGE
        try:
            with plain_errors(uri):
                opening = tensorstore.open(spec, read=True, open=True, context=_shared())
                return waited(opening)
        except ValueError as error:
            log.info("%s of %s is read by fused: %s", path, uri, error)
    settings: Any = {
        "read_missing_chunks": missing != DAMAGE or reader == "zarrs",
        "sharding_coalesce_max_gap_bytes": 0,  # no byte that nobody asked for
    }
    zarr.config.set({"async.concurrency": CONCURRENCY})
    array = zarr_array(uri, path, token)
    # TensorStore lacks some codecs. zarrs takes no other byte order than this machine's, and
    # checks no checksum where it reads a part of a chunk or of a shard, as at a scene's edge.
    codecs = getattr(array.metadata, "codecs", ())
    odd = any(isinstance(codec, Crc32cCodec | ShardingCodec) for codec in codecs)
    odd |= not array.dtype.isnative
    unfit = reader == TENSORSTORE or (reader == "zarrs" and odd)
    pipeline = PIPELINES["fused" if unfit else reader]
    # zarr takes it from its configuration, which is the process's, as it makes an array.
    with _opening, zarr.config.set({"codec_pipeline.path": pipeline}):
        return array.with_config(settings)


def waited(future: Any) -> Any:
    """Wait for TensorStore; its errors come in types that say what they are."""
    try:
        return future.result()
    except ValueError as error:
        raise tensorstore_error(error) from error


@functools.cache
def _shared() -> Any:
    return importlib.import_module("tensorstore").Context(tensorstore_context())


@functools.cache
def requests() -> ThreadPoolExecutor:
    """Return the threads in which zarr waits for stores that are not disks."""
    return ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="request")

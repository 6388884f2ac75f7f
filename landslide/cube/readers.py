"""The ways to read an array of a Zarr store, fastest first, and which of them fits.

TensorStore decodes fastest by far, but brings its own network clients and credentials: it reads
what lies on a disk, and servers that ask for none. zarr reads everything else, with the fastest of
its codec pipelines. All give the same bits.
"""

import importlib.util
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec
import zarr

from landslide.cube.address import UNLISTED, is_remote, is_zip
from landslide.cube.retries import ATTEMPTS, RangesIgnoredError
from landslide.storage import absolute

log = logging.getLogger(__name__)

AUTO, TENSORSTORE = "auto", "tensorstore"
PIPELINES: Mapping[str, str] = MappingProxyType(
    {
        "zarrs": "zarrs.ZarrsCodecPipeline",
        "fused": "zarr.core.codec_pipeline.FusedCodecPipeline",
        "plain": "zarr.core.codec_pipeline.BatchedCodecPipeline",
    }
)
READERS = (TENSORSTORE, *PIPELINES)
"""What `open_cube(reader=…)` takes beside `auto`."""

CONCURRENCY = 32  # requests under way at once to a store that is not a disk
# zarr asks its configuration at every read, the process's: no array has its own. As a default, it
# gives way to what a user chose.
zarr.config.update_defaults({"async": {"concurrency": CONCURRENCY}})
HTTP_RETRIES = {"max_retries": ATTEMPTS, "initial_delay": "200ms", "max_delay": "10s"}
INDEX_CACHE_BYTES = 1 << 24  # of shards' indices, so that each is fetched once

_configuring = threading.Lock()


def fits(reader: str, uri: str) -> str | None:
    """Say why a reader does not fit an address; None where it does."""
    if reader in (TENSORSTORE, "zarrs") and importlib.util.find_spec(reader) is None:
        return f"{reader} is not installed"
    if reader == "zarrs" and (is_zip(uri) or is_remote(uri)):
        return "it reads local disks"
    if reader == TENSORSTORE and is_zip(uri):
        return "it reads no zip archive"
    if reader == TENSORSTORE and is_remote(uri):
        if not uri.startswith(UNLISTED):
            return "it does not take fsspec's credentials"
        if any(fsspec.config.conf.get(scheme) for scheme in ("http", "https")):
            return "it does not take fsspec's settings for http"
    return None


def choose_reader(uri: str, wanted: str = AUTO) -> str:
    """Return the fastest reader that fits an address, or the one that is wanted.

    Raises
    ------
    ValueError
        Where the wanted one is unknown, not installed, or does not fit.
    """
    if wanted == AUTO:
        chosen = next(reader for reader in READERS if fits(reader, uri) is None)
        log.info("%s is read by %s", uri, chosen)
        return chosen
    if wanted not in READERS:
        raise ValueError(f"no reader {wanted!r}: choose auto, {', '.join(READERS)}")
    reason = fits(wanted, uri)
    if reason is not None:
        raise ValueError(
            f"{uri} cannot be read by {wanted}: {reason}; choose reader 'auto' (--reader)"
        )
    return wanted


@contextmanager
def pipeline(reader: str) -> Iterator[None]:
    """Have zarr give a pipeline to the arrays that are made meanwhile, by one thread at a time.

    It takes the pipeline from its configuration, the process's, as it makes an array. Two threads
    that change that at once would each put back what it found, one of them the other's.
    """
    with _configuring, zarr.config.set({"codec_pipeline.path": PIPELINES[reader]}):
        yield


def tensorstore_spec(uri: str, path: str, zarr_format: int) -> dict[str, Any]:
    """Return what TensorStore needs to know of the array at `path` in the group at `uri`."""
    kvstore: dict[str, Any] = {"driver": "file", "path": f"{absolute(uri)}/{path}/"}
    if is_remote(uri):
        server = urlsplit(uri.rstrip("/"))
        kvstore = {"driver": "http", "base_url": f"{server.scheme}://{server.netloc}"}
        kvstore["path"] = f"{unquote(server.path)}/{path}/"  # which TensorStore encodes itself
    return {
        "driver": "zarr" if zarr_format == 2 else "zarr3",
        "kvstore": kvstore,
        "recheck_cached_data": "open",
    }


def tensorstore_context() -> dict[str, Any]:
    """Return what all of TensorStore's arrays in a process share."""
    return {
        "cache_pool": {"total_bytes_limit": INDEX_CACHE_BYTES},
        "http_request_concurrency": {"limit": CONCURRENCY},
        "http_request_retries": HTTP_RETRIES,
    }


_PLACE = re.compile(r'.*(?:https?://\S+|local file ".*?"): ')
_REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED")
_LOST = ("NOT_FOUND", "OUT_OF_RANGE")
_UNREACHED = ("ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")


def tensorstore_error(error: ValueError) -> Exception:
    """Return what TensorStore means by an error: it raises one type for all that may happen.

    The place is left out of the text, since who reads a chunk names it.
    """
    text = " ".join(str(error).split()).partition(" [tensorstore_spec=")[0]
    status, reason = text.partition(":")[0], _PLACE.sub("", text)
    if "was ignored by server" in text:
        return RangesIgnoredError(reason)
    if status in _REFUSED:
        return PermissionError(reason)
    if status in _UNREACHED or ("[HTTP code" in text and status not in _LOST):
        return ConnectionError(reason)
    return ValueError(reason)

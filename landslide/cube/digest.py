"""A cube's digest: its metadata, its labels, and its chunks as the store lists them."""

import base64
import binascii
import hashlib
import json
import posixpath
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype

from landslide.cube.address import METADATA_FILES, UNLISTED, filesystem_of, open_group, plain_errors
from landslide.cube.labels import label_bands
from landslide.cube.opening import AS_NO_DATA
from landslide.retries import patiently


def _metadata(node: zarr.Group | zarr.Array[Any]) -> dict[str, Any]:
    """Return a node's metadata documents without the copies that consolidation makes."""
    documents = node.metadata.to_buffer_dict(default_buffer_prototype())
    parsed = {name: json.loads(buffer.to_bytes()) for name, buffer in documents.items()}
    parsed.pop(".zmetadata", None)
    if "zarr.json" in parsed:
        parsed["zarr.json"].pop("consolidated_metadata", None)
    return parsed


def _tag(details: dict[str, Any]) -> str:
    """Return what a listing says of an object's content: its MD5, else its etag, else its size.

    A cloud store's etag of an object written in one piece is its MD5; Google's etag is not, but
    it lists the MD5 beside it. So the same object has the same tag in both.
    """
    if "md5Hash" in details:
        return binascii.hexlify(base64.b64decode(details["md5Hash"])).decode()
    etag = details.get("ETag", details.get("etag"))
    return str(etag).strip('"') if etag else str(details.get("size"))


def _chunk_tags(uri: str, arrays: list[str]) -> dict[str, str]:
    """Return the tag of each chunk's key; empty where the address cannot be listed."""
    if uri.startswith(UNLISTED):
        return {}
    filesystem, root = filesystem_of(uri)
    filesystem.invalidate_cache()
    prefix = f"{root}/" if root else ""
    tags = {}
    found = patiently(lambda: filesystem.find(root, detail=True))
    for path, details in found.items():
        key = path.removeprefix(prefix)
        of_array = any(key.startswith(f"{array}/") for array in arrays)
        if of_array and posixpath.basename(key) not in METADATA_FILES:
            tags[key] = _tag(details)
    return tags


def label_digest(labels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of a label plane `(y, x)`: a copy has it in any layout."""
    digest = hashlib.sha256()
    _add_labels([digest], labels.shape, [labels])
    return digest.hexdigest()


def _add_labels(
    digests: Sequence[Any], shape: tuple[int, ...], bands: Iterable[NDArray[np.uint8]]
) -> None:
    """Add a label plane, which is read once, to each of some digests."""
    for digest in digests:
        digest.update(f"{shape} uint8".encode())
    for band in bands:
        for digest in digests:
            digest.update(np.ascontiguousarray(band).data)


def how_read(cube: xr.Dataset, *, skip_damaged: bool = False) -> list[str]:
    """Return what makes an opened cube another than is stored: what lets a damaged one pass."""
    missing = [AS_NO_DATA] if cube.encoding.get("missing") == AS_NO_DATA else []
    return missing + (["skip-damaged"] if skip_damaged else [])


def opened_digests(cube: xr.Dataset, *, skip_damaged: bool = False) -> tuple[str, str | None]:
    """Return the `cube_digest` of an opened cube, as its rows have it, and its `label_digest`.

    Its labels are read a band at a time. Where they cannot be read, as where there are none, the
    first is that of a cube without, and the second is None.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it.
    skip_damaged : bool
        Whether what damaged chunks held is left out.

    Raises
    ------
    FileNotFoundError, PermissionError, ConnectionError, ValueError
        As `open_cube` does.
    """
    read_as = how_read(cube, skip_damaged=skip_damaged)
    stored = _stored(str(cube.encoding["source"]))
    digest, of_labels = stored.copy(), hashlib.sha256()
    try:
        _add_labels([digest, of_labels], (cube.sizes["y"], cube.sizes["x"]), label_bands(cube))
    except ValueError:  # damage is one, too
        return _finished(stored, read_as), None
    return _finished(digest, read_as), of_labels.hexdigest()


def cube_digest(
    uri: str, labels: NDArray[np.uint8] | None = None, read_as: Sequence[str] = ()
) -> str:
    """Return the SHA-256 (hexadecimal) of what determines a score that the cube leads to.

    It covers the Zarr metadata, the label plane, and each chunk's key with what the store lists
    of it: its MD5 or etag in a bucket, its size on a disk; an address that cannot be listed, such
    as https, gives the metadata and the labels alone. It does not depend on the order of a listing,
    on whether metadata is consolidated, or on the address within one of these three kinds: the
    same cube has another digest in a bucket than on a disk. No chunk is read, so that a cube on a
    disk keeps its digest where its pixels are replaced by others in chunks of the same sizes, as
    all chunks of an uncompressed cube are.

    Parameters
    ----------
    uri
        Address of the cube.
    labels
        The label plane `(y, x)` of `read_labels`, or None where the cube has none that can be read.
    read_as
        What else changes the values that are read, as `how_read` says it.

    Raises
    ------
    FileNotFoundError, PermissionError, ConnectionError, ValueError
        As `open_cube` does.
    """
    digest = _stored(uri)
    if labels is not None:
        _add_labels([digest], labels.shape, [labels])
    return _finished(digest, read_as)


def _stored(uri: str) -> Any:
    """Return the hash so far of what lies at an address: its metadata, and its chunks' tags."""
    with warnings.catch_warnings(), plain_errors(uri):
        warnings.simplefilter("ignore")
        group = open_group(uri)
        members = dict(sorted(group.members(max_depth=None)))
        metadata = {path: _metadata(node) for path, node in {"": group, **members}.items()}
        arrays = [path for path, node in members.items() if isinstance(node, zarr.Array)]
        chunks = _chunk_tags(uri, arrays)
    digest = hashlib.sha256()
    digest.update(json.dumps([metadata, chunks], sort_keys=True).encode())
    return digest


def _finished(digest: Any, read_as: Sequence[str]) -> str:
    if read_as:
        digest.update(json.dumps(list(read_as)).encode())
    return digest.hexdigest()

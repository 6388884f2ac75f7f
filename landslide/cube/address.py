"""From the address of a cube to its Zarr group, on any filesystem that fsspec knows.

Credentials and endpoints come from fsspec's own configuration and from the environment
(`AWS_…`, `GOOGLE_APPLICATION_CREDENTIALS`, `FSSPEC_GS_TOKEN`, …), never from an option of ours.
"""

import errno
import gzip
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
import zarr
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore

from landslide.cube.retries import RangesIgnoredError, RetryingStore
from landslide.storage import StoreError, absolute

ROOT = "zarr.json"
GROUP_FILES = (".zgroup", ROOT)
ROOT_FILES = (*GROUP_FILES, ".zmetadata")
"""Written last and removed first: with them a reader finds a group."""
METADATA_FILES = (*ROOT_FILES, ".zarray", ".zattrs")
UNLISTED = ("http://", "https://")
UNDECODED = (
    *(RuntimeError, ValueError, TypeError, LookupError, EOFError),
    *(zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile),
)
"""What libraries raise of bytes in a store that are not what they should be."""
UNOPENED = (*UNDECODED, AttributeError, ArithmeticError, SystemError, struct.error)
"""What they raise of metadata and coordinates that are not."""
_DENIED = re.compile(r"Credential|Permission|Forbidden|Unauthorized|\b401\b|\b403\b|AccessDenied")
_AWAY = re.compile(r"Connection|Timeout|ParamValidation")  # the last: S3 knows no such bucket name
_LACKING = re.compile(r"missing \d+ required positional")  # of a filesystem's own __init__
_PLACE = re.compile(r"\w+://\S+|\S+:\d+")  # a port or a key may look like a status
_SAID = "_landslide_said"
"""Attribute of errors that are in plain words already; it goes with them between processes."""


def is_zip(uri: str) -> bool:
    """Return whether the address means a zip archive that holds a cube."""
    return uri.startswith("zip::") or uri.rstrip("/").lower().endswith(".zip")


def zip_filesystem(uri: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the filesystem inside the zip at `uri`, and the folder of the cube in it.

    Zenodo serves `NAME.zip` with `NAME.zarr/` inside; a cube at the top is found too.

    Raises
    ------
    ValueError
        Where it is no zip, or holds no Zarr group, or several.
    """
    archive = uri.removeprefix("zip::")
    try:
        filesystem = fsspec.filesystem("zip", fo=archive)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive} is not a whole zip archive: fetch it again") from error
    folders = {
        posixpath.dirname(name)
        for name in filesystem.find("")
        if posixpath.basename(name) in GROUP_FILES and not name.startswith("__MACOSX")
    }
    # Version 3 keeps an array's metadata under the group's file name, but deeper.
    depth = min((_depth(folder) for folder in folders), default=0)
    cubes = sorted(folder for folder in folders if _depth(folder) == depth)
    if len(cubes) != 1:
        found = f"holds {len(cubes)} ({', '.join(cubes[:4])})" if cubes else "holds no Zarr group"
        raise ValueError(f"{archive} {found}: give a zip archive with one cube, or unpack it")
    return filesystem, cubes[0]


def _depth(folder: str) -> int:
    return len(folder.split("/")) if folder else 0


def filesystem_of(uri: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the synchronous filesystem of a cube's address, and the cube's path on it."""
    address = absolute(uri)
    if is_zip(address):
        return zip_filesystem(address)
    filesystem, path = fsspec.core.url_to_fs(address)
    return filesystem, path.rstrip("/")


def is_remote(uri: str) -> bool:
    """Return whether a cube, or the zip archive around it, lies elsewhere than on a disk."""
    # Asked at every read: with its zip:: fsspec would open the archive each time.
    filesystem, _ = fsspec.core.url_to_fs(absolute(uri.removeprefix("zip::")))
    return not isinstance(filesystem, LocalFileSystem)


def _store(uri: str) -> Store:
    """Return a Zarr store that a Dask worker can be sent."""
    address = absolute(uri)
    if is_zip(address):
        filesystem, folder = zip_filesystem(address)
        wrapped = AsyncFileSystemWrapper(filesystem, asynchronous=True)
        return RetryingStore(FsspecStore(wrapped, read_only=True, path=folder))
    filesystem, path = fsspec.core.url_to_fs(address)
    if isinstance(filesystem, LocalFileSystem):
        return LocalStore(path, read_only=True)
    return RetryingStore(FsspecStore.from_url(address, read_only=True))


def writable_store(uri: str) -> Store:
    """Return the Zarr store at an address, to write to; requests are made again as for reading."""
    address = absolute(uri)
    if is_remote(address):
        return RetryingStore(FsspecStore.from_url(address))
    return LocalStore(address)


def _exists(uri: str) -> bool:
    filesystem, path = filesystem_of(uri)
    return bool(filesystem.exists(path))


@contextmanager
def plain_errors(uri: str) -> Iterator[None]:
    """Turn what filesystems raise into one line that names the address and the way out.

    What such a context raised passes those around it as it is, of whatever address they are.
    """
    try:
        yield
    except Exception as error:
        told = None if _SAID in vars(error) else _told(uri, error)
        if told is None:
            raise
        raise _said(told) from error


def _said[Error: Exception](error: Error) -> Error:
    vars(error)[_SAID] = True
    return error


def _told(uri: str, error: Exception) -> Exception | None:
    """Return what an error means at an address; None where it stands as it is."""
    if isinstance(error, StoreError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    if isinstance(error, ValueError):
        if "Protocol not known" not in str(error):
            return None
        return ValueError(
            f"{uri}: fsspec knows no such kind of address; use a local path, gs://, s3:// or "
            "https://"
        )
    if isinstance(error, TypeError) and _LACKING.search(str(error)):
        return ValueError(
            f"{uri}: fsspec reaches no such place by its address alone; use a local path, gs://, "
            "s3:// or https://"
        )
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(
            f"no cube at {uri}: there is no such address; check the spelling, or fetch or "
            "simulate a cube there"
        )
    if isinstance(error, ImportError):
        return ValueError(f"{uri}: {' '.join(str(error).split())}")
    return _told_of_a_store(uri, error)


def _told_of_a_store(uri: str, error: Exception) -> Exception | None:
    if isinstance(error, RangesIgnoredError):
        return ConnectionError(
            f"{uri} cannot be read: its server ignores requests for parts of an object, which "
            "a cube in shards needs; serve it with another, or fetch it"
        )
    summary = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if _DENIED.search(_PLACE.sub("", summary)):
        return PermissionError(
            f"{uri}: access refused ({summary[:200]}); set the store's credentials in the "
            "environment or in fsspec's configuration"
        )
    if isinstance(error, OSError) or _AWAY.search(summary):
        return ConnectionError(
            f"{uri} cannot be reached ({summary[:200]}); check the address and the network"
        )
    return None


@contextmanager
def plain_write_errors(uri: str) -> Iterator[None]:
    """Do the same where something is written at the address."""
    with plain_errors(uri):
        try:
            yield
        except OSError as error:
            if error.errno is None or is_remote(uri):
                raise
            where = f": {error.filename}" if error.filename else ""
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            hint = "make room and run again, or " if full else ""
            raise _said(
                OSError(
                    f"{uri} cannot be written ({error.strerror}{where}); {hint}choose another "
                    "address"
                )
            ) from error


def unreadable(uri: str, error: Exception) -> ValueError:
    """Return the error of a cube whose metadata or coordinates a library cannot make sense of."""
    said = " ".join(f"{type(error).__name__}: {error}".split()).partition(". ")[0]
    hint = "mend that, or write or fetch the cube again"
    if "determine variable dimensions" in said:
        hint = "its arrays do not name their dimensions; write it with xarray, which does"
    return ValueError(f"{uri} is not a cube that can be read ({said[:200]}): {hint}")


def open_group(uri: str) -> zarr.Group:
    """Open the Zarr group of a cube for reading, with consolidated metadata where it has them.

    Raises
    ------
    FileNotFoundError
        Where there is no such address.
    PermissionError, ConnectionError
        Where the address cannot be read.
    ValueError
        Where something else than a Zarr group lies there, or a damaged one.
    """
    with plain_errors(uri):
        store: Any = _store(uri)
        try:
            return zarr.open_group(store, mode="r")
        except (zarr.errors.NodeNotFoundError, zarr.errors.ContainsArrayError) as error:
            if not _exists(uri):
                raise FileNotFoundError(uri) from error
            raise ValueError(
                f"{uri} is not a cube: no Zarr group lies there; give the folder that ends in "
                ".zarr, or the .zip around it"
            ) from error
        except UNOPENED as error:
            raise unreadable(uri, error) from error

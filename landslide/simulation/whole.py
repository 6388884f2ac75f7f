"""Write a folder of files whole or not at all, on any filesystem that fsspec knows."""

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from landslide.cube.address import ROOT_FILES, plain_write_errors
from landslide.storage import Address, absolute, read_bytes, remove_all, replace_folder, write_whole

MARK = ".simulate"
"""Object that says which run copies here, should it be killed half-way; it goes when all is there.
"""


@contextmanager
def written_whole(uri: Address, *, overwrite: bool) -> Iterator[str]:
    """Give a local folder to write a Zarr group into, and put it at `uri` when all went well.

    On a disk the folder lies beside `uri` and is renamed. An object store has no rename, so the
    group is written to a temporary folder and copied, what makes it a group last: until then a
    reader finds no Zarr there. What a failed copy left is removed; what a stopped one left is known
    by a mark, and goes when it is overwritten. A copy that goes on and is overwritten ends in an
    error.

    Raises
    ------
    FileExistsError
        Where something lies at `uri`, now or when all went well, and `overwrite` is not set, or it
        is neither Zarr nor what a stopped copy left.
    ValueError
        Where another run has begun to copy there, too.
    OSError
        Where it cannot be written, or its folder cannot be made.
    """
    uri = absolute(uri)
    with plain_write_errors(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
    _require_free(uri, overwrite=overwrite)
    if not isinstance(filesystem, LocalFileSystem):
        with tempfile.TemporaryDirectory() as folder:
            yield folder
            _require_free(uri, overwrite=overwrite)
            with plain_write_errors(uri):
                _copy(Path(folder), uri)
        return
    target = Path(path)
    with plain_write_errors(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        yield str(unfinished)
        _require_free(uri, overwrite=overwrite)
        replace_folder(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _require_free(uri: str, *, overwrite: bool) -> None:
    with plain_write_errors(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
        filesystem.invalidate_cache()
        zarr = any(filesystem.exists(f"{path}/{name}") for name in ROOT_FILES)
        left = not zarr and filesystem.exists(f"{path}/{MARK}")
        there = zarr or left or filesystem.exists(path)
    if there and not overwrite:
        what = "holds part of a cube, of a run that was stopped or goes on" if left else "exists"
        raise FileExistsError(
            f"{uri} {what}: choose another address, or overwrite it (--overwrite)"
        )
    if there and not zarr and not left:
        raise FileExistsError(f"{uri} exists and is no Zarr: choose another address")


def _copy(folder: Path, uri: str) -> None:
    filesystem, path = fsspec.core.url_to_fs(uri)
    mine = uuid.uuid4().hex.encode()
    files = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    write_whole(f"{uri}/{MARK}", mine)
    _clear(uri)
    try:
        for last in (False, True):
            part = [file for file in files if (str(file) in ROOT_FILES) is last]
            _require_mine(uri, mine)
            # As two lists: many at once, and no name is taken for a pattern.
            filesystem.put(
                [str(folder / file) for file in part],
                [f"{path}/{file.as_posix()}" for file in part],
            )
    except BaseException as error:
        with contextlib.suppress(Exception):  # what went wrong is to be told, and at once
            _require_mine(uri, mine)
            _clear(uri, patient=False)
            if isinstance(error, Exception):  # else what was begun may go on, so the mark stays
                remove_all(uri, patient=False)
        raise
    remove_all(f"{uri}/{MARK}")


def _require_mine(uri: str, mine: bytes) -> None:
    try:
        found = read_bytes(f"{uri}/{MARK}")
    except FileNotFoundError:
        found = b""
    if found != mine:
        raise ValueError(f"{uri} is written by another run, too: choose another address")


def _clear(uri: str, *, patient: bool = True) -> None:
    """Remove all but the mark, first what makes it a group."""
    for name in ROOT_FILES:
        remove_all(f"{uri}/{name}", patient=patient)
    filesystem, path = fsspec.core.url_to_fs(uri)
    filesystem.invalidate_cache()
    for one in filesystem.ls(path, detail=False):
        name = one.rstrip("/").rpartition("/")[2]
        if name != MARK:
            remove_all(f"{uri}/{name}", patient=patient)

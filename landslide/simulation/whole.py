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

from landslide.cube.address import plain_write_errors
from landslide.storage import absolute, remove_all, replace_folder

LAST = (".zmetadata", ".zgroup", "zarr.json")
"""What makes a folder a Zarr group: an object store gets it when all else is there."""


@contextmanager
def written_whole(uri: str, *, overwrite: bool) -> Iterator[str]:
    """Give a local folder to write a Zarr group into, and put it at `uri` when all went well.

    On a disk the folder lies beside `uri` and is renamed. An object store has no rename, so the
    group is written to a temporary folder and copied, what makes it a group last: until then a
    reader finds no Zarr there, and what a failed copy left is removed.

    Raises
    ------
    FileExistsError
        Where something lies at `uri` and `overwrite` is not set.
    OSError
        Where its folder cannot be made.
    """
    uri = absolute(uri)
    with plain_write_errors(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
        there = filesystem.exists(path)
        zarr = there and any(filesystem.exists(f"{path}/{name}") for name in LAST)
    if there and not overwrite:
        raise FileExistsError(f"{uri} exists: choose another address, or --overwrite it")
    if there and not zarr:
        raise FileExistsError(f"{uri} exists and is no Zarr: choose another address")
    if not isinstance(filesystem, LocalFileSystem):
        with tempfile.TemporaryDirectory() as folder:
            yield folder
            _copy(Path(folder), uri)
        return
    target = Path(path)
    with plain_write_errors(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        yield str(unfinished)
        replace_folder(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _copy(folder: Path, uri: str) -> None:
    filesystem, path = fsspec.core.url_to_fs(uri)
    remove_all(uri)
    files = sorted(
        (file.relative_to(folder) for file in folder.rglob("*") if file.is_file()),
        key=lambda file: str(file) in LAST,
    )
    try:
        for file in files:
            filesystem.put_file(str(folder / file), f"{path}/{file.as_posix()}")
    except BaseException:
        with contextlib.suppress(Exception):  # what went wrong is to be told, and at once
            remove_all(uri, patient=False)
        raise

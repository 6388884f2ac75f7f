"""A cube that is being written: what of it is there, and nothing that opens before it is whole.

What makes a folder a Zarr group, its `zarr.json`, is written last. On a disk the cube grows beside
its address and is renamed; an object store has no rename, so there it grows in place.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import Store

from landslide.chips.layout.records import PROGRESS, records
from landslide.cube.address import (
    ROOT,
    ROOT_FILES,
    UNLISTED,
    filesystem_of,
    is_zip,
    plain_write_errors,
    writable_store,
)
from landslide.errors import differing
from landslide.storage import (
    absolute,
    read_bytes,
    remove,
    remove_all,
    replace_folder,
    write_whole,
)

PLAN_NAME = "plan.json"
PLAN = f"{PROGRESS}/{PLAN_NAME}"


@dataclass(frozen=True)
class Unfinished:
    """Where a cube is to be, and where it grows."""

    out: str
    """Its address."""
    growing: str
    """The address that it has until it is whole: beside `out` on a disk, else `out` itself."""

    def store(self) -> Store:
        """Return the growing cube as a Zarr store to write to."""
        return writable_store(self.growing)


def grow_at(out: str, source: str) -> Unfinished:
    """Return where a cube grows that is to be at `out`.

    Raises
    ------
    ValueError
        Where nothing can be written there, or the source lies there.
    """
    if is_zip(out) or out.startswith(UNLISTED):
        raise ValueError(f"{out}: nothing can be written there; give a folder or a bucket's prefix")
    out, source = absolute(out), absolute(source)
    real = [path if "://" in path else os.path.realpath(path) for path in (out, source)]
    if f"{real[0]}/".startswith(f"{real[1]}/") or f"{real[1]}/".startswith(f"{real[0]}/"):
        raise ValueError(f"{out} is where the source lies: choose another address for the copy")
    with plain_write_errors(out):
        filesystem, _ = fsspec.core.url_to_fs(out)
    on_disk = isinstance(filesystem, LocalFileSystem)
    return Unfinished(out, f"{out}.part" if on_disk else out)


def begin(cube: Unfinished, plan: Mapping[str, Any], *, overwrite: bool) -> dict[str, Any]:
    """Begin a cube, or go on with the one that the same plan began.

    Returns
    -------
    dict
        The record of each region that is there, by its key.

    Raises
    ------
    FileExistsError
        Where something else is in the way, and `overwrite` is not set.
    PermissionError, ConnectionError
        Where the address cannot be written.
    """
    wanted = json.loads(json.dumps(plan))
    with plain_write_errors(cube.out):
        begun = _plan(cube)
        there, is_zarr = _found(cube.out)
        growing, _ = _found(cube.growing)
    if growing and begun is None and cube.growing != cube.out:
        raise FileExistsError(f"{cube.growing} is in the way and was not begun here: move it away")
    if there and (begun is None or cube.growing != cube.out):
        if not overwrite:
            raise FileExistsError(
                f"{cube.out} exists: choose another address, or overwrite it (--overwrite)"
            )
        if not is_zarr:
            raise FileExistsError(f"{cube.out} exists and is no Zarr: choose another address")
    if begun not in (None, wanted) and not overwrite:
        others = ", ".join(differing(begun if isinstance(begun, dict) else {}, wanted))
        raise FileExistsError(
            f"{cube.growing} was begun from another cube or with other options ({others}): give "
            "the same to go on, or overwrite it (--overwrite) to begin again"
        )
    with plain_write_errors(cube.out):
        if begun == wanted:
            return records(cube.growing)
        # A plan that is nobody's says whose the rest is, should this be stopped half-way.
        write_whole(f"{cube.growing}/{PLAN}", b"{}")
        _clear(cube.growing)
        write_whole(f"{cube.growing}/{PLAN}", json.dumps(wanted).encode())
        return {}


def _files(address: str) -> tuple[fsspec.AbstractFileSystem, str]:
    filesystem, path = filesystem_of(address)
    filesystem.invalidate_cache()
    return filesystem, path


def _found(address: str) -> tuple[bool, bool]:
    """Return whether something lies at an address, and whether it is a Zarr group."""
    filesystem, path = _files(address)
    is_zarr = any(filesystem.exists(f"{path}/{name}") for name in ROOT_FILES)
    return is_zarr or bool(filesystem.exists(path)), is_zarr


def _plan(cube: Unfinished) -> Any:
    try:
        return json.loads(read_bytes(f"{cube.growing}/{PLAN}"))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _clear(address: str) -> None:
    """Remove all but the plan, first what makes it a group."""
    for name in ROOT_FILES:
        remove(f"{address}/{name}")
    for folder, kept in ((f"{address}/{PROGRESS}", PLAN_NAME), (address, PROGRESS)):
        filesystem, path = _files(folder)
        for one in filesystem.ls(path, detail=False):
            name = one.rstrip("/").rpartition("/")[2]
            if name != kept:
                remove_all(f"{folder}/{name}")


def finish(cube: Unfinished, root: bytes) -> None:
    """Make the cube one, in the place of what was at its address."""
    with plain_write_errors(cube.out):
        write_whole(f"{cube.growing}/{ROOT}", root)
        if cube.growing != cube.out:
            for file in Path(cube.growing).rglob("*.partial"):  # of a write that was killed
                file.unlink()
            replace_folder(cube.growing, cube.out)
        remove_all(f"{cube.out}/{PROGRESS}")

"""Zip archives from elsewhere: unpacked whole or not at all, and nowhere but in their folder."""

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tqdm import tqdm


def refuse_unsafe(archive: zipfile.ZipFile, name: str) -> None:
    """Raise a ValueError where a member would land outside the folder, or is a link."""
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        outside = path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1])
        if outside or stat.S_ISLNK(member.external_attr >> 16):
            raise ValueError(
                f"{name} holds {member.filename!r}, a link or a path outside its folder: "
                "it was not unpacked; do not trust this archive"
            )


def unpack_zip(
    archive: Path, target: Path, wanted: Callable[[Path], Path], *, progress: bool = False
) -> None:
    """Unpack a zip archive, and put what is wanted of it at the folder `target`.

    Parameters
    ----------
    archive, target
    wanted
        Is given the folder that all of it was unpacked to, beside `target`, and returns that or
        the one in it that is wanted.
    progress
        Whether to show a bar on standard error.

    Raises
    ------
    zipfile.BadZipFile
        Where it is damaged.
    ValueError
        Where it would write outside its folder.
    """
    unfinished = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(unfinished, ignore_errors=True)
    name = archive.name.lstrip(".")
    try:
        with zipfile.ZipFile(archive) as opened:
            refuse_unsafe(opened, name)
            members = opened.infolist()
            for member in tqdm(members, desc=f"unpacking {name}", disable=not progress):
                opened.extract(member, unfinished)
        wanted(unfinished).replace(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)

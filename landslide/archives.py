"""Zip archives from elsewhere: unpacked whole or not at all, and nowhere but in their folder."""

import contextlib
import errno
import lzma
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from tqdm import tqdm


@contextlib.contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive to read.

    Raises
    ------
    zipfile.BadZipFile
        Where it is damaged, or packed or locked in a way that is not known here.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise zipfile.BadZipFile(str(error)) from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # bzip2's, and of an offset before the file's start
            raise zipfile.BadZipFile(str(error)) from error
        raise


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
        the one in it that is wanted. What another process put at `target` meanwhile stays.
    progress
        Whether to show a bar on standard error.

    Raises
    ------
    zipfile.BadZipFile
        As `opened_zip` does.
    ValueError
        Where it would write outside its folder.
    """
    name = archive.name.lstrip(".")
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as private:
        unpacked = Path(private) / "unpacked"  # which others may read, as they may not the private
        with opened_zip(archive) as opened:
            refuse_unsafe(opened, name)
            members = opened.infolist()
            for member in tqdm(members, desc=f"unpacking {name}", disable=not progress):
                opened.extract(member, unpacked)
        try:
            wanted(unpacked).replace(target)
        except OSError:
            if not target.is_dir():
                raise

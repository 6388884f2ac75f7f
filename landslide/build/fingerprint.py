"""What tells a source from a changed one."""

import re
from pathlib import Path
from typing import Any

import requests

from landslide.storage import without_secrets

PARTS = (".shx", ".dbf", ".prj", ".cpg", ".tfw")
"""Endings of the files beside a shapefile or a GeoTIFF that say more of it."""


VERSION = ("ETag", "Last-Modified", "Content-Length")
"""What web servers say of a file that changes with it."""
PATIENCE_SECONDS = 20


def fingerprint(address: str, *, ask: bool = False) -> list[Any]:
    """Return what tells a file, a folder or a remote object from a changed one.

    On a disk that is the size and the time: of all files of a folder, of the parts of a shapefile,
    of the archive that a file lies in. What lies elsewhere has its address, and at https://, where
    we `ask` for it, what its server says of its version; an archive's files have a name for each.
    """
    path = _on_disk(address)
    if not path.exists():
        return [without_secrets(address), *(_version(address) if ask else ())]
    if path.is_dir():
        files = [one for one in path.rglob("*") if one.is_file()]
    else:
        beside = [path.with_suffix(end) for end in (*PARTS, *map(str.upper, PARTS))]
        files = [path, *(one for one in beside if one.is_file() and one != path)]
    return sorted([one.name, one.stat().st_size, one.stat().st_mtime_ns] for one in files)


def _on_disk(address: str) -> Path:
    """Return the path that an address means on a disk; of what is packed, its archive's."""
    packed = re.fullmatch(r"(?:zip://|/vsi\w+/)+(.+)", address)
    if packed is None:
        return Path(address)
    path = Path(packed[1].rpartition("!")[0] or packed[1])
    return next((one for one in (path, *path.parents) if one.is_file()), path)


def as_recorded(files: list[Any], recorded: list[Any]) -> list[Any]:
    """Return fingerprints as they are to be compared with those that were recorded.

    Of what a server says nothing now, or said nothing then, nobody knows that it changed: its
    fingerprint is the recorded one.
    """
    if len(files) != len(recorded):
        return files
    return [
        before if _unsaid(now, before) and now[:1] == before[:1] else now
        for now, before in zip(files, recorded, strict=True)
    ]


def _unsaid(now: list[Any], before: list[Any]) -> bool:
    """Return whether one of two fingerprints is an address alone."""
    return any(len(one) == 1 and isinstance(one[0], str) for one in (now, before))


def _version(address: str) -> list[str]:
    """Return what a web server says of a file's version: nothing where it does not answer."""
    if not address.startswith(("http://", "https://")):
        return []
    try:
        answer = requests.head(
            address,
            allow_redirects=True,
            headers={"Accept-Encoding": "identity"},  # the size of the file, not of its answer
            timeout=PATIENCE_SECONDS,
        )
    except requests.RequestException:  # who reads the file will say it better
        return []
    return [answer.headers[one] for one in VERSION if answer.ok and one in answer.headers]

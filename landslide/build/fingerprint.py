"""What tells a source from a changed one."""

import re
from pathlib import Path
from typing import Any

from landslide.build.access import shown

PARTS = (".shx", ".dbf", ".prj", ".cpg", ".tfw")
"""Endings of the files beside a shapefile or a GeoTIFF that say more of it."""


def fingerprint(address: str) -> list[Any]:
    """Return what tells a file, a folder or a remote object from a changed one.

    On a disk that is the size and the time: of all files of a folder, of the parts of a shapefile,
    of the archive that a file lies in. What lies elsewhere has its address.
    """
    packed = re.fullmatch(r"zip://(.+)!/.+", address)
    path = Path(packed[1] if packed else address)
    if not path.exists():
        return [shown(address)]
    if path.is_dir():
        files = [one for one in path.rglob("*") if one.is_file()]
    else:
        beside = [path.with_suffix(end) for end in (*PARTS, *map(str.upper, PARTS))]
        files = [path, *(one for one in beside if one.is_file() and one != path)]
    return sorted([one.name, one.stat().st_size, one.stat().st_mtime_ns] for one in files)

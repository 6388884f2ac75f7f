"""Which regions of a growing cube are there: a small JSON object for each."""

import json
from collections.abc import Mapping
from typing import Any

from landslide.cube.address import filesystem_of
from landslide.storage import remove, write_whole

PROGRESS = ".optimize"
"""Folder in the growing cube that goes when it is whole."""
DONE = f"{PROGRESS}/done"


def records(growing: str) -> dict[str, Any]:
    """Return the record of each region that is there, by its key."""
    filesystem, path = filesystem_of(f"{growing}/{DONE}")
    filesystem.invalidate_cache()
    found = [file for file in filesystem.find(path) if file.endswith(".json")]
    # Not `cat`, which takes a bracket in a path for a pattern.
    nothing = [None] * len(found)
    contents = filesystem.cat_ranges(found, nothing, nothing, on_error="raise")
    return {
        file.removeprefix(f"{path}/").removesuffix(".json"): json.loads(content)
        for file, content in zip(found, contents, strict=True)
    }


def record(growing: str, key: str, done: Mapping[str, Any]) -> None:
    """Remember that a region is there."""
    write_whole(f"{growing}/{DONE}/{key}.json", json.dumps(done).encode())


def forget(growing: str, key: str) -> None:
    """Have a region written again by the next run."""
    remove(f"{growing}/{DONE}/{key}.json")

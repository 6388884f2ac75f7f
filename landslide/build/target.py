"""The cube that is built: which layers of it are there, and one more put in, whole or not at all.

A reader sees what the root's metadata list and nothing else, and the root is written last. So
a layer's chunks may grow in their final place, on a disk or in an object store alike.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import fsspec

from landslide.build.recipe import SECTIONS
from landslide.cube.address import ROOT, UNLISTED, is_zip, plain_write_errors
from landslide.retries import patiently
from landslide.storage import absolute, read_bytes, remove, remove_all, write_whole

PROGRESS = ".build"
"""Folder in the cube that says what was begun; it goes with the last layer."""
MARK = f"{PROGRESS}/begun"
"""Names the arrays, one a line, that may be there though the root does not list them."""
ATTRIBUTE = "build"
"""The root attribute (JSON) that says of each layer what it is built from."""

ENTRY = frozenset({"digest", "grid", "variables"})
"""What is known of each layer at least."""


@dataclass(frozen=True)
class Target:
    """A cube that is being built."""

    address: str
    """Absolute."""

    def root(self) -> dict[str, Any] | None:
        """Return the root's metadata as they are now, or None where there is no layer yet.

        Raises
        ------
        ValueError
            Where they are no JSON.
        """
        with plain_write_errors(self.address):
            try:
                content = read_bytes(f"{self.address}/{ROOT}")
            except (FileNotFoundError, NotADirectoryError):
                return None
        try:
            found: dict[str, Any] = json.loads(content)
        except ValueError as error:
            raise self._damaged(f"it is no JSON: {error}") from error
        return found

    def layers(self) -> dict[str, dict[str, Any]]:
        """Return what each layer that is there was built from.

        Raises
        ------
        ValueError
            Where the root does not say it.
        """
        root = self.root()
        if root is None:
            return {}
        try:
            found: dict[str, dict[str, Any]] = json.loads(root["attributes"][ATTRIBUTE])["layers"]
            lacking = [
                name
                for name, about in found.items()
                if not about.keys() >= ENTRY or not isinstance(about["variables"], list)
            ]
            root["consolidated_metadata"]["metadata"].keys()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged("it does not list what was built") from error
        if lacking:
            raise self._damaged(f"of {lacking[0]} it does not say {', '.join(sorted(ENTRY))}")
        return found

    def _damaged(self, why: str) -> ValueError:
        return ValueError(
            f"{self.address}/{ROOT} is damaged ({why}): put a whole copy in its place, or remove "
            f"{self.address} and build it again"
        )

    def put(self, key: str, content: bytes) -> None:
        """Write one object whole."""
        with plain_write_errors(self.address):
            write_whole(f"{self.address}/{key}", content)

    def clear(self, key: str) -> None:
        """Remove what lies under a key."""
        with plain_write_errors(self.address):
            remove_all(f"{self.address}/{key}")

    def begun(self) -> set[str]:
        """Return the names of arrays that may be there though the root does not list them."""
        with plain_write_errors(self.address):
            try:
                return set(read_bytes(f"{self.address}/{MARK}").decode().split())
            except FileNotFoundError:
                return set()

    def require_begun(self) -> None:
        """Raise a FileNotFoundError where no build has begun here."""
        if not patiently(self.begun):
            raise FileNotFoundError(
                f"a worker finds no build begun at {self.address}: name an OUT that all workers "
                "reach; or another run has just finished it, then run again"
            )

    def begin(self, arrays: Iterable[str]) -> None:
        """Note arrays that the root does not list yet, or soon no more: a later run knows them."""
        self.put(MARK, "\n".join(sorted(self.begun() | set(arrays))).encode())

    def unlist(self, names: Collection[str]) -> list[str]:
        """Take layers out of the root, so that nobody sees them; return the arrays that are left.

        With the last layer the grid's own go.
        """
        root = self.root()
        if root is None:
            return []
        layers, listed = self.layers(), root["consolidated_metadata"]["metadata"]
        gone = [array for name in names for array in layers.pop(name)["variables"]]
        if not layers:
            gone = list(listed)
        self.begin(gone)
        if layers:
            for array in gone:
                listed.pop(array, None)
            root["attributes"][ATTRIBUTE] = json.dumps({"layers": layers})
            self.put(ROOT, json.dumps(root).encode())
        else:
            remove(f"{self.address}/{ROOT}")
        return gone

    def tidy(self) -> None:
        """Remove what runs began or took out, and the root does not list; and the notes of it."""
        root = self.root()
        listed = root["consolidated_metadata"]["metadata"] if root else {}
        # Records before what they are of: a later run would take it for there. What names it last.
        records = [f"{PROGRESS}/{name}" for name in SECTIONS]
        for key in (*records, *sorted(self.begun() - listed.keys()), PROGRESS):
            self.clear(key)

    def commit(
        self,
        name: str,
        about: Mapping[str, Any],
        objects: Mapping[str, bytes],
        attributes: Mapping[str, Any],
    ) -> None:
        """Put a layer in whose chunks are there: its metadata, its coordinates, then the root.

        Raises
        ------
        ValueError
            Where the layers that are there lie on another grid, whose y and x would stay.
        """
        new = json.loads(objects[ROOT])
        listed = new["consolidated_metadata"]["metadata"]
        root = self.root()
        layers = self.layers()
        if others := [one for one, has in layers.items() if has["grid"] != about["grid"]]:
            raise ValueError(
                f"{self.address}: {name} lies on another grid than {', '.join(others)}, which "
                "another build put there meanwhile: build each area into a cube of its own"
            )
        if root is not None:
            kept = root["consolidated_metadata"]["metadata"]
            shared = [variable for variable in listed if variable in kept]
            listed |= kept
        else:
            shared = []
        for key in sorted(objects.keys() - {ROOT}):
            if key.partition("/")[0] not in shared:
                self.put(key, objects[key])
        layers[name] = dict(about)
        new["attributes"] = {**attributes, ATTRIBUTE: json.dumps({"layers": layers})}
        self.put(ROOT, json.dumps(new).encode())

    def describe(
        self, attributes: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Say anew what the cube is, and where the sources of its layers lie."""
        root = self.root()
        if root is None:
            return
        layers = self.layers()
        for name, source in sources.items():
            layers[name] |= source
        new = {**attributes, ATTRIBUTE: json.dumps({"layers": layers})}
        if new != root["attributes"]:
            root["attributes"] = new
            self.put(ROOT, json.dumps(root).encode())


def target_at(out: str) -> Target:
    """Return the cube at an address, one that `landslide build` began or one that is to be.

    Raises
    ------
    FileExistsError
        Where something else lies there.
    ValueError
        Where nothing can be written there.
    """
    if is_zip(out) or out.startswith(UNLISTED):
        raise ValueError(f"{out}: nothing can be written there; give a folder or a bucket's prefix")
    target = Target(absolute(out))
    root = target.root()
    if root is not None and ATTRIBUTE not in _attributes(root):
        raise FileExistsError(f"{out} exists and was not built here: choose another address")
    if root is None and _in_the_way(target):
        raise FileExistsError(f"{out} exists and was not built here: choose another address")
    return target


def _attributes(root: object) -> dict[str, Any]:
    found = root.get("attributes") if isinstance(root, dict) else None
    return found if isinstance(found, dict) else {}


def _in_the_way(target: Target) -> bool:
    """Return whether something lies at an address that no build began."""
    with plain_write_errors(target.address):
        filesystem, path = fsspec.core.url_to_fs(target.address)
        filesystem.invalidate_cache()
        if filesystem.exists(f"{path}/{MARK}") or not filesystem.exists(path):
            return False
        if filesystem.isfile(path):
            return True
        # A disk may be full at the very mark.
        names = {one.rstrip("/").rpartition("/")[2] for one in filesystem.ls(path, detail=False)}
        return bool(names - {PROGRESS})

"""Archives on loopback: Zenodo's API, and a STAC API over files of one's own."""

import functools
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, override

import pytest

from .serving import QuietHandler, serving


@dataclass
class Zenodo:
    """A server of the shape of Zenodo's API, and what it was asked."""

    api: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    """Bytes after which the next answers with a file break off."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range header of each request."""

    def record(self) -> dict[str, Any]:
        """Return the record's JSON."""
        return {
            "id": 7248056,
            "files": [
                {
                    "key": name,
                    "size": len(content),
                    "checksum": self.checksums.get(
                        name, f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"
                    ),
                    "links": {"self": f"{self.api}/records/7248056/files/{name}/content"},
                }
                for name, content in self.files.items()
            ],
        }


class ZenodoHandler(QuietHandler):
    """Answers as Zenodo does."""

    def __init__(self, *args: Any, zenodo: Zenodo) -> None:
        self.zenodo = zenodo
        super().__init__(*args)

    @override
    def do_GET(self) -> None:
        """Answer with the record or with one of its files."""
        self.zenodo.asked.append((self.path, self.headers.get("Range", "")))
        if self.path == "/api/records/7248056":
            self.answer(json.dumps(self.zenodo.record()).encode())
            return
        wanted = re.fullmatch(r"/api/records/7248056/files/([^/]+)/content", self.path)
        content = self.zenodo.files.get(wanted[1]) if wanted else None
        at_most = self.zenodo.breaks.pop(0) if self.zenodo.breaks else -1
        self.answer(content, ranges=self.zenodo.ranges, at_most=at_most)


@pytest.fixture
def zenodo() -> Iterator[Zenodo]:
    """Return a Zenodo of one's own."""
    stand_in = Zenodo()
    with serving(functools.partial(ZenodoHandler, zenodo=stand_in)) as address:
        stand_in.api = f"{address}/api"
        yield stand_in


@dataclass
class Archive:
    """A STAC API and the files that its items name, and what it was asked."""

    folder: Path
    address: str = ""
    collections: dict[str, dict[str, Any]] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    """Items; an asset whose address begins with `/` is a file of the folder."""
    page: int = 100
    """Items in an answer, at most."""
    signature: str | None = None
    """What a file's address must carry as `?sig=`."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Answers other than 200, by path."""
    busy: dict[str, int] = field(default_factory=dict)
    """How often a path is still answered with 503."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range header of each request."""

    def add_collection(self, name: str) -> None:
        """Describe a collection of the whole world and of all time."""
        self.collections[name] = {
            "type": "Collection", "id": name, "stac_version": "1.0.0", "description": "",
            "license": "CC-BY-4.0", "links": [],
            "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]},
                       "temporal": {"interval": [[None, None]]}},
        }  # fmt: skip

    def matching(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the items that a search means."""
        west, south, east, north = query.get("bbox") or (-180, -90, 180, 90)
        ends = (query.get("datetime") or "../..").split("/")
        first, last = (end if end not in ("", "..") else "" for end in (ends[0], ends[-1]))
        found = []
        for item in self.items:
            w, s, e, n = item["bbox"]
            when = item["properties"]["datetime"]
            if item["collection"] not in (query.get("collections") or self.collections):
                continue
            if w > east or e < west or s > north or n < south:
                continue
            if (first and when < first) or (last and when > last):
                continue
            assets = {
                key: asset | {"href": self.address * asset["href"].startswith("/") + asset["href"]}
                for key, asset in item["assets"].items()
            }
            found.append(item | {"assets": assets})
        return found


class ArchiveHandler(QuietHandler):
    """Answers as a STAC API and as the store of its files."""

    def __init__(self, *args: Any, archive: Archive) -> None:
        self.archive = archive
        super().__init__(*args)

    @override
    def do_GET(self) -> None:
        """Answer with the landing page, the collections, or a file."""
        archive, (path, _, query) = self.archive, self.path.partition("?")
        archive.asked.append((self.path, self.headers.get("Range", "")))
        if status := archive.statuses.get(path):
            self.send(status=status)
        elif archive.busy.get(path):
            archive.busy[path] -= 1
            self.send(status=503)
        elif path.startswith("/files/"):
            if archive.signature and query != f"sig={archive.signature}":
                self.send(status=403)
                return
            file = archive.folder / path.removeprefix("/files/")
            self.answer(file.read_bytes() if file.is_file() else None)
        elif path in ("", "/"):
            self.json(self.landing())
        elif path == "/collections":
            self.json({"collections": [*archive.collections.values()], "links": []})
        elif (name := path.removeprefix("/collections/")) in archive.collections:
            self.json(archive.collections[name])
        else:
            self.answer(None)

    do_HEAD = do_GET  # noqa: N815

    @override
    def do_POST(self) -> None:
        """Answer a search, a page at a time."""
        self.archive.asked.append((self.path, ""))
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if status := self.archive.statuses.get(self.path):
            self.send(status=status)
            return
        found, start = self.archive.matching(query), int(query.get("token", 0))
        stop = start + min(self.archive.page, query.get("limit", 10))
        links = []
        if stop < len(found):
            following = query | {"token": str(stop)}
            links = [
                {"rel": "next", "href": f"{self.archive.address}/search", "method": "POST",
                 "body": following, "type": "application/geo+json"}
            ]  # fmt: skip
        self.json({"type": "FeatureCollection", "features": found[start:stop], "links": links})

    def landing(self) -> dict[str, Any]:
        """Return the landing page, which says what the API can do."""
        core = "https://api.stacspec.org/v1.0.0"
        links = [
            {"rel": rel, "href": self.archive.address + path, "type": "application/json"} | method
            for rel, path, method in (
                ("self", "/", {}), ("root", "/", {}), ("data", "/collections", {}),
                ("search", "/search", {"method": "POST"}),
            )
        ]  # fmt: skip
        return {
            "type": "Catalog", "id": "archive", "stac_version": "1.0.0", "description": "for tests",
            "conformsTo": [f"{core}/core", f"{core}/item-search", f"{core}/collections"],
            "links": links,
        }  # fmt: skip

    def json(self, document: dict[str, Any]) -> None:
        """Send a document."""
        kind = {"Content-Type": "application/json"}
        self.send(json.dumps(document).encode(), headers=kind)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Return a STAC API of one's own, over the files of a folder."""
    folder = tmp_path / "archive"
    folder.mkdir()
    stand_in = Archive(folder)
    with serving(functools.partial(ArchiveHandler, archive=stand_in)) as address:
        stand_in.address = address
        yield stand_in

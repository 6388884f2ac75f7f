"""Loopback servers that stand for the stores a cube may lie in, one of each for a whole run."""

import functools
import hashlib
import http.server
import json
import logging
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Read by Ray, gcsfs and fsspec as they are imported, so set before anything of ours is.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
os.environ["NO_GCE_CHECK"] = "true"

import fsspec
import pytest
import zarr

FLOODS = Path(__file__).parents[2] / "shared" / "data" / "floods-sentinel1.zarr"


def _forget(filesystem: Any) -> None:
    """Close the connections of a class of filesystems; Zarr leaves them open until the end."""
    for instance in filesystem._cache.values():
        session = getattr(instance, "_s3", None) or getattr(instance, "_session", None)
        if instance.asynchronous and session is not None:
            zarr.core.sync.sync(session.close())
    filesystem.clear_instance_cache()


@pytest.fixture
def fresh_s3(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a bucket to which nobody has connected yet."""
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "_cache", {})
    yield s3_bucket
    _forget(s3fs.S3FileSystem)


class QuietServer(http.server.ThreadingHTTPServer):
    """A server that lets its clients hang up."""

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _serving(handler: Any) -> Iterator[str]:
    """Serve HTTP on a free port of this machine alone, and say under which address."""
    with QuietServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietHandler(http.server.BaseHTTPRequestHandler):
    """Serves bytes, whole or by range, and lists nothing, like most web servers of data."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a small answer waits for nothing

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, content: bytes | None, *, ranges: bool = True, at_most: int = -1) -> None:
        """Send `content` (None: not found); break the connection after `at_most` bytes."""
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if content is None:
            self.send_response(404)
            content = b""
        elif asked and ranges:
            first, last = asked.groups()
            size = len(content)
            start = int(first) if first else size - int(last)
            stop = min(int(last) + 1, size) if first and last else size
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            content = content[start:stop]
        else:
            self.send_response(200)
        if ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if at_most < 0 else content[:at_most])
            self.close_connection |= 0 <= at_most < len(content)


class FolderHandler(QuietHandler):
    """Serves the files of a folder."""

    def __init__(self, *args: Any, folder: Path, ranges: bool = True) -> None:
        self.folder, self.ranges = folder, ranges
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer with a file."""
        path = self.folder / self.path.lstrip("/")
        self.answer(path.read_bytes() if path.is_file() else None, ranges=self.ranges)

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture(scope="session")
def http_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of a web server that lists nothing, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("web")
    with _serving(functools.partial(FolderHandler, folder=folder)) as address:
        yield address, folder
    _forget(fsspec.get_filesystem_class("http"))


@pytest.fixture
def http_without_ranges(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a web server that answers with whole files only, and the folder it serves."""
    with _serving(functools.partial(FolderHandler, folder=tmp_path, ranges=False)) as address:
        yield address, tmp_path
    _forget(fsspec.get_filesystem_class("http"))


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
    with _serving(functools.partial(ZenodoHandler, zenodo=stand_in)) as address:
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

    def do_GET(self) -> None:
        """Answer with the landing page, the collections, or a file."""
        archive, (path, _, query) = self.archive, self.path.partition("?")
        archive.asked.append((self.path, self.headers.get("Range", "")))
        if status := archive.statuses.get(path):
            self.fail(status)
        elif archive.busy.get(path):
            archive.busy[path] -= 1
            self.fail(503)
        elif path.startswith("/files/"):
            if archive.signature and query != f"sig={archive.signature}":
                self.fail(403)
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

    def do_POST(self) -> None:
        """Answer a search, a page at a time."""
        self.archive.asked.append((self.path, ""))
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if status := self.archive.statuses.get(self.path):
            self.fail(status)
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
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def fail(self, status: int) -> None:
        """Send a status and no more."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Return a STAC API of one's own, over the files of a folder."""
    folder = tmp_path / "archive"
    folder.mkdir()
    stand_in = Archive(folder)
    with _serving(functools.partial(ArchiveHandler, archive=stand_in)) as address:
        stand_in.address = address
        yield stand_in


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[str]:
    """Address of an empty bucket of Amazon's protocol; the environment says where it is."""
    from moto.moto_server.threaded_moto_server import MotoRequestHandler, ThreadedMotoServer

    MotoRequestHandler.disable_nagle_algorithm = True
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("cubes")
        yield "s3://cubes"
        _forget(s3fs.S3FileSystem)
    server.stop()


class TokenHandler(QuietHandler):
    """Gives whoever proves to have a service account's key a token to ask Google's stores with."""

    def __init__(self, *args: Any, token: str, given: list[str]) -> None:
        self.token, self.given = token, given
        super().__init__(*args)

    def do_POST(self) -> None:
        """Answer with the token."""
        self.given.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(json.dumps({"access_token": self.token, "expires_in": 3600}).encode())


@dataclass
class ServiceAccount:
    """What a client of Google's stores proves itself with, and what must be found nowhere."""

    key: str
    """The private key, of PEM's lines."""
    token: str = field(default_factory=lambda: f"planted{secrets.token_hex(12)}")
    given: list[str] = field(default_factory=list)
    """What was sent for the token."""


@pytest.fixture(scope="session")
def service_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceAccount]:
    """Return a service account; the environment says where its key lies."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = ServiceAccount(key.decode())
    handler = functools.partial(TokenHandler, token=account.token, given=account.given)
    path = tmp_path_factory.mktemp("account") / "key.json"
    with _serving(handler) as address, pytest.MonkeyPatch.context() as patch:
        described = {"type": "service_account", "project_id": "cubes", "private_key": account.key}
        described |= {"client_email": "somebody@cubes.test", "token_uri": f"{address}/token"}
        path.write_text(json.dumps(described))
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        yield account


@pytest.fixture(scope="session")
def gs_bucket(service_account: ServiceAccount) -> Iterator[str]:
    """Address of an empty bucket of Google's protocol; the environment says where it is."""
    from gcp_storage_emulator.server import RequestHandler, create_server

    RequestHandler.disable_nagle_algorithm = True
    logging.getLogger("gcp_storage_emulator").setLevel(logging.ERROR)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="cubes")
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        import gcsfs

        gcsfs.GCSFileSystem.clear_instance_cache()
        yield "gs://cubes"
        _forget(gcsfs.GCSFileSystem)
    server.stop()


@pytest.fixture(scope="session")
def processes() -> Iterator[Any]:
    """A Dask cluster of two worker processes, each watched by a nanny."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as connected,  # type: ignore[no-untyped-call]
    ):
        yield connected


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real Sentinel-1 products, where it lies beside the checkout."""
    if not FLOODS.parent.exists():
        pytest.skip("the real data are not at ../shared/data beside the checkout")
    return FLOODS.parent


@pytest.fixture(scope="session")
def floods() -> str:
    """Address of the mosaic of real Sentinel-1 pairs, where it lies beside the checkout."""
    if not FLOODS.exists():
        pytest.skip("the real floods cube is not at ../shared/data beside the checkout")
    return str(FLOODS)


UTM = "EPSG:32654"
SEAM = 200
"""Row at which the two bursts of an image meet; they overlap by a few."""


def _write_event(cube: Any, folder: Path) -> Path:
    """Write a cube out: images, DEM and inventory, and the event file that names them."""
    import geopandas
    import numpy as np
    import rasterio.features
    import shapely
    from rasterio.transform import from_origin

    from landslide.cube.events import find_event

    left, top = float(cube["x"][0]) - 5, float(cube["y"][0]) + 5
    (folder / "rtc").mkdir()
    for index in range(cube.sizes["timestep"]):
        image = cube.isel(timestep=index)
        stamp = np.datetime_as_string(image["timestep"].values, "s").translate(
            str.maketrans("", "", "-:")
        )
        track = int(image["sat:relative_orbit"])
        for name in ("vv", "vh"):
            values = image[name].to_numpy()
            for burst, rows in (("000001", slice(0, SEAM + 8)), ("000002", slice(SEAM, None))):
                stem = f"OPERA_L2_RTC-S1_T{track:03}-{burst}-IW1_{stamp}Z_20260101T000000Z_S1A_30"
                _write_image(
                    folder / "rtc" / f"{stem}_v1.0_{name.upper()}.tif",
                    values[rows],
                    left,
                    top - 10 * rows.start,
                )
    _write_image(folder / "dem.tif", cube["dem"].to_numpy(), left, top)
    where = from_origin(left, top, 10, 10)
    slides = cube["landslides"].to_numpy()
    shapes = rasterio.features.shapes(slides, mask=slides == 1, transform=where)
    polygons = [shapely.geometry.shape(geometry) for geometry, _ in shapes]
    geopandas.GeoDataFrame(geometry=polygons, crs=UTM).to_file(folder / "slides.gpkg")
    # A little inside: straight edges bend by half a metre on their way through degrees.
    bounds = (left + 2, top - 10 * cube.sizes["y"] + 2, left + 10 * cube.sizes["x"] - 2, top - 2)
    area = geopandas.GeoSeries([shapely.box(*bounds)], crs=UTM).to_crs("EPSG:4326").iloc[0]
    (folder / "area.geojson").write_text(json.dumps(shapely.geometry.mapping(area)))
    event = find_event(cube)
    path = folder / "event.toml"
    path.write_text(
        f"""
name = "{event.name}"
time = {np.datetime_as_string(event.start, "s")}Z

[build]
area = "area.geojson"
crs = "{UTM}"
before_days = 3650
after_days = 3650
sar = {{source = "rtc"}}
terrain = {{source = "dem.tif", min_coverage = 0.9}}
labels = {{inventory = "slides.gpkg"}}
"""
    )
    return path


def _write_image(path: Path, values: Any, left: float, top: float) -> None:
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1,
        dtype=values.dtype, crs=UTM, transform=from_origin(left, top, 10, 10), nodata=np.nan,
    ) as image:  # fmt: skip
        image.write(values, 1)


@pytest.fixture(scope="session")
def write_event() -> Callable[[Any, Path], Path]:
    """Return what writes a simulated cube out as an archive has it, and the event file for it."""
    return _write_event

"""Small cubes around an event, and the chips that a slow composite in memory cuts from them."""

import functools
import multiprocessing
import re
import socket
import struct
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, override

import numpy as np
import pytest
import xarray as xr
import zarr
from distributed import Client

from landslide.chips.inputs import TERRAIN, union
from landslide.chips.split import TRAIN, Chipping, split_to_json
from landslide.chips.windows import chip_corners
from landslide.cube.events import Event
from tests.serving import QuietHandler, local_cluster, serving

INSTANT = np.datetime64("2018-09-05T18:07:59", "ns")
IMAGES = (
    ("2018-08-06T20:40", "descending"),
    ("2018-08-12T20:40", "descending"),
    ("2018-08-18T09:00", "ascending"),
    ("2018-08-24T20:40", "descending"),
    ("2018-08-30T09:00", "ascending"),
    ("2018-09-05T20:40", "descending"),  # on the event's day, and after it
    ("2018-09-11T09:00", "ascending"),
    ("2018-09-17T20:40", "descending"),
    ("2018-09-23T09:00", "ascending"),
    ("2018-09-29T20:40", "descending"),
)
DESCENDING = ((3, 1, 0), (5, 7, 9))
"""Positions of the descending images before and after the event, the nearest first."""

MakeCube = Callable[..., xr.Dataset]
Expected = Callable[..., dict[str, np.ndarray]]


@pytest.fixture(scope="session")
def event() -> Event:
    return Event("hokkaido", INSTANT, INSTANT)


@pytest.fixture(scope="session")
def descending() -> tuple[tuple[int, ...], tuple[int, ...]]:
    return DESCENDING


@pytest.fixture(scope="session")
def make_cube() -> MakeCube:
    """A cube in memory, some of whose samples are missing, and a third of it landslides."""

    def make(
        shape: tuple[int, int] = (40, 56), *, seed: int = 0, missing: float = 0.1
    ) -> xr.Dataset:
        random = np.random.default_rng(seed)

        def noise(*lead: int) -> np.ndarray:
            values = random.gamma(2, 0.05, (*lead, *shape)).astype(np.float32)
            values[random.random(values.shape) < missing] = np.nan
            return values

        landslides = (random.random(shape) < 0.3).astype(np.uint8)
        landslides[random.random(shape) < missing / 2] = 255
        pairs = np.array(
            [
                ["2018-08-06T20:40", "2018-08-12T20:40"],
                ["2018-08-12T20:40", "2018-08-24T20:40"],
                ["2018-08-24T20:40", "2018-09-05T20:40"],
                ["2018-08-24T20:40", "2018-09-17T20:40"],
                ["2018-09-05T20:40", "2018-09-17T20:40"],
            ],
            dtype="datetime64[ns]",
        )
        times = np.array([time for time, _ in IMAGES], dtype="datetime64[ns]")
        return xr.Dataset(
            {
                **{name: (("timestep", "y", "x"), noise(len(IMAGES))) for name in ("vv", "vh")},
                **{name: (("y", "x"), noise()) for name in TERRAIN},
                "coherence": (("timepair", "y", "x"), noise(len(pairs))),
                "landslides": (("y", "x"), landslides),
            },
            coords={
                "timestep": times,
                "sat:orbit_state": ("timestep", [orbit for _, orbit in IMAGES]),
                "reference_time": ("timepair", pairs[:, 0]),
                "secondary_time": ("timepair", pairs[:, 1]),
                "y": 4_740_000.0 - 10 * np.arange(shape[0]),
                "x": 560_000.0 + 10 * np.arange(shape[1]),
            },
        )

    return make


@pytest.fixture(scope="session")
def write_cube() -> Callable[..., str]:
    """Write a cube in chunks of 24x32 pixels, in shards where the layout says so."""

    def write(cube: xr.Dataset, folder: Path, layout: str = "v2", dates: int = 1) -> str:
        encoding: dict[str, dict[str, object]] = {}
        for name, variable in cube.variables.items():
            if {"y", "x"} <= set(variable.dims):
                side = {"y": 24, "x": 32, "timestep": dates}
                chunks = tuple(side.get(str(dim), 1) for dim in variable.dims)
                encoding[str(name)] = {"chunks": chunks}
                if layout == "sharded":
                    encoding[str(name)]["shards"] = (*chunks[:-2], 48, 32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Zarr says of strings in version 3
            cube.to_zarr(folder, zarr_format=2 if layout == "v2" else 3, encoding=encoding)
        return str(folder)

    return write


@pytest.fixture(scope="session")
def every_chip() -> Callable[..., str]:
    """A split (JSON) that keeps every chip of a scene, those over its edges too."""

    def every(shape: tuple[int, int], chipping: Chipping) -> str:
        corners = chip_corners(shape, chipping.chip_size, chipping.overlap, pad=True)
        return split_to_json(corners, np.full(len(corners), TRAIN), chipping)

    return every


def _mean_log(images: np.ndarray, *, logarithms: bool) -> np.ndarray:
    """Average the logs of (image, y, x), one image after the other, each pixel over its own."""
    total, count = np.zeros(images.shape[1:], np.float32), np.zeros(images.shape[1:], np.float32)
    for image in images:
        valid = np.isfinite(image) & (logarithms | (image > 0))
        logs = image if logarithms else np.log(np.where(valid, image, np.float32(1)))
        total += np.where(valid, logs, np.float32(0))
        count += valid
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.float32(np.nan)).astype(np.float32)


def _mean(layers: np.ndarray) -> np.ndarray:
    valid = np.isfinite(layers)
    total, count = np.zeros(layers.shape[1:], np.float32), valid.sum(axis=0)
    for layer, usable in zip(layers, valid, strict=True):
        total += np.where(usable, layer, np.float32(0))
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan).astype(np.float32)


@pytest.fixture(scope="session")
def expected() -> Expected:
    """Compose a whole cube in memory, the slow and plain way, and cut its chips."""

    def compose(
        cube: xr.Dataset,
        corners: np.ndarray,
        size: int,
        inputs: Sequence[str],
        timesteps: Sequence[int],
        images: tuple[tuple[int, ...], tuple[int, ...]] = DESCENDING,
        *,
        logarithms: bool = False,
    ) -> dict[str, np.ndarray]:
        wanted = union(inputs)
        shape = (cube.sizes["y"], cube.sizes["x"])
        coherence = cube["coherence"].to_numpy()
        before, across = _mean(coherence[:2]), _mean(coherence[2:4])
        layers = {
            **{name: cube[name].to_numpy() for name in TERRAIN},
            "coherence_before": before,
            "coherence_event": across,
            "coherence_change": across - before,
        }
        sar = np.empty((len(timesteps), len(wanted.sar_channels), *shape), np.float32)
        for t, count in enumerate(timesteps):
            for c, channel in enumerate(wanted.sar_channels):
                name, side = channel.split("_")
                chosen = images[side == "after"][:count]
                nearest = cube[name].to_numpy()[list(chosen)]
                sar[t, c] = _mean_log(nearest, logarithms=logarithms)
        static = np.empty((len(wanted.static), *shape), np.float32)
        for c, channel in enumerate(wanted.static):
            static[c] = layers[channel]

        def chips(scene: np.ndarray, fill: float) -> np.ndarray:
            around = [(0, 0)] * (scene.ndim - 2) + [(0, size), (0, size)]
            padded = np.pad(scene, around, constant_values=fill)
            return np.stack([padded[..., y : y + size, x : x + size] for y, x in corners.tolist()])

        labels = cube["landslides"].to_numpy()
        return {
            "sar": chips(sar, np.nan),
            "static": chips(static, np.nan),
            "label": chips(labels, 255),
        }

    return compose


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """A Dask cluster of one worker inside this process, which nobody uses unasked."""
    with (
        local_cluster(1, threads_per_worker=2) as cluster,
        Client(cluster, set_as_default=False) as connected,  # type: ignore[no-untyped-call]
    ):
        yield connected


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What is fetched from local stores from now on: key and byte range."""
    # Of the readers that ask zarr's store: what TensorStore and zarrs fetch would go uncounted.
    monkeypatch.setattr("landslide.cube.readers.READERS", ("fused", "plain"))
    asked: list[tuple[str, object]] = []
    get = zarr.storage.LocalStore.get

    async def counted(
        self: zarr.storage.LocalStore, key: str, prototype: object, byte_range: object = None
    ) -> object:
        asked.append((key, byte_range))
        return await get(self, key, prototype, byte_range)  # type: ignore[arg-type]

    get_sync = zarr.storage.LocalStore.get_sync

    def counted_sync(self: zarr.storage.LocalStore, key: str, **how: Any) -> object:
        asked.append((key, how.get("byte_range")))
        return get_sync(self, key, **how)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    monkeypatch.setattr(zarr.storage.LocalStore, "get_sync", counted_sync)
    return asked


@pytest.fixture(scope="session")
def spawned() -> Iterator[Executor]:
    """Two spawned processes."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        yield pool


@dataclass
class Web:
    """A folder on the web: what it was asked for, and when it stumbles."""

    folder: Path
    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Key and Range header of each request."""
    stumble: Callable[[str, int], object] = lambda _key, _number: None
    """From a key, and how often it was asked for before, to a status, `reset`, `short` or None."""
    times: Counter[str] = field(default_factory=Counter)

    def forget(self) -> None:
        """Begin to count anew."""
        self.asked.clear()
        self.times.clear()


class _WebHandler(QuietHandler):
    def __init__(self, *args: Any, web: Web) -> None:
        self.web = web
        super().__init__(*args)

    @override
    def do_GET(self) -> None:
        key, asked = self.path.lstrip("/"), self.headers.get("Range", "")
        self.web.asked.append((key, asked))
        trouble = self.web.stumble(key, self.web.times[key])
        self.web.times[key] += 1
        if trouble == "reset":
            at_once = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self.close_connection = True
            self.connection.close()
            return
        path = self.web.folder / key
        content, status = (path.read_bytes(), 200) if path.is_file() else (b"", 404)
        if isinstance(trouble, int):
            content, status = b"", trouble
        part = re.fullmatch(r"bytes=(\d*)-(\d*)", asked) if status == 200 else None
        self.send_response(206 if part else status)
        if part:
            (first, last), size = part.groups(), len(content)
            start = int(first) if first else size - int(last)
            content = content[start : int(last) + 1 if first and last else None]
            said = f"bytes {start}-{start + len(content) - 1}/{size}"
            self.send_header("Content-Range", said)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            short = trouble == "short" and len(content) > 1
            self.wfile.write(content[: len(content) // 2] if short else content)
            self.close_connection |= short

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A web server of this machine alone, over a folder of one's own."""
    folder = tmp_path / "web"
    folder.mkdir()
    web = Web(folder)
    with serving(functools.partial(_WebHandler, web=web)) as address:
        web.address = address
        yield web

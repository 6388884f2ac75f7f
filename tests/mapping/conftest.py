"""Small cubes and networks whose map is known."""

import threading
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from landslide import open_cube
from landslide.chips.inputs import parse_inputs
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.selections import chunks_of
from landslide.cube.stored import StoredArray
from landslide.mapping.inference import rows
from landslide.mapping.inference.models import Model
from landslide.mapping.inference.rows import Job
from landslide.mapping.inference.scene import map_scene
from landslide.mapping.inference.strips import plan_scene
from landslide.mapping.inference.work import Work

QUAKE = np.datetime64("2018-09-05T18:08", "ns")
EVENT = Event("quake", QUAKE, QUAKE)
HEIGHT, WIDTH, CHUNK = 235, 150, 64


def write_cube(
    uri: str,
    *,
    upward: bool = False,
    dem_chunk: int = CHUNK,
    observed: np.ndarray | None = None,
) -> str:
    """Write a cube of 3 + 3 images with a hole in it, in chunks of 64 pixels."""
    random = np.random.default_rng(0)
    times = QUAKE + np.timedelta64(12, "D") * np.array([-3, -2, -1, 1, 2, 3])
    vv = random.gamma(4, 0.05, (6, HEIGHT, WIDTH)).astype(np.float32)
    vv[:, 100:108, 40:77] = np.nan
    vv[0, 20:30] = np.nan
    cube = xr.Dataset(
        {
            "vv": (("timestep", "y", "x"), vv),
            "dem": (("y", "x"), random.normal(300, 50, (HEIGHT, WIDTH)).astype(np.float32)),
        },
        coords={
            "timestep": times,
            "y": 4_740_000.0 - 10 * np.arange(HEIGHT),
            "x": 560_000.0 + 10 * np.arange(WIDTH),
        },
        attrs={"event": event_to_attribute(EVENT), "crs": "EPSG:32654"},
    )
    encoding = {
        "vv": {"chunks": (1, CHUNK, CHUNK)},
        "dem": {"chunks": (dem_chunk, dem_chunk)},
    }
    if observed is not None:
        cube["observed"] = (("y", "x"), observed)
        encoding["observed"] = {"chunks": (CHUNK, CHUNK)}
    cube = cube.isel(y=slice(None, None, -1)) if upward else cube
    cube.to_zarr(uri, encoding=encoding, zarr_format=3, consolidated=False)
    return uri


class Local(torch.nn.Module):
    """A network that is translation-equivariant: two logits from 5 x 5 pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first = torch.nn.Conv2d(channels, 4, 3, padding=1)
        self.second = torch.nn.Conv2d(4, 2, 3, padding=1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.tanh(self.first(x)))


def local_model(channels: int, temperature: float = 2.0) -> Model:
    mean, std = torch.linspace(-1, 1, channels), torch.linspace(1, 2, channels)
    return Model(
        Local(channels).eval(),
        mean[:, None, None],
        std[:, None, None],
        temperature,
        torch.float32,
    )


@pytest.fixture
def blocks_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a chunk of 64 pixels at a time, so that a small scene has strips and squares."""
    monkeypatch.setattr("landslide.mapping.inference.strips.BLOCK", CHUNK)


@pytest.fixture(scope="session")
def small_cube(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_cube(str(tmp_path_factory.mktemp("cube") / "small.zarr"))


@pytest.fixture
def job_of(
    blocks_of_a_chunk: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Job]:
    """Return a job over a cube whose models are made up."""

    def make(
        uri: str,
        models: tuple[Model, ...] | None = None,
        *,
        inputs: str = "vv",
        chip_size: int = 32,
        overlap: int = 16,
        name: str = "work",
        area: Any = ((0, HEIGHT), (0, WIDTH)),
        block_pixels: int = 1024,
        **options: Any,
    ) -> Job:
        parsed = parse_inputs(inputs)
        chosen = models or (local_model(len(parsed.channels)),)
        monkeypatch.setattr(rows, "models_at", lambda *_: chosen)
        plan = plan_scene(
            open_cube(uri, block_pixels=block_pixels),
            EVENT,
            parsed,
            2,
            chip_size=chip_size,
            overlap=overlap,
            area=area,
            **options,
        )
        members = tuple((str(n), "") for n in range(len(chosen)))
        work = Work(f"{tmp_path}/{name}")
        work.begin({})
        return Job(plan, members, work, 8, 1)

    return make


@pytest.fixture
def mapped(job_of: Callable[..., Job]) -> Callable[..., xr.Dataset]:
    """Map a cube with made-up models, in memory."""
    return lambda *args, **kwargs: map_scene(job_of(*args, **kwargs)).load()


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """Count how often each stored chunk is asked for."""
    count: Counter[Any] = Counter()
    lock, start = threading.Lock(), StoredArray.start

    def counted(self: StoredArray, selection: Any) -> Any:
        with lock:
            count.update(
                (self.path, position) for position, *_ in chunks_of(selection, self.chunks)
            )
        return start(self, selection)

    monkeypatch.setattr(StoredArray, "start", counted)
    return count


def composite(uri: str, timesteps: int = 2) -> np.ndarray:
    """Return what the networks see of `vv` (channel, y, x), by the plainest way."""
    power = open_cube(uri)["vv"].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of pixels that no image has
        before = np.nanmean(np.log(power[3 - timesteps : 3]), axis=0)
        after = np.nanmean(np.log(power[3 : 3 + timesteps]), axis=0)
    return np.stack([before, after])


@torch.no_grad()
def whole_image(model: Model, channels: np.ndarray) -> np.ndarray:
    """Return the probability (y, x) that a model gives a whole image at once, by its own means."""
    normal = (channels - model.mean.numpy()) / model.std.numpy()
    x = np.nan_to_num(normal, nan=0, posinf=0, neginf=0)  # no data is the mean, as in training
    none, landslide = model.network(torch.from_numpy(x[None].astype(np.float32)))[0]
    probability = torch.sigmoid((landslide - none) / model.temperature).numpy()
    return np.where(np.isfinite(channels).all(axis=0), probability, np.nan)

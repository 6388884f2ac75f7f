"""A small cube and the ways in which it may be stored."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

LAYOUTS = ("v2", "v2-plain", "v3", "v3-plain", "sharded")


def make_cube(seed: int = 0) -> xr.Dataset:
    """Return a cube of 4 images and 2 pairs of 40x56 pixels in the house's form."""
    random = np.random.default_rng(seed)
    images, pairs, plane = (4, 40, 56), (2, 40, 56), (40, 56)

    def noise(shape: tuple[int, ...]) -> np.ndarray:
        return random.gamma(4, 0.05, shape).astype(np.float32)

    timesteps = np.array(
        ["2018-08-25T20:40", "2018-09-01T09:00", "2018-09-06T20:40", "2018-09-13T09:00"],
        dtype="datetime64[ns]",
    )
    return xr.Dataset(
        {
            "vv": (("timestep", "y", "x"), noise(images)),
            "vh": (("timestep", "y", "x"), noise(images)),
            "dem": (("y", "x"), noise(plane) * 1000),
            "dem_slope_radians": (("y", "x"), noise(plane)),
            "dem_aspect": (("y", "x"), noise(plane) * 360),
            "dem_curvature": (("y", "x"), noise(plane)),
            "coherence": (("timepair", "y", "x"), noise(pairs)),
            "landslides": (("y", "x"), random.integers(0, 2, plane).astype(np.uint8)),
        },
        coords={
            "timestep": timesteps,
            "sat:orbit_state": ("timestep", ["descending", "ascending"] * 2),
            "y": 4_740_000.0 - 10 * np.arange(40),
            "x": 560_000.0 + 10 * np.arange(56),
        },
        attrs={"title": "a cube for tests"},
    )


def write_cube(cube: xr.Dataset, folder: Path, layout: str = "v2") -> Path:
    """Write `cube` in chunks of 24x32 pixels, two to a shard where the layout says so."""
    encoding: dict[str, dict[str, object]] = {}
    for name, variable in cube.variables.items():
        if {"y", "x"} <= set(variable.dims):
            sides = {"y": 24, "x": 32}
            chunks = tuple(sides.get(str(dim), 1) for dim in variable.dims)
            encoding[str(name)] = {"chunks": chunks}
            if layout == "sharded":
                shape = (*chunks[:-1], 64)
                # The emulator of Google's store serves no suffix of an object.
                encoding[str(name)]["shards"] = {"shape": shape, "index_location": "start"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Zarr says of strings and consolidation in version 3
        cube.to_zarr(
            folder,
            zarr_format=2 if layout.startswith("v2") else 3,
            consolidated=not layout.endswith("plain"),
            encoding=encoding,
        )
    return folder


@pytest.fixture(scope="session")
def cube() -> xr.Dataset:
    return make_cube()[["vv", "dem", "coherence", "landslides"]]


@pytest.fixture(scope="session")
def stored(cube: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The cube on disk in every layout."""
    folder = tmp_path_factory.mktemp("stored")
    return {
        layout: write_cube(cube, folder / f"hokkaido_{layout}.zarr", layout) for layout in LAYOUTS
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a dataset where a test may change it; returns its address."""

    def write_to(dataset: xr.Dataset, name: str = "cube", layout: str = "v2") -> str:
        return str(write_cube(dataset, tmp_path / f"{name}.zarr", layout))

    return write_to

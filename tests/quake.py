"""A small cube around an earthquake, and a small network to train on it."""

from pathlib import Path

import numpy as np
import xarray as xr

from landslide.chips.split import Chipping
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.labels import NO_DATA
from landslide.training.config import TrainingConfig

INSTANT = np.datetime64("2020-05-04T12:00", "ns")
EVENT = Event("quake", INSTANT, INSTANT)
CHIPPING = Chipping(chip_size=32)
SMALL = TrainingConfig(
    inputs="vv",
    timesteps=2,
    network="quick",
    epochs=4,
    batch_size=4,
    threads=1,
    preset="quick",
)
SHAPE = (96, 160)  # 3 x 5 chips
DAYS = (-24, -12, 12, 24)


def make_cube() -> xr.Dataset:
    """Make a cube of two images on either side, in which landslides darken VV."""
    random = np.random.default_rng(0)
    labels = np.zeros(SHAPE, np.uint8)
    for y in range(0, SHAPE[0], 32):
        for x in range(0, SHAPE[1], 32):
            labels[y + 4 : y + 14, x + 6 : x + 22] = 1
    labels[5, 40:60] = NO_DATA
    times = [INSTANT + np.timedelta64(day, "D") for day in DAYS]
    darker = np.array([0, 0, -2, -2])[:, None, None] * (labels == 1)
    images = np.exp(-2 + random.normal(0, 0.4, (4, *SHAPE)) + darker).astype(np.float32)
    images[:, 40:44, 3:9] = np.nan  # layover
    terrain = {
        name: (("y", "x"), random.uniform(0, 1, SHAPE).astype(np.float32))
        for name in ("dem", "dem_slope_radians", "dem_aspect", "dem_curvature")
    }
    return xr.Dataset(
        {
            "vv": (("timestep", "y", "x"), images),
            "vh": (("timestep", "y", "x"), images * np.float32(0.2)),
            "landslides": (("y", "x"), labels),
            **terrain,
        },
        coords={
            "timestep": times,
            "y": 4_700_000.0 - 10 * np.arange(SHAPE[0]),
            "x": 500_000.0 + 10 * np.arange(SHAPE[1]),
            "sat:orbit_state": ("timestep", ["descending"] * 4),
        },
        attrs={"event": event_to_attribute(EVENT)},
    )


def write_cube(folder: Path) -> str:
    """Write the cube, unconsolidated."""
    encoding = {name: {"chunks": (2, 48, 80)} for name in ("vv", "vh")}
    make_cube().to_zarr(str(folder / "quake.zarr"), consolidated=False, encoding=encoding)
    return str(folder / "quake.zarr")

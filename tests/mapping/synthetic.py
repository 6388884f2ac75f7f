"""Synthetic maps over synthetic ground: nothing is trained here."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr
from scipy import ndimage

from landslide.cube.events import load_event
from landslide.mapping.facts import MapFacts, Member, Reliability

UTM = "EPSG:32654"
SHAPE = (300, 420)


def make_facts(**changes: Any) -> MapFacts:
    """Return the facts of a map of Hokkaido."""
    kept = MapFacts(
        event=load_event("hokkaido"),
        inputs="vv+vh",
        timesteps=2,
        images_before=("2018-08-12T20:42:15", "2018-08-24T20:42:15"),
        images_after=("2018-09-05T20:42:15", "2018-09-17T20:42:15"),
        orbit="46",
        cube="gs://bucket/hokkaido.zarr",
        members=(Member("model/0", "abc", "gs://bucket/other.zarr"), Member("model/1")),
        threshold=0.4,
        threshold_from="maximised F1 on validation",
        temperature=(1.5, 1.25),
        reliability=Reliability(0.1, 0.02, 1000, {"predicted": (0.1, 0.9), "observed": (0.2, 0.8)}),
        warnings=("Trained on chips with landslides only.",),
        provenance={"cube digest": "ff"},
        versions={"torch": "2.10"},
    )
    return dataclasses.replace(kept, **changes)


def make_ground(
    shape: tuple[int, int] = SHAPE, seed: int = 0, crs: str | None = UTM, pixel: float = 10.0
) -> xr.Dataset:
    """Return a cube of hills with backscatter and labels, `pixel` metres a pixel."""
    random = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(random.normal(size=shape), 25, mode="reflect")
    dem = (400 + 120 * rough / rough.std()).astype(np.float32)
    down, right = np.gradient(dem, pixel)
    slope = np.arctan(np.hypot(down, right)).astype(np.float32)
    # Downslope, clockwise from north; rows run south.
    aspect = (np.degrees(np.arctan2(-right, down)) % 360).astype(np.float32)
    patches = ndimage.gaussian_filter(random.normal(size=shape), 4, mode="reflect")
    label = (patches / patches.std() > 1.9).astype(np.uint8)
    times = np.array(
        [
            "2018-08-12T20:42:15",
            "2018-08-24T20:42:15",
            "2018-09-05T20:42:15",
            "2018-09-17T20:42:15",
        ],
        "datetime64[ns]",
    )
    light = np.exp(-2.0 - 0.6 * right / (0.1 + np.abs(right).max()))
    power = light * random.gamma(4, 0.25, (4, *shape))
    power[2:] *= np.where(label, 0.35, 1.0)
    cube = xr.Dataset(
        {
            "vv": (("timestep", "y", "x"), power.astype(np.float32)),
            "dem": (("y", "x"), dem),
            "dem_slope_radians": (("y", "x"), slope),
            "dem_aspect": (("y", "x"), aspect),
            "landslides": (("y", "x"), label),
        },
        coords={
            "timestep": times,
            "y": 4_740_000.0 - pixel * (np.arange(shape[0]) + 0.5),
            "x": 560_000.0 + pixel * (np.arange(shape[1]) + 0.5),
        },
        attrs={} if crs is None else {"crs": crs},
    )
    cube.encoding["source"] = "synthetic.zarr"
    return cube


def make_scene(cube: xr.Dataset, seed: int = 1) -> xr.Dataset:
    """Return a map that follows the labels, and errs; its upper left corner has no data."""
    random = np.random.default_rng(seed)
    label = cube["landslides"].to_numpy().astype(float)
    blurred = (
        ndimage.gaussian_filter(label, 1.5)
        + 0.12 * ndimage.gaussian_filter(random.normal(size=label.shape), 2) / 0.14
    )
    probability = (1 / (1 + np.exp(-9 * (blurred - 0.45)))).astype(np.float32)
    probability[:20, :35] = np.nan
    spread = np.where(np.isnan(probability), np.nan, 0.1 * probability * (1 - probability))
    return xr.Dataset(
        {
            "probability": (("y", "x"), probability),
            "spread": (("y", "x"), spread.astype(np.float32)),
        },
        coords={"y": cube.y, "x": cube.x},
    )

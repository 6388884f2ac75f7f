"""A small event for building: six images, a DEM of 30 m and an inventory, as files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import xarray as xr

from landslide.build.assemble import build_cube
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe

WEST, NORTH = 580_000.0, 4_750_000.0
SHAPE = (200, 240)
DAYS = ("20180808", "20180820", "20180901", "20180913", "20180925", "20181007")
BUILD = """
area = [141.982, 42.884, 141.999, 42.8965]
crs = "EPSG:32654"
resolution = 10
sar = {source = "rtc"}
terrain = {source = "dem.tif"}
labels = {inventory = "slides.geojson"}
"""


def speckle(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(4, 0.05, SHAPE).astype(np.float32)


def write_slides(folder: Path, size: float = 0.001) -> None:
    square = shapely.box(141.985, 42.891, 141.985 + size, 42.891 + size)
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(square)}
    document = {"type": "FeatureCollection", "features": [feature]}
    (folder / "slides.geojson").write_text(json.dumps(document))


def build(event: Path, out: Path | str, **options: Any) -> tuple[xr.Dataset, list[str]]:
    said: list[str] = []
    cube = build_cube(plan_build(load_recipe(event)), str(out), report=said.append, **options)
    return cube, said

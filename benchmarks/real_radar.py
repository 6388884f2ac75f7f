"""Real radar to map, of the folder of data that is not shipped; the tests use it, too."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from landslide.build.assemble import build_cube
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe
from landslide.chips.split import TEST, TRAIN, VALIDATION, Chipping, split_to_json
from landslide.simulation.scene import VH, VV, Scene

FLOODS_EVENT = str(Path(__file__).parents[1] / "examples" / "floods.toml")
SIDE = 2560
"""Pixels on a side of the mosaic of floods."""
FLOODS_CHIPPING = Chipping(protocol="blocked", chip_size=128, buffer=0)
# Measured on the despeckled pair's ten dates: the variance of the log ratio of neighbouring dates
# is that of 153 looks in VV and in VH; means and spreads are those of the logarithm.
PAPUA_VV = replace(VV, log_mean=-1.79, log_sd=0.214, looks=153, weather_sd=0.03)
PAPUA_VH = replace(VH, log_mean=-3.09, log_sd=0.178, looks=153, weather_sd=0.03)
PAPUA = """
name = "enga"
time = 2024-05-23T17:00:00Z

[build]
area = [143.345, -5.386, 143.383, -5.361]
before_days = 200
after_days = 30
resolution = 30
terrain = false
sar = {{source = "{source}", pattern = "*_tv_cropped.tif", one_sided = true, min_coverage = 0.5}}
"""


def floods_split(last_trained: int, last_validated: int) -> str:
    """Divide the mosaic from north to south by rows, between its scenes of 256 pixels."""
    size = FLOODS_CHIPPING.chip_size
    corners = np.array([(y, x) for y in range(0, SIDE, size) for x in range(0, SIDE, size)])
    rows = corners[:, 0]
    parts = np.select([rows < last_trained, rows < last_validated], [TRAIN, VALIDATION], TEST)
    return split_to_json(corners, parts, FLOODS_CHIPPING)


def like_papua(shape: tuple[int, int]) -> Scene:
    """Return a scene to simulate, of pixels and looks as Papua New Guinea's."""
    return Scene(
        shape=shape,
        seed=1,
        pixel_m=30,
        descending=(2, 2),
        ascending=(0, 0),
        timepairs=(0, 0),
        vv=PAPUA_VV,
        vh=PAPUA_VH,
    )


def papua_cube(data: Path, folder: Path) -> str:
    """Build the cube of the ten dates, all before the landslide; it has no labels."""
    recipe, cube = folder / "build.toml", str(folder / "papua.zarr")
    recipe.write_text(PAPUA.format(source=(data / "opera-rtc-papua-2024").resolve()))
    build_cube(plan_build(load_recipe(recipe)), cube)
    return cube

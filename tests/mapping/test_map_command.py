"""From a trained model and a cube to all products, whole, by the command alone."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio

from landslide import open_cube, simulate_cube
from landslide.cli import main

SMALL = ("--preset", "quick", "--epochs", "2", "--chip-size", "64", "--block-size", "128")


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = str(tmp_path_factory.mktemp("cube") / "simulated.zarr")
    simulate_cube(uri, shape=(256, 384), seed=3, descending=(1, 1), ascending=(0, 0))
    return uri


@pytest.fixture(scope="module")
def model(cube: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("model") / "vv")
    vv = ("--inputs", "vv", "--timesteps", "1", "--buffer", "0")
    assert main(["train", cube, *SMALL, *vv, "--out", out]) == 0
    return out


def test_a_model_and_a_cube_become_products(cube: str, model: str, tmp_path: Path) -> None:
    out = tmp_path / "map"
    assert main(["map", model, cube, str(out), "--min-area", "1000"]) == 0
    names = {path.name for path in out.iterdir()}
    assert {
        f"simulated_20180905_{name}"
        for name in ("probability.tif", "mask.tif", "landslides.gpkg", "report.html")
    } <= names
    assert not any(name.startswith(".") for name in names)
    opened = open_cube(cube)
    with rasterio.open(out / "simulated_20180905_probability.tif") as raster:
        probability = raster.read(1, masked=True)
        assert raster.crs is not None
        assert raster.bounds.left == float(opened["x"][0]) - 5
        assert raster.bounds.top == float(opened["y"][0]) + 5
    assert probability.shape == (256, 384)
    threshold = json.loads(Path(model, "bundle.json").read_text())["calibration"]["threshold"]
    with rasterio.open(out / "simulated_20180905_mask.tif") as raster:
        mask = raster.read(1, masked=True)
    called = (probability >= threshold).filled(fill_value=False)
    assert np.isin(mask.filled(0), (0, 1)).all()
    assert (mask.filled(0) == 1).sum() <= called.sum()
    polygons = geopandas.read_file(out / "simulated_20180905_landslides.gpkg", layer="landslides")
    assert polygons.geometry.is_valid.all()
    page = (out / "simulated_20180905_report.html").read_text()
    for said in ("Unvalidated", "Simulated data", "Trained on simulated data"):
        assert said in page

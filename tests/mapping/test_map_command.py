"""From a trained model and a cube to all products, whole, by the command alone."""

import json
import os
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import xarray as xr

from landslide import open_cube, simulate_cube
from landslide.cli import main
from landslide.cube.georeference import geobox_of
from landslide.mapping.products.reading import read_plane
from landslide.mapping.write import DAMAGED

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


def test_a_model_and_a_cube_become_products(
    cube: str,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "map"
    assert main(["map", model, cube, str(out), "--min-area", "1000"]) == 0
    assert {Path(line) for line in capsys.readouterr().out.splitlines()} == set(out.iterdir())
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
    called = np.ma.getdata(probability) >= threshold
    wanted = np.where(np.ma.getmaskarray(probability), 255, called)
    np.testing.assert_array_equal(mask.filled(255), wanted)
    assert 0 < called.sum() < called.size
    polygons = geopandas.read_file(out / "simulated_20180905_landslides.gpkg", layer="landslides")
    assert polygons.geometry.is_valid.all()
    page = (out / "simulated_20180905_report.html").read_text()
    for said in ("Unvalidated", "Simulated data", "Trained on simulated data"):
        assert said in page
        assert said in caplog.text


def test_a_box_without_data_leaves_no_folder_though_its_chips_see_some(
    cube: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened, holed = xr.open_zarr(cube, consolidated=False).drop_encoding(), tmp_path / "holed.zarr"
    hole = np.ones((256, 384), bool)
    hole[:100, :100] = False
    opened["vv"] = opened["vv"].where(xr.DataArray(hole, dims=("y", "x")))
    opened.to_zarr(holed, zarr_format=2, consolidated=False)
    out = str(tmp_path / "map")
    run = ["map", model, str(holed), out, "--missing", "no-data", "--formats", "parquet"]

    def box_of(rows: slice, columns: slice) -> list[str]:
        geobox = geobox_of(open_cube(cube)[["dem"]].isel(y=rows, x=columns))
        assert geobox is not None
        return ["--bbox", *(f"{side:.6f}" for side in geobox.geographic_extent.boundingbox.bbox)]

    assert main([*run, *box_of(slice(45, 95), slice(45, 90))]) == 1
    assert "error: the map has no valid pixel" in capsys.readouterr().err
    assert not Path(out).exists()
    assert main([*run, *box_of(slice(45, 95), slice(150, 190))]) == 0  # as the error advises


CHUNK = 128


@pytest.fixture
def damaged(cube: str, tmp_path: Path) -> str:
    """Address of the cube in chunks of 128 pixels, of which one of each layer is damaged."""
    out = tmp_path / "damaged.zarr"
    opened = xr.open_zarr(cube, consolidated=False).drop_encoding()
    opened.chunk(y=CHUNK, x=CHUNK).to_zarr(out, zarr_format=2, consolidated=False)
    for chunk in ("vv/0.0.2", "dem/1.0", "landslides/0.1"):
        os.truncate(out / chunk, (out / chunk).stat().st_size // 2)
    return str(out)


def test_what_is_damaged_is_no_data_in_the_products_too(
    cube: str,
    damaged: str,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "map"
    assert main(["map", model, damaged, str(out)]) == 1
    assert "--skip-damaged" in capsys.readouterr().err
    out = tmp_path / "skipped"
    assert main(["map", model, damaged, str(out), "--skip-damaged"]) == 0
    assert "dem/1.0 cannot be decoded" in caplog.text
    summary = json.loads((out / "simulated_20180905_summary.json").read_text())
    assert DAMAGED in summary["statements"]
    for name in ("probability", "mask", "density"):
        with rasterio.open(out / f"simulated_20180905_{name}.tif") as raster:
            assert DAMAGED in raster.tags()["TIFFTAG_IMAGEDESCRIPTION"], name
    with rasterio.open(out / "simulated_20180905_mask.tif") as raster:
        unseen = raster.read(1) == 255
    whole = open_cube(cube)
    wanted = ~np.isfinite(np.log(whole["vv"].to_numpy())).all(axis=0)
    wanted[:CHUNK, 2 * CHUNK :] = True
    np.testing.assert_array_equal(unseen, wanted)
    labelled = whole["landslides"].to_numpy() != 255
    labelled[:CHUNK, CHUNK : 2 * CHUNK] = False  # neither hit nor miss
    assert summary["scores"]["pixels"] == (labelled & ~unseen).sum()
    polygons = geopandas.read_file(out / "simulated_20180905_landslides.gpkg", layer="landslides")
    assert (polygons["note"].str.contains(DAMAGED)).all()
    page = (out / "simulated_20180905_report.html").read_text()
    assert DAMAGED in page
    assert "Before and after" in page


@pytest.mark.parametrize(("name", "hole"), [("dem", (1, 0)), ("landslides", (0, 1))])
def test_of_a_damaged_block_all_other_chunks_are_read(
    cube: str, damaged: str, name: str, hole: tuple[int, int]
) -> None:
    found: set[str] = set()
    plane = open_cube(damaged, block_pixels=1)[name]
    values = read_plane(plane, slice(0, 256), slice(0, 384), found, no_data=255)
    left_out = np.zeros((256, 384), bool)
    left_out[tuple(slice(n * CHUNK, (n + 1) * CHUNK) for n in hole)] = True
    wanted = np.where(left_out, 255, open_cube(cube)[name])
    np.testing.assert_array_equal(values, wanted)
    (said,) = found
    assert f"{name}/{hole[0]}.{hole[1]} cannot be decoded" in said

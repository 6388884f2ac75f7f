"""A simulated event, written out as an archive has it, and built again from that.

The images become GeoTIFFs of two bursts each, with OPERA's names; the elevation one of a DEM; the
landslides polygons. What is built from them is the simulated cube where it must be.
"""

import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio.features
import shapely
import xarray as xr
from rasterio.transform import from_origin

from landslide.build.assemble import build_cube
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe
from landslide.chips.split import Chipping
from landslide.chips.stream import stream_chips
from landslide.cube.events import find_event
from landslide.cube.store import open_cube
from landslide.simulation import simulate_cube
from landslide.training.config import training_config
from landslide.trial import train_bundle

CRS = "EPSG:32654"
SHAPE = (384, 512)
SEAM = 200
"""Row at which the two bursts of an image meet; they overlap by a few."""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    out = tmp_path_factory.mktemp("simulated") / "cube.zarr"
    return simulate_cube(str(out), shape=SHAPE, descending=(2, 2), ascending=(1, 1))


@pytest.fixture(scope="module")
def built(simulated: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder = tmp_path_factory.mktemp("written")
    event = write_event(simulated, folder)
    return build_cube(plan_build(load_recipe(event)), str(folder / "built.zarr"))


def write_event(cube: xr.Dataset, folder: Path) -> Path:
    """Write a cube out: images, DEM and inventory, and the event file that names them."""
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
                write(
                    folder / "rtc" / f"{stem}_v1.0_{name.upper()}.tif",
                    values[rows],
                    left,
                    top - 10 * rows.start,
                )
    write(folder / "dem.tif", cube["dem"].to_numpy(), left, top)
    where = from_origin(left, top, 10, 10)
    slides = cube["landslides"].to_numpy()
    shapes = rasterio.features.shapes(slides, mask=slides == 1, transform=where)
    polygons = [shapely.geometry.shape(geometry) for geometry, _ in shapes]
    geopandas.GeoDataFrame(geometry=polygons, crs=CRS).to_file(folder / "slides.gpkg")
    # A little inside: straight edges bend by half a metre on their way through degrees.
    bounds = (left + 2, top - 10 * SHAPE[0] + 2, left + 10 * SHAPE[1] - 2, top - 2)
    area = geopandas.GeoSeries([shapely.box(*bounds)], crs=CRS).to_crs("EPSG:4326").iloc[0]
    (folder / "area.geojson").write_text(json.dumps(shapely.geometry.mapping(area)))
    event = find_event(cube)
    path = folder / "event.toml"
    path.write_text(
        f"""
name = "{event.name}"
time = {np.datetime_as_string(event.start, "s")}Z

[build]
area = "area.geojson"
crs = "{CRS}"
before_days = 3650
after_days = 3650
sar = {{source = "rtc"}}
terrain = {{source = "dem.tif", min_coverage = 0.9}}
labels = {{inventory = "slides.gpkg"}}
"""
    )
    return path


def write(path: Path, values: np.ndarray, left: float, top: float) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1,
        dtype=values.dtype, crs=CRS, transform=from_origin(left, top, 10, 10), nodata=np.nan,
    ) as image:  # fmt: skip
        image.write(values, 1)


def test_the_images_are_those_that_were_written(built: xr.Dataset, simulated: xr.Dataset) -> None:
    for axis in ("y", "x"):
        np.testing.assert_array_equal(built[axis], simulated[axis])
    assert built["timestep"].values.astype("M8[s]").tolist() == (
        simulated["timestep"].values.astype("M8[s]").tolist()
    )
    for name in ("sat:orbit_state", "sat:relative_orbit"):
        assert built[name].values.tolist() == simulated[name].values.tolist()
    for name in ("vv", "vh"):
        np.testing.assert_allclose(built[name], simulated[name], rtol=1e-6)


def test_the_terrain_is_that_of_the_same_elevation(
    built: xr.Dataset, simulated: xr.Dataset
) -> None:
    part = built.isel(y=slice(2, -2), x=slice(2, -2))
    truth = simulated.isel(y=slice(2, -2), x=slice(2, -2))
    np.testing.assert_allclose(part["dem"], truth["dem"], rtol=1e-6)
    # The simulation differs from Horn's slope in its differences' weights alone.
    slope = part["dem_slope_radians"] - truth["dem_slope_radians"]
    assert float(abs(slope).mean()) < 0.02
    steep = truth["dem_slope_radians"] > 0.2
    turn = np.cos(np.deg2rad(part["dem_aspect"] - truth["dem_aspect"]))
    assert float(turn.where(steep).mean()) > 0.98


def test_the_labels_are_the_landslides(built: xr.Dataset, simulated: xr.Dataset) -> None:
    assert int(simulated["landslides"].sum()) > 1000
    np.testing.assert_array_equal(built["landslides"], simulated["landslides"])


def test_the_same_chips_stream_from_it(built: xr.Dataset, simulated: xr.Dataset) -> None:
    """One pass for the sweep's images: the event, the orbit and the order of images are its own."""
    streamed = [
        stream_chips(
            open_cube(cube.encoding["source"]), find_event(cube), inputs="vv+vh", timesteps=(1, 2)
        ).compute()
        for cube in (built, simulated)
    ]
    assert streamed[0].sizes["chip"] > 3
    np.testing.assert_array_equal(streamed[0]["label"], streamed[1]["label"])
    np.testing.assert_allclose(streamed[0]["sar"], streamed[1]["sar"], atol=2e-6)


def test_a_model_trains_on_what_was_built(built: xr.Dataset, tmp_path: Path) -> None:
    """The published commands take the built cube as it is: event, chips, mask and layout."""
    cube = open_cube(built.encoding["source"])
    config = training_config(
        "quick", inputs="vv+vh+dem", timesteps=2, seed=0, epochs=1, batch_size=4
    )
    chipping = Chipping(chip_size=64)
    trained = train_bundle(cube, config, chipping, out=str(tmp_path / "model"))
    assert 0 < trained.auprc <= 1
    assert (tmp_path / "model").is_dir()

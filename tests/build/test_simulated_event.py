"""A simulated event, written out as an archive has it, and built again from that.

The images become GeoTIFFs of two bursts each, with OPERA's names; the elevation one of a DEM; the
landslides polygons. What is built from them is the simulated cube where it must be.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from landslide.build.assemble import build_cube
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe
from landslide.bundling import train_bundle
from landslide.chips.split import Chipping
from landslide.chips.stream import stream_chips
from landslide.cube.events import find_event
from landslide.cube.store import open_cube
from landslide.simulation import simulate_cube
from landslide.training.config import training_config

SHAPE = (384, 512)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    out = tmp_path_factory.mktemp("simulated") / "cube.zarr"
    return simulate_cube(str(out), shape=SHAPE, descending=(2, 2), ascending=(1, 1))


@pytest.fixture(scope="module")
def built(
    simulated: xr.Dataset,
    write_event: Callable[[xr.Dataset, Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> xr.Dataset:
    folder = tmp_path_factory.mktemp("written")
    event = write_event(simulated, folder)
    return build_cube(plan_build(load_recipe(event)), str(folder / "built.zarr"))


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

"""A planned experiment and its chips."""

import pytest
import xarray as xr

from landslide.chips.loading import load_chips
from landslide.chips.stream import stream_chips
from landslide.cube.store import open_cube
from landslide.experiment.plan import Experiment, plan_experiment
from tests.quake import CHIPPING, EVENT, write_cube


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return open_cube(write_cube(tmp_path_factory.mktemp("cube")))


@pytest.fixture(scope="module")
def experiment(cube: xr.Dataset) -> Experiment:
    return plan_experiment(cube, EVENT, CHIPPING, ["vv", "vv+vh", "dem"], [1, 2])


@pytest.fixture(scope="module")
def chips(cube: xr.Dataset, experiment: Experiment) -> xr.Dataset:
    return load_chips(
        stream_chips(
            cube,
            EVENT,
            inputs=experiment.inputs,
            timesteps=experiment.timesteps,
            chipping=CHIPPING,
            split=experiment.split,
        )
    )

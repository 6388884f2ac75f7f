"""What all trials of a sweep share."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from landslide.chips.split import TEST, TRAIN, UNUSED, Chipping
from landslide.experiment.plan import Experiment, plan_experiment
from tests.quake import CHIPPING, EVENT


def test_it_says_what_all_trials_share(cube: xr.Dataset, experiment: Experiment) -> None:
    assert experiment.cube.endswith("quake.zarr")
    assert experiment.inputs == ("dem", "vv", "vv+vh")
    assert experiment.timesteps == (1, 2)
    assert not experiment.simulated
    parts = [chip["part"] for chip in json.loads(experiment.split)["chips"]]
    assert (parts.count(TRAIN), parts.count(TEST), parts.count(UNUSED)) == (10, 3, 2)
    again = plan_experiment(cube, EVENT, CHIPPING, ["vh+vv", "vv", "dem"], [2, 1, 2])
    assert again == experiment


def test_other_chips_have_another_split_digest(cube: xr.Dataset, experiment: Experiment) -> None:
    other = plan_experiment(cube, EVENT, Chipping(chip_size=24), ["vv"], [1])
    assert other.split_digest != experiment.split_digest


def test_a_chip_store_is_named_by_what_determines_its_chips(experiment: Experiment) -> None:
    same = replace(experiment, inputs=("dem", "vh+vv", "vv"), cube="another address")
    assert same.chip_store == experiment.chip_store
    others: dict[str, Any] = {
        "cube_digest": "b" * 64,
        "event": replace(EVENT, end=EVENT.end + np.timedelta64(1, "s")),
        "split": "[]",
        "inputs": ("vv",),
        "timesteps": (1,),
        "orbit": "any",
    }
    names = {replace(experiment, **{key: value}).chip_store for key, value in others.items()}
    assert len(names | {experiment.chip_store}) == 7


def test_a_split_without_landslides_to_test_on_is_refused_before_an_image_is_read(
    cube: xr.Dataset, experiment: Experiment
) -> None:
    split = json.loads(experiment.split)
    for chip in split["chips"]:
        chip["part"] = TRAIN
    with pytest.raises(ValueError, match=r"in the test part of the split \(0 chips\)"):
        plan_experiment(cube, EVENT, CHIPPING, ["vv"], [1], split=json.dumps(split))


@pytest.mark.parametrize(("size", "warned"), [(64, True), (32, False)])
def test_landslides_to_test_on_that_lie_in_less_than_two_blocks_are_warned_of(
    size: int, warned: bool, cube: xr.Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    chipping = Chipping("blocked", chip_size=32, block_size=size, buffer=0)
    planned = plan_experiment(cube, EVENT, chipping, ["vv"], [1])
    if warned:  # of six blocks a fifth are to test on
        said = r"quake\.zarr: the landslides to test on lie in 1\.\d of \d spatial blocks"
        assert re.search(said, caplog.text)
        assert planned.cube in caplog.text
    else:
        assert not caplog.text

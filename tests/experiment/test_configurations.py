"""Which configurations a sweep trains."""

from dataclasses import replace
from typing import Any

import pytest

from landslide.chips.inputs import PAPER_INPUTS, PAPER_TIMESTEPS
from landslide.experiment.configurations import configurations, with_baseline
from tests.quake import SMALL

SPELT_OUT = "vv+elevation+slope+aspect+curvature"


def test_the_papers_sweep_is_sixteen_and_the_baseline() -> None:
    found = configurations(SMALL, with_baseline(PAPER_INPUTS), PAPER_TIMESTEPS, [0])
    assert len(found) == len(set(found)) == 17
    pairs = {(config.inputs, config.timesteps) for config in found}
    assert pairs == {(i, t) for i in PAPER_INPUTS for t in PAPER_TIMESTEPS} | {("dem", 0)}


def test_each_seed_comes_with_all_of_them() -> None:
    found = configurations(SMALL, with_baseline(PAPER_INPUTS), PAPER_TIMESTEPS, [3, 1, 4])
    assert len(found) == 3 * 17
    assert [config.seed for config in found] == [3] * 17 + [1] * 17 + [4] * 17


def test_all_else_is_the_presets() -> None:
    for config in configurations(SMALL, ["vv", "dem"], [1, 2], [5]):
        same: dict[str, Any] = {
            "inputs": SMALL.inputs,
            "timesteps": SMALL.timesteps,
            "seed": SMALL.seed,
        }
        assert replace(config, **same) == SMALL


def test_what_is_said_twice_is_trained_once() -> None:
    assert len(configurations(SMALL, ["vv+vh", "vh+vv"], [2, 2], [0, 0])) == 1


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (PAPER_INPUTS, [*PAPER_INPUTS, "dem"]),
        (["VH + vv"], ["vv+vh"]),
        (["vv+slope"], ["vv+slope"]),
        (["dem"], ["dem"]),
        (["vv+dem", "dem"], ["vv+dem", "dem"]),
        ([SPELT_OUT], [SPELT_OUT, "dem"]),
    ],
)
def test_the_baseline_joins_where_all_of_the_terrain_is_used(
    inputs: list[str], expected: list[str]
) -> None:
    assert with_baseline(inputs) == expected

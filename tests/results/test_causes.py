"""Whether a claim that is not held fails for the simulation's sake, or the pipeline's."""

import numpy as np
import pandas as pd
import pytest

from landslide.results.causes import HEADER, causes

TIMESTEPS = (3, 4)


def detector(make, gain):
    """Return rows of one seed, whose DEM gains as much, on the models' own test blocks."""
    every = []
    for n in TIMESTEPS:
        (plain,) = make("vv+vh", 1.5, n, seeds=(0,))
        every += [
            plain.record(),
            plain.record() | {"inputs": "vv+vh+dem", "auprc": plain.auprc + gain},
        ]
    return pd.DataFrame(every)


def models(make, gain, by_seed=0.001):
    """Return rows of three seeds, whose DEM gains as much in the mean."""
    every = []
    for n in TIMESTEPS:
        for seed, row in enumerate(make("vv+vh", 1.5, n)):
            other = row.auprc + gain + by_seed * (seed - 1)
            every += [row.record(), row.record() | {"inputs": "vv+vh+dem", "auprc": other}]
    return pd.DataFrame(every)


def cause_of(found):
    (line,) = [line for line in found if line[0].startswith("The DEM adds no more")]
    return dict(zip(HEADER, line, strict=True))


BESIDE = "training, the split or what neighbours tell"


@pytest.mark.parametrize(
    ("gain", "by_seed", "its", "cause"),
    [
        (0.05, 0.001, 0.05, "the simulation"),
        (0.05, 0.001, 0.03, f"the simulation, and beyond it {BESIDE}"),
        (0.05, 0.001, 0.002, BESIDE),
        (0.005, 0.03, 0.002, "none: the means hold it, as the detector's do"),
        (0.015, 0.03, 0.002, "not to be told: the interval has room for what the detector finds"),
    ],
)
def test_the_cause_is_told_by_what_the_detector_gains(rows, gain, by_seed, its, cause):
    line = cause_of(causes(models(rows, gain, by_seed), detector(rows, its)))
    assert line["so the cause is"] == cause
    assert line["the models"].startswith(f"vv+vh+dem - vv+vh {gain:+.3f} [")
    assert line["the exact detector"] == f"vv+vh+dem - vv+vh {its:+.3f}"
    assert float(line["models - detector"].partition(" [")[0]) == pytest.approx(
        gain - its, abs=1e-3
    )


def test_what_is_held_needs_no_cause(rows):
    found = causes(models(rows, 0.005), detector(rows, 0.05))
    assert not [line for line in found if line[0].startswith("The DEM adds no more")]


def test_models_and_detector_are_paired_over_test_blocks(rows):
    """Both have the same histograms: what differs is in the scores alone, however blocks vary."""
    line = cause_of(causes(models(rows, 0.05), detector(rows, 0.03)))
    ends = line["models - detector"].partition("[")[2].rstrip("]").split(", ")
    low, high = map(float, ends)
    assert high - low == pytest.approx(2 * 4.303 * 0.001 / np.sqrt(3), abs=0.0015)

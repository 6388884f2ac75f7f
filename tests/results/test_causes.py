"""Whether a claim that is not held fails for the simulation's sake, or the pipeline's."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from landslide.results.causes import HEADER, causes
from landslide.results.claims import paper_claims
from landslide.results.setting import Detector

TIMESTEPS = (3, 4)
PERHAPS = "perhaps the simulation, whose mean says the same"
ONLY = "perhaps the simulation: the detector points there only where"
NOT_TOLD, TOLD = f"{ONLY} not told the land cover", f"{ONLY} told the land cover"
BESIDE = "training, the split or what neighbours tell"


def of_both(make, gains):
    """Return rows of vv+vh, and of the DEM beside it, which gains as much in each seed.

    Whatever they score, their histograms are the same in every seed and for every gain, so that
    draws of the gain vary by test block and by nothing else.
    """
    every = []
    for n in TIMESTEPS:
        (plain,), (terrain,) = make("vv+vh", 1.5, n, (0,)), make("vv+vh+dem", 1.6, n, (0,))
        for seed, gain in enumerate(gains):
            every.append(replace(plain, seed=seed, auprc=0.6))
            every.append(replace(terrain, seed=seed, auprc=0.6 + gain))
    return pd.DataFrame([vars(row) for row in every])


def detector(alone, told=None):
    return Detector(alone, alone if told is None else told)


def cause_of(found):
    (line,) = [line for line in found if line[0].startswith("The DEM adds no more")]
    return dict(zip(HEADER, line, strict=True))


@pytest.mark.parametrize(
    ("gains", "its", "cause"),
    [
        ((0.149, 0.15, 0.151), 0.15, "the simulation"),
        ((0.249, 0.25, 0.251), 0.15, f"the simulation; and beyond it {BESIDE}"),
        ((0.099, 0.1, 0.101), 0.15, "the simulation"),  # less than it, and not beyond it
        ((0.049, 0.05, 0.051), 0.03, f"{PERHAPS}; and beyond it {BESIDE}"),
        ((0.149, 0.15, 0.151), 0.002, BESIDE),
        (
            (-0.03, 0.005, 0.04),
            0.002,
            "none sought: all means hold it, and more seeds or ground would tell",
        ),
        ((-0.02, 0.015, 0.05), 0.002, "not to be told: it may be as the detector finds"),
        ((0.05,), 0.002, "not to be told: it may be as the detector finds"),  # one seed
    ],
)
def test_the_cause_is_told_by_what_the_detector_gains(rows, gains, its, cause):
    line = cause_of(causes(of_both(rows, gains), detector(of_both(rows, (its,)))))
    assert line["so the cause is"] == cause
    assert line["the models"].startswith("vv+vh+dem - vv+vh ")
    assert line["the exact detector"] == f"vv+vh+dem - vv+vh {its:+.3f}"
    between = float(line["models - detector"].partition(" [")[0])
    assert between == pytest.approx(np.mean(gains) - its, abs=1e-3)


@pytest.mark.parametrize(
    ("gains", "its", "told", "cause"),
    [
        ((0.249, 0.25, 0.251), 0.15, 0.14, f"the simulation; and beyond it {BESIDE}"),
        ((0.049, 0.05, 0.051), 0.15, 0.14, "the simulation"),
        ((0.049, 0.05, 0.051), 0.15, 0.03, PERHAPS),
        ((0.049, 0.05, 0.051), 0.15, 0.002, NOT_TOLD),
        ((0.049, 0.05, 0.051), 0.002, 0.15, TOLD),
        ((0.149, 0.15, 0.151), 0.1, 0.002, f"{NOT_TOLD}; and beyond it {BESIDE}"),
        ((0.049, 0.05, 0.051), 0.005, 0.002, BESIDE),
    ],
)
def test_models_may_gain_what_the_detector_does_alone_or_told_the_land_cover(
    rows, gains, its, told, cause
):
    found = detector(of_both(rows, (its,)), of_both(rows, (told,)))
    line = cause_of(causes(of_both(rows, gains), found))
    assert line["so the cause is"] == cause
    alone, other = line["the exact detector"].split("; told ")
    assert (alone, other) == tuple(f"vv+vh+dem - vv+vh {gain:+.3f}" for gain in (its, told))
    between = [
        float(each.partition(" [")[0]) for each in line["models - detector"].split("; told ")
    ]
    assert between == pytest.approx([np.mean(gains) - its, np.mean(gains) - told], abs=1e-3)


def test_what_is_held_needs_no_cause(rows):
    scored = of_both(rows, (-0.2, -0.201, -0.199))
    assert not [
        line for line in causes(scored, detector(of_both(rows, (0.05,)))) if "adds no" in line[0]
    ]


def test_models_and_detector_are_paired_over_test_blocks(rows):
    """Block by block both gain the same, so only the seeds are left in their difference."""
    scored = of_both(rows, (0.149, 0.15, 0.151))
    (gain,) = paper_claims(scored)[5].comparisons
    students = 4.303 * 0.001 / np.sqrt(3)
    assert gain.interval().high - gain.interval().mean > 5 * students
    line = cause_of(causes(scored, detector(of_both(rows, (0.1,)))))
    low, high = map(float, line["models - detector"].partition("[")[2].rstrip("]").split(", "))
    assert high - low == pytest.approx(2 * students, abs=0.0011)


def test_only_what_the_models_have_is_asked_of_the_detector(rows):
    scored, alone = of_both(rows, (0.149, 0.15, 0.151)), of_both(rows, (0.1,))
    growing = alone[alone["inputs"] == "vv+vh"].assign(
        timesteps=lambda found: found["timesteps"] - 2, auprc=0.2
    )
    more = pd.concat([alone, growing])
    (growth,) = [
        line for line in causes(scored, detector(more)) if line[1].startswith("vv+vh per timestep")
    ]
    assert float(growth[2].removeprefix("vv+vh per timestep ")) == pytest.approx(0, abs=1e-9)


def test_the_best_of_one_and_the_best_of_many_stand_beside_each_other(rows):
    """A trial that failed leaves fewer to be the best of the models than of the detector."""
    scored = of_both(rows, (-0.01, -0.02, -0.03))
    scored = scored[(scored["timesteps"] == 3)]
    lost = (scored["inputs"] == "vv+vh+dem") & (scored["seed"] == 2)
    lines = causes(scored[~lost], detector(of_both(rows, (0.3,))))
    (best,) = [line for line in lines if line[0].startswith("The best AUPRC")]
    assert best[1].startswith("vv+vh at 3 0.600, the best of 2 at ")
    assert best[2] == "vv+vh+dem at 3 0.900"
    assert best[3] == ""


def test_a_best_that_is_surely_too_low_is_not_the_detectors(make_row):
    scored = [
        make_row(inputs=inputs, seed=seed, auprc=0.5 + 1e-4 * seed)
        for inputs in ("vv", "vh")
        for seed in range(3)
    ]
    frame = pd.DataFrame([vars(row) for row in scored])
    for its, cause in ((0.8, BESIDE), (0.6, PERHAPS)):
        alone = frame[frame["seed"] == 0].assign(auprc=its)
        (line,) = [
            line for line in causes(frame, detector(alone)) if line[0].startswith("The best")
        ]
        assert line[-1] == cause

"""By construction the paper's findings hold: an exact detector shows them without training."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from landslide.cube.events import event_from_attribute
from landslide.simulation.backscatter import expected_season
from landslide.simulation.detector import (
    change_covariance,
    detect,
    landslide_moments,
    terrain_kinds,
)
from landslide.simulation.inventory import inside_chips
from landslide.simulation.landcover import COVERS

INPUTS = {"vv": ["vv"], "vh": ["vh"], "vv+vh": ["vv", "vh"], "vv+vh+dem": ["vv", "vh"]}
TIMESTEPS = (1, 2, 3, 4)


def change_of(cube, truth, timesteps):
    """The composites' change (y, x, [vv, vh]), less the season's, which the detector knows."""
    event = event_from_attribute(cube.attrs["event"])
    images = cube.sel(timestep=cube["sat:orbit_state"] == "descending")
    before = images.sel(timestep=images.timestep < event.start).isel(
        timestep=slice(-timesteps, None)
    )
    after = images.sel(timestep=images.timestep > event.end).isel(timestep=slice(timesteps))
    change = np.stack(
        [
            np.log(after[name]).mean("timestep").values
            - np.log(before[name]).mean("timestep").values
            for name in ("vv", "vh")
        ],
        axis=-1,
    ).astype(np.float64)
    seasons = [
        np.mean([expected_season(truth.cover, date) for date in side.timestep.values], axis=0)
        for side in (before, after)
    ]
    return change - (seasons[1] - seasons[0])[..., None]


@pytest.fixture(scope="module")
def pixels(truth, scene):
    """A fifth of the observed pixels of the kept chips, at random."""
    inside = inside_chips(scene, truth.inventory.chips) & ~truth.views["descending"].layover
    chosen = np.random.default_rng(0).random(inside.shape) < 0.2
    return inside & chosen


@pytest.fixture(scope="module")
def changes(cube, truth, pixels):
    return {n: change_of(cube, truth, n)[pixels] for n in TIMESTEPS}


@pytest.fixture(scope="module")
def scores(scene, truth, pixels, changes):
    label = (truth.inventory.identity > 0)[pixels]
    cover = truth.cover[pixels]
    terrain = terrain_kinds(truth.inventory.susceptibility[pixels])

    def score(name, timesteps, told):
        columns = [("vv", "vh").index(channel) for channel in INPUTS.get(name, [])]
        change = changes[timesteps][:, columns]
        kind = terrain * ("dem" in name) * len(COVERS) + cover * told
        odds = detect(change, scene, cover, label, kind, timesteps, INPUTS.get(name, []))
        # Where nothing of a kind slid, or all of it, the odds are infinite.
        return average_precision_score(label, np.clip(odds, -1e30, 1e30))

    found = {name: [score(name, n, told=False) for n in TIMESTEPS] for name in INPUTS}
    for name in ("vv+vh", "vv+vh+dem"):
        found[f"{name}, told"] = [score(name, n, told=True) for n in TIMESTEPS]
    alone = score("dem", 1, told=False)
    return found | {"dem": [alone], "prevalence": [label.mean()]}


@pytest.mark.parametrize("inputs", list(INPUTS))
def test_more_timesteps_help_for_every_input(scores, inputs):
    gains = np.diff(scores[inputs])
    assert np.all(gains > 0.01)
    assert gains[0] > gains[-1]


def test_vv_beats_vh_and_both_beat_one(scores):
    vv, vh, both = (np.array(scores[name]) for name in ("vv", "vh", "vv+vh"))
    assert np.all(vv > vh + 0.04)
    assert np.all(both > vv + 0.04)


def test_the_dem_alone_does_little(scores):
    assert scores["prevalence"][0] == pytest.approx(0.09, rel=0.1)
    assert 0.11 < scores["dem"][0] <= 0.17


def test_the_dem_helps_at_one_and_two_timesteps_more_than_at_four(scores):
    gain = np.array(scores["vv+vh+dem"]) - scores["vv+vh"]
    assert gain[0] > gain[1] > gain[3]
    assert gain[0] > 2 * gain[3]


def test_most_of_what_the_dem_tells_is_the_land_cover(scores):
    plain, terrain, told, told_terrain = (
        np.array(scores[name]) for name in ("vv+vh", "vv+vh+dem", "vv+vh, told", "vv+vh+dem, told")
    )
    assert np.all(told > plain + 0.01)
    assert np.all(told_terrain > terrain)
    gain = told_terrain - told
    assert np.all(gain > 0)
    assert np.all(gain < (terrain - plain) / 2)


@pytest.mark.parametrize("timesteps", TIMESTEPS)
def test_the_change_has_the_moments_that_the_detector_assumes(
    scene, truth, pixels, changes, timesteps
):
    label, cover = (truth.inventory.identity > 0)[pixels], truth.cover[pixels]
    forest = (cover == 0) & ~label
    assumed = change_covariance(scene, COVERS[0], timesteps, ["vv", "vh"])
    found = np.cov(changes[timesteps][forest], rowvar=False)
    np.testing.assert_allclose(np.diag(found), np.diag(assumed), rtol=0.1)
    mean, _ = landslide_moments(scene, ["vv", "vh"])
    np.testing.assert_allclose(changes[timesteps][label].mean(axis=0), mean, rtol=0.15)

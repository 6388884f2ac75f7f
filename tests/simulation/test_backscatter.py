from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from landslide.simulation import Scene
from landslide.simulation.backscatter import log_speckle, weather
from landslide.simulation.changes import landslide_change
from landslide.simulation.scene import INSTANT, overpasses

DATES = [np.datetime64("2018-09-05T20:42:15", "ns"), np.datetime64("2018-09-17T20:42:15", "ns")]
SCENE = Scene(shape=(600, 840))


@pytest.mark.parametrize("polarisation", ["vv", "vh"])
def test_speckle_has_the_gamma_law_of_its_looks(polarisation):
    looks = SCENE.vv.looks
    speckle = log_speckle(SCENE, polarisation, DATES[0]).astype(np.float64)
    assert np.exp(speckle).mean() == pytest.approx(1, abs=0.005)
    assert 1 / np.exp(speckle).var() == pytest.approx(looks, rel=0.03)
    assert speckle.mean() == pytest.approx(special.digamma(looks) - np.log(looks), abs=0.002)
    assert speckle.var() == pytest.approx(special.polygamma(1, looks), rel=0.03)


def correlation(first, second):
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


def test_speckle_is_correlated_in_space_and_independent_between_dates_and_polarisations():
    first, second = (log_speckle(SCENE, "vv", date) for date in DATES)
    assert 0.3 < correlation(first[:, :-1], first[:, 1:]) < 0.7
    assert 0.3 < correlation(first[:-1], first[1:]) < 0.7
    assert abs(correlation(first, second)) < 0.01
    assert abs(correlation(first, log_speckle(SCENE, "vh", DATES[0]))) < 0.01


def test_weather_is_drawn_anew_for_each_date_and_shared_by_the_polarisations():
    cover = np.zeros(SCENE.shape, np.uint8)
    first, second = (weather(SCENE, cover, date) for date in DATES)
    assert first["vv"].std() == pytest.approx(SCENE.vv.weather_sd, rel=0.05)
    assert correlation(first["vv"], first["vh"]) == pytest.approx(
        SCENE.weather_correlation, abs=0.06
    )
    assert abs(correlation(first["vv"], second["vv"])) < 0.06


def test_landslides_raise_vv_more_clearly_than_they_lower_vh(scene, truth):
    slid = truth.inventory.identity > 0
    vv, vh = (landslide_change(scene, truth.inventory, name) for name in ("vv", "vh"))
    assert np.all(vv[~slid] == 0)
    assert vv[slid].mean() == pytest.approx(scene.vv.change_mean, rel=0.1)
    assert vh[slid].mean() == pytest.approx(scene.vh.change_mean, rel=0.1)
    assert vv[slid].mean() > -vh[slid].mean() > 0


def test_the_first_descending_image_is_of_the_events_own_day_and_after_it():
    images = overpasses(Scene(descending=(9, 9), ascending=(4, 4)))
    assert len(images) == 26
    after = [date for date, state, _ in images if state == "descending" and date > INSTANT]
    assert len(after) == 9
    assert after[0].astype("datetime64[D]") == INSTANT.astype("datetime64[D]")
    assert {orbit for _, state, orbit in images if state == "descending"} == {46}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (4, 400)}, "too small"),
        ({"descending": (0, 5)}, "at least 1 descending"),
        ({"descending": (2, 2)}, "timepairs"),
        ({"landslide_chips": 0}, "landslide_chips is 0"),
        ({"vv": replace(SCENE.vv, looks=np.nan)}, "looks are finite numbers from 1 on"),
        ({"vh": replace(SCENE.vh, looks=np.inf)}, "looks are finite numbers from 1 on"),
    ],
)
def test_an_impossible_scene_is_an_error_of_one_line(change, message):
    with pytest.raises(ValueError, match=message) as error:
        Scene(**change)
    assert "\n" not in str(error.value)

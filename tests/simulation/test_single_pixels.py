"""The exact detector on chips, and the scene that a cube says it is of."""

import json

import numpy as np
import pytest

from landslide.chips.loading import load_chips
from landslide.chips.stream import plan_stream
from landslide.cube.events import find_event
from landslide.cube.labels import NO_DATA
from landslide.simulation.backscatter import expected_season
from landslide.simulation.detector import detect, terrain_kinds
from landslide.simulation.events import scene_like
from landslide.simulation.scene import scene_from_attribute, scene_to_attribute
from landslide.simulation.single_pixels import detector_odds


def test_a_cube_says_what_scene_it_was_made_from(cube, scene):
    assert scene_from_attribute(cube.attrs["simulated_scene"]) == scene


def test_every_scene_is_read_back_as_it_was():
    other = scene_like("kaikoura")
    assert scene_from_attribute(scene_to_attribute(other)) == other


@pytest.mark.parametrize("change", [{"unheard_of": 1}, {"vv": None}, {"vv": {"odd": 1}}])
def test_a_scene_of_another_version_of_the_simulator_is_an_error(change):
    text = json.dumps(json.loads(scene_to_attribute(scene_like("kaikoura"))) | change)
    with pytest.raises(ValueError, match="another version of the simulator made this cube"):
        scene_from_attribute(text)


@pytest.fixture(scope="module")
def chips(cube):
    stream = plan_stream(cube, find_event(cube), inputs=["vv", "vv+vh+dem"], timesteps=(1, 3))
    return load_chips(stream.only([3, 17, 40]))


@pytest.fixture(scope="module")
def read(scene, truth, cube, chips):
    inputs = ["coherence", "dem", "vv", "vv+vh+dem"]
    return list(detector_odds(scene, truth, cube, chips, inputs, find_event(cube)))


@pytest.fixture(scope="module")
def found(read):
    return {(name, count): each for name, count, told, *each in read if not told}


@pytest.fixture(scope="module")
def told(read):
    return {(name, count): each for name, count, told, *each in read if told}


def test_the_papers_inputs_are_read_at_each_count_and_others_passed_over(found):
    assert list(found) == [("vv", 1), ("vv", 3), ("vv+vh+dem", 1), ("vv+vh+dem", 3), ("dem", 0)]


def test_only_scored_pixels_are_read(found, chips):
    label = chips["label"].values
    for odds, slid in found.values():
        assert odds.shape == slid.shape == (np.count_nonzero(label != NO_DATA),)
        assert slid.sum() == np.count_nonzero(label == 1)


def test_a_chip_is_read_as_the_scene_is_pixel_by_pixel(found, told, scene, truth, cube, chips):
    images = cube.isel(timestep=np.flatnonzero(cube["sat:orbit_state"] == "descending"))
    start = find_event(cube).start
    sides = (
        images.isel(timestep=np.flatnonzero(images["timestep"] < start)[-3:]),
        images.isel(timestep=np.flatnonzero(images["timestep"] > start)[:3]),
    )
    change, cover, slid, terrain = [], [], [], []
    for chip in range(chips.sizes["chip"]):
        y, x = (int(chips[f"corner_{axis}"][chip]) for axis in "yx")
        here = (slice(y, y + 128), slice(x, x + 128))
        kept = chips["label"].values[chip] != NO_DATA
        grown = [
            [
                np.log(side[name][(slice(None), *here)].values).mean(axis=0)
                - np.mean(
                    [expected_season(truth.cover[here], d) for d in side["timestep"].values], 0
                )
                for name in ("vv", "vh")
            ]
            for side in sides
        ]
        change.append((np.array(grown[1]) - grown[0])[:, kept].T)
        terrain.append(truth.inventory.susceptibility[here][kept])
        cover.append(truth.cover[here][kept])
        slid.append((truth.inventory.identity[here] > 0)[kept])
    change, cover, slid, terrain = map(np.concatenate, (change, cover, slid, terrain))
    steep = terrain_kinds(terrain)
    for odds_by_name, name, kind in (
        (found, "vv", np.zeros(slid.size, int)),
        (found, "vv+vh+dem", steep),
        (told, "vv", cover.astype(int)),
        (told, "vv+vh+dem", cover.astype(int) * (steep.max() + 1) + steep),
    ):
        inputs = ["vv", "vh"] if "vh" in name else ["vv"]
        known = change[:, : len(inputs)].astype(float)
        expected = detect(known, scene, cover, slid, kind, 3, inputs)
        odds, label = odds_by_name[name, 3]
        np.testing.assert_array_equal(label, slid)
        np.testing.assert_allclose(odds, expected, rtol=1e-4, atol=1e-3)


def test_without_backscatter_no_land_cover_is_told(found, told):
    assert list(told) == list(found)
    np.testing.assert_array_equal(told["dem", 0][0], found["dem", 0][0])
    assert (told["vv+vh+dem", 1][0] != found["vv+vh+dem", 1][0]).any()

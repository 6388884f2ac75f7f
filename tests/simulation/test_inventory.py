from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, special, stats

from landslide.simulation import Scene
from landslide.simulation import inventory as inventory_module
from landslide.simulation.inventory import (
    landslide_areas,
    shaken_zone,
    simulate_inventory,
    starts,
)
from landslide.simulation.terrain import Terrain, slope_aspect


def malamud(area_km2):
    rho, a, s = 1.40, 1.28e-3, -1.32e-4
    ratio = a / (area_km2 - s)
    return ratio ** (rho + 1) * np.exp(-ratio) / (a * special.gamma(rho))


def test_areas_follow_the_inverse_gamma_law_of_malamud_between_their_limits():
    areas = landslide_areas(np.random.default_rng(0), 4000, (900.0, 1.0e5)) / 1e6
    assert areas.min() >= 0.9e-3
    assert areas.max() <= 0.1
    knots = np.geomspace(0.9e-3, 0.1, 4000)
    below = integrate.cumulative_trapezoid(malamud(knots), knots, initial=0)
    law = stats.kstest(areas, lambda area: np.interp(area, knots, below / below[-1]))
    assert law.pvalue > 0.01


def test_exactly_the_wanted_chips_hold_landslides_and_nine_percent_of_their_pixels(truth):
    label = truth.inventory.identity > 0
    by_chip = label.reshape(8, 128, 10, 128).swapaxes(1, 2)
    holds = by_chip.any(axis=(2, 3))
    assert holds.sum() == 66
    assert by_chip[holds].mean() == pytest.approx(0.09, rel=0.03)
    np.testing.assert_array_equal(holds, truth.inventory.chips)


@pytest.mark.parametrize("wanted", [1, 4, 9])
def test_the_number_of_chips_with_landslides_can_be_chosen(wanted):
    _, chips = shaken_zone(Scene(shape=(400, 560), landslide_chips=wanted))
    assert chips.sum() == wanted


def test_at_hokkaidos_size_309_chips_are_shaken():
    _, chips = shaken_zone(Scene(shape=(4398 // 2, 5382), landslide_chips=None))
    assert chips.shape == (17, 42)
    assert chips.sum() == 309


def test_every_landslide_covers_the_area_drawn_for_it(truth):
    covered = np.bincount(truth.inventory.identity.ravel())[1:]
    np.testing.assert_array_equal(covered, np.rint(truth.inventory.areas_m2 / 100))


def test_landslides_lie_on_steeper_ground(truth):
    label, slope = truth.inventory.identity > 0, np.degrees(truth.terrain.slope)
    assert np.median(slope[label]) > np.median(slope[~label]) + 3


@pytest.mark.parametrize(("east", "north", "axis"), [(0.6, 0.0, 1), (0.0, 0.6, 0)])
def test_landslides_are_longer_downslope_than_across(east, north, axis):
    scene = Scene(shape=(256, 384))
    gradients = [np.full(scene.shape, g, np.float32) for g in (east, north)]
    flat = np.zeros(scene.shape, np.float32)
    inventory = simulate_inventory(
        scene, Terrain(flat, *slope_aspect(*gradients), flat, *gradients)
    )
    ratios = []
    for number in np.flatnonzero(inventory.areas_m2 > 4000) + 1:
        pixels = np.argwhere(inventory.identity == number)
        spread = pixels.std(axis=0)
        ratios.append(spread[axis] / spread[1 - axis])
    assert len(ratios) >= 10
    assert np.median(ratios) > 1.7


def test_landslides_start_as_often_as_the_weights_say():
    weight = np.random.default_rng(0).uniform(0, 3, (7, 9)).astype(np.float32)
    weight[2], weight[:, 5] = 0, 0
    drawn = starts(np.random.default_rng(1), weight)
    seen = np.zeros(weight.shape)
    for _ in range(50_000):
        seen[next(drawn)] += 1
    assert not seen[weight == 0].any()
    expected = 50_000 * weight[weight > 0] / weight.sum(dtype=np.float64)
    assert stats.chisquare(seen[weight > 0], expected).pvalue > 0.01


def test_the_last_bit_of_the_terrain_does_not_move_a_landslide(scene, truth):
    terrain = truth.terrain
    odd = np.indices(scene.shape).sum(axis=0) % 2 == 1
    slope, curvature = (
        np.where(odd, np.nextafter(field, np.float32(np.inf)), field)
        for field in (terrain.slope, terrain.curvature)
    )
    moved = simulate_inventory(scene, replace(terrain, slope=slope, curvature=curvature))
    assert np.count_nonzero(moved.susceptibility != truth.inventory.susceptibility) > 1e5
    np.testing.assert_array_equal(moved.identity, truth.inventory.identity)


def test_a_scene_without_room_says_so(monkeypatch):
    monkeypatch.setattr(inventory_module, "TRIES", 100)
    with pytest.raises(ValueError, match="lower landslide_share"):
        simulate_inventory(*open_slopes())


def test_fewer_landslides_than_chips_are_refused():
    scene, terrain = open_slopes(landslide_share=0.0005)
    with pytest.raises(ValueError, match=r"and 3 chips .*: raise landslide_share, or give fewer"):
        simulate_inventory(scene, terrain)


def open_slopes(landslide_share=1.0):
    scene = Scene(shape=(256, 256), landslide_share=landslide_share)
    gradients = [np.full(scene.shape, 0.5, np.float32) for _ in range(2)]
    flat = np.zeros(scene.shape, np.float32)
    return scene, Terrain(flat, *slope_aspect(*gradients), flat, *gradients)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landslide.simulation import Scene
from landslide.simulation.geometry import FALL_OFF, simulate_view
from landslide.simulation.terrain import (
    Terrain,
    curvature,
    gradient,
    simulate_terrain,
    slope_aspect,
)

SHAPE = (40, 56)


def plane(east, north, pixel_m=10.0):
    rows, columns = np.indices(SHAPE)
    return (100 + pixel_m * (columns * east - rows * north)).astype(np.float32)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_plane_has_its_own_gradient(east, north):
    found = gradient(plane(east, north), 10.0)
    inner = (slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(found[0][inner], east, atol=1e-4)
    np.testing.assert_allclose(found[1][inner], north, atol=1e-4)


@pytest.mark.parametrize(
    ("east", "north", "aspect"),
    [(0, -1, 0), (-1, 0, 90), (0, 1, 180), (1, 0, 270), (-1, -1, 45)],
)
def test_the_aspect_is_where_the_ground_falls_to_clockwise_from_north(east, north, aspect):
    slope, found = slope_aspect(*(np.full(SHAPE, g, np.float32) for g in (east, north)))
    np.testing.assert_allclose(found, aspect, atol=1e-4)
    np.testing.assert_allclose(slope, np.arctan(np.hypot(east, north)), rtol=1e-6)


def test_flat_ground_has_no_aspect():
    _, aspect = slope_aspect(np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32))
    assert np.isnan(aspect).all()


def test_a_dome_has_the_curvature_of_its_second_derivatives():
    y, x = np.indices(SHAPE) * 10.0
    dome = (500 - 0.003 * x**2 - 0.001 * y**2).astype(np.float64)
    found = curvature(dome, 10.0)[1:-1, 1:-1]
    # -(d2z/dx2 + d2z/dy2) = 0.006 + 0.002 per metre.
    np.testing.assert_allclose(found, 100 * 0.008, rtol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_slopes_reach_45_degrees_and_no_further(seed):
    terrain = simulate_terrain(Scene(shape=(300, 420), seed=seed))
    steepest = np.degrees(np.nanmax(terrain.slope))
    assert steepest == pytest.approx(45, abs=0.01)
    assert np.quantile(np.degrees(terrain.slope), 0.99) > 30


def test_slope_aspect_and_curvature_are_those_of_the_elevation(truth):
    terrain = truth.terrain
    slope, aspect = slope_aspect(*gradient(terrain.elevation, 10.0))
    np.testing.assert_allclose(terrain.slope, slope, atol=1e-3)
    turned = np.abs((terrain.aspect - aspect + 180) % 360 - 180)
    assert np.quantile(turned[terrain.slope > 0.1], 0.999) < 0.5


def tilted(east):
    gradients = [np.full(SHAPE, g, np.float32) for g in (east, 0)]
    slope, aspect = slope_aspect(*gradients)
    return Terrain(plane(east, 0), slope, aspect, np.zeros(SHAPE, np.float32), *gradients)


@pytest.mark.parametrize("degrees", [-30, -10, 0, 10, 30])
@pytest.mark.parametrize(("state", "sign"), [("ascending", 1), ("descending", -1)])
def test_a_slope_towards_the_radar_lowers_the_incidence_by_its_angle(degrees, state, sign):
    view = simulate_view(Scene(shape=SHAPE), tilted(np.tan(np.radians(degrees))), state)
    level = np.linspace(34.4, 37.4, SHAPE[1])[::sign]
    found = np.degrees(view.brightness / -FALL_OFF) + level
    # Ascending looks east: ground that rises to the east faces it.
    assert found.min() == pytest.approx(34.4 - sign * degrees, abs=0.01)
    assert found.max() == pytest.approx(37.4 - sign * degrees, abs=0.01)


@pytest.mark.parametrize(("degrees", "share"), [(30, 0), (40, 1), (-40, 0)])
def test_only_slopes_towards_the_radar_beyond_the_incidence_lie_over(degrees, share):
    view = simulate_view(Scene(shape=SHAPE), tilted(np.tan(np.radians(degrees))), "ascending")
    assert view.layover.mean() == share

"""From an area to a grid: edges at whole multiples of a pixel, in the zone the area lies in."""

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from landslide.build.grid import area_grid, north_on, utm_zone


@pytest.mark.parametrize(
    ("longitude", "latitude", "epsg"),
    [(141.9, 42.7, 32654), (-119.7, 34.5, 32611), (143.4, -5.4, 32754), (179.99, 1, 32660)],
)
def test_an_area_lies_in_its_utm_zone(longitude: float, latitude: float, epsg: int) -> None:
    area = shapely.box(longitude, latitude, longitude + 0.001, latitude + 0.001)
    assert utm_zone(area).to_epsg() == epsg


@given(
    st.floats(-170, 170), st.floats(-70, 70), st.floats(0.001, 0.05), st.sampled_from([10, 20, 30])
)
def test_a_grid_holds_its_area_and_is_no_larger(
    west: float, south: float, size: float, resolution: int
) -> None:
    area = shapely.box(west, south, west + size, south + size / 2)
    grid = area_grid(area, resolution=resolution)
    along = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True)
    corners = [along.transform(x, y) for x, y in area.exterior.coords]
    box = grid.boundingbox
    for x, y in corners:
        assert box.left - 0.1 <= x <= box.right + 0.1
        assert box.bottom - 0.1 <= y <= box.top + 0.1
    assert min(x for x, _ in corners) < box.left + 1.01 * resolution + 200 * size
    assert all(edge % resolution == 0 for edge in box.bbox)
    assert grid.affine.a == resolution
    assert grid.affine.e == -resolution


def test_an_area_that_ends_at_a_pixels_edge_is_given_no_more() -> None:
    back = Transformer.from_crs("EPSG:32654", "EPSG:4326", always_xy=True)
    grid = area_grid(shapely.box(141.9, 42.7, 141.95, 42.75))
    box = grid.boundingbox
    corners = [back.transform(x, y) for x in (box.left, box.right) for y in (box.bottom, box.top)]
    inner = area_grid(shapely.MultiPoint(corners), "EPSG:32654")
    assert inner == grid


@pytest.mark.parametrize(
    ("crs", "resolution", "said"),
    [
        ("EPSG:4326", 10.0, "not in metres"),
        ("EPSG:2263", 10.0, "not in metres"),
        ("EPSG:999999", 10.0, "unknown"),
        (None, 0.0, "resolution"),
        (None, 1e-6, "pixels"),
    ],
)
def test_what_is_no_grid_is_refused(crs: str | None, resolution: float, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        area_grid(shapely.box(141.9, 42.7, 141.95, 42.75), crs, resolution)
    assert "\n" not in str(refused.value)


def test_utm_ends_near_the_poles() -> None:
    with pytest.raises(ValueError, match="beyond UTM"):
        area_grid(shapely.box(0, 85, 1, 86))


@pytest.mark.parametrize(
    ("longitude", "latitude", "crs", "degrees"),
    [
        (141.0, 43.0, "EPSG:32654", 0.0),  # the zone's middle
        (143.9, 43.0, "EPSG:32654", -1.98),  # atan(tan 2.9 sin 43), meridians lean to the middle
        (143.9, -43.0, "EPSG:32754", 1.98),
        (45.0, 75.0, "EPSG:3413", -90.0),  # polar: the pole lies to the left of a grid at 45 east
    ],
)
def test_where_north_lies_on_a_grid(
    longitude: float, latitude: float, crs: str, degrees: float
) -> None:
    area = shapely.box(longitude - 0.01, latitude - 0.01, longitude + 0.01, latitude + 0.01)
    assert north_on(area_grid(area, crs)) == pytest.approx(degrees, abs=0.05)

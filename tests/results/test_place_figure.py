"""Figure 2: what is read of a cube, what is drawn, and cubes that lack some of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread
from pyproj import CRS

from landslide.cube.events import load_event
from landslide.results.map_marks import round_length
from landslide.results.place import read_place
from landslide.results.place_figure import figure2

EVENT = load_event("hokkaido")


@pytest.fixture
def cube() -> xr.Dataset:
    """Four images of 40 x 56 pixels about the event, the values of each its own."""
    times = np.array(
        ["2018-08-12T20:42", "2018-08-24T20:42", "2018-09-05T20:42", "2018-09-17T20:42"],
        dtype="datetime64[ns]",
    )
    power = np.array([0.01, 0.1, 1.0, 10.0], "f4")[:, None, None] * np.ones((40, 56), "f4")
    labels = np.zeros((40, 56), "u1")
    labels[3, 5] = 1
    labels[:, 50:] = 255
    return xr.Dataset(
        {
            "vv": (("timestep", "y", "x"), power),
            "landslides": (("y", "x"), labels),
            "dem": (("y", "x"), np.add.outer(np.arange(40), np.arange(56)).astype("f4")),
        },
        coords={
            "timestep": times,
            "sat:orbit_state": ("timestep", np.array(["descending"] * 4)),
            "y": ("y", 4_750_000 - 10.0 * np.arange(40), {"units": "m"}),
            "x": ("x", 580_000 + 10.0 * np.arange(56), {"units": "m"}),
        },
    ).chunk(y=16, x=16, timestep=1)


def with_crs(cube: xr.Dataset) -> xr.Dataset:
    wkt = CRS.from_epsg(32654).to_wkt()
    return cube.assign_coords(spatial_ref=xr.DataArray(0, attrs={"crs_wkt": wkt}))


def test_the_images_nearest_the_event_are_shown_in_decibels(cube: xr.Dataset) -> None:
    place = read_place(cube, EVENT)
    assert list(place.images) == ["VV before, 2018-08-24 [dB]", "VV after, 2018-09-05 [dB]"]
    before, after = place.images.values()
    np.testing.assert_allclose(before, -10, atol=1e-5)
    np.testing.assert_allclose(after, 0, atol=1e-5)
    assert place.pixel_m == 10.0
    assert place.pixel_share == pytest.approx(1 / (40 * 50))
    assert "40 x 56 pixels of 10 m" in place.facts
    assert place.middle is None


def test_the_title_names_the_event_that_was_chosen_and_not_the_cubes_own(cube: xr.Dataset) -> None:
    foreign = cube.assign_attrs(event='{"date": "2018-09-05"}')
    assert read_place(foreign, EVENT).title == "hokkaido"


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_cube_of_one_side_is_shown_all_the_same(
    cube: xr.Dataset, tmp_path: Path, side: str
) -> None:
    first = 0 if side == "before" else 2
    place = read_place(cube.isel(timestep=slice(first, first + 2)), EVENT)
    seen = {name: bool(np.isfinite(plane).all()) for name, plane in place.images.items()}
    expected = {
        "before": {"VV before, 2018-08-24 [dB]": True, "VV after: no image": False},
        "after": {"VV before: no image": False, "VV after, 2018-09-05 [dB]": True},
    }
    assert seen == expected[side]
    figure2(place, str(tmp_path / "figure.png"), simulated=False)
    assert imread(tmp_path / "figure.png").ndim == 3


def test_a_large_scene_is_coarsened_and_keeps_its_small_landslides(
    cube: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landslide.results.place.LONGEST", 14)
    place = read_place(cube, EVENT)
    assert {plane.shape for plane in place.images.values()} == {(10, 14)}
    assert place.pixel_m == 40.0
    assert place.label is not None
    assert place.elevation is not None
    assert (place.label == 1).sum() == 1
    assert (place.label[:, 13] == 255).all()
    assert place.elevation[0, 0] == pytest.approx(3.0)  # the mean of 4 x 4 pixels
    assert place.pixel_share == pytest.approx(1 / (40 * 50))  # of the pixels themselves
    assert "shown at 1/4 of the resolution" in place.facts


@pytest.mark.parametrize("name", [with_crs, lambda cube: cube.assign_attrs(epsg=32654)])
def test_a_reference_system_says_where_it_is(
    cube: xr.Dataset, name: Callable[[xr.Dataset], xr.Dataset]
) -> None:
    place = read_place(name(cube), EVENT)
    assert place.middle == pytest.approx((141.98, 42.89), abs=0.05)


@pytest.mark.parametrize(
    ("crs", "x", "y"),
    [
        (3460, 2_132_200.0 + 10 * np.arange(56), 3_900_000.0 - 10 * np.arange(40)),
        (4326, 179.8 + 0.01 * np.arange(56), -17 - 0.01 * np.arange(40)),
    ],
)
def test_a_scene_across_the_antimeridian_lies_in_its_middle(
    cube: xr.Dataset, crs: int, x: np.ndarray, y: np.ndarray
) -> None:
    place = read_place(cube.assign_coords(x=x, y=y).assign_attrs(epsg=crs), EVENT)
    assert place.middle is not None
    assert -180 <= place.middle[0] <= 180
    assert abs(place.middle[0]) == pytest.approx(180, abs=0.1)


def test_pixels_without_a_unit_have_no_metres(cube: xr.Dataset) -> None:
    assert read_place(cube.drop_vars("x"), EVENT).pixel_m is None
    bare = cube.assign_coords({axis: cube[axis].to_numpy() for axis in ("y", "x")})
    assert read_place(bare, EVENT).pixel_m is None
    assert read_place(with_crs(bare), EVENT).pixel_m == 10  # of UTM coordinates
    assert read_place(bare.assign_attrs(epsg=4326), EVENT).pixel_m is None


@pytest.mark.parametrize(
    "change",
    [
        lambda cube: cube,
        with_crs,
        lambda cube: cube.drop_vars(["dem", "landslides"]),
        lambda cube: cube.drop_vars(["x", "y"]),
        lambda cube: with_crs(cube).isel(x=slice(0, 9)),
        lambda cube: cube.assign(dem=cube["dem"] * np.nan, vv=cube["vv"].where(cube["vv"] > 5)),
        lambda cube: with_crs(cube).rename_vars(vv="vh"),
    ],
)
def test_every_cube_is_drawn(cube: xr.Dataset, change: Any, tmp_path: Path) -> None:
    out = tmp_path / "figure2.png"
    figure2(read_place(change(cube), EVENT), str(out), simulated=True)
    drawn = imread(out)
    assert min(drawn.shape[:2]) > 500
    assert [path.name for path in tmp_path.iterdir()] == ["figure2.png"]


def test_the_landslides_are_drawn_in_their_colour(cube: xr.Dataset, tmp_path: Path) -> None:
    share = {}
    for many in (1, 30):
        labels = np.zeros((40, 56), "u1")
        labels[:many, :many] = 1
        changed = cube.assign(landslides=(("y", "x"), labels))
        figure2(read_place(changed, EVENT), str(tmp_path / "f.png"), simulated=False)
        drawn = imread(tmp_path / "f.png")[..., :3]
        share[many] = float((abs(drawn - np.array([0xD5, 0x5E, 0]) / 255) < 0.02).all(-1).mean())
    assert share[30] > share[1] + 0.02


def test_a_cube_without_backscatter_is_one_line(cube: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no backscatter"):
        read_place(cube.drop_vars("vv"), EVENT)
    with pytest.raises(ValueError, match="end its name"):
        figure2(read_place(cube, EVENT), str(tmp_path / "figure.txt"), simulated=False)


@pytest.mark.parametrize(("wanted", "length"), [(1.0, 1), (4.99, 2), (5.0, 5), (730.0, 500)])
def test_a_scale_bar_has_a_round_length(wanted: float, length: float) -> None:
    assert round_length(wanted) == length

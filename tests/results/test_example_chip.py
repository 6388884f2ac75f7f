"""One chip of a cube, as the planes that Figure 1 draws."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from landslide.cube.events import Event
from landslide.results.example_chip import example_chip

INSTANT = np.datetime64("2018-09-05T18:07:59", "ns")
EVENT = Event("hokkaido", INSTANT, INSTANT)
SHAPE = (40, 56)
SIZE = 16
PIXELS = {(0, 0): 3, (16, 16): 9, (32, 16): 5, (0, 48): 2}
"""Landslide pixels by corner (y, x), in the order of the cutting: two chips reach over an edge."""


@pytest.fixture
def cube() -> xr.Dataset:
    random = np.random.default_rng(0)
    days = np.timedelta64(12, "D") * np.arange(1, 4)
    labels = np.zeros(SHAPE, np.uint8)
    for (y, x), count in PIXELS.items():
        labels[y + 2, x : x + count] = 1
    labels[17, 20] = 255

    def power() -> np.ndarray:
        return random.gamma(4, 0.05, (6, *SHAPE)).astype(np.float32)

    terrain = {
        name: (("y", "x"), random.normal(size=SHAPE).astype(np.float32))
        for name in ("dem", "dem_slope_radians", "dem_aspect", "dem_curvature")
    }
    return xr.Dataset(
        {
            "vv": (("timestep", "y", "x"), power()),
            "vh": (("timestep", "y", "x"), power()),
            **terrain,
            "landslides": (("y", "x"), labels),
        },
        coords={"timestep": np.concatenate([(INSTANT - days)[::-1], INSTANT + days])},
    )


def test_the_fullest_chip_comes_by_default(cube: xr.Dataset) -> None:
    chip = example_chip(cube, EVENT, chip_size=SIZE)
    np.testing.assert_array_equal(chip.label, cube["landslides"][16:32, 16:32])
    assert chip.title == "hokkaido, chip at row 16, column 16; 3 images before and after"


def test_the_title_names_the_event_that_was_chosen_and_not_the_cubes_own(cube: xr.Dataset) -> None:
    foreign = cube.assign_attrs(event='{"date": "2018-09-05"}')
    assert example_chip(foreign, EVENT, chip_size=SIZE).title.startswith("hokkaido, ")


@pytest.mark.parametrize(("position", "corner"), list(enumerate(PIXELS)))
def test_chips_with_landslides_are_numbered_in_the_order_of_the_cutting(
    position: int, corner: tuple[int, int], cube: xr.Dataset
) -> None:
    chip = example_chip(cube, EVENT, position, chip_size=SIZE)
    assert f"chip at row {corner[0]}, column {corner[1]};" in chip.title
    assert (chip.label == 1).sum() == PIXELS[corner]


def test_backscatter_is_the_mean_in_decibels_and_terrain_as_it_is(cube: xr.Dataset) -> None:
    chip = example_chip(cube, EVENT, chip_size=SIZE)
    here = cube.isel(y=slice(16, 32), x=slice(16, 32))
    expected = {
        f"{name.upper()} {side} [dB]": 10 * np.log10(here[name][images].to_numpy()).mean(axis=0)
        for name in ("vv", "vh")
        for side, images in (("before", slice(0, 3)), ("after", slice(3, 6)))
    }
    for name, plane in expected.items():
        np.testing.assert_allclose(chip.channels[name], plane, rtol=1e-5)
    names = ["Elevation [m]", "Slope [rad]", "Aspect [degrees]", "Curvature [1/100 m]"]
    assert list(chip.channels) == [*expected, *names]
    np.testing.assert_array_equal(chip.channels["Slope [rad]"], here["dem_slope_radians"])


def test_a_chip_over_the_edge_is_padded_with_no_data(cube: xr.Dataset) -> None:
    chip = example_chip(cube, EVENT, 2, chip_size=SIZE)  # rows 32 to 48 of 40
    assert (chip.label[8:] == 255).all()
    assert (chip.label[:8] != 255).all()
    for plane in chip.channels.values():
        assert np.isnan(plane[8:]).all()
        assert np.isfinite(plane[:8]).all()


def test_a_channel_without_data_is_drawn_without(cube: xr.Dataset) -> None:
    cube["vv"][:, 18, 18] = np.nan
    chip = example_chip(cube, EVENT, chip_size=SIZE)
    assert chip.label[2, 2] == 255
    assert np.isnan(chip.channels["VV after [dB]"][2, 2])
    assert np.isfinite(chip.channels["VH after [dB]"][2, 2])


@pytest.mark.parametrize(
    ("missing", "drawn"),
    [
        (["vv"], {"VH", "Elevation", "Slope", "Aspect", "Curvature"}),
        (["dem_aspect"], {"VV", "VH"}),
        (["vv", "vh"], {"Elevation", "Slope", "Aspect", "Curvature"}),
    ],
)
def test_what_the_cube_has_is_drawn(missing: list[str], drawn: set[str], cube: xr.Dataset) -> None:
    chip = example_chip(cube.drop_vars(missing), EVENT, chip_size=SIZE)
    assert {name.split()[0] for name in chip.channels} == drawn


def test_terrain_alone_needs_no_images(cube: xr.Dataset) -> None:
    chip = example_chip(cube.drop_dims("timestep"), EVENT, chip_size=SIZE)
    assert list(chip.channels) == [
        "Elevation [m]",
        "Slope [rad]",
        "Aspect [degrees]",
        "Curvature [1/100 m]",
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_as_many_images_are_averaged_as_there_are(count: int, cube: xr.Dataset) -> None:
    chip = example_chip(cube.isel(timestep=slice(3 - count, None)), EVENT, chip_size=SIZE)
    assert chip.title.endswith(f"; {'1 image' if count == 1 else '2 images'} before and after")


@pytest.mark.parametrize("position", [-1, 4])
def test_a_chip_that_is_not_there_is_an_error_that_says_which_are(
    position: int, cube: xr.Dataset
) -> None:
    wanted = f"chip {position} is not among the 4 with landslides: choose one from 0 to 3"
    with pytest.raises(ValueError, match=wanted):
        example_chip(cube, EVENT, position, chip_size=SIZE)


def test_without_landslides_there_is_nothing_to_draw(cube: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="no chip holds a landslide"):
        example_chip(cube.assign(landslides=cube["landslides"] * 0), EVENT, chip_size=SIZE)


def test_without_channels_there_is_nothing_to_draw(cube: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="neither backscatter nor terrain"):
        example_chip(cube[["landslides"]], EVENT, chip_size=SIZE)


def test_without_an_image_on_a_side_the_error_counts_them(cube: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="need 1 images after event 'hokkaido', there are 0"):
        example_chip(cube.isel(timestep=slice(0, 3)), EVENT, chip_size=SIZE)


def test_the_labels_are_read_once(cube: xr.Dataset) -> None:
    read = []

    def counted(block: np.ndarray) -> np.ndarray:
        read.append(block.shape)
        return block

    labels = da.from_array(cube["landslides"].to_numpy(), chunks=(20, 28))
    labels = labels.map_blocks(counted, meta=np.empty((0, 0), np.uint8))
    example_chip(cube.assign(landslides=(("y", "x"), labels)), EVENT, chip_size=SIZE)
    assert read == [(20, 28)] * 4


def test_pixels_have_a_size_where_the_cube_says_so(cube: xr.Dataset) -> None:
    assert example_chip(cube, EVENT, chip_size=SIZE).pixel_m is None
    along = {axis: 20.0 * np.arange(cube.sizes[axis]) for axis in ("y", "x")}
    placed = cube.assign_coords(along).assign_attrs(epsg=32654)
    assert example_chip(placed, EVENT, chip_size=SIZE).pixel_m == 20

"""Where a cube lies."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr

from landslide import open_cube, simulate_cube
from landslide.cube.georeference import geobox_of, pixel_size, unit_of
from landslide.simulation import Scene

UTM = "EPSG:32654"


def grid(**attrs: Any) -> xr.Dataset:
    """Return a plane of 3 x 5 pixels, 20 m high and 10 m wide."""
    return xr.Dataset(
        {"dem": (("y", "x"), np.zeros((3, 5), np.float32))},
        coords={"y": 4_740_000.0 - 20 * np.arange(3), "x": 560_000.0 + 10 * np.arange(5)},
        attrs=attrs,
    )


def wkt(crs: str) -> str:
    import pyproj

    return pyproj.CRS(crs).to_wkt()


def with_mapping(cube: xr.Dataset, name: str = "spatial_ref", **attrs: Any) -> xr.Dataset:
    return cube.assign_coords({name: ((), 0, attrs)})


def by_rioxarray() -> xr.Dataset:
    import rioxarray  # noqa: F401

    return grid().rio.write_crs(UTM).rio.write_transform()


def by_odc() -> xr.Dataset:
    import odc.geo.xr  # noqa: F401

    return grid().odc.assign_crs(UTM)


@pytest.mark.parametrize(
    "cube",
    [
        pytest.param(by_rioxarray(), id="rioxarray"),
        pytest.param(by_odc(), id="odc-geo"),
        pytest.param(with_mapping(grid(), "crs", crs_wkt=wkt(UTM)), id="CF, another name"),
        pytest.param(grid(crs=UTM), id="attribute crs"),
        pytest.param(grid(epsg=32654), id="attribute epsg"),
    ],
)
def test_the_crs_and_the_grid_are_read_as_others_write_them(cube: xr.Dataset) -> None:
    geobox = geobox_of(cube)
    assert geobox is not None
    assert geobox.crs is not None
    assert geobox.crs.epsg == 32654
    assert geobox.shape == (3, 5)
    assert tuple(geobox.affine)[:6] == (10, 0, 559_995, 0, -20, 4_740_010)
    assert pixel_size(cube) == (20, 10)


def test_it_outlives_the_store(tmp_path: Any) -> None:
    uri = str(tmp_path / "cube.zarr")
    by_rioxarray().to_zarr(uri, zarr_format=2)
    assert geobox_of(open_cube(uri)) == geobox_of(by_rioxarray())


def test_a_window_has_the_windows_grid_and_a_row_has_square_pixels() -> None:
    cube = grid(crs=UTM)
    window = geobox_of(cube.isel(y=slice(1, 3), x=slice(2, 4)))
    row = geobox_of(cube.isel(y=slice(1, 2)))
    assert window is not None
    assert row is not None
    assert tuple(window.affine)[:6] == (10, 0, 560_015, 0, -20, 4_739_990)
    assert (window.shape, row.shape) == ((2, 2), (1, 5))
    assert row.affine.e == -10


def test_coordinates_in_single_precision_are_as_even_as_that_allows() -> None:
    cube = grid(crs=UTM)
    cube = cube.assign_coords(y=cube.y.astype(np.float32), x=cube.x.astype(np.float32))
    assert geobox_of(cube) == geobox_of(grid(crs=UTM))


@pytest.mark.parametrize("transform", [5, "a b c d e f"])
def test_a_transform_that_is_none_counts_as_none(transform: object) -> None:
    cube = with_mapping(grid(), crs_wkt=wkt(UTM), GeoTransform=transform)
    assert geobox_of(cube) == geobox_of(grid(crs=UTM))


def test_a_cube_that_names_none_has_none() -> None:
    assert geobox_of(grid()) is None
    assert pixel_size(grid().drop_vars(["y", "x"])) is None


@pytest.mark.parametrize(
    ("cube", "said"),
    [
        (grid(crs=UTM).isel(x=[0, 1, 3, 4]), "its x is not evenly spaced"),
        (grid(crs=UTM).isel(y=[0], x=[0]), "a single pixel"),
        (grid(crs=UTM).drop_vars("y"), "no coordinate y"),
        (grid(crs="somewhere"), "names no coordinate reference system that is known"),
        (grid(crs=UTM, epsg=4326), "several"),
        (
            with_mapping(grid(), crs_wkt=wkt(UTM), GeoTransform="0 10 2 0 -2 10"),
            "rotated",
        ),
        (
            grid(crs=UTM).drop_vars(["y", "x"]).assign_coords(
                y=(("y", "x"), np.zeros((3, 5))), x=(("y", "x"), np.zeros((3, 5)))
            ),
            "no plain coordinate y",
        ),
    ],
)  # fmt: skip
def test_what_is_no_grid_is_refused_in_one_line(cube: xr.Dataset, said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        geobox_of(cube)
    assert "\n" not in str(error.value)


def test_a_simulated_cube_lies_on_open_ocean(tmp_path: Any) -> None:
    import pyproj

    scene = Scene((150, 280), descending=(1, 1), ascending=(0, 0), timepairs=(0, 0))
    geobox = geobox_of(simulate_cube(str(tmp_path / "cube.zarr"), scene=scene))
    assert geobox is not None
    assert pyproj.CRS(geobox.crs.to_wkt()) == pyproj.CRS("EPSG:32631")
    assert geobox.resolution.xy == (10, -10)
    to_degrees = pyproj.Transformer.from_crs(geobox.crs.to_wkt(), "EPSG:4326", always_xy=True)
    east, north = to_degrees.transform(*(geobox.affine @ (0, 0)))
    # The Gulf of Guinea: its coast lies north of 4 degrees, its islands east of 5.5.
    assert 3 < east < 4
    assert 1.9 < north < 2.1


def test_the_room_needs_no_odc_geo() -> None:
    code = "import sys; sys.modules['odc'] = None; import landslide.cube.georeference"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_unit_of_the_coordinates_is_that_of_the_crs() -> None:
    assert unit_of(grid(crs=UTM)) == "metre"
    assert unit_of(grid(crs="EPSG:4326")) == "degree"
    assert unit_of(grid()) is None

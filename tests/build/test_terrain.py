"""Terrain: closed forms, a second implementation, seams, gaps, resampling, real ground."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import transform as transform_points

from landslide.build import elevation
from landslide.build.elevation import covered_share, pixel_metres
from landslide.build.grid import north_on
from landslide.build.rasters import Raster, touches
from landslide.build.terrain import terrain_layers
from tests.build.conftest import write_raster

UTM = "EPSG:32654"
LEFT, TOP = 500_000.0, 4_700_000.0


def grid(height: int, width: int, pixel: float, left: float = LEFT, top: float = TOP) -> GeoBox:
    return GeoBox((height, width), Affine(pixel, 0, left, 0, -pixel, top), UTM)


def centres(geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Metres east and north (y, x) of the grid's own middle."""
    rows, columns = np.indices(geobox.shape) + 0.5
    x, y = geobox.affine @ (columns.ravel(), rows.ravel())
    return (
        np.reshape(x, geobox.shape) - LEFT - 500.0,
        np.reshape(y, geobox.shape) - TOP + 500.0,
    )


def paraboloid(x: Any, y: Any) -> Any:
    return 2500 - 0.004 * x**2 - 0.002 * y**2 + 0.001 * x * y + 0.1 * x


def test_a_plane_has_one_slope_one_aspect_and_no_curvature(tmp_path: Path) -> None:
    here = grid(40, 56, 10.0)
    for east, north, aspect in [(0.3, 0.0, 270), (-0.3, 0.0, 90), (0.0, 0.3, 180), (0.0, -0.3, 0),
                                (-0.2, -0.2, 45)]:  # fmt: skip
        x, y = centres(here.pad(2))
        dem = write_raster(
            tmp_path / "dem.tif", (500 + east * x + north * y).astype("f4"), here.pad(2)
        )
        layers = terrain_layers([dem], here, block_pixels=16).compute()
        slope = np.arctan(np.hypot(east, north))
        np.testing.assert_allclose(layers["dem_slope_radians"], slope, atol=2e-5)
        off = (layers["dem_aspect"].to_numpy() - aspect + 180) % 360 - 180
        assert abs(off).max() < 0.01
        assert abs(layers["dem_curvature"]).max() < 0.002
        assert layers["dem_slope_radians"].dtype == layers["dem_curvature"].dtype == np.float32


def test_aspect_counts_from_the_grids_own_north(tmp_path: Path) -> None:
    """At a zone's edge true north lies two degrees beside it."""
    here = grid(20, 24, 10.0, LEFT + 240_000)
    x, y = centres(here.pad(2))
    dem = write_raster(tmp_path / "dem.tif", (243_000 - x - 0.2 * y).astype("f4"), here.pad(2))
    aspect = terrain_layers([dem], here)["dem_aspect"]
    assert abs(north_on(here)) > 1.9
    np.testing.assert_allclose(aspect, np.degrees(np.arctan2(1, 0.2)), atol=0.5)
    assert "clockwise from grid north" in aspect.attrs["long_name"]


def test_a_cone_falls_away_from_its_tip_everywhere(tmp_path: Path) -> None:
    here = grid(96, 104, 10.0)
    x, y = centres(here.pad(2))
    dem = write_raster(tmp_path / "dem.tif", (900 - 0.5 * np.hypot(x, y)).astype("f4"), here.pad(2))
    layers = terrain_layers([dem], here, block_pixels=32).compute()
    x, y = centres(here)
    radius = np.hypot(x, y)
    far = radius > 150  # near the tip a stencil sees the bend
    np.testing.assert_allclose(
        layers["dem_slope_radians"].to_numpy()[far], np.arctan(0.5), rtol=2e-3
    )
    away = np.degrees(np.arctan2(x, y)) % 360
    off = (layers["dem_aspect"].to_numpy() - away + 180) % 360 - 180
    assert abs(off[far]).max() < 0.1
    # The Laplacian of -0.5 r is -0.5 / r.
    np.testing.assert_allclose(
        layers["dem_curvature"].to_numpy()[far], (50 / radius)[far], rtol=0.02, atol=0.003
    )


def test_a_paraboloid_has_the_curvature_of_its_formula(tmp_path: Path) -> None:
    here = grid(40, 56, 10.0)
    x, y = centres(here.pad(2))
    dem = write_raster(tmp_path / "dem.tif", paraboloid(x, y).astype("f4"), here.pad(2))
    layers = terrain_layers([dem], here, block_pixels=16).compute()
    # -2 (D + E) x 100, where 2 D and 2 E are the second derivatives; it is a dome, so positive.
    np.testing.assert_allclose(layers["dem_curvature"], 100 * (0.008 + 0.004), atol=0.004)
    x, y = centres(here)
    east, north = -0.008 * x + 0.001 * y + 0.1, -0.004 * y + 0.001 * x
    np.testing.assert_allclose(
        layers["dem_slope_radians"], np.arctan(np.hypot(east, north)), atol=1e-4
    )


@pytest.mark.parametrize("lonlat", [False, True])
def test_a_coarse_dem_becomes_smooth_ground_and_no_terraces(
    tmp_path: Path, *, lonlat: bool
) -> None:
    here = grid(60, 72, 10.0)
    if lonlat:
        (west, east), (south, north) = transform_points(
            UTM, "EPSG:4326", [LEFT - 400, LEFT + 1200], [TOP - 1100, TOP + 400]
        )
        step = 1 / 3600
        shape = round((north - south) / step), round((east - west) / step)
        coarse = GeoBox(shape, Affine(step, 0, west, 0, -step, north), "EPSG:4326")
        rows, columns = np.indices(shape) + 0.5
        lon, lat = coarse.affine @ (columns.ravel(), rows.ravel())
        x, y = (np.reshape(v, shape) for v in transform_points("EPSG:4326", UTM, lon, lat))
        x, y = x - LEFT - 500, y - TOP + 500
    else:
        coarse = grid(40, 44, 28.7, LEFT - 203.0, TOP + 211.0)
        x, y = centres(coarse)
    dem = write_raster(tmp_path / "dem.tif", paraboloid(x, y).astype("f4"), coarse)
    layers = terrain_layers([dem], here, block_pixels=32).compute()
    x, y = centres(here)
    np.testing.assert_allclose(layers["dem"], paraboloid(x, y), atol=0.01)
    east, north = -0.008 * x + 0.001 * y + 0.1, -0.004 * y + 0.001 * x
    np.testing.assert_allclose(
        layers["dem_slope_radians"], np.arctan(np.hypot(east, north)), atol=1e-3
    )
    # Nearest or bilinear would give curvatures of 0 and of several times the truth, in stripes.
    np.testing.assert_allclose(layers["dem_curvature"], 1.2, atol=0.12)


def test_a_dem_finer_than_the_grid_gives_each_pixel_its_mean(tmp_path: Path) -> None:
    fine, here = grid(160, 240, 2.0), grid(32, 48, 10.0)
    values = np.random.default_rng(0).normal(300, 5, fine.shape).astype("f4")
    layers = terrain_layers(
        [write_raster(tmp_path / "dem.tif", values, fine)], here, block_pixels=16
    )
    means = values.reshape(32, 5, 48, 5).mean(axis=(1, 3))
    np.testing.assert_allclose(layers["dem"], means, atol=1e-3)


def rough(shape: tuple[int, int]) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=shape)
    return (1500 + 300 * np.cumsum(np.cumsum(noise, 0), 1) / 500).astype("f4")


def test_neither_blocks_nor_pieces_leave_a_seam(tmp_path: Path) -> None:
    coarse, here = grid(60, 80, 27.0, LEFT - 150, TOP + 150), grid(100, 150, 10.0)
    values = rough(coarse.shape)
    whole = write_raster(tmp_path / "whole.tif", values, coarse)
    pieces = [
        write_raster(tmp_path / f"{row}{column}.tif", values[rows, columns], coarse[rows, columns])
        for row, rows in enumerate((slice(0, 23), slice(23, 60)))
        for column, columns in enumerate((slice(0, 31), slice(31, 80)))
    ]
    expected = terrain_layers([whole], here, block_pixels=512).compute()
    for sources, block_pixels in [([whole], 37), (pieces, 512), (pieces[::-1], 64)]:
        layers = terrain_layers(sources, here, block_pixels=block_pixels)
        assert max(layers.chunksizes["y"]) <= block_pixels
        for name, layer in layers.compute().items():
            np.testing.assert_allclose(layer, expected[name], atol=2e-3, err_msg=str(name))


def test_the_grids_own_border_has_true_terrain_where_the_dem_goes_on(tmp_path: Path) -> None:
    wide, here = grid(60, 80, 10.0), grid(60, 80, 10.0)[7:47, 9:65]
    dem = write_raster(tmp_path / "dem.tif", rough(wide.shape), wide)
    expected = terrain_layers([dem], wide).compute().isel(y=slice(7, 47), x=slice(9, 65))
    layers = terrain_layers([dem], here, block_pixels=20).compute()
    for name, layer in layers.items():
        np.testing.assert_array_equal(layer, expected[name])
        assert np.isfinite(layer).all()


def slow_terrain(z: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Horn's slope and aspect, Zevenbergen and Thorne's curvature, in plain loops."""
    slope, aspect, curvature = (np.full(z.shape, np.nan) for _ in range(3))
    for row in range(1, z.shape[0] - 1):
        for column in range(1, z.shape[1] - 1):
            (a, b, c), (d, e, f), (g, h, i) = z[row - 1 : row + 2, column - 1 : column + 2]
            east = ((c + 2 * f + i) - (a + 2 * d + g)) / (8 * pixel)
            north = ((a + 2 * b + c) - (g + 2 * h + i)) / (8 * pixel)
            slope[row, column] = np.arctan(np.hypot(east, north))
            aspect[row, column] = np.degrees(np.arctan2(-east, -north)) % 360
            second_x = ((d + f) / 2 - e) / pixel**2
            second_y = ((b + h) / 2 - e) / pixel**2
            curvature[row, column] = -2 * (second_x + second_y) * 100
    return slope, aspect, curvature


def test_it_equals_plain_loops_of_the_formulas(tmp_path: Path) -> None:
    here = grid(30, 41, 10.0)
    values = rough(here.shape)
    layers = terrain_layers(
        [write_raster(tmp_path / "dem.tif", values, here)], here, block_pixels=13
    )
    layers = layers.compute()
    slope, aspect, curvature = slow_terrain(values.astype("f8"), 10.0)
    np.testing.assert_allclose(layers["dem_slope_radians"], slope, atol=1e-5)
    np.testing.assert_allclose(layers["dem_curvature"], curvature, atol=5e-3)
    off = (layers["dem_aspect"].to_numpy() - aspect + 180) % 360 - 180
    assert np.nanmax(abs(off)) < 0.05
    np.testing.assert_array_equal(np.isnan(layers["dem_aspect"]), np.isnan(aspect))


@pytest.mark.skipif(shutil.which("gdaldem") is None, reason="gdaldem (gdal-bin) is not installed")
def test_gdaldem_says_the_same(tmp_path: Path) -> None:
    here = grid(60, 71, 10.0)
    dem = write_raster(tmp_path / "dem.tif", rough(here.shape), here)
    layers = terrain_layers([dem], here, block_pixels=25).compute()
    given = {}
    for mode in ("slope", "aspect"):
        out = tmp_path / f"{mode}.tif"
        subprocess.run(["gdaldem", mode, dem, str(out), "-q"], check=True)
        with rasterio.open(out) as source:
            given[mode] = source.read(1, masked=True).filled(np.nan)
    np.testing.assert_allclose(np.degrees(layers["dem_slope_radians"]), given["slope"], atol=1e-3)
    off = (layers["dem_aspect"].to_numpy() - given["aspect"] + 180) % 360 - 180
    assert np.nanmax(abs(off)) < 0.05  # float32, on nearly level ground


def test_flat_ground_has_no_aspect_but_slope_and_curvature(tmp_path: Path) -> None:
    here = grid(20, 30, 10.0)
    layers = terrain_layers(
        [write_raster(tmp_path / "d.tif", np.full((24, 34), 7, "i2"), here.pad(2))], here
    )
    layers = layers.compute()
    assert np.isnan(layers["dem_aspect"]).all()
    assert (layers["dem_slope_radians"] == 0).all()
    assert (layers["dem_curvature"] == 0).all()


@pytest.mark.parametrize(
    ("void", "profile"),
    [
        (-9999.0, {"nodata": -9999.0}),
        (-9999.0, {}),
        (np.nan, {}),
        (-32768, {}),
        (-32768, {"nodata": -32768}),
    ],
)
def test_a_gap_has_no_elevation_and_no_terrain_beside_it(
    tmp_path: Path, void: float, profile: dict[str, float]
) -> None:
    here = grid(20, 30, 10.0)
    values = np.round(rough((24, 34))).astype("i2" if void == -32768 else "f4")
    values[10, 12] = void
    layers = terrain_layers(
        [write_raster(tmp_path / "d.tif", values, here.pad(2), **profile)], here
    )
    layers = layers.compute()
    gap = np.zeros(here.shape, bool)
    gap[8, 10] = True
    np.testing.assert_array_equal(np.isnan(layers["dem"]), gap)
    for name in ("dem_slope_radians", "dem_curvature", "dem_aspect"):
        assert np.isnan(layers[name].to_numpy()[gap]).all()
        assert np.isfinite(layers[name].to_numpy()[:, 13:]).mean() > 0.99


def test_elevations_are_what_the_dems_scale_makes_of_them(tmp_path: Path) -> None:
    here = grid(20, 30, 10.0)
    stored = np.full(here.pad(2).shape, 12_345, "i2")
    stored[10, 12] = 0
    dem = write_raster(tmp_path / "d.tif", stored, here.pad(2), nodata=0)
    with rasterio.open(dem, "r+") as out:
        out.scales, out.offsets = (0.1,), (500.0,)
    expected = np.full(here.shape, 1734.5, "f4")
    expected[8, 10] = np.nan
    np.testing.assert_allclose(terrain_layers([dem], here)["dem"], expected, rtol=1e-6)


@pytest.mark.parametrize("pixel", [2.0, 6.0, 10.0])
@pytest.mark.parametrize("profile", [{}, {"nodata": -9999.0}])
def test_a_void_is_none_of_the_mean_though_the_file_does_not_declare_it(
    tmp_path: Path, pixel: float, profile: dict[str, float]
) -> None:
    fine, here = grid(120, 180, pixel), grid(20, 30, 10.0)
    values = np.full(fine.shape, 500, "f4")
    values[31, 52] = -9999
    layers = terrain_layers(
        [write_raster(tmp_path / "d.tif", values, fine, **profile)], here
    ).compute()
    heights = layers["dem"].to_numpy()
    assert (np.isnan(heights) | (heights == 500)).all()
    assert np.isfinite(heights).mean() > 0.95


def test_a_dem_of_many_samples_is_read_by_strips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine, here = grid(330, 480, 2.0), grid(66, 96, 10.0)
    dem = write_raster(tmp_path / "dem.tif", rough(fine.shape), fine)
    whole = terrain_layers([dem], here).compute()
    monkeypatch.setattr(elevation, "SAMPLES_AT_ONCE", 40 * 480)
    xr.testing.assert_equal(terrain_layers([dem], here).compute(), whole)


def test_a_second_piece_fills_the_gaps_of_the_first(tmp_path: Path) -> None:
    here = grid(20, 30, 10.0)
    values = rough((24, 34))
    holed = values.copy()
    holed[9:12, 5:30] = -9999
    first = write_raster(tmp_path / "a.tif", holed, here.pad(2), nodata=-9999)
    second = write_raster(tmp_path / "b.tif", values, here.pad(2))
    layers = terrain_layers([first, second], here).compute()
    np.testing.assert_array_equal(layers["dem"], values[2:-2, 2:-2])


WORLD = GeoBox((180, 360), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
MERCATOR_EAST = 20_037_508.342789244
ANYWHERE = {
    "the whole world": WORLD,
    "a quarter of it": WORLD[:90, 180:],
    "the world in Mercator": GeoBox((400, 400), Affine(1e5, 0, -2e7, 0, -1e5, 2e7), "EPSG:3857"),
    "the northern hemisphere, from above the pole": GeoBox(
        (240, 240), Affine(1e5, 0, -1.2e7, 0, -1e5, 1.2e7), "EPSG:3413"
    ),
    "the next zone": GeoBox(
        (900, 900), Affine(1e3, 0, 4e5, 0, -1e3, 5.1e6), "EPSG:32653"
    ),
}  # fmt: skip


@pytest.mark.parametrize("where", ANYWHERE)
def test_a_dem_may_be_as_large_as_the_world(tmp_path: Path, where: str) -> None:
    here, wide = grid(40, 56, 100.0), ANYWHERE[where]
    lon, lat = transform_points(str(wide.crs), "EPSG:4326", *middles(wide))
    heights = np.reshape(np.array(lat) * 20 + np.array(lon) * 5, wide.shape)
    heights = np.where(np.isfinite(heights), heights, 0).astype("f4")
    dem = write_raster(tmp_path / "dem.tif", heights, wide)
    lon, lat = transform_points(UTM, "EPSG:4326", *middles(here))
    expected = np.reshape(np.array(lat) * 20 + np.array(lon) * 5, here.shape)
    layers = terrain_layers([dem], here, block_pixels=32)
    np.testing.assert_allclose(layers["dem"], expected, atol=1)


def middles(geobox: GeoBox) -> tuple[list[float], list[float]]:
    """Return x and y of the middles of the pixels of a grid, row by row."""
    rows, columns = np.indices(geobox.shape) + 0.5
    x, y = geobox.affine @ (columns.ravel(), rows.ravel())
    return list(x), list(y)


@pytest.mark.parametrize(
    ("pieces", "zone"),
    [
        ([GeoBox((100, 100), Affine(0.01, 0, 140.8, 0, -0.01, 42.1), "EPSG:4326")], UTM),
        ([GeoBox((100, 100), Affine(0.01, 0, a, 0, -0.01, 42.1), "EPSG:4326") for a in (140, 141)],
         UTM),
        ([GeoBox((60, 100), Affine(500, 0, 9.8e5, 0, -500, 4.695e6), "EPSG:32653"),
          GeoBox((100, 30), Affine(500, 0, 4.9e5, 0, -500, 4.71e6), UTM)], UTM),
        ([GeoBox((20, 20), Affine(1e3, 0, -1e6, 0, -1e3, 1e6), "EPSG:32618")], UTM),
        # On either side of the 180th meridian; and of one that counts from 0 to 360 degrees.
        ([GeoBox((100, 100), Affine(0.01, 0, a, 0, -0.01, 42.1), "EPSG:4326") for a in (179, -180)],
         "EPSG:32660"),
        ([GeoBox((180, 360), Affine(1, 0, 0, 0, -1, 90), "EPSG:4326")], "EPSG:32660"),
        # Mercator's plane ends there.
        ([GeoBox((100, 60), Affine(1e3, 0, MERCATOR_EAST - 6e4, 0, -1e3, 5.2e6), "EPSG:3857")],
         "EPSG:32660"),
        ([GeoBox((20, 60), Affine(1e3, 0, -MERCATOR_EAST, 0, -1e3, 5.16e6), "EPSG:3857")],
         "EPSG:32660"),
    ],
)  # fmt: skip
def test_the_share_under_pieces_of_any_crs_is_that_of_the_pixels(
    pieces: list[GeoBox], zone: str
) -> None:
    left = LEFT if zone == UTM else 7.4e5
    here = GeoBox((130, 250), Affine(100, 0, left - 12_500, 0, -100, 4.66e6), zone)
    under = np.zeros(here.shape[0] * here.shape[1], bool)
    for piece in pieces:
        box = piece.boundingbox
        x, y = (np.array(each) for each in transform_points(zone, str(piece.crs), *middles(here)))
        for turn in (-360, 0, 360) if piece.crs.geographic else (0,):
            inside = (x + turn > box.left) & (x + turn < box.right)
            under |= inside & (y > box.bottom) & (y < box.top)
    rasters = [Raster(str(place), piece, None) for place, piece in enumerate(pieces)]
    assert covered_share(rasters, here) == pytest.approx(under.mean(), abs=2e-3)
    assert any(touches(raster, here) for raster in rasters) == under.any()


WORLDS = {
    "from -180 degrees": [WORLD],
    "from 0 degrees": [GeoBox((180, 360), Affine(1, 0, 0, 0, -1, 90), "EPSG:4326")],
    "in Mercator": [
        GeoBox(
            (400, 400), Affine(MERCATOR_EAST / 200, 0, -MERCATOR_EAST, 0, -1e5, 2e7), "EPSG:3857"
        )
    ],
    "two pieces in Mercator": [
        GeoBox((4000, 250), Affine(1e3, 0, MERCATOR_EAST - 2.5e5, 0, -1e3, 7e6), "EPSG:3857"),
        GeoBox((4000, 250), Affine(1e3, 0, -MERCATOR_EAST, 0, -1e3, 7e6), "EPSG:3857"),
    ],
    "from above the pole": [
        GeoBox((2000, 2000), Affine(1e4, 0, -1e7, 0, -1e4, 1e7), "EPSG:3995")
    ],
}  # fmt: skip
EDGES = {
    "over 180 degrees": GeoBox((40, 56), Affine(1e3, 0, 723_000, 0, -1e3, 4_651_000), "EPSG:32660"),
    "over Greenwich": GeoBox((40, 56), Affine(1e3, 0, 280_000, 0, -1e3, 5_651_000), "EPSG:32631"),
    "over 180 degrees, from above the pole": GeoBox(
        (60, 50), Affine(1e3, 0, -530_000, 0, -1e3, 560_000), "EPSG:3413"
    ),
    "over the pole": GeoBox((40, 56), Affine(1e3, 0, -22_000, 0, -1e3, 25_000), "EPSG:3413"),
}
# Mercator shows no pole, and its two pieces lie far from Greenwich.
SHOWN = [
    (world, where)
    for world in WORLDS
    for where in EDGES
    if not ("Mercator" in world and "pole" in where)
    and not ("two" in world and "Greenwich" in where)
]


@pytest.mark.parametrize(("world", "where"), SHOWN)
def test_no_edge_of_a_dem_of_the_world_leaves_a_gap(tmp_path: Path, world: str, where: str) -> None:
    here, pieces = EDGES[where], WORLDS[world]
    dems = [
        write_raster(tmp_path / f"{place}.tif", np.full(piece.shape, 7, "f4"), piece)
        for place, piece in enumerate(pieces)
    ]
    layers = terrain_layers(dems, here, block_pixels=32)
    assert (layers["dem"] == 7).all()


def test_a_pixels_side_is_measured_where_the_grid_lies() -> None:
    here = grid(130, 250, 100.0)
    sides = {name: pixel_metres(Raster(name, each, None), here) for name, each in ANYWHERE.items()}
    # At 42.3 degrees north a square of a degree is 111.1 by 82.5 km, and Mercator's metre 0.74 m.
    assert sides["the whole world"] == pytest.approx(95_700, rel=0.01)
    assert sides["a quarter of it"] == sides["the whole world"]
    assert sides["the world in Mercator"] == pytest.approx(1e5 * 0.74, rel=0.01)
    assert sides["the next zone"] == pytest.approx(1000, rel=0.01)
    far = Raster("far", GeoBox((2, 2), Affine(9, 0, 5e5, 0, -9, 0), "EPSG:32618"), None)
    assert pixel_metres(far, here) > 8


def test_what_the_dem_leaves_uncovered_is_said_in_one_line(tmp_path: Path) -> None:
    here = grid(40, 60, 10.0)
    dem = write_raster(tmp_path / "dem.tif", rough((40, 60))[:, :45], here[:, :45])
    with pytest.raises(ValueError, match=r"covers 75\.0% of the area .*dem\.tif") as raised:
        terrain_layers([dem], here)
    assert "\n" not in str(raised.value)
    layers = terrain_layers([dem], here, least_cover=0.7).compute()
    assert np.isnan(layers["dem"]).mean() == pytest.approx(0.25, abs=0.001)


def test_bad_dems_are_named_at_once(tmp_path: Path) -> None:
    here = grid(20, 30, 10.0)
    page = tmp_path / "page.tif"
    page.write_text("<html>404 not found</html>")
    with pytest.raises(ValueError, match=r"the DEM .*page\.tif is no GeoTIFF \(it begins with"):
        terrain_layers([str(page)], here)
    page.write_bytes(b"")
    with pytest.raises(ValueError, match=r"the DEM .*page\.tif is empty: fetch it again$"):
        terrain_layers([str(page)], here)
    with pytest.raises(ValueError, match=r"is a folder: name the files in it$"):
        terrain_layers([str(tmp_path)], here)
    image = tmp_path / "dem.img"  # of Imagine's kind, in which other blocks than a GeoTIFF's lack
    profile = {"width": 90, "height": 90, "count": 1, "dtype": "float32", "crs": str(here.crs)}
    with rasterio.open(image, "w", driver="HFA", transform=here.affine, **profile) as out:
        out.write(np.ones((1, 90, 90), np.float32))
    image.write_bytes(image.read_bytes()[:900])
    with pytest.raises(ValueError, match=r"dem\.img is cut off or damaged \(reading @") as raised:
        terrain_layers([str(image)], here)
    assert "0x" not in str(raised.value)
    with pytest.raises(FileNotFoundError, match=r"no DEM at .*absent\.tif: check its name"):
        terrain_layers([str(tmp_path / "absent.tif")], here)
    bare = tmp_path / "bare.tif"
    with rasterio.open(bare, "w", driver="GTiff", width=9, height=8, count=1, dtype="float32",
                       transform=here.transform) as out:  # fmt: skip
        out.write(np.zeros((8, 9), "f4"), 1)
    with pytest.raises(ValueError, match=r"bare\.tif has no coordinate reference system"):
        terrain_layers([str(bare)], here)


def test_a_dem_cut_off_is_named_as_it_is_read(tmp_path: Path) -> None:
    here = grid(200, 300, 10.0)
    path = tmp_path / "dem.tif"
    write_raster(path, rough(here.shape), here, tiled=True, blockxsize=64, blockysize=64)
    path.write_bytes(path.read_bytes()[:120_000])
    with pytest.raises(ValueError, match=r"the DEM .*dem\.tif is cut off or damaged"):
        terrain_layers([str(path)], here).compute()


def test_a_dem_is_read_from_a_web_server(http_folder: tuple[str, Path]) -> None:
    address, folder = http_folder
    here = grid(40, 60, 10.0)
    values = rough(here.shape)
    write_raster(folder / "dem.tif", values, here)
    layers = terrain_layers([f"{address}/dem.tif"], here, block_pixels=32)
    np.testing.assert_array_equal(layers["dem"], values)
    with pytest.raises(FileNotFoundError, match=r"no DEM at http.*absent\.tif: ") as raised:
        terrain_layers([f"{address}/absent.tif?sig=secret"], here)
    assert "secret" not in str(raised.value)


def test_it_is_read_as_it_is_computed(tmp_path: Path) -> None:
    here = grid(40, 60, 10.0)
    path = tmp_path / "dem.tif"
    dem = write_raster(path, rough(here.shape), here)
    layers = terrain_layers([dem], here, block_pixels=32)
    assert all(layer.chunks is not None for layer in layers.values())
    assert layers["spatial_ref"].attrs["crs_wkt"] == here.crs.wkt
    path.unlink()
    with pytest.raises(OSError, match=r"dem\.tif"):
        layers.compute()


def test_kashmir_is_as_high_and_steep_as_its_dem(real_data: Path) -> None:
    dem = real_data / "terrain-kashmir" / "AW3D30.tif"
    with rasterio.open(dem) as source:
        here = GeoBox(source.shape, source.transform, source.crs.to_wkt())
        values = source.read(1)
    layers = terrain_layers([str(dem)], here, block_pixels=400).compute()
    np.testing.assert_array_equal(layers["dem"], values)
    slope, _, curvature = slow_terrain(values[300:340, 500:560].astype("f8"), 28.554923494199286)
    part = layers.isel(y=slice(300, 340), x=slice(500, 560))
    inside = slice(1, -1), slice(1, -1)
    np.testing.assert_allclose(
        part["dem_slope_radians"].to_numpy()[inside], slope[inside], atol=1e-5
    )
    np.testing.assert_allclose(
        part["dem_curvature"].to_numpy()[inside], curvature[inside], atol=5e-3
    )
    # On 10 m pixels of another zone it is the same ground.
    finer = GeoBox((900, 1100), Affine(10, 0, 345_000, 0, -10, 3_840_000), here.crs)
    steepness = np.degrees(terrain_layers([str(dem)], finer)["dem_slope_radians"].mean().compute())
    west, east = 345_000, 356_000
    same = layers.sel(y=slice(3_840_000, 3_831_000), x=slice(west, east))
    assert float(steepness) == pytest.approx(
        float(np.degrees(same["dem_slope_radians"]).mean()), abs=2.0
    )


def test_a_dem_that_was_cut_off_is_refused_before_it_is_read(tmp_path: Path) -> None:
    here = grid(64, 80, 10.0)
    dem = Path(write_raster(tmp_path / "dem.tif", np.full((68, 84), 7.0, "f4"), here.pad(2)))
    dem.write_bytes(dem.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"^the DEM .*dem\.tif is cut off .*: fetch it again$"):
        terrain_layers([str(dem)], here)

"""What the radar sees: closed forms, brute-force rays, seams, water."""

import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import map_coordinates
from shapely import box

from landslide.build.observed import distance_along, observed_layers
from landslide.build.viewing import (
    View,
    incidence_beyond,
    layover_and_shadow,
    sentinel1_look,
)
from tests.build.conftest import write_raster

UTM = "EPSG:32654"
HERE = GeoBox((40, 56), Affine(10, 0, 500_000, 0, -10, 4_700_000), UTM)
EAST, WEST, NORTH, SOUTH = 90.0, 270.0, 0.0, 180.0


def hidden(*given: Any) -> np.ndarray:
    layover, shadow = layover_and_shadow(*given)
    return layover | shadow


def plane(slope: float, look: float, shape: tuple[int, int] = (30, 41)) -> np.ndarray:
    """A plane that rises, away from the radar, by `slope` [m/m]; pixels of 10 m."""
    rows, columns = np.indices(shape) * 10.0
    away = columns * math.sin(math.radians(look)) - rows * math.cos(math.radians(look))
    return (1000 + slope * away).astype("f4")


@pytest.mark.parametrize("look", [EAST, WEST, NORTH, SOUTH, 45.0, 282.0, 78.0])
def test_a_slope_steeper_than_the_beam_lies_over_and_one_turned_away_lies_in_shadow(
    look: float,
) -> None:
    incidence = 37.0
    limit = math.tan(math.radians(incidence))
    view = View(incidence, look)
    inside = slice(3, -3), slice(3, -3)
    for slope, layover, shadow in [
        (1.02 * limit, True, False),  # faces the radar, steeper than the incidence angle
        (0.98 * limit, False, False),
        (0.0, False, False),
        (-0.98 / limit, False, False),
        (-1.02 / limit, False, True),  # turned away, steeper than 90 degrees less that
    ]:
        over, dark = layover_and_shadow(plane(slope, look), view, 10.0)
        assert (over[inside] == layover).all()
        assert (dark[inside] == shadow).all()


@pytest.mark.parametrize("incidence", [30.0, 39.0, 44.0])
@pytest.mark.parametrize("look", [EAST, WEST, NORTH, SOUTH])
def test_a_wall_casts_a_shadow_and_lies_over_as_far_as_its_height_says(
    incidence: float, look: float
) -> None:
    height, ground = 200.0, np.zeros((90, 90), "f4")
    wall = ground.copy()
    across = look in (EAST, WEST)
    wall[(slice(None), 45) if across else (45, slice(None))] = height
    over, dark = layover_and_shadow(wall, View(incidence, look), 10.0)
    profile = (lambda plane: plane[40]) if across else (lambda plane: plane[:, 40])
    behind = 1 if look in (EAST, SOUTH) else -1
    pixels = np.arange(90)
    away = behind * (pixels - 45) * 10.0
    reach = height * math.tan(math.radians(incidence))
    np.testing.assert_array_equal(profile(dark), (away > 0) & (away < reach))
    # Its top's echo arrives with that of the ground height / tan(incidence) before it.
    before = height / math.tan(math.radians(incidence))
    np.testing.assert_array_equal(profile(over), (away <= 0) & (-away < before))


def hills(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Ridges with flanks of up to 60 degrees."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape) * 10.0
    total = np.zeros(shape)
    for _ in range(12):
        wave, angle = random.uniform(200, 500), random.uniform(0, 2 * math.pi)
        along = rows * math.sin(angle) + columns * math.cos(angle)
        total += 0.08 * wave * np.sin(2 * math.pi * along / wave + random.uniform(0, 6))
    return (1500 + total).astype("f4")


def rays(z: np.ndarray, view: View, fine: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Layover and shadow from slant ranges and offsets along every pixel's own ray."""
    look, t = math.radians(view.look_degrees), math.radians(view.incidence_degrees)
    column, row = math.sin(look), -math.cos(look)
    step = 1 / max(abs(column), abs(row)) / fine
    count = int(2 * max(z.shape) * fine)
    over, dark = np.zeros(z.shape, bool), np.zeros(z.shape, bool)
    steps = np.arange(-count, count + 1)
    for y in range(z.shape[0]):
        for x in range(z.shape[1]):
            # Rounded, or a ray along the edge would leave the array.
            rows = np.round(y + steps * step * row, 9)
            columns = np.round(x + steps * step * column, 9)
            heights = map_coordinates(z.astype("f8"), [rows, columns], order=1, cval=np.nan)
            u = steps * step * 10.0
            ranges = u * math.sin(t) - heights * math.cos(t)
            offsets = u * math.cos(t) + heights * math.sin(t)
            here = slice(count, count + 1)
            before, after = slice(0, count), slice(count + 1, None)
            eps = 1e-3
            dark[y, x] = (offsets[before] > offsets[here] + eps).any()
            over[y, x] = (ranges[before] > ranges[here] + eps).any() or (
                ranges[after] < ranges[here] - eps
            ).any()
    return over, dark


@pytest.mark.parametrize("look", [EAST, 225.0, 282.3, 191.0])
def test_it_equals_brute_force_rays(look: float) -> None:
    z, view = hills((36, 47)), View(39.0, look)
    over, dark = layover_and_shadow(z, view, 10.0)
    true_over, true_dark = rays(z, view)
    assert 0.05 < true_over.mean() < 0.8
    assert true_dark.mean() > 0.005
    # They may differ where a ray just touches.
    assert (over != true_over).mean() < 0.003
    assert (dark != true_dark).mean() < 0.003


def test_following_rays_more_finely_changes_little() -> None:
    z, view = hills((24, 31), seed=4), View(39.0, 282.3)
    over, dark = layover_and_shadow(z, view, 10.0)
    true_over, true_dark = rays(z, view, fine=5)
    assert (over != true_over).mean() < 0.03
    assert (dark != true_dark).mean() < 0.03


def test_ground_without_elevation_hides_nothing() -> None:
    z = hills((30, 40))
    z[10:12, 5:9] = np.nan
    assert not hidden(z, View(39.0, EAST), 10.0)[10:12, 5:9].any()
    assert not hidden(np.full((5, 6), np.nan, "f4"), View(39.0, EAST), 10.0).any()


def test_the_incidence_angle_grows_across_the_swath_as_sentinel_1s_does() -> None:
    # IW maps nominally 250 km, from 29.1 to 46.0 degrees.
    far = incidence_beyond(29.1, 250_000.0)
    assert float(far) == pytest.approx(46.0, abs=1.5)
    assert float(incidence_beyond(float(far), -250_000.0)) == pytest.approx(29.1, abs=1e-6)
    assert float(incidence_beyond(38.0, 0.0)) == pytest.approx(38.0)
    # Nobody looks straight down.
    assert incidence_beyond(38.0, np.array([-9e5, 0])).tolist() == [5.0, pytest.approx(38.0)]


def test_each_pixel_has_its_own_incidence_angle(tmp_path: Path) -> None:
    """A plane that faces the radar at 38 degrees lies over where the angle is smaller."""
    wide = GeoBox((6, 110), Affine(100, 0, 500_000, 0, -100, 4_700_000), UTM)
    rise = 10 * (plane(math.tan(math.radians(38)), EAST, wide.shape) - 1000)
    dem = write_raster(tmp_path / "dem.tif", rise, wide)
    here = wide[2:4, 4:106]
    view = View(38.0, EAST)
    seen = observed_layers(here, dem=[dem], views=[view], relief_m=9000, block_pixels=40)
    seen = seen["observed"].to_numpy()
    middle = seen.shape[1] // 2
    assert not seen[:, : middle - 2].any()  # nearer to the radar: looked down on more steeply
    assert seen[:, middle + 2 :].all()
    whole = observed_layers(here, dem=[dem], views=[view], relief_m=9000)["observed"]
    np.testing.assert_array_equal(seen, whole)


def test_blocks_leave_no_seam_and_ground_beyond_the_grid_hides(tmp_path: Path) -> None:
    wide = HERE.pad(60)
    z = hills(wide.shape, seed=2)
    dem = write_raster(tmp_path / "dem.tif", z, wide)
    view = View(39.0, 282.3)
    middle = 500_000 + 280, 4_700_000 - 200
    beyond = distance_along(wide, 282.3, middle)
    assert float(beyond[60 + 20, 60 + 28]) == pytest.approx(0, abs=10)
    expected = ~hidden(z, view, 10.0, beyond)[60:-60, 60:-60]
    assert 0.1 < expected.mean() < 0.9
    for block_pixels in (11, 25, 1024):
        layers = observed_layers(
            HERE, dem=[dem], views=[view], relief_m=300, block_pixels=block_pixels
        )
        assert layers["observed"].dtype == bool
        assert layers["observed"].chunks is not None
        np.testing.assert_array_equal(layers["observed"], expected)


def test_two_views_must_both_see(tmp_path: Path) -> None:
    dem = write_raster(tmp_path / "dem.tif", hills(HERE.pad(60).shape), HERE.pad(60))
    views = [View(39.0, sentinel1_look(orbit, 43.0)) for orbit in ("ascending", "descending")]
    each = [observed_layers(HERE, dem=[dem], views=[view])["observed"] for view in views]
    both = observed_layers(HERE, dem=[dem], views=views)["observed"]
    np.testing.assert_array_equal(both, each[0] & each[1])
    assert (each[0].to_numpy() != each[1].to_numpy()).any()


def test_sentinel_1_looks_east_going_up_and_west_coming_down() -> None:
    # Its heading at the equator is 12 degrees off north, and more towards the poles.
    assert sentinel1_look("ascending", 0.0) == pytest.approx(78.0, abs=0.5)
    assert sentinel1_look("descending", 0.0) == pytest.approx(282.0, abs=0.5)
    assert sentinel1_look("ascending", -60.0) < sentinel1_look("ascending", 43.0) < 78
    with pytest.raises(ValueError, match="does not pass"):
        sentinel1_look("ascending", 85.0)


def test_water_is_not_observed(tmp_path: Path) -> None:
    cover = np.full(HERE.shape, 10, "u1")
    cover[5:9, 7:20] = 80
    raster = write_raster(tmp_path / "cover.tif", cover, HERE)
    seen = observed_layers(HERE, water=[raster], water_values=[80], block_pixels=16)["observed"]
    np.testing.assert_array_equal(seen, cover != 80)
    pieces = [
        write_raster(tmp_path / f"{part.start}.tif", cover[:, part], HERE[:, part])
        for part in (slice(0, 30), slice(30, 56))
    ]
    seen = observed_layers(HERE, water=pieces, water_values=[80], block_pixels=16)["observed"]
    np.testing.assert_array_equal(seen, cover != 80)

    occurrence = np.where(cover == 80, 90, 20).astype("u1")
    occurrence[0, 0] = 255
    raster = write_raster(tmp_path / "occurrence.tif", occurrence, HERE, nodata=255)
    seen = observed_layers(HERE, water=[raster], water_above=50)["observed"]
    np.testing.assert_array_equal(seen, cover != 80)
    with rasterio.open(raster, "r+") as out:
        out.scales = (0.01,)
    seen = observed_layers(HERE, water=[raster], water_above=0.5)["observed"]
    np.testing.assert_array_equal(seen, cover != 80)
    seen = observed_layers(HERE, water=[raster], water_values=[90])["observed"]  # kinds, as stored
    np.testing.assert_array_equal(seen, cover != 80)

    lake = box(500_070, 4_700_000 - 90, 500_200, 4_700_000 - 50)
    vector = tmp_path / "lake.geojson"
    gpd.GeoDataFrame(geometry=[lake], crs=UTM).to_crs("EPSG:4326").to_file(vector)
    seen = observed_layers(HERE, water=[str(vector)], block_pixels=16)["observed"]
    np.testing.assert_array_equal(seen, cover != 80)


def test_water_behind_a_signature_is_read(archive: Any) -> None:
    cover = np.full(HERE.shape, 10, "u1")
    cover[5:9, 7:20] = 80
    write_raster(archive.folder / "cover.tif", cover, HERE)
    lake = box(500_070, 4_700_000 - 90, 500_200, 4_700_000 - 50)
    gpd.GeoDataFrame(geometry=[lake], crs=UTM).to_file(archive.folder / "lake.gpkg")
    archive.signature = "wanted"

    def sign(address: str, _refused: bool) -> str:
        return f"{address}?sig=wanted"

    for file, values in (("cover.tif", [80]), ("lake.gpkg", None)):
        address = f"{archive.address}/files/{file}"
        seen = observed_layers(HERE, water=[address], water_values=values, sign_water=sign)
        np.testing.assert_array_equal(seen["observed"], cover != 80)


def test_a_land_cover_of_the_world_says_where_water_is(tmp_path: Path) -> None:
    wide = GeoBox((180, 360), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
    cover = np.full(wide.shape, 10, "u1")
    cover[:, 321:] = 80  # east of 141 degrees, the grid's middle
    here = GeoBox((40, 56), Affine(10, 0, 500_000 - 280, 0, -10, 4_700_000), UTM)
    raster = write_raster(tmp_path / "cover.tif", cover, wide)
    seen = observed_layers(here, water=[raster], water_values=[80], block_pixels=16)["observed"]
    assert seen[:, :28].all()
    assert not seen[:, 28:].any()


def test_a_lake_elsewhere_hides_nothing(tmp_path: Path) -> None:
    vector = tmp_path / "lake.geojson"
    gpd.GeoDataFrame(geometry=[box(1, 1, 2, 2)], crs="EPSG:4326").to_file(vector)
    assert observed_layers(HERE, water=[str(vector)])["observed"].all()


def test_what_lacks_is_said_in_one_line(tmp_path: Path) -> None:
    dem = write_raster(tmp_path / "dem.tif", hills(HERE.shape)[:, :28], HERE[:, :28])
    with pytest.raises(ValueError, match=r"covers 50\.0% of the area"):
        observed_layers(HERE, dem=[dem], views=[View(39.0, EAST)])
    seen = observed_layers(HERE, dem=[dem], views=[View(39.0, EAST)], least_cover=0.4)["observed"]
    assert seen[:, 30:].all()  # without elevation nothing is hidden
    with pytest.raises(ValueError, match=r"water raster covers 50\.0% of the area"):
        observed_layers(HERE, water=[dem], water_above=50)


def test_kashmirs_flanks_hide_from_the_radar(real_data: Path) -> None:
    dem = real_data / "terrain-kashmir" / "AW3D30.tif"
    with rasterio.open(dem) as source:
        here = GeoBox(source.shape, source.transform, source.crs.to_wkt())
        z = source.read(1)
    view = View(39.0, sentinel1_look("descending", 34.6))
    seen = observed_layers(here, dem=[str(dem)], views=[view], block_pixels=500)
    seen = seen["observed"].to_numpy()
    box = here.boundingbox
    middle = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    beyond = distance_along(here, view.look_degrees, middle)
    np.testing.assert_array_equal(seen, ~hidden(z, view, here.resolution.x, beyond))
    assert 0.6 < seen.mean() < 0.9


@pytest.mark.filterwarnings("ignore:.*crs.*not provided")
def test_water_without_a_crs_is_told_where_to_write_it(tmp_path: Path) -> None:
    vector = tmp_path / "lake.shp"
    gpd.GeoDataFrame(geometry=[box(0, 0, 100, 100)]).to_file(vector)
    with pytest.raises(ValueError, match=r"the water .* declares no CRS .*: add that$"):
        observed_layers(HERE, water=[str(vector)])

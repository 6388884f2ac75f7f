"""Labels: from polygons of any format to the grid; what is refused, repaired, unmapped."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import LineString, MultiPolygon, Point, Polygon, box

from landslide.build.grid import area_grid, project
from landslide.build.labels import any_pixel, burn, label_layers
from landslide.build.outlines import outline
from landslide.build.polygons import read_polygons
from landslide.build.terrain import terrain_layers
from landslide.cube.schema import house_schema

UTM = "EPSG:32654"
LEFT, TOP = 500_000.0, 4_700_000.0
HERE = GeoBox((40, 56), Affine(10, 0, LEFT, 0, -10, TOP), UTM)


def at(left: float, top: float, right: float, bottom: float) -> Polygon:
    """Return a rectangle whose edges are given in pixels from the upper left corner."""
    return box(LEFT + 10 * left, TOP - 10 * bottom, LEFT + 10 * right, TOP - 10 * top)


def save(path: Path, *shapes: shapely.Geometry, crs: str | None = UTM, driver: str | None = None,
         to: str | None = None) -> str:  # fmt: skip
    frame = gpd.GeoDataFrame(geometry=list(shapes), crs=crs)
    (frame.to_crs(to) if to else frame).to_file(path, driver=driver)
    return str(path)


def inside(*shapes: shapely.Geometry) -> np.ndarray:
    """Say for each pixel whether its middle lies in any shape, one pixel after another."""
    out = np.zeros(HERE.shape, np.uint8)
    for row in range(HERE.shape[0]):
        for column in range(HERE.shape[1]):
            middle = Point(HERE.affine @ (column + 0.5, row + 0.5))
            out[row, column] = any(shape.contains(middle) for shape in shapes)
    return out


TRIANGLE = Polygon([(LEFT + 33, TOP - 21), (LEFT + 287, TOP - 94), (LEFT + 101, TOP - 333)])
RING = Polygon(at(30, 10, 50, 30).exterior, [at(35, 15, 45, 25).exterior.coords])


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg", "a.geojson", "a.kml", "a.kmz", "a.shp.zip"])
def test_any_vector_file_gives_the_pixels_whose_middle_lies_inside(
    tmp_path: Path, name: str
) -> None:
    longitudes = name.endswith((".geojson", ".kml", ".kmz"))
    inventory = save(
        tmp_path / name,
        TRIANGLE,
        RING,
        to="EPSG:4326" if longitudes else "EPSG:32653",  # reprojected from a neighbouring zone
        driver="LIBKML" if "km" in name else "ESRI Shapefile" if "shp" in name else None,
    )
    layers = label_layers(inventory, HERE, block_pixels=16)
    assert layers["landslides"].dtype == np.uint8
    assert layers["landslides"].chunksizes["y"] == (16, 16, 8)
    np.testing.assert_array_equal(layers["landslides"], inside(TRIANGLE, RING))
    assert list(layers["y"].to_numpy()[:2]) == [TOP - 5, TOP - 15]
    assert layers["spatial_ref"].attrs["crs_wkt"] == HERE.crs.wkt


def test_all_touched_keeps_polygons_smaller_than_a_pixel(tmp_path: Path) -> None:
    inventory = save(tmp_path / "a.gpkg", at(3.1, 5.1, 3.3, 5.3), at(7, 7, 9, 9))
    few = label_layers(inventory, HERE)["landslides"].to_numpy()
    many = label_layers(inventory, HERE, all_touched=True)["landslides"].to_numpy()
    assert (few[5, 3], many[5, 3]) == (0, 1)
    assert few.sum() == 4
    assert (many >= few).all()


def test_blocks_leave_no_trace(tmp_path: Path) -> None:
    inventory = save(tmp_path / "a.gpkg", TRIANGLE, RING)
    for touched in (False, True):
        whole = label_layers(inventory, HERE, all_touched=touched)["landslides"]
        parts = label_layers(inventory, HERE, all_touched=touched, block_pixels=7)["landslides"]
        np.testing.assert_array_equal(whole, parts)


def test_unmapped_ground_is_no_data_and_not_no_landslide(tmp_path: Path) -> None:
    inventory = save(tmp_path / "a.gpkg", at(2, 2, 6, 6), at(40, 30, 44, 34))
    mapped = save(tmp_path / "mapped.geojson", at(0, 0, 30, 40), to="EPSG:4326")
    layers = label_layers(inventory, HERE, mapped=mapped, block_pixels=16)
    labels, mask = layers["landslides"].to_numpy(), layers["mapped"].to_numpy()
    assert mask.dtype == bool
    assert labels.dtype == np.uint8
    assert mask[:, :30].all()
    assert not mask[:, 30:].any()
    assert (labels[:, 30:] == 255).all()  # the landslide that lies there, too
    assert set(np.unique(labels[:, :30])) == {0, 1}
    # The house reads it so.
    np.testing.assert_array_equal(house_schema(layers)["landslides"], labels)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:8857"])
def test_an_ocean_around_the_world_is_one_here_too(tmp_path: Path, crs: str) -> None:
    """Its corners lie where no UTM zone reaches; an island lies in it, half on the grid."""
    island = gpd.GeoSeries([at(-40, -40, 28, 80)], crs=UTM).to_crs("EPSG:4326")[0]
    ocean = box(-179.9, -80, 179.9, 80) - island
    if crs == "EPSG:8857":  # whose own outline bends
        ocean = ocean.segmentize(1)
    inventory = save(tmp_path / "ocean.gpkg", ocean, crs="EPSG:4326", to=crs)
    labels = label_layers(inventory, HERE, block_pixels=16)["landslides"]
    assert (labels[:, 28:] == 1).all()
    assert (labels[:, :28] == 0).all()


def test_a_side_that_is_straight_in_degrees_bends_on_the_grid(tmp_path: Path) -> None:
    """A box of 0.8 by 0.4 degrees covers what the same box as the area of a cube does."""
    degrees = box(141.6, 42.2, 142.4, 42.6)
    here = area_grid(degrees, UTM, 20)
    mapped = save(tmp_path / "a.geojson", degrees, crs="EPSG:4326")
    (slides,) = read_polygons(mapped, here, "mapped area")
    assert shapely.hausdorff_distance(slides, project(degrees, UTM)) < 0.05
    assert slides.symmetric_difference(project(degrees, UTM)).area < 100


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:8857"])
def test_polygons_of_either_side_of_the_180th_meridian_are_shown(tmp_path: Path, crs: str) -> None:
    """However the file counts its longitudes; planes of the whole world end there."""
    here = GeoBox((40, 56), Affine(100, 0, 743_000, 0, -100, 4_651_000), "EPSG:32660")
    west, east = outline(here, "EPSG:4326").bounds[::2]
    assert west < 180 < east
    ways = [[box(170, 40, 180, 44), box(-180, 40, -170, 44)]]
    if crs == "EPSG:4326":
        ways.append([box(170, 40, 190, 44)])
    for number, parts in enumerate(ways):
        dense = [part.segmentize(0.1) for part in parts]
        file = save(tmp_path / f"{number}.gpkg", *dense, crs="EPSG:4326", to=crs)
        labels = label_layers(file, here)["landslides"]
        assert (labels == 1).mean() > 0.999
        one_side = save(tmp_path / f"{number}w.gpkg", dense[0], crs="EPSG:4326", to=crs)
        if len(parts) == 2:
            share = (label_layers(one_side, here)["landslides"] == 1).mean()
            assert share == pytest.approx((180 - west) / (east - west), abs=0.01)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3413", "EPSG:3995", "EPSG:8857"])
def test_polygons_around_a_pole_are_shown(tmp_path: Path, crs: str) -> None:
    """Also one that holds the pole itself, in a CRS on whose plane that is a point."""
    here = GeoBox((40, 56), Affine(1000, 0, -22_000, 0, -1000, 25_000), "EPSG:3413")
    shapes = [box(9e3, 5e3, 20e3, 19e3), box(-17e3, -12e3, -11e3, -6e3)]
    if crs in ("EPSG:3413", "EPSG:3995"):
        shapes.append(box(-7e3, -4e3, 9e3, 3e3))
    pixels = sum(shape.area for shape in shapes) / 1e6
    dense = [shape.segmentize(50) for shape in shapes]
    file = save(tmp_path / "a.gpkg", *dense, crs="EPSG:3413", to=crs)
    assert label_layers(file, here)["landslides"].sum() == pixels


def test_polygons_are_clipped_to_the_grid(tmp_path: Path) -> None:
    beyond, far = at(-20, -20, 10, 10), at(900, 900, 950, 950)
    labels = label_layers(save(tmp_path / "a.gpkg", beyond, far), HERE)["landslides"]
    assert labels.sum() == 100


def test_a_polygon_that_crosses_itself_is_repaired_with_a_word(tmp_path: Path) -> None:
    bow = Polygon([(LEFT + 103, TOP - 100), (LEFT + 303, TOP - 300), (LEFT + 303, TOP - 100),
                   (LEFT + 103, TOP - 300)])  # fmt: skip
    inventory = save(tmp_path / "a.gpkg", bow, at(40, 1, 42, 3))
    with pytest.warns(UserWarning, match=r"1 of the 2 polygons .*Self-intersection.* repaired"):
        layers = label_layers(inventory, HERE)
    np.testing.assert_array_equal(
        layers["landslides"], inside(*shapely.make_valid(bow).geoms, at(40, 1, 42, 3))
    )
    assert layers["landslides"].sum() > 150  # both wings


def test_heights_and_missing_geometries_do_not_matter(tmp_path: Path) -> None:
    tall = shapely.force_3d(at(2, 2, 6, 6), 1234.0)
    inventory = save(tmp_path / "a.gpkg", MultiPolygon([tall]), None, Polygon())
    assert label_layers(inventory, HERE)["landslides"].sum() == 16


def test_points_and_lines_are_refused_with_a_reason(tmp_path: Path) -> None:
    point, line = Point(LEFT + 50, TOP - 50), LineString([(LEFT, TOP), (LEFT + 99, TOP - 99)])
    with pytest.raises(ValueError, match=r"holds 1 LineString, 2 Point among 4 .* map its outline"):
        label_layers(save(tmp_path / "a.gpkg", point, point, line, at(1, 1, 5, 5)), HERE)


@pytest.mark.filterwarnings("ignore:.*crs.*not provided")
def test_each_bad_inventory_is_one_line(tmp_path: Path) -> None:
    def refusal(kind: type[Exception], inventory: str, **how: str) -> str:
        with pytest.raises(kind) as raised:
            label_layers(inventory, HERE, **how)  # type: ignore[arg-type]
        assert "\n" not in str(raised.value)
        return str(raised.value)

    outside = save(tmp_path / "outside.gpkg", at(100, 100, 120, 120), at(200, 200, 220, 220))
    said = refusal(ValueError, outside)
    assert "none of the 2 polygons" in said
    assert "outside.gpkg" in said

    undeclared = save(tmp_path / "undeclared.shp", at(2, 2, 6, 6), crs=None)
    assert "declares no CRS" in refusal(ValueError, undeclared)
    assert label_layers(undeclared, HERE, crs=UTM)["landslides"].sum() == 16
    assert "is unknown" in refusal(ValueError, undeclared, crs="EPSG:1")
    # Metres read as degrees lie nowhere.
    assert "lies outside" in refusal(ValueError, undeclared, crs="EPSG:4326")

    declared = save(tmp_path / "declared.gpkg", at(2, 2, 6, 6))
    assert "leave yours out" in refusal(ValueError, declared, crs="EPSG:4326")
    assert label_layers(declared, HERE, crs=UTM)["landslides"].sum() == 16

    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    assert "is empty" in refusal(ValueError, str(empty))
    hollow = save(tmp_path / "hollow.gpkg", Polygon(), None)
    assert "is empty" in refusal(ValueError, hollow)

    page = tmp_path / "page.gpkg"
    page.write_text("<html>403</html>")
    kinds = "give a shapefile, GeoPackage, GeoJSON or KMZ"
    begins = f"the inventory {page} is no file of polygons (it begins with '<html>403</html>')"
    assert refusal(ValueError, str(page)) == f"{begins}: {kinds}"
    page.write_bytes(b"")
    assert refusal(ValueError, str(page)) == f"the inventory {page} is empty: fetch it again"
    folder = tmp_path / "folder"
    folder.mkdir()
    said = f"the inventory {folder} is a folder: name the files in it"
    assert refusal(ValueError, str(folder)) == said
    raster = tmp_path / "dem.tif"
    profile = {"width": 9, "height": 9, "count": 1, "dtype": "float32", "crs": UTM}
    with rasterio.open(raster, "w", transform=HERE.affine, **profile) as image:
        image.write(np.ones((1, 9, 9), np.float32))
    said = f"the inventory {raster} is no file of polygons: {kinds}"
    assert refusal(ValueError, str(raster)) == said
    absent = str(tmp_path / "absent.shp")
    assert refusal(OSError, absent) == f"no inventory at {absent}: check its name"

    endless = Polygon([(LEFT, TOP), (np.inf, TOP), (LEFT, TOP - 100)])
    endless = save(tmp_path / "endless.gpkg", endless, at(2, 2, 6, 6), endless)
    said = refusal(ValueError, endless)
    assert f"2 of the 3 polygons of the inventory {endless} have corners that are no numb" in said

    two = save(tmp_path / "two.gpkg", at(2, 2, 6, 6))
    gpd.GeoDataFrame(geometry=[at(9, 9, 10, 10)], crs=UTM).to_file(two, layer="fresh")
    said = refusal(ValueError, two)
    assert "has the layers two, fresh: set `layer` under [build.labels] to one" in said
    assert "no layer 'old'" in refusal(ValueError, two, layer="old")
    assert label_layers(two, HERE, layer="fresh")["landslides"].sum() == 1


@pytest.mark.filterwarnings("ignore:.*crs.*not provided")
def test_inventory_and_mapped_area_have_each_its_own_crs_and_layer(tmp_path: Path) -> None:
    slides = save(tmp_path / "slides.shp", at(2, 2, 6, 6), crs=None)
    mapped = save(tmp_path / "mapped.gpkg", at(0, 0, 30, 20), to="EPSG:4326")
    layers = label_layers(slides, HERE, crs=UTM, mapped=mapped)
    assert (layers["landslides"] == 1).sum() == 16
    assert 580 < int(layers["mapped"].sum()) < 620
    bare = save(tmp_path / "bare.shp", at(0, 0, 30, 20), crs=None)
    with pytest.raises(ValueError, match=r"mapped area .*set `mapped_crs` under \[build.labels"):
        label_layers(slides, HERE, crs=UTM, mapped=bare)
    assert label_layers(slides, HERE, crs=UTM, mapped=bare, mapped_crs=UTM)["mapped"].sum() == 600
    gpd.GeoDataFrame(geometry=[at(0, 0, 9, 9)], crs=UTM).to_file(mapped, layer="second")
    with pytest.raises(ValueError, match=r"set `mapped_layer` under \[build.labels\] to one"):
        label_layers(slides, HERE, crs=UTM, mapped=mapped)
    layers = label_layers(slides, HERE, crs=UTM, mapped=mapped, mapped_layer="second")
    assert layers["mapped"].sum() == 81


def test_an_inventory_that_gives_no_pixel_is_refused(tmp_path: Path) -> None:
    """Between the middles of the pixels; or of ground that nobody mapped."""
    small = save(tmp_path / "small.gpkg", at(3.6, 3.6, 4.4, 4.4), at(8.7, 9.6, 9.3, 9.9))
    with pytest.raises(ValueError, match=r"none of the 2 polygons .* `all_touched = true`"):
        label_layers(small, HERE)
    assert label_layers(small, HERE, all_touched=True)["landslides"].sum() == 6
    some = save(tmp_path / "some.gpkg", at(3.6, 3.6, 4.4, 4.4), at(8.4, 9.4, 9.3, 9.9))
    assert label_layers(some, HERE)["landslides"].sum() == 1
    # Elsewhere; at the landslide's edge; within one of its pixels, beside the middle.
    for corners in ((20, 20, 29, 29), (9.2, 9.4, 14, 14), (8.6, 9.6, 8.9, 9.9)):
        mapped = save(tmp_path / "mapped.gpkg", at(*corners))
        with pytest.raises(
            ValueError, match=r"some\.gpkg has its middle in the mapped area .*mapp"
        ):
            label_layers(some, HERE, mapped=mapped)


@given(
    boxes=st.lists(
        st.tuples(*[st.floats(-5, 60) for _ in range(2)], *[st.floats(0.05, 2) for _ in range(2)]),
        min_size=1, max_size=4,
    ),
    all_touched=st.booleans(),
)  # fmt: skip
def test_whether_any_pixel_is_a_landslide_is_known_beforehand(
    boxes: list[tuple[float, float, float, float]], all_touched: bool
) -> None:
    polygons = np.array([at(x, y, x + w, y + h) for x, y, w, h in boxes], object)
    burnt = burn(HERE, polygons, all_touched=all_touched)
    assert any_pixel(polygons, HERE, all_touched=all_touched) == bool(burnt.any())


def test_an_inventory_is_read_from_a_web_server(http_folder: tuple[str, Path]) -> None:
    address, folder = http_folder
    save(folder / "inventory.geojson", at(2, 2, 6, 6), to="EPSG:4326")
    assert label_layers(f"{address}/inventory.geojson", HERE)["landslides"].sum() == 16


def test_kashmirs_landslides_lie_on_steeper_ground(real_data: Path) -> None:
    folder = real_data / "terrain-kashmir"
    dem = str(folder / "AW3D30.tif")
    with rasterio.open(dem) as source:
        here = GeoBox(source.shape, source.transform, source.crs.to_wkt())
    labels = label_layers(str(folder / "landslides.shp"), here, block_pixels=400)
    labels = labels["landslides"].to_numpy()
    slope = terrain_layers([dem], here, block_pixels=400)["dem_slope_radians"].to_numpy()
    degrees = np.degrees(slope)
    assert (labels == 1).mean() == pytest.approx(0.0122, abs=0.0003)
    # Others measured 39.8 and 33.1 degrees: that is the slope between the two neighbours on either
    # axis. Horn's, which averages three rows, is a little gentler.
    with rasterio.open(dem) as source:
        rise = np.gradient(source.read(1).astype("f8"), source.transform.a)
    plain = np.degrees(np.arctan(np.hypot(*rise)))
    assert plain[labels == 1].mean() == pytest.approx(39.8, abs=0.05)
    assert plain[labels == 0].mean() == pytest.approx(33.1, abs=0.05)
    assert np.nanmean(degrees[labels == 1]) == pytest.approx(39.5, abs=0.1)
    assert np.nanmean(degrees[labels == 0]) == pytest.approx(32.8, abs=0.1)


def test_papua_new_guineas_landslide_lies_on_its_radar_grid(real_data: Path) -> None:
    folder = real_data / "opera-rtc-papua-2024"
    image = next(path for path in sorted(folder.rglob("*.tif")) if "_tv_" not in path.name)
    with rasterio.open(image) as source:
        here = GeoBox(source.shape, source.transform, source.crs.to_wkt())
    outline = folder / "papau_new_guinea_landslide_2024.geojson"
    labels = label_layers(str(outline), here)["landslides"].to_numpy()
    true = float(gpd.read_file(outline).to_crs(here.crs.wkt).area.sum())
    pixel = abs(here.resolution.x * here.resolution.y)
    assert (labels == 1).sum() * pixel == pytest.approx(true, rel=0.05)
    with (
        pytest.warns(UserWarning, match="Ring Self-intersection"),
        pytest.raises(ValueError, match=r"none of the 7\d polygons"),
    ):
        label_layers(str(folder / "cipongkor_landslides_2024.geojson"), here)

"""Polygons of a mask: whole, valid, measured."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from landslide.mapping.products.ground import Ground, blocks_of, ground_of
from landslide.mapping.products.planes import ONE_OR_NONE
from landslide.mapping.products.polygons import (
    burnt,
    large_enough,
    on_the_ground,
    outlines,
    planimetric_areas,
    simplified,
    smallest_area,
)
from landslide.mapping.products.rasters import PROBABILITY, plane_writer, write_block
from landslide.mapping.products.vectors import image_footprint

from .synthetic import make_facts, make_ground


def ground(shape: tuple[int, int], crs: str | None = "EPSG:32654") -> Ground:
    cube = make_ground((40, 56), crs=crs)
    whole = ground_of(cube, no_crs=True)
    return Ground(shape, whole.transform, whole.crs, whole.equal_area, whole.unit, whole.pixel)


def outlined(mask: np.ndarray, folder: Path, where: Ground | None = None) -> np.ndarray:
    path = str(folder / "mask.tif")
    with plane_writer(path, ONE_OR_NONE, where or ground(mask.shape)) as raster:
        whole = slice(0, mask.shape[0]), slice(0, mask.shape[1])
        write_block(raster, mask.astype(np.uint8), *whole)
    return outlines(path)


def blobs(shape: tuple[int, int], seed: int = 0, share: float = 0.2) -> np.ndarray:
    rough = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return rough > np.quantile(rough, 1 - share)


def test_each_group_of_pixels_is_one_polygon_of_as_many_pixels(tmp_path: Path) -> None:
    mask = blobs((300, 420))
    labelled, count = ndimage.label(mask)
    found = outlined(mask, tmp_path)
    assert len(found) == count
    pixels = np.bincount(labelled.ravel())[1:]
    assert sorted(shapely.area(found)) == sorted(pixels)
    assert shapely.is_valid(found).all()


@settings(max_examples=25, deadline=None)
@given(arrays(np.bool_, (9, 13)))
def test_pixels_that_meet_at_corners_give_valid_polygons_too(
    tmp_path_factory: pytest.TempPathFactory, mask: np.ndarray
) -> None:
    found = outlined(mask, tmp_path_factory.mktemp("mask"))
    assert len(found) == ndimage.label(mask)[1]
    assert shapely.is_valid(found).all()
    assert shapely.area(found).sum() == mask.sum()


@pytest.mark.parametrize("side", [32, 50, 1024])
def test_a_landslide_that_crosses_blocks_is_one_in_all_of_them(tmp_path: Path, side: int) -> None:
    mask = blobs((150, 210))
    mask[70, :] = True  # from edge to edge
    labelled, _ = ndimage.label(mask)
    found = outlined(mask, tmp_path)
    tree = shapely.STRtree(found)
    whole = np.zeros(mask.shape, np.int32)
    for rows, columns in blocks_of(mask.shape, side):
        whole[rows, columns] = burnt(found, tree, rows, columns)
    np.testing.assert_array_equal(whole > 0, mask)
    pairs = np.unique(np.stack([whole[mask], labelled[mask]]), axis=1)
    assert pairs.shape[1] == len(found)  # one number for each group, and one group for each number
    assert whole[70].min() == whole[70].max()


def test_outlines_lose_their_stairs_and_stay_valid_and_apart(tmp_path: Path) -> None:
    mask = blobs((300, 420), seed=3, share=0.3)
    where = ground(mask.shape)
    kept = large_enough(outlined(mask, tmp_path, where), where, 0)
    stairs = on_the_ground(kept["pixels"].to_numpy(), where)
    simple = simplified(kept["pixels"].to_numpy(), where)
    assert shapely.is_valid(simple).all()
    assert not shapely.is_empty(simple).any()
    corners = shapely.get_num_coordinates(stairs.to_numpy()).sum()
    assert shapely.get_num_coordinates(simple).sum() < 0.7 * corners
    assert shapely.area(simple).sum() == pytest.approx(stairs.area.sum(), rel=0.05)
    tree = shapely.STRtree(simple)
    first, second = tree.query(simple, predicate="intersects")
    common = shapely.area(shapely.intersection(simple[first], simple[second]))
    assert common[first != second].max(initial=0) < 1e-6


def test_a_hole_of_a_pixel_is_filled_and_a_larger_one_stays(tmp_path: Path) -> None:
    mask = np.zeros((40, 56), bool)
    mask[5:30, 8:50] = True
    mask[10, 12] = mask[15:22, 20:28] = False
    where = ground(mask.shape)
    kept = large_enough(outlined(mask, tmp_path, where), where, 0)
    assert shapely.get_num_interior_rings(kept["pixels"].to_numpy()) == [2]
    (simple,) = simplified(kept["pixels"].to_numpy(), where)
    (hole,) = simple.interiors
    assert shapely.Polygon(hole).area == pytest.approx(5600, rel=0.1)


def test_what_is_below_the_minimum_area_is_dropped_and_the_largest_comes_first(
    tmp_path: Path,
) -> None:
    mask = np.zeros((40, 56), bool)
    mask[2, 2:5] = True  # 3 pixels
    mask[10:12, 10:12] = True  # 4
    mask[20:25, 20:26] = True  # 30
    where = ground(mask.shape)
    kept = large_enough(outlined(mask, tmp_path, where), where, 400)
    assert kept["id"].tolist() == [1, 2]
    assert kept["area"].to_numpy() == pytest.approx([3000, 400], rel=2e-3)
    assert len(large_enough(outlined(mask, tmp_path, where), where, 0)) == 3


def test_the_smallest_are_as_many_pixels_at_the_edge_of_a_zone(tmp_path: Path) -> None:
    mask = np.zeros((40, 56), bool)
    mask[10:12, 10:12] = True
    mask[20:30, 10:50] = True
    cube = make_ground(mask.shape)
    there = ground_of(cube.assign_coords(x=cube["x"] + 273_000, y=cube["y"] - 4_600_000))
    found = outlined(mask, tmp_path, there)
    areas = planimetric_areas(found, there)
    assert areas.min() < 399.6
    assert len(large_enough(found, there, 400)) == 2
    assert len(large_enough(found, there, 40_000)) == 0  # 400 pixels of a little less


@pytest.mark.parametrize(
    ("crs", "corners"),
    [
        ("EPSG:32654", (560_000.0, 4_700_000.0, 570_000.0, 4_710_000.0)),
        ("EPSG:4326", (141.0, 42.0, 141.1, 42.1)),
        ("EPSG:3857", (15_700_000.0, 5_200_000.0, 15_710_000.0, 5_210_000.0)),
    ],
)
def test_areas_are_those_on_the_ellipsoid_whatever_the_projection(
    crs: str, corners: tuple[float, ...]
) -> None:
    import pyproj

    west, south, east, north = corners
    cube = make_ground((40, 56), crs=crs)
    y, x = np.linspace(north, south, 40), np.linspace(west, east, 56)
    where = ground_of(cube.assign_coords(y=y, x=x))
    box = np.array([shapely.segmentize(shapely.box(0, 0, 56, 40), 1)])
    degrees = on_the_ground(box, where).to_crs(4326)[0]
    area, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(degrees)
    assert planimetric_areas(box, where)[0] == pytest.approx(abs(area), rel=1e-4)


def test_without_a_reference_areas_are_in_pixels(tmp_path: Path) -> None:
    cube = make_ground((40, 56), crs=None).drop_vars(["y", "x"])
    where = ground_of(cube, no_crs=True)
    mask = np.zeros((40, 56), bool)
    mask[10:12, 10:12] = mask[2, 2] = True
    kept = large_enough(outlined(mask, tmp_path, where), where, smallest_area(400, where))
    assert (where.area_unit, kept["area"].tolist()) == ("pixels", [4])


@pytest.mark.parametrize("crs", ["EPSG:32654", None])
@pytest.mark.parametrize("rows", [slice(10, 30), slice(12, 13)])
def test_a_part_of_a_cube_lies_where_it_lies_in_the_whole(crs: str | None, rows: slice) -> None:
    cube = make_ground((40, 56), crs=crs)
    for whole in (cube.assign_coords(y=4e6 - 20.0 * np.arange(40)), cube.drop_vars(["y", "x"])):
        if crs and "y" not in whole.coords:
            continue
        there = ground_of(whole, no_crs=True)
        here = ground_of(whole, ((rows.start, rows.stop), (7, 8)), no_crs=True)
        assert here.shape == (rows.stop - rows.start, 1)
        corners = np.array([0, 1])
        assert np.array_equal(
            here.at(corners, corners), there.at(corners + 7, corners + rows.start)
        )
        assert here.pixel == pytest.approx(there.pixel, rel=1e-4)


@pytest.mark.parametrize("seen", [[(1301, 7), (0, 2099)], [(1399, 1)]])
def test_a_footprint_holds_each_pixel_that_was_seen_and_is_a_multipolygon(
    seen: list[tuple[int, int]], tmp_path: Path
) -> None:
    where, path = ground((1400, 2100)), str(tmp_path / "probability.tif")
    with plane_writer(path, PROBABILITY, where) as raster:
        values = np.full(where.shape, np.nan, np.float32)
        values[tuple(np.transpose(seen))] = 0.5
        write_block(raster, values, slice(0, 1400), slice(0, 2100))
    facts = make_facts(opposite_before=("2018-08-30T09:00:00",), opposite_after=("2018-09-11",))
    layer = image_footprint(path, where, facts)
    (shape,) = layer.geometry
    assert shape.geom_type == "MultiPolygon"
    pixels = np.array([shapely.box(c, r, c + 1, r + 1) for r, c in seen], dtype=object)
    assert all(shape.covers(each) for each in on_the_ground(pixels, where))
    (whole,) = on_the_ground(np.array([shapely.box(0, 0, 2100, 1400)]), where)
    assert whole.covers(shape)
    assert layer["detail_pixels"][0] == 3
    assert shape.area <= len(seen) * 9 * 100
    assert layer["images_before"][0].endswith("2018-08-24T20:42:15, 2018-08-30T09:00:00")
    assert layer["images_after"][0].startswith("2018-09-05T20:42:15, 2018-09-11, ")

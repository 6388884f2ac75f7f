"""Area estimates, densities and slope classes against closed forms and plain sums."""

import numpy as np
import pytest

from landslide.mapping.products.areas import class_areas, slope_class_names
from landslide.mapping.products.blocks import Block
from landslide.mapping.products.density import add_to_cells, cell_of, cells_ground, density
from landslide.mapping.products.ground import blocks_of, ground_of, pixel_areas
from landslide.mapping.products.uncertainty import (
    expected_area,
    expected_cells,
    labelled_cells,
    stratified_area,
)

from .synthetic import make_ground

AREA = 100.0


def block(probability: np.ndarray, label: np.ndarray | None = None, **terrain: np.ndarray) -> Block:
    height, width = probability.shape
    return Block(
        slice(0, height), slice(0, width), np.full((height, 1), AREA), probability,
        (np.nan_to_num(probability) >= 0.5).astype(np.int32), None, terrain, label, None,
    )  # fmt: skip


def test_equal_probabilities_have_the_closed_form_of_correlated_cells() -> None:
    # Two by three cells of 128 pixels: each errs as one.
    estimate = expected_area(
        expected_cells(block(np.full((256, 384), 0.3, np.float32))), calibrated=True
    )
    pixels = 128**2 * AREA
    assert estimate.area == pytest.approx(6 * pixels * 0.3, rel=1e-6)
    assert estimate.standard_error == pytest.approx(
        np.sqrt(6) * pixels * np.sqrt(0.3 * 0.7), rel=1e-6
    )
    assert estimate.high == pytest.approx(estimate.area + 1.96 * estimate.standard_error)
    assert estimate.low == 0  # an area
    assert "NOT calibrated" not in estimate.method
    assert estimate.method.endswith("what the model gets wrong on a new event is not in it")


def test_a_sure_map_has_no_error_and_no_data_no_area() -> None:
    sure = np.zeros((40, 56), np.float32)
    sure[:10] = 1
    sure[30:] = np.nan
    estimate = expected_area(expected_cells(block(sure)), calibrated=False)
    assert (estimate.area, estimate.standard_error) == (10 * 56 * AREA, 0)
    assert "NOT calibrated" in estimate.method


def test_the_stratified_area_is_near_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    pixels, inside, of = 128**2, 0, 0
    for _ in range(1000):
        # 64 cells, each with rates of its own: errors go together within a cell.
        slid = random.binomial(pixels, random.beta(1, 9, 64))
        found = random.binomial(slid, random.beta(8, 2, 64))
        wrong = random.binomial(pixels - slid, random.beta(1, 30, 64))
        seen, called = random.random(64) < 0.4, found + wrong
        strata = ((pixels - called, slid - found), (called, found))
        cells = AREA * np.array([[all_of, all_of * seen, true * seen] for all_of, true in strata])
        estimate = stratified_area(cells)
        if estimate is not None:
            of += 1
            inside += estimate.low <= AREA * slid.sum() <= estimate.high
    assert of > 950
    assert 0.9 <= inside / of <= 0.97


def test_the_cells_of_a_map_that_errs_are_plain_sums_of_its_pixels() -> None:
    random = np.random.default_rng(0)
    probability = random.random((256, 384)).astype(np.float32)
    probability[:20] = np.nan
    label = random.choice(np.array([0, 1, 255], np.uint8), probability.shape)
    observed, called = ~np.isnan(probability), probability >= 0.7
    planes = []
    for stratum in (observed & ~called, called):
        planes += [stratum, stratum & (label < 255), stratum & (label == 1)]
    # Two by three cells of 128 pixels on a side.
    sums = np.array(planes).reshape(2, 3, 2, 128, 3, 128).sum(axis=(3, 5)).reshape(2, 3, 6)
    np.testing.assert_allclose(labelled_cells(block(probability, label), 0.7), AREA * sums)


def test_the_stratified_area_has_the_closed_form_of_sampled_cells() -> None:
    # Three of six cells are labelled, a fifth of them landslide: of 600 that is 120. They hold 10
    # less, as many and 10 more than that rate: 6^2 x (1 - 1/2) / 3 x (100 + 0 + 100) / (3 - 1).
    none = np.array([[100] * 6, [100, 100, 100, 0, 0, 0], [10, 20, 30, 0, 0, 0]], float)
    estimate = stratified_area(np.array([none, np.zeros((3, 6))]))
    assert estimate is not None
    assert (estimate.area, estimate.standard_error) == pytest.approx((120, np.sqrt(600)))
    # And of 200 that were called landslide 4 in 5 are; both strata as one would give 229.
    slid = np.array([[50, 0, 0, 0, 0, 150], [50, 0, 0, 0, 0, 0], [40, 0, 0, 0, 0, 0]], float)
    both = stratified_area(np.array([none, slid]))
    assert both is not None
    assert both.area == pytest.approx(120 + 160)


def test_strata_without_labels_give_no_estimate() -> None:
    probability = np.zeros((256, 256), np.float32)
    probability[:128] = 0.9
    label = np.zeros((256, 256), np.uint8)
    label[:128] = 255
    assert stratified_area(labelled_cells(block(probability, label), 0.5)) is None


@pytest.mark.parametrize("crs", ["EPSG:32654", "EPSG:4326"])
def test_pixels_add_up_to_the_geodesic_area(crs: str) -> None:
    import pyproj

    cube = make_ground((300, 420), crs=crs)
    if crs == "EPSG:4326":
        y, x = 43 - 1e-4 * np.arange(300), 141 + 1e-4 * np.arange(420)
        cube = cube.assign_coords(y=y, x=x)
    ground = ground_of(cube)
    assert ground.pixel == pytest.approx(
        (10, 10) if crs == "EPSG:32654" else (11.1, 8.15), rel=0.01
    )
    total = sum(
        float(pixel_areas(ground, rows, columns).sum()) * (columns.stop - columns.start)
        for rows, columns in blocks_of(ground.shape, 128)
    )
    turn = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    edge = np.array([(0, 0), (420, 0), (420, 300), (0, 300)], float)
    lon, lat = turn.transform(*ground.at(edge[:, 0], edge[:, 1]))
    exact, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)
    assert total == pytest.approx(abs(exact), rel=1e-4)


@pytest.mark.parametrize("side", [64, 1024])
def test_densities_do_not_hang_on_the_blocks(side: int) -> None:
    cube = make_ground((300, 420))
    ground = ground_of(cube.assign_coords(y=4_740_000.0 - 20 * np.arange(300)))
    assert cell_of(ground) == (50, 100)  # of pixels 20 m high and 10 m wide
    random = np.random.default_rng(0)
    slid, seen = random.random((300, 420)) < 0.2, random.random((300, 420)) < 0.7
    seen[:50, :100] = False
    cells = np.zeros((3, *cells_ground(ground).shape))
    for rows, columns in blocks_of(ground.shape, side):
        here = rows, columns
        probability = np.where(seen[here], np.float32(0.5), np.float32(np.nan))
        areas = np.full((rows.stop - rows.start, 1), AREA)
        polygon = (slid & seen)[here].astype(np.int32)
        part = Block(rows, columns, areas, probability, polygon, None, {}, None, None)
        add_to_cells(cells, part, ground)
    found = density(cells, ground)
    assert np.isnan(found[0, 0])
    expected = 1e6 * (slid & seen)[50:100, 200:300].sum() / seen[50:100, 200:300].sum()
    assert found[1, 2] == pytest.approx(expected)
    assert found.shape == (6, 5)


def test_slope_classes_hold_each_pixel_once() -> None:
    slope = np.radians([[0, 9.9, 10.1, 25, 35, 45, 60, np.nan]]).astype(np.float32)
    probability = np.array([[1, 0, 1, 0, 0, 1, 0, 1]], np.float32)
    slid, observed = class_areas(block(probability, dem_slope_radians=slope)) / AREA
    assert len(slope_class_names()) == len(slid) == 7
    assert slid.tolist() == [1, 1, 0, 0, 1, 0, 1]
    assert observed.tolist() == [2, 1, 1, 1, 1, 1, 1]
    assert class_areas(block(probability))[1].tolist() == [0] * 6 + [8 * AREA]

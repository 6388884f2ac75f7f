"""Overlapping chips cover a scene, and their weights blend them."""

import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from landslide.build.grid import area_grid
from landslide.mapping.area import area_of, grown
from landslide.mapping.inference.placing import MARGIN, place_chips


@given(st.integers(1, 300), st.integers(2, 64), st.data())
def test_every_pixel_is_covered_and_weights_sum_to_one(
    length: int, size: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    placing = place_chips(length, size, overlap)
    total = np.zeros(max(length, size))
    for start, weight in zip(placing.starts, placing.weights, strict=True):
        total[start : start + size] += weight
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert placing.weights.min() >= 0
    assert placing.starts[0] == 0
    assert placing.starts[-1] == max(length - size, 0)
    assert all(0 < b - a <= size - overlap for a, b in zip(placing.starts, placing.starts[1:]))  # noqa: B905


def test_a_box_covers_the_pixels_that_a_cube_built_of_it_has() -> None:
    box = (2.5, 44.5, 3.5, 45.2)  # its southern edge, a parallel, bends by 12 pixels
    grid = area_grid(shapely.box(*box))
    wider = grid.pad(20, 30)
    y, x = (wider.coords[axis].values for axis in ("y", "x"))
    cube = xr.Dataset(coords={"y": y, "x": x}, attrs={"crs": str(grid.crs)})
    assert area_of(cube, box) == ((30, 30 + grid.shape[0]), (20, 20 + grid.shape[1]))


@given(st.integers(1, 300), st.integers(2, 64), st.data())
def test_a_part_of_a_scene_is_seen_by_the_chips_that_see_it_in_the_whole(
    length: int, size: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    (first, end), _ = grown(((start, stop), (0, 1)), size, overlap, (length, 1))
    assert 0 <= first <= start < stop <= end <= length

    def seen(begin: int, until: int) -> list[dict[int, float]]:
        placing = place_chips(until - begin, size, overlap)
        chips = [(begin + s, w) for s, w in zip(placing.starts, placing.weights, strict=True)]
        return [
            {s: float(w[pixel - s]) for s, w in chips if 0 <= pixel - s < size and w[pixel - s]}
            for pixel in range(start, stop)
        ]

    for part, whole in zip(seen(first, end), seen(0, length), strict=True):
        assert part == pytest.approx(whole)


def test_a_border_counts_for_nothing_but_at_the_edge_of_the_scene() -> None:
    placing = place_chips(160, 64, 32)
    assert placing.starts == (0, 32, 64, 96)
    margin = int(MARGIN * 32)
    for n, weight in enumerate(placing.weights):
        assert (weight[:margin] == (n == 0)).all()
        assert (weight[-margin:] == (n == 3)).all()
        assert np.abs(np.diff(weight)).max() < 0.1  # smooth: 1 over half an overlap of 32


def test_without_an_overlap_each_chip_counts_in_full() -> None:
    placing = place_chips(30, 10, 0)
    assert placing.starts == (0, 10, 20)
    assert (placing.weights == 1).all()

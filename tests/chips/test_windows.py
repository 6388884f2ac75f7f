"""Chips lie as xbatcher cuts them."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from xbatcher import BatchGenerator

from landslide.chips.windows import chip_corners, corner_coordinates, corners_of, cut


def test_x_is_the_outer_loop() -> None:
    corners = chip_corners((16, 24), 8)
    assert corners.tolist() == [[0, 0], [8, 0], [0, 8], [8, 8], [0, 16], [8, 16]]


@pytest.mark.parametrize(("shape", "size", "overlap"), [((19, 30), 8, 0), ((24, 33), 8, 3)])
def test_chips_are_those_of_xbatchers_generator(
    shape: tuple[int, int], size: int, overlap: int
) -> None:
    y, x = np.indices(shape)
    scene = xr.Dataset({"row": (("y", "x"), y), "column": (("y", "x"), x)})
    chips = BatchGenerator(
        scene, {"x": size, "y": size}, {"x": overlap, "y": overlap}, preload_batch=False
    )
    firsts = [chip.isel(x=0, y=0) for chip in chips]
    expected = [[int(first["row"]), int(first["column"])] for first in firsts]
    assert chip_corners(shape, size, overlap).tolist() == expected


def test_neighbours_share_the_overlap() -> None:
    assert chip_corners((8, 23), 8, 3)[:, 1].tolist() == [0, 5, 10, 15]


def test_padding_keeps_edge_chips() -> None:
    corners = chip_corners((17, 24), 8, pad=True)
    assert sorted({y for y, _ in corners.tolist()}) == [0, 8, 16]
    assert sorted({x for _, x in corners.tolist()}) == [0, 8, 16]


def test_a_chip_larger_than_the_scene_is_padded_or_an_error() -> None:
    assert chip_corners((12, 40), 16, pad=True).tolist() == [[0, 0], [0, 16], [0, 32]]
    assert chip_corners((12, 14), 16, pad=True).tolist() == [[0, 0]]
    with pytest.raises(ValueError, match="chips of 16 pixels are larger than the scene of 12 x 40"):
        chip_corners((12, 40), 16)


@pytest.mark.parametrize("overlap", [8, 9, -1])
def test_an_overlap_leaves_a_step(overlap: int) -> None:
    with pytest.raises(ValueError, match=f"overlap of {overlap} pixels does not fit chips of 8"):
        chip_corners((24, 40), 8, overlap)


@st.composite
def grids(draw: st.DrawFn) -> tuple[tuple[int, int], int, int]:
    """Draw a scene's shape, a chip size and an overlap."""
    size = draw(st.integers(1, 12))
    return (
        (draw(st.integers(1, 40)), draw(st.integers(1, 40))),
        size,
        draw(st.integers(0, size - 1)),
    )


@settings(max_examples=60)
@given(grids())
def test_padded_chips_cover_the_scene_and_start_inside_it(
    grid: tuple[tuple[int, int], int, int],
) -> None:
    shape, size, overlap = grid
    corners = chip_corners(shape, size, overlap, pad=True)
    covered = np.zeros(shape, bool)
    for y, x in corners.tolist():
        covered[y : y + size, x : x + size] = True
    assert covered.all()
    assert (corners < shape).all()
    assert len(np.unique(corners, axis=0)) == len(corners)


@settings(max_examples=60)
@given(grids())
def test_chips_without_padding_are_the_padded_ones_that_lie_inside(
    grid: tuple[tuple[int, int], int, int],
) -> None:
    shape, size, overlap = grid
    if size > min(shape):
        return
    padded = chip_corners(shape, size, overlap, pad=True)
    inside = padded[(padded + size <= shape).all(axis=1)]
    assert chip_corners(shape, size, overlap).tolist() == inside.tolist()


def test_corners_are_y_before_x_and_coordinates_again() -> None:
    chips = xr.Dataset(coords={"corner_y": ("chip", [3, 36, 0]), "corner_x": ("chip", [50, 5, 7])})
    corners = corners_of(chips)
    assert corners.tolist() == [[3, 50], [36, 5], [0, 7]]
    assert xr.Dataset(coords=corner_coordinates(corners)).identical(chips)


def test_pixels_beyond_the_edge_are_filled() -> None:
    plane = np.arange(12, dtype=np.uint8).reshape(3, 4)
    chips = cut(plane, np.array([[0, 0], [2, 3]]), 2, 255)
    assert chips.tolist() == [[[0, 1], [4, 5]], [[11, 255], [255, 255]]]

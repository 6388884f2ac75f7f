"""Blocks read the chunks that chips need, each once and no other, and hold each pixel once."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from landslide.chips.blocks import blocks_with_chips, rectangles
from landslide.chips.windows import chip_corners, cut


@st.composite
def grids(draw: st.DrawFn) -> tuple[tuple[int, int], int, int]:
    """Draw a scene's shape, a chip size and an overlap."""
    size = draw(st.integers(1, 9))
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    return shape, size, draw(st.integers(0, size - 1))


def chunks(length: int) -> st.SearchStrategy[list[int]]:
    """Draw ragged chunk sizes that make up `length`."""
    cuts = st.sets(st.integers(1, max(1, length - 1)), max_size=6)
    return cuts.map(lambda c: np.diff([0, *sorted(c - {length}), length]).tolist())


@settings(max_examples=80)
@given(grids(), st.integers(1, 60), st.data())
def test_fragments_tile_each_chip_once_inside_the_scene(
    grid: tuple[tuple[int, int], int, int], block_pixels: int, data: st.DataObject
) -> None:
    shape, size, overlap = grid
    every = chip_corners(shape, size, overlap, pad=True)
    corners = every[data.draw(st.lists(st.sampled_from(range(len(every))), unique=True))]
    rows, columns = data.draw(chunks(shape[0])), data.draw(chunks(shape[1]))
    scene = np.arange(shape[0] * shape[1]).reshape(shape)

    blocks = blocks_with_chips(corners, size, rows, columns, block_pixels)

    chips = np.full((len(corners), size, size), -1)
    times = np.zeros(chips.shape, int)
    for block in blocks:
        assert list(block.chips) == sorted(set(block.chips))
        for region in block.regions:
            plane = scene[region.rows, region.columns]
            assert region.fragments
            for fragment in region.fragments:
                piece = plane[fragment.inside_region]
                assert piece.size
                chip = block.chips[fragment.chip]
                chips[chip][fragment.inside_chip] = piece
                times[chip][fragment.inside_chip] += 1
    assert np.array_equal(chips, cut(scene, corners, size, -1))
    assert np.array_equal(times, chips >= 0)


@settings(max_examples=80)
@given(grids(), st.integers(1, 60), st.data())
def test_beyond_a_window_nothing_is_read_and_within_it_what_is_read_otherwise(
    grid: tuple[tuple[int, int], int, int], block_pixels: int, data: st.DataObject
) -> None:
    shape, size, overlap = grid
    corners = chip_corners(shape, size, overlap, pad=True)
    sizes = [data.draw(chunks(length)) for length in shape]
    bounds = st.tuples(*(st.integers(0, length) for length in shape))
    first, end = data.draw(bounds), data.draw(bounds)
    within = tuple(zip(first, end, strict=True))
    scene = np.arange(shape[0] * shape[1]).reshape(shape)
    inside = np.zeros(shape, bool)
    inside[first[0] : end[0], first[1] : end[1]] = True

    chips = np.full((len(corners), size, size), -1)
    for block in blocks_with_chips(corners, size, *sizes, block_pixels, within):  # type: ignore[arg-type]
        for region in block.regions:
            for fragment in region.fragments:
                piece = scene[region.rows, region.columns][fragment.inside_region]
                chips[block.chips[fragment.chip]][fragment.inside_chip] = piece
            chunk_of = [
                np.split(np.arange(length), np.cumsum(each)[:-1])
                for length, each in zip(shape, sizes, strict=True)
            ]
            for rows in chunk_of[0]:
                for columns in chunk_of[1]:
                    whole = np.ix_(rows, columns)
                    read = np.zeros(shape, bool)
                    read[region.rows, region.columns] = True
                    assert not read[whole].any() or inside[whole].any()
    assert np.array_equal(chips, cut(np.where(inside, scene, -1), corners, size, -1))


@settings(max_examples=80)
@given(grids(), st.integers(1, 60), st.data())
def test_each_chunk_that_a_chip_needs_is_read_once_and_no_other(
    grid: tuple[tuple[int, int], int, int], block_pixels: int, data: st.DataObject
) -> None:
    shape, size, overlap = grid
    every = chip_corners(shape, size, overlap, pad=True)
    corners = every[data.draw(st.lists(st.sampled_from(range(len(every))), unique=True))]
    sizes = [data.draw(chunks(length)) for length in shape]
    chunk_of = [np.repeat(np.arange(len(each)), each) for each in sizes]

    read = [
        (i, j)
        for block in blocks_with_chips(corners, size, *sizes, block_pixels)
        for region in block.regions
        for i in np.unique(chunk_of[0][region.rows]).tolist()
        for j in np.unique(chunk_of[1][region.columns]).tolist()
    ]

    needed = {
        (int(chunk_of[0][y]), int(chunk_of[1][x]))
        for top, left in corners.tolist()
        for y in range(top, min(top + size, shape[0]))
        for x in range(left, min(left + size, shape[1]))
    }
    assert sorted(read) == sorted(needed)


def test_a_block_joins_chunks_up_to_its_size() -> None:
    corners = chip_corners((64, 96), 16)
    blocks = blocks_with_chips(corners, 16, [16] * 4, [16] * 6, 32)
    assert len(blocks) == 6
    assert all(len(block.regions) == 1 and len(block.chips) == 4 for block in blocks)


def test_blocks_come_in_the_order_of_the_scene() -> None:
    blocks = blocks_with_chips(chip_corners((32, 48), 8), 8, [16, 16], [16, 16, 16], 1)
    corners = [block.corner for block in blocks]
    assert corners == sorted(corners)


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 7))))
def test_rectangles_cover_each_cell_once(cells: set[tuple[int, int]]) -> None:
    covered = [
        (i, j)
        for (top, bottom), (left, right) in rectangles(cells)
        for i in range(top, bottom)
        for j in range(left, right)
    ]
    assert sorted(covered) == sorted(cells)


def test_an_l_shape_is_two_rectangles() -> None:
    assert rectangles({(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)}) == [
        ((0, 1), (0, 1)),
        ((1, 3), (0, 2)),
    ]

"""The units of work of a pass over a cube: blocks of stored chunks, and the chips in them.

A block is a square of whole stored chunks. Of it only the chunks that hold pixels of a chosen chip
are read, as few rectangles of chunks, each once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np


@dataclass(frozen=True)
class Fragment:
    """The part of one chip that lies in one region."""

    chip: int
    """Position of the chip among the chips of its block."""
    inside_region: tuple[slice, slice]
    """Rows and columns within the region."""
    inside_chip: tuple[slice, slice]
    """Rows and columns within the chip."""


@dataclass(frozen=True)
class Region:
    """A rectangle of whole stored chunks, all of which are needed."""

    rows: slice
    columns: slice
    fragments: tuple[Fragment, ...]


@dataclass(frozen=True)
class Block:
    """What one task reads, and the chips that it cuts."""

    chips: tuple[int, ...]
    """Positions of the chips among all chosen ones, ascending."""
    regions: tuple[Region, ...]

    @property
    def corner(self) -> tuple[int, int]:
        """The first row and column that is read."""
        return min((r.rows.start, r.columns.start) for r in self.regions)


def blocks_with_chips(
    corners: np.ndarray,
    size: int,
    row_chunks: Sequence[int],
    column_chunks: Sequence[int],
    block_pixels: int = 1024,
) -> list[Block]:
    """List the blocks that hold pixels of a chip, in the order of the scene.

    Parameters
    ----------
    corners : int (chip, 2)
    size : int
        Chip size in pixels.
    row_chunks, column_chunks : sequence of int
        Sizes of the stored chunks along y and x, as Dask gives them.
    block_pixels : int
        Side of a block, where chunks are smaller.
    """
    rows, columns = _Axis(row_chunks, block_pixels), _Axis(column_chunks, block_pixels)
    needed: dict[tuple[int, int], set[tuple[int, int]]] = {}
    members: dict[tuple[int, int], set[int]] = {}
    for chip, (y, x) in enumerate(corners.tolist()):
        for i in rows.touched(y, size):
            for j in columns.touched(x, size):
                block = (i // rows.per_block, j // columns.per_block)
                needed.setdefault(block, set()).add((i, j))
                members.setdefault(block, set()).add(chip)
    return [
        _block(rows, columns, needed[key], sorted(members[key]), corners, size)
        for key in sorted(needed)
    ]


class _Axis:
    """The stored chunks along one axis."""

    def __init__(self, chunks: Sequence[int], block_pixels: int) -> None:
        self.edges = [0, *np.cumsum(chunks).tolist()]
        self.per_block = max(1, block_pixels // max(chunks))

    def touched(self, start: int, size: int) -> range:
        """Return the numbers of the chunks that a chip touches."""
        first = max(int(np.searchsorted(self.edges, start, side="right")) - 1, 0)
        last = int(np.searchsorted(self.edges, start + size, side="left"))
        return range(first, min(last, len(self.edges) - 1))


def _block(
    rows: _Axis,
    columns: _Axis,
    needed: set[tuple[int, int]],
    chips: list[int],
    corners: np.ndarray,
    size: int,
) -> Block:
    regions = []
    for (i, i_end), (j, j_end) in rectangles(needed):
        region = (
            slice(rows.edges[i], rows.edges[i_end]),
            slice(columns.edges[j], columns.edges[j_end]),
        )
        fragments = []
        for position, chip in enumerate(chips):
            corner = corners[chip].tolist()
            parts = [_overlap(a, c, size) for a, c in zip(region, corner, strict=True)]
            if all(inside.start < inside.stop for inside, _ in parts):
                in_region, in_chip = zip(*parts, strict=True)
                fragments.append(Fragment(position, in_region, in_chip))
        regions.append(Region(*region, tuple(fragments)))
    return Block(tuple(chips), tuple(regions))


def _overlap(region: slice, start: int, size: int) -> tuple[slice, slice]:
    low, high = max(region.start, start), min(region.stop, start + size)
    return slice(low - region.start, high - region.start), slice(low - start, high - start)


def rectangles(cells: set[tuple[int, int]]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Divide cells of a grid into rectangles: runs along a row, joined to equal ones below.

    Returns
    -------
    list of ((row, row end), (column, column end))
    """
    open_runs: dict[tuple[int, int], tuple[int, int]] = {}
    found = []
    for i, row in groupby(sorted(cells), key=lambda cell: cell[0]):
        columns = [j for _, j in row]
        breaks = [n + 1 for n, (a, b) in enumerate(pairwise(columns)) if b != a + 1]
        runs = {(columns[a], columns[b - 1] + 1) for a, b in pairwise([0, *breaks, len(columns)])}
        for run, (start, end) in list(open_runs.items()):
            if run not in runs or end != i:
                found.append(((start, end), run))
                del open_runs[run]
        for run in runs:
            start, _ = open_runs.get(run, (i, i))
            open_runs[run] = (start, i + 1)
    found += [((start, end), run) for run, (start, end) in open_runs.items()]
    return sorted(found)

"""The units of work of a pass over a cube: blocks of stored chunks, and the chips in them.

A block is a square of whole stored chunks. Of it only the chunks that hold pixels of a chosen chip
are read, as few rectangles of chunks, each once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from landslide.chips.windows import Window


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
    def pixels(self) -> int:
        """How many are read of each plane."""
        return sum(
            (r.rows.stop - r.rows.start) * (r.columns.stop - r.columns.start) for r in self.regions
        )

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
    within: Window | None = None,
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
    within : ((int, int), (int, int)), optional
        Rows and columns, each first and end: of chips no pixel beyond them is wanted.
    """
    rows, columns = (
        _Axis(chunks, block_pixels, size, bounds)
        for chunks, bounds in zip(
            (row_chunks, column_chunks),
            within or ((0, sum(row_chunks)), (0, sum(column_chunks))),
            strict=True,
        )
    )
    needed: dict[tuple[int, int], set[tuple[int, int]]] = {}
    members: dict[tuple[int, int], set[int]] = {}
    for chip, (y, x) in enumerate(corners.tolist()):
        for i in rows.touched(y):
            for j in columns.touched(x):
                block = (i // rows.per_block, j // columns.per_block)
                needed.setdefault(block, set()).add((i, j))
                members.setdefault(block, set()).add(chip)
    return [
        _block(rows, columns, needed[key], sorted(members[key]), corners) for key in sorted(needed)
    ]


class _Axis:
    """The stored chunks along one axis, and the chips that need them."""

    def __init__(
        self, chunks: Sequence[int], block_pixels: int, size: int, bounds: tuple[int, int]
    ) -> None:
        self.edges = [0, *np.cumsum(chunks).tolist()]
        self.per_block = max(1, block_pixels // max(chunks))
        self.size, self.bounds = size, bounds

    def touched(self, start: int) -> range:
        """Return the numbers of the chunks that a chip touches."""
        low, high = max(start, self.bounds[0]), min(start + self.size, self.bounds[1])
        if low >= high:
            return range(0)
        first = int(np.searchsorted(self.edges, low, side="right")) - 1
        return range(first, int(np.searchsorted(self.edges, high, side="left")))

    def shared(self, region: slice, start: int) -> tuple[slice, slice]:
        """Return what a region and a chip share, within the region and within the chip."""
        low = max(region.start, start, self.bounds[0])
        high = min(region.stop, start + self.size, self.bounds[1])
        return slice(low - region.start, high - region.start), slice(low - start, high - start)


def _block(
    rows: _Axis,
    columns: _Axis,
    needed: set[tuple[int, int]],
    chips: list[int],
    corners: np.ndarray,
) -> Block:
    regions = []
    for (i, i_end), (j, j_end) in rectangles(needed):
        region = (
            slice(rows.edges[i], rows.edges[i_end]),
            slice(columns.edges[j], columns.edges[j_end]),
        )
        fragments = []
        for position, chip in enumerate(chips):
            y, x = corners[chip].tolist()
            parts = (rows.shared(region[0], y), columns.shared(region[1], x))
            if all(inside.start < inside.stop for inside, _ in parts):
                in_region, in_chip = zip(*parts, strict=True)
                fragments.append(Fragment(position, in_region, in_chip))
        regions.append(Region(*region, tuple(fragments)))
    return Block(tuple(chips), tuple(regions))


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

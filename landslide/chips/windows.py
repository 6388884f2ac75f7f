"""Where the chips of a scene lie, and which blocks of the store they touch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from xbatcher.generators import BatchSchema


def chip_corners(
    shape: tuple[int, int], size: int, overlap: int = 0, *, pad: bool = False
) -> np.ndarray:
    """List the upper left corners of all chips of a scene, as xbatcher cuts it.

    The order is the authors': x is the outer loop. Chips that would reach over the edge are left
    out, or kept where `pad` is set (they are filled with no-data).

    Parameters
    ----------
    shape : (int, int)
        Scene size (y, x) in pixels.
    size, overlap : int
        Chip size and what neighbours share, in pixels.
    pad : bool
        Keep edge chips.

    Returns
    -------
    int (chip, 2)
        Corners (y, x).

    Raises
    ------
    ValueError
        For a chip larger than the scene without padding, or an overlap that leaves no step.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} pixels does not fit chips of {size}: give less")
    if not pad and size > min(shape):
        raise ValueError(
            f"chips of {size} pixels are larger than the scene of {shape[0]} x {shape[1]}: "
            "choose a smaller --chip-size, or the blocked protocol, which pads"
        )
    step = size - overlap
    extent = [
        size + -(-max(length - size, 0) // step) * step if pad else length for length in shape
    ]
    # Only the sizes matter to xbatcher here: a broadcast zero stands for the scene.
    scene = xr.DataArray(np.broadcast_to(np.uint8(0), extent), dims=("y", "x"))
    schema = BatchSchema(
        scene,
        input_dims={"x": size, "y": size},
        input_overlap={"x": overlap, "y": overlap},
        concat_input_bins=False,
    )
    corners = [(s["y"].start, s["x"].start) for (s,) in schema.selectors.values()]
    return np.array(corners, dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class Fragment:
    """The part of one chip that lies in one block."""

    chip: int
    """Position of the chip among all chosen ones."""
    inside_block: tuple[slice, slice]
    """Rows and columns within the block."""
    inside_chip: tuple[slice, slice]
    """Rows and columns within the chip."""


@dataclass(frozen=True)
class Block:
    """A rectangle of whole stored chunks, and the chips that need it."""

    rows: slice
    columns: slice
    fragments: tuple[Fragment, ...]


def blocks_with_chips(
    corners: np.ndarray, size: int, row_chunks: Sequence[int], column_chunks: Sequence[int]
) -> list[Block]:
    """List the blocks that hold pixels of a chip, each once, with the fragments of chips in it.

    Parameters
    ----------
    corners : int (chip, 2)
    size : int
        Chip size in pixels.
    row_chunks, column_chunks : sequence of int
        Sizes of the blocks along y and x, as Dask gives them.
    """
    row_edges = np.concatenate([[0], np.cumsum(row_chunks)])
    column_edges = np.concatenate([[0], np.cumsum(column_chunks)])
    fragments: dict[tuple[int, int], list[Fragment]] = {}
    for chip, (y, x) in enumerate(corners.tolist()):
        for i in _touched(row_edges, y, size):
            for j in _touched(column_edges, x, size):
                block_rows, chip_rows = _overlap(row_edges, i, y, size)
                block_columns, chip_columns = _overlap(column_edges, j, x, size)
                fragments.setdefault((i, j), []).append(
                    Fragment(chip, (block_rows, block_columns), (chip_rows, chip_columns))
                )
    return [
        Block(
            slice(int(row_edges[i]), int(row_edges[i + 1])),
            slice(int(column_edges[j]), int(column_edges[j + 1])),
            tuple(parts),
        )
        for (i, j), parts in sorted(fragments.items())
    ]


def _touched(edges: np.ndarray, start: int, size: int) -> range:
    first = int(np.searchsorted(edges, start, side="right")) - 1
    last = int(np.searchsorted(edges, start + size, side="left"))
    return range(first, min(last, edges.size - 1))


def _overlap(edges: np.ndarray, block: int, start: int, size: int) -> tuple[slice, slice]:
    low = max(int(edges[block]), start)
    high = min(int(edges[block + 1]), start + size)
    origin = int(edges[block])
    return slice(low - origin, high - origin), slice(low - start, high - start)


def cut(plane: np.ndarray, corners: np.ndarray, size: int, fill: float) -> np.ndarray:
    """Cut chips (chip, size, size) from a plane (y, x) in memory, `fill` beyond its edges."""
    chips = np.full((len(corners), size, size), fill, dtype=plane.dtype)
    for chip, (y, x) in zip(chips, corners.tolist(), strict=True):
        piece = plane[y : y + size, x : x + size]
        chip[: piece.shape[0], : piece.shape[1]] = piece
    return chips

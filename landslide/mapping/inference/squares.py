"""A scene read in squares, each stored chunk once, and put together into columns of strips."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.chips.passing import map_chips
from landslide.mapping.inference.sliding import Columns
from landslide.mapping.inference.strips import ScenePlan


@dataclass(frozen=True, eq=False)
class Square:
    """A square of the scene, as far as it lies in the scene."""

    strip: int
    row: int
    """First row, in the scene."""
    column: int
    channels: NDArray[np.float32]
    """(channel, y, x), as the networks receive them but for the normalisation."""
    valid: NDArray[np.bool_]
    """(y, x): whether every channel has data, and the ground was observed."""
    rejected: int
    """Samples that are no backscatter."""
    damaged: bool
    """Whether a chunk that it needs is damaged."""


def read_strips(
    plan: ScenePlan, strips: Sequence[int]
) -> Iterator[tuple[int, Iterator[list[Square]]]]:
    """Read some strips in one pass, ahead of who takes them; give each column by column.

    Parameters
    ----------
    plan : ScenePlan
    strips : sequence of int
        Ascending.

    Raises
    ------
    DamagedChunkError, ConnectionError, PermissionError
        As `cut_block` does.
    """
    tops = np.array([strip.rows[0] for strip in plan.strips])
    (top, _), _ = plan.area
    corners = plan.squares.chips["corner_y"].to_numpy()

    def strip_of(row: NDArray[np.int64] | int) -> NDArray[np.int64]:
        return np.maximum(np.searchsorted(tops, np.asarray(row) - top, side="right") - 1, 0)

    lies_in = strip_of(corners)
    stream = plan.squares.only(np.flatnonzero(np.isin(lies_in, strips)))
    corner = [block.corner for _, block in stream.blocks()]
    order = sorted(
        range(len(corner)), key=lambda n: (int(strip_of(corner[n][0])), corner[n][1], corner[n][0])
    )
    function = functools.partial(_squares, plan, tuple(tops.tolist()))
    batches = map_chips(stream, function, order=order)
    arriving = (square for batch in batches for square in batch)
    for strip, squares in groupby(arriving, key=lambda square: square.strip):
        yield strip, _columns(squares, high=len(np.unique(corners[lies_in == strip])))


def _squares(plan: ScenePlan, tops: tuple[int, ...], batch: xr.Dataset) -> list[Square]:
    """Make squares of what was read, where it was read."""
    (top, bottom), (left, right) = plan.area
    size = plan.squares.readings[0].size
    squares = []
    for chip in range(batch.sizes["chip"]):
        y, x = (int(batch[f"corner_{axis}"][chip]) for axis in "yx")
        inside = (
            slice(max(top - y, 0), min(bottom - y, size)),
            slice(max(left - x, 0), min(right - x, size)),
        )
        sar, static = (batch[name].to_numpy()[chip] for name in ("sar", "static"))
        channels = np.concatenate([sar[0][:, *inside], static[: plan.static, *inside]])
        observed = (static[plan.static :, *inside] > 0).all(axis=0)
        row, column = y + inside[0].start - top, x + inside[1].start - left
        squares.append(
            Square(
                strip=int(np.searchsorted(tops, row, side="right")) - 1,
                row=row,
                column=column,
                channels=channels,
                valid=observed & np.isfinite(channels[plan.judged]).all(axis=0),
                rejected=int(batch["rejected"][chip]),
                damaged=bool(batch["damaged"][chip]),
            )
        )
    return squares


def _columns(squares: Iterable[Square], high: int) -> Iterator[list[Square]]:
    """Give the squares of each column together, from left to right."""
    waiting: dict[int, list[Square]] = {}
    following = 0
    for square in squares:
        waiting.setdefault(square.column, []).append(square)
        while len(waiting.get(following, ())) == high:
            column = sorted(waiting.pop(following), key=lambda square: square.row)
            following += column[0].valid.shape[1]
            yield column


def as_columns(column: Sequence[Square]) -> Columns:
    """Put the squares of one column together."""
    if len(column) == 1:
        return Columns(column[0].column, column[0].channels, column[0].valid)
    return Columns(
        column[0].column,
        np.concatenate([square.channels for square in column], axis=1),
        np.concatenate([square.valid for square in column], axis=0),
    )

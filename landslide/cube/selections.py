"""What is asked of an array along each axis, and the stored chunks that it lies in."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Along = slice | NDArray[np.int64]
"""What to read along one axis: a slice of step 1, or positions."""
Selection = tuple[Along, ...]


def positions_of(along: Along) -> NDArray[np.int64]:
    """Return the positions that are asked for along an axis."""
    return np.arange(along.start, along.stop) if isinstance(along, slice) else along


def chunks_of(
    selection: Selection, chunks: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Selection, Selection]]:
    """List the chunks of a selection: grid position, what to ask for, and where it goes."""
    axes = [list(_along(a, size)) for a, size in zip(selection, chunks, strict=True)]
    for parts in itertools.product(*axes):
        position, asked, where = zip(*parts, strict=True)
        yield position, asked, where


def _along(along: Along, size: int) -> Iterator[tuple[int, Along, Along]]:
    if isinstance(along, slice):
        for number in range(along.start // size, -(-along.stop // size)):
            low, high = max(along.start, number * size), min(along.stop, (number + 1) * size)
            yield number, slice(low, high), slice(low - along.start, high - along.start)
        return
    for number in np.unique(along // size).tolist():
        (where,) = np.nonzero(along // size == number)
        yield number, along[where], where

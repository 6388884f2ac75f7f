"""Regions of a variable: whole shards of the copy, and whole chunks of the source where it fits."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REGION_BYTES = 256 << 20
"""What one region may hold, decoded."""


@dataclass(frozen=True)
class Region:
    """A box of a variable as it is stored, of whole shards."""

    variable: str
    start: tuple[int, ...]
    stop: tuple[int, ...]

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where it lies in the copy."""
        return tuple(map(slice, self.start, self.stop))

    @property
    def key(self) -> str:
        """Name that is one's own, and fit for an object's."""
        box = "_".join(f"{a}-{b}" for a, b in zip(self.start, self.stop, strict=True))
        return f"{self.variable}/{box}"


@dataclass(frozen=True)
class Regions:
    """All regions of one variable."""

    boxes: tuple[Region, ...]
    bytes: int
    """What the largest holds, decoded."""
    reads: int
    """Source chunks read, over all regions."""
    chunks: int
    """Source chunks that there are; `reads` is as many where each is read once."""


def divide(
    variable: str,
    shape: Sequence[int],
    shards: Sequence[int],
    source: Sequence[NDArray[np.intp]],
    itemsize: int,
    limit: int = REGION_BYTES,
) -> Regions:
    """Divide a variable into regions so that few source chunks are read more than once.

    Parameters
    ----------
    variable : str
    shape, shards : sequence of int
        Of the copy.
    source : sequence of int arrays
        For each axis, the number of the source chunk that each index of the copy comes from.
    itemsize : int
        Bytes of a value.
    limit : int
        Bytes that a region may hold; a single shard may be more.

    Returns
    -------
    Regions
        With the fewest chunk reads that fit the limit, and the smallest of those.
    """
    axes = [_choices(*axis) for axis in zip(shape, shards, source, strict=True)]

    def cost(choice: tuple[tuple[int, int], ...]) -> tuple[bool, int, int]:
        size = math.prod(extent for extent, _ in choice) * itemsize
        reads = math.prod(reads for _, reads in choice)
        return (True, size, reads) if size > limit else (False, reads, size)

    best = min(itertools.product(*axes), key=cost)
    extent = tuple(extent for extent, _ in best)
    starts = itertools.product(*map(range, [0] * len(shape), shape, extent))
    boxes = tuple(
        Region(variable, start, tuple(map(min, np.add(start, extent).tolist(), shape)))
        for start in starts
    )
    chunks = math.prod(np.unique(numbers).size for numbers in source)
    reads = math.prod(reads for _, reads in best)
    return Regions(boxes, math.prod(extent) * itemsize, reads, chunks)


def _choices(size: int, shard: int, numbers: NDArray[np.intp]) -> list[tuple[int, int]]:
    """List extents along one axis, smallest first, with the chunk reads that each causes.

    Only those are listed that read fewer than every smaller one.
    """
    choices: list[tuple[int, int]] = []
    fewest = np.unique(numbers).size
    for extent in range(shard, size + shard, shard):
        pieces = (numbers[i : i + extent] for i in range(0, size, extent))
        reads = sum(np.unique(piece).size for piece in pieces)
        if not choices or reads < choices[-1][1]:
            choices.append((min(extent, size), reads))
        if reads == fewest:
            break
    return choices

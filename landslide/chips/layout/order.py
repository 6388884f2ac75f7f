"""The order in which a cube's images lie in its store, so that a composite's share a chunk."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def _groups(
    names: NDArray[np.str_], before: NDArray[np.bool_], after: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield which images lie before and after the event, for each geometry."""
    for name in np.unique(names):
        yield before & (names == name), after & (names == name)


def chunk_dates(
    names: NDArray[np.str_], before: NDArray[np.bool_], after: NDArray[np.bool_], most: int
) -> int:
    """Return how many images share a chunk: as many as a composite has on a side, and `most`.

    A geometry with 3 images before and 2 after gives composites of 2: chunks of 4 would hold
    images of both sides, and be decoded for half of them.
    """
    possible = [min(int(b.sum()), int(a.sum())) for b, a in _groups(names, before, after)]
    return max(1, min(most, max(possible, default=1)))


def storage_order(
    times: NDArray[np.datetime64],
    names: NDArray[np.str_],
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    dates: int,
) -> tuple[int, ...]:
    """Order images so that each chunk of `dates` holds those that a composite needs together.

    First come the full chunks: of each geometry, the `dates` images nearest the event before it
    and those after it; then the next nearest, and so on. Then those geometries that have fewer
    than `dates` on a side, both such sides together, as a composite reads both; they start at a
    chunk's edge as long as there are images that no composite needs to fill the chunk before.
    What is left over comes last, sorted by time: the furthest, and those on neither side.

    Parameters
    ----------
    times : datetime64 (timestep)
    names : str (timestep)
        The geometry of each image.
    before, after : bool (timestep)
    dates : int
        Images in a chunk.

    Returns
    -------
    tuple of int
        A permutation: which image lies at each position of the store.
    """
    by_time = np.argsort(times, kind="stable")
    full: list[list[list[int]]] = []  # of each side of each geometry, its chunks from the nearest
    short: list[list[int]] = []
    for group in _groups(names, before, after):
        unit: list[int] = []
        for side, nearest_first in zip(group, (by_time[::-1], by_time), strict=True):
            images = [int(i) for i in nearest_first if side[i]]
            whole = len(images) // dates * dates
            full.append([images[i : i + dates] for i in range(0, whole, dates)])
            unit += [] if whole else images
        if unit:
            short.append(unit)
    depth = max(map(len, full), default=0)
    chunks = [side[rank] for rank in range(depth) for side in full if rank < len(side)]
    order = [image for chunk in chunks for image in chunk]
    needed = {*order, *(image for unit in short for image in unit)}
    rest = [int(i) for i in by_time if int(i) not in needed]
    return tuple(_fill(order, short, rest, dates))


def _fill(order: list[int], short: list[list[int]], rest: list[int], dates: int) -> list[int]:
    """Append `short` units, largest first, each from a chunk's edge where `rest` can fill up."""
    waiting = sorted(short, key=len, reverse=True)
    fillers = list(rest)
    while waiting:
        gap = -len(order) % dates
        fitting = next((unit for unit in waiting if not gap or len(unit) <= gap), None)
        if fitting is None and fillers:
            order.append(fillers.pop(0))
            continue
        unit = fitting or waiting[0]
        waiting.remove(unit)
        order += unit
    return order + fillers

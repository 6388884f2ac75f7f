"""Where overlapping chips lie along an axis of a scene, and what each counts for at each pixel.

A chip counts for nothing near its border, where a network sees only padding beyond it; then its
weight rises as a raised cosine, while its neighbour's falls. The weights of all chips sum to 1 at
every pixel, so a map of what all chips agree on is what they agree on. At the edge of the scene
there is no neighbour, and the border counts in full: there the network sees what it would see of
the whole scene.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MARGIN = 0.25
"""Share of the overlap, on either side of it, in which one of the two chips counts for nothing."""


@dataclass(frozen=True, eq=False)
class Placing:
    """Chips along one axis."""

    size: int
    """Pixels of a chip; the only one may reach beyond a scene that is smaller."""
    starts: tuple[int, ...]
    """First pixel of each chip, ascending; the last one ends where the scene does."""
    weights: NDArray[np.float32]
    """(chip, size): what each counts for at each of its pixels, 0 to 1."""


def place_chips(length: int, size: int, overlap: int) -> Placing:
    """Place chips along an axis, so that each pixel lies in one at least.

    Parameters
    ----------
    length : int
        Pixels of the scene along the axis.
    size, overlap : int
        Of a chip, and what neighbours share, in pixels: fewer than a chip has. The last two may
        share more.
    """
    last = max(length - size, 0)
    starts = [*range(0, last, size - overlap), last]
    weights = np.ones((len(starts), size))
    rise = _rise(size, overlap)
    weights[1:] *= rise
    weights[:-1] *= rise[::-1]
    total = np.zeros(max(length, size))
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + size] += weight
    weights /= np.stack([total[start : start + size] for start in starts])
    return Placing(size, tuple(starts), weights.astype(np.float32))


def _rise(size: int, overlap: int) -> NDArray[np.float64]:
    """Return a weight (size) that rises from 0 to 1 within the overlap with the chip before."""
    margin = int(MARGIN * overlap)
    ramp = overlap - 2 * margin
    rise = np.ones(size)
    rise[:margin] = 0
    rise[margin : margin + ramp] = np.sin(np.pi / 2 * (np.arange(ramp) + 0.5) / max(ramp, 1)) ** 2
    return rise

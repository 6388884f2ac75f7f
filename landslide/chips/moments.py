"""Count, mean and spread of each chip's channels, and of many chips together.

Per-chip moments are combined in the chips' order by the formula of Chan, Golub and LeVeque (1979,
"Updating formulae and a pairwise algorithm for computing sample variances"), which does not cancel:
so the same chips give the same bits, whether they lie in memory or were measured one at a time.
"""

import numpy as np
from numpy.typing import NDArray

from landslide.cube.labels import NO_DATA

MOMENTS = ("count", "mean", "squares")
"""Valid pixels; their mean; the sum of their squared deviations from it."""


def chip_moments(values: NDArray[np.float32], label: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure each channel over each chip's valid pixels.

    Parameters
    ----------
    values : float32 (chip, ..., y, x)
    label : uint8 (chip, y, x)
        A pixel counts where it is not 255 and the channel is finite.

    Returns
    -------
    float64 (chip, ..., moment)
        As `MOMENTS` names them; zeros where no pixel counts.
    """
    moments = np.zeros((*values.shape[:-2], len(MOMENTS)))
    for index in np.ndindex(values.shape[:-2]):
        counted = values[index][label[index[0]] != NO_DATA]
        counted = counted[np.isfinite(counted)].astype(np.float64)
        if counted.size:
            mean = counted.mean()
            moments[index] = counted.size, mean, np.square(counted - mean).sum()
    return moments


def combine_moments(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Combine the moments of chips (chip, ..., moment) to those of all together (..., moment)."""
    total = np.zeros(moments.shape[1:])
    for chip in moments:
        count = total[..., 0] + chip[..., 0]
        share = chip[..., 0] / np.maximum(count, 1)
        delta = chip[..., 1] - total[..., 1]
        mean = total[..., 1] + delta * share
        squares = total[..., 2] + chip[..., 2] + delta**2 * total[..., 0] * share
        total = np.stack([count, mean, squares], axis=-1)
    return total

"""What images become: the mean of their log backscatter, and of the coherence of pairs."""

from collections.abc import Sequence

import numpy as np


def cumulative_log_means(power: np.ndarray, *, logarithms: bool = False) -> tuple[np.ndarray, int]:
    """Average the natural log of the n nearest images, for every n at once.

    Parameters
    ----------
    power : float32 (image, ...)
        Backscatter in linear power, the image nearest the event first.
    logarithms : bool
        It is the natural logarithm of the power already.

    Returns
    -------
    means : float32 (image, ...)
        Entry n - 1 is the mean over the n nearest images, each pixel over its valid ones, NaN
        where it has none.
    rejected : int
        Samples that are infinite, zero or negative, which no backscatter is; they count as
        no-data.
    """
    valid = np.isfinite(power) if logarithms else np.isfinite(power) & (power > 0)
    rejected = int(power.size - np.isnan(power).sum() - valid.sum())
    logs = np.zeros(power.shape, np.float32)
    if logarithms:
        np.copyto(logs, power, where=valid)
    else:
        np.log(power, out=logs, where=valid)
    count = np.cumsum(valid, axis=0, dtype=np.float32)
    total = np.cumsum(logs, axis=0, dtype=np.float32)
    means = np.full(power.shape, np.nan, np.float32)
    np.divide(total, count, out=means, where=count > 0)
    return means, rejected


def write_cumulative_log_means(
    images: Sequence[np.ndarray],
    counts: Sequence[int],
    out: np.ndarray,
    *,
    logarithms: bool = False,
) -> int:
    """Write what `cumulative_log_means` gives, for some counts, to the bit but faster.

    Where every pixel of every image is valid, as nearly everywhere, no pixel needs a count of its
    own: that is tried first, one image after another, and shows in the last sum.

    Parameters
    ----------
    images : sequence of float32 (y, x)
        Linear power, the image nearest the event first.
    counts : sequence of int
        How many images to average, ascending.
    out : float32 (count, y, x)
    logarithms : bool
        The images hold the natural logarithm of the power already.

    Returns
    -------
    int
        Rejected samples, as `cumulative_log_means` counts them.
    """
    total = np.empty(images[0].shape, np.float32)
    logs = np.empty_like(total)
    with np.errstate(divide="ignore", invalid="ignore"):
        for number, image in enumerate(images[: counts[-1]], 1):
            new = image if logarithms else np.log(image, out=total if number == 1 else logs)
            if number == 1:
                total = new.copy() if logarithms else new
            else:
                np.add(total, new, out=total)
            if number in counts:
                np.divide(total, np.float32(number), out=out[counts.index(number)])
    if np.isfinite(total).all():
        return 0
    means, rejected = cumulative_log_means(np.stack(images[: counts[-1]]), logarithms=logarithms)
    out[:] = means[np.array(counts) - 1]
    return rejected


def coherence_layers(coherence: np.ndarray, before: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Average the coherence of the pairs before and across the event, and take their difference.

    Parameters
    ----------
    coherence : float32 (timepair, y, x)
    before, across : bool (timepair)
        Pairs whose both images precede the event, and pairs that span it.

    Returns
    -------
    float32 (3, y, x)
        In the order of `landslide.chips.inputs.COHERENCE`.
    """
    means = []
    for pairs in (before, across):
        chosen = coherence[pairs]
        valid = np.isfinite(chosen)
        total = np.where(valid, chosen, 0).sum(axis=0, dtype=np.float32)
        count = valid.sum(axis=0)
        mean = np.full(total.shape, np.nan, np.float32)
        means.append(np.divide(total, count, out=mean, where=count > 0))
    return np.stack([*means, means[1] - means[0]])

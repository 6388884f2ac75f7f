"""Scores per test chip as fine class histograms: enough to score any choice of chips again."""

import numpy as np
import numpy.typing as npt

from landslide.cube.labels import NO_DATA

BINS = 512


def class_histograms(
    scores: npt.NDArray[np.floating], labels: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Count the pixels of each class over bins of the score, chip by chip.

    The inner edges are quantiles of the landslide pixels' scores, so that each bin is an equal
    step of recall: average precision is a sum over recall, and loses by the binning at most
    about one step (1 / BINS) times the range of the precision. The lowest bin holds what lies
    below every landslide pixel. Equal scores always share a bin.

    Parameters
    ----------
    scores
        (chip, y, x); higher means more likely a landslide. Counted as float32.
    labels
        (chip, y, x); 1 landslide, 0 none, 255 no-data, which is not counted.

    Returns
    -------
    edges
        (BINS + 1,), never falling. Bin k holds edges[k] <= score < edges[k + 1], the last bin
        its upper edge too.
    negative, positive
        (chip, BINS) numbers of pixels.

    Raises
    ------
    ValueError
        Where the shapes differ, or a counted score is not finite.
    """
    if scores.shape != labels.shape or scores.ndim != 3:
        raise ValueError(
            f"scores {scores.shape} and labels {labels.shape} must share one shape (chip, y, x)"
        )
    values = np.asarray(scores, dtype=np.float32)
    valid = values[labels != NO_DATA]
    if not np.isfinite(valid).all():
        raise ValueError("scores of counted pixels must be finite; mark others no-data (255)")
    edges = _edges(valid, values[labels == 1])
    negative = np.zeros((len(values), BINS), dtype=np.int32)
    positive = np.zeros_like(negative)
    for chip, (score, label) in enumerate(zip(values, labels, strict=True)):
        for counts, members in ((negative, label == 0), (positive, label == 1)):
            places = np.searchsorted(edges[1:-1], score[members], side="right")
            counts[chip] = np.bincount(places, minlength=BINS)
    return edges, negative, positive


def binned_average_precision(
    negative: npt.NDArray[np.number], positive: npt.NDArray[np.number]
) -> npt.NDArray[np.float64]:
    """Return the average precision of each row (...) of counts (..., bins), bins by rising score.

    NaN where none is positive.
    """
    true = np.asarray(positive, dtype=np.float64)[..., ::-1]
    false = np.asarray(negative, dtype=np.float64)[..., ::-1]
    found = np.cumsum(true, axis=-1)
    called = found + np.cumsum(false, axis=-1)
    gained = np.sum(true * found / np.where(called > 0, called, 1), axis=-1)
    total = found[..., -1]
    none = np.full(np.shape(total), np.nan)
    return np.divide(gained, total, out=none, where=np.asarray(total > 0))


def _edges(
    valid: npt.NDArray[np.float32], positive: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the edges: the extremes of all scores around quantiles of the positive ones."""
    if not valid.size:
        return np.zeros(BINS + 1, dtype=np.float32)
    steps = np.linspace(0, 1, BINS - 1, endpoint=False)
    # Quantiles that are scores themselves: an edge between two scores could round across one.
    inner = np.quantile(positive if positive.size else valid, steps, method="inverted_cdf")
    return np.concatenate([[valid.min()], inner, [valid.max()]]).astype(np.float32)

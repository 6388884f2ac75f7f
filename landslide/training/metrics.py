"""The score of a landslide map: average precision, exact, over all pixels together."""

import numpy as np
import torch
from scipy import ndimage

from landslide.chips.split import TEST
from landslide.chips.survey import Chips, known_of, read_batches
from landslide.cube.labels import NO_DATA

SMOOTHING = 5  # pixels on a side


def average_precision(scores: torch.Tensor, labels: torch.Tensor) -> float:
    r"""Return the area under the precision-recall curve as average precision.

    It is :math:`\sum_n (R_n - R_{n-1}) P_n` over the distinct scores in descending order (Manning
    et al. 2008, chapter 8): pixels that tie enter together, so a constant score gives the
    prevalence. The trapezoid, which interpolates between points, is too optimistic.

    Parameters
    ----------
    scores : float (...)
        Any ranking score, larger for landslide.
    labels : int (...)
        1 landslide, 0 none, 255 no-data, which does not count.

    Raises
    ------
    ValueError
        Without any landslide pixel, where it is not defined; or for a score that is no number.
    """
    valid = labels != NO_DATA
    scores, positive = scores[valid], labels[valid] == 1
    if not positive.any():
        raise ValueError("no landslide pixel to score: the test part needs at least one")
    if not torch.isfinite(scores).all():
        raise ValueError("a score is not a number: training diverged; lower the learning rate")
    scores, order = torch.sort(scores, descending=True)
    hits = torch.cumsum(positive[order], 0, dtype=torch.int64)
    last_of_tie = torch.ones_like(scores, dtype=torch.bool)
    last_of_tie[:-1] = scores[1:] != scores[:-1]
    hits_there = hits[last_of_tie].double()
    called = (torch.nonzero(last_of_tie).squeeze(1) + 1).double()
    new_hits = torch.diff(hits_there, prepend=hits_there.new_zeros(1))
    return float((new_hits * hits_there / called).sum() / hits[-1])


def change_baselines(
    chips: Chips, timesteps: int, *, threads: int | None = None
) -> dict[str, float]:
    """Score what needs no training, on the same pixels of the test chips as the models.

    Parameters
    ----------
    chips : Dataset or ChipStream
        As for `train`; they are read a few at a time.
    timesteps : int
        The composites to compare.
    threads : int, optional
        As for `map_chips`, where the chips are a stream.

    Returns
    -------
    dict
        `change_auprc`: average precision of the absolute log ratio, after over before, summed
        over the polarisations. `smoothed_difference_auprc`: of before minus after, smoothed over
        5 x 5 pixels. Empty where the chips hold no backscatter.
    """
    known = known_of(chips)
    if not known.sizes["sar_channel"]:
        return {}
    chosen = np.flatnonzero(known["part"].to_numpy() == TEST)
    labels = known["label"].to_numpy()[chosen]
    change, difference = (np.empty(labels.shape, np.float32) for _ in range(2))
    for rows, batch in read_batches(chips, chosen, threads=threads):
        sar = batch["sar"].sel(timesteps=timesteps).to_numpy()
        increase = np.nan_to_num(sar[:, 1::2] - sar[:, 0::2])
        change[rows] = np.abs(increase).sum(axis=1)
        total = increase.sum(axis=1)
        difference[rows] = -ndimage.uniform_filter(total, size=(0, SMOOTHING, SMOOTHING))
    scores = {"change_auprc": change, "smoothed_difference_auprc": difference}
    counted = torch.from_numpy(labels)
    return {name: average_precision(torch.from_numpy(s), counted) for name, s in scores.items()}

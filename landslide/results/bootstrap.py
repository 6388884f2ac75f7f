"""How sure a score is: test blocks and seeds drawn anew, many times.

Blocks of test chips and seeds are crossed: each seed is scored on all blocks. Both are drawn with
replacement, independently of each other (the pigeonhole bootstrap of Owen, 2007, "The pigeonhole
bootstrap"), and of n there are n - 1 drawn each time, with which the spread of the draws is that of
the mean without bias (Rao and Wu, 1988, "Resampling inference with complex survey data"); with n
of n it would be too small by a third for three seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from landslide.results.histograms import binned_average_precision

type Values = npt.NDArray[np.float64]

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, and the bounds that the resampled means leave around it."""

    mean: float
    low: float
    """NaN where there is nothing to draw from: no histograms, or one block and one seed."""
    high: float


@dataclass(frozen=True)
class Resampled:
    """The scores of one configuration on test blocks drawn anew."""

    seeds: tuple[int, ...]
    exact: Values
    """Average precision (seed) over all test pixels, as the rows have it."""
    binned: Values
    """The same (seed) from the histograms, by which all that is drawn is measured."""
    drawn: Values
    """Average precision (resample, seed); equal resamples of two configurations are of the same
    blocks."""


def has_histograms(rows: pd.DataFrame) -> bool:
    """Say whether all rows kept what resampling needs."""
    return bool(len(rows)) and bool(rows["histogram_positive"].notna().all())


def unit_count(rows: pd.DataFrame) -> int:
    """Return how many blocks of test chips the rows of one split can be drawn from."""
    return len(np.unique(_blocks(rows.iloc[0])))


def resample(rows: pd.DataFrame, resamples: int = RESAMPLES) -> Resampled:
    """Score one configuration's rows, one for each seed, on blocks of test chips drawn anew.

    The draws depend on the number of blocks alone, so configurations of one split are paired.

    Raises
    ------
    ValueError
        Where the rows are not of the same blocks.
    """
    blocks = _blocks(rows.iloc[0])
    units, number = np.unique(blocks, return_inverse=True)
    weights = draw(len(units), resamples, np.random.default_rng(0))
    drawn, binned = [], []
    row: Any
    for row in rows.itertuples():
        if not np.array_equal(_blocks(row), blocks):
            raise ValueError(f"row {row.key} is of other test chips than its fellows: not compared")
        both = []
        for counts in (row.histogram_negative, row.histogram_positive):
            chips = np.reshape(counts, (len(blocks), -1))
            sums = np.zeros((len(units), chips.shape[1]))
            np.add.at(sums, number, chips)
            both.append(sums)
        drawn.append(binned_average_precision(*(weights @ sums for sums in both)))
        binned.append(binned_average_precision(*(sums.sum(axis=0) for sums in both)))
    return Resampled(
        seeds=tuple(int(seed) for seed in rows["seed"]),
        exact=rows["auprc"].to_numpy(dtype=np.float64),
        binned=np.array(binned),
        drawn=np.stack(drawn, axis=1),
    )


def mean_interval(scores: Resampled | Sequence[tuple[Resampled, Resampled]]) -> Interval:
    """Return the mean of a configuration's score over its seeds, or of paired differences.

    The bounds are percentiles of the resampled means, less what the binning adds to them.

    Parameters
    ----------
    scores
        One configuration; or pairs of configurations, of which the differences first minus second
        are averaged over the seeds that all share, and over the pairs.

    Raises
    ------
    ValueError
        Where the configurations of the pairs share no seed.
    """
    if isinstance(scores, Resampled):
        exact, binned, drawn = scores.exact, scores.binned, scores.drawn
    else:
        seeds = shared_seeds(scores)
        each = [(_of_seeds(first, seeds), _of_seeds(second, seeds)) for first, second in scores]
        exact, binned, drawn = (
            np.mean([np.subtract(first[part], second[part]) for first, second in each], axis=0)
            for part in range(3)
        )
    weights = draw(exact.size, len(drawn), np.random.default_rng(1))
    means = np.sum(drawn * weights, axis=1) / weights.sum(axis=1)
    tail = 50 * (1 - CONFIDENCE)
    mean = float(exact.mean())
    if np.isnan(means).all() or np.ptp(means[~np.isnan(means)]) == 0:
        return Interval(mean, float("nan"), float("nan"))
    low, high = np.nanpercentile(means, [tail, 100 - tail]) + mean - binned.mean()
    return Interval(mean, float(low), float(high))


def shared_seeds(pairs: Sequence[tuple[Resampled, Resampled]]) -> list[int]:
    """Return the seeds that all configurations of the pairs have.

    Raises
    ------
    ValueError
        Where there is none.
    """
    seeds = set.intersection(*(set(one.seeds) for pair in pairs for one in pair))
    if not seeds:
        raise ValueError("the inputs to compare share no seed: train both with the same --seeds")
    return sorted(seeds)


def draw(units: int, resamples: int, random: np.random.Generator) -> Values:
    """Return how often each unit is drawn (resample, unit): n - 1 draws of n; 1 is not drawn."""
    if units < 2:
        return np.ones((resamples, units))
    share = np.full(units, 1 / units)
    return random.multinomial(units - 1, share, size=resamples).astype(np.float64)


def _of_seeds(scores: Resampled, seeds: list[int]) -> tuple[Values, Values, Values]:
    places = [scores.seeds.index(seed) for seed in seeds]
    return scores.exact[places], scores.binned[places], scores.drawn[:, places]


def _blocks(row: Any) -> npt.NDArray[np.int64]:
    """Return the block of each test chip; each chip its own where the row does not say."""
    if row.test_blocks is None or np.size(row.test_blocks) == 0:
        return np.arange(int(row.test_chips))
    return np.asarray(row.test_blocks, dtype=np.int64)

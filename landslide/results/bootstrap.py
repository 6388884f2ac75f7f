"""How sure a score is: the spread over seeds, and over test blocks drawn anew, many times.

Blocks of test chips and seeds are crossed: each seed is scored on all blocks. Blocks are drawn with
replacement, of n there are n - 1 drawn each time, with which the spread of the draws is that of
the mean without bias (Rao and Wu, 1988, "Resampling inference with complex survey data"). Seeds are
so few that percentiles of draws cannot show their tails: three leave no draw beyond the worst of
them. So the two variances are added, and the bounds are Student's, with the degrees of freedom of
Welch (1947) and Satterthwaite (1946).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from landslide.results.histograms import binned_average_precision

type Values = npt.NDArray[np.float64]

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, and the bounds of its interval."""

    mean: float
    low: float
    """NaN where nothing was seen to vary: no histograms, or one block and one seed."""
    high: float


@dataclass(frozen=True)
class Resampled:
    """The scores of one configuration on test blocks drawn anew."""

    seeds: tuple[int, ...]
    exact: Values
    """Average precision (seed) over all test pixels, as the rows have it."""
    drawn: Values
    """The same (resample, seed), from the histograms; equal resamples of two configurations are of
    the same blocks."""
    blocks: int
    """How many there are to draw from."""


def has_histograms(rows: pd.DataFrame) -> bool:
    """Say whether all rows kept what resampling needs: histograms, and each test chip's block.

    Rows of an earlier version lack the blocks.
    """
    return bool(len(rows)) and bool(
        rows[["histogram_positive", "test_blocks"]].notna().all(axis=None)
    )


def unit_count(rows: pd.DataFrame) -> int:
    """Return how many blocks of test chips the rows of one split can be drawn from."""
    return len(np.unique(rows["test_blocks"].iloc[0]))


def resample(rows: pd.DataFrame, resamples: int = RESAMPLES) -> Resampled:
    """Score one configuration's rows, one for each seed, on blocks of test chips drawn anew.

    The draws depend on the number of blocks alone, so configurations of one split are paired.

    Raises
    ------
    ValueError
        Where the rows are not of the same blocks.
    """
    blocks = rows["test_blocks"].iloc[0]
    units, number = np.unique(blocks, return_inverse=True)
    weights = draw(len(units), resamples, np.random.default_rng(0))
    drawn = []
    row: Any
    for row in rows.itertuples():
        if not np.array_equal(row.test_blocks, blocks):
            raise ValueError(f"row {row.key} is of other test chips than its fellows: not compared")
        both = []
        for counts in (row.histogram_negative, row.histogram_positive):
            chips = np.reshape(counts, (len(blocks), -1))
            sums = np.zeros((len(units), chips.shape[1]))
            np.add.at(sums, number, chips)
            both.append(weights @ sums)
        drawn.append(binned_average_precision(*both))
    return Resampled(
        seeds=tuple(int(seed) for seed in rows["seed"]),
        exact=rows["auprc"].to_numpy(dtype=np.float64),
        drawn=np.stack(drawn, axis=1),
        blocks=len(units),
    )


def mean_interval(scores: Resampled | Sequence[tuple[Resampled, Resampled]]) -> Interval:
    """Return the mean of a configuration's score over its seeds, or of paired differences.

    mean -+ t(df) sqrt(v), with v = a + b: a is s^2 / n over the seeds, b the variance of the means
    on blocks drawn anew, and df = v^2 / (a^2 / (seeds - 1) + b^2 / (blocks - 1)). What differs by
    seed and block together is in both, so that v is rather too large. Where there is one seed or
    one block, the other speaks alone. A score's bounds are within 0 and 1.

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
        exact, drawn, blocks = scores.exact, scores.drawn, scores.blocks
        least, most = 0.0, 1.0
    else:
        seeds = shared_seeds(scores)
        each = [(_of_seeds(first, seeds), _of_seeds(second, seeds)) for first, second in scores]
        exact, drawn = (
            np.mean([np.subtract(first[part], second[part]) for first, second in each], axis=0)
            for part in range(2)
        )
        blocks = scores[0][0].blocks
        least, most = -np.inf, np.inf
    mean, means = float(exact.mean()), drawn.mean(axis=1)
    means = means[~np.isnan(means)]  # blocks without any landslide score nothing
    parts = []  # variances of the mean, and their degrees of freedom
    if len(exact) > 1:
        parts.append((exact.var(ddof=1) / len(exact), len(exact) - 1))
    if blocks > 1 and len(means) > 1:
        parts.append((means.var(ddof=1), blocks - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Interval(mean, float("nan"), float("nan"))
    freedom = variance**2 / sum(part**2 / own for part, own in parts)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance)
    return Interval(mean, float(max(mean - half, least)), float(min(mean + half, most)))


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


def _of_seeds(scores: Resampled, seeds: list[int]) -> tuple[Values, Values]:
    places = [scores.seeds.index(seed) for seed in seeds]
    return scores.exact[places], scores.drawn[:, places]

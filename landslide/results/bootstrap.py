"""How sure a score is: the spread over seeds, and over test blocks drawn anew, many times.

Blocks of test chips and seeds are crossed: each seed is scored on all blocks. Blocks are drawn with
replacement, of n there are n - 1 drawn each time, with which the spread of the draws is that of
the mean without bias (Rao and Wu, 1988, "Resampling inference with complex survey data"). Seeds are
so few that percentiles of draws cannot show their tails: three leave no draw beyond the worst of
them. So the two variances are added, and the bounds are Student's, with the degrees of freedom of
Welch (1947) and Satterthwaite (1946), but no nearer than either variance alone would have them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from landslide.chips.split import LEAST_BLOCKS, effective_blocks
from landslide.results.histograms import binned_average_precision

type Values = npt.NDArray[np.float64]

RESAMPLES = 1000
CONFIDENCE = 0.95
NOTHING = 1e-20
"""A variance that rounding makes of equal scores."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, and the bounds of its interval."""

    mean: float
    low: float
    """NaN where nothing was seen to vary, as of one seed on one block."""
    high: float


@dataclass(frozen=True)
class Resampled:
    """Scores on test blocks drawn anew: of one configuration, or combined of several."""

    seeds: tuple[int, ...]
    exact: Values
    """Average precision (seed) over all test pixels, as the rows have it."""
    drawn: Values
    """The same (resample, seed), from the histograms; equal resamples of two configurations are of
    the same blocks. (0, seed) where rows kept none."""
    blocks: float
    """How many blocks there are to draw from, counted by landslides: see `effective_blocks`."""
    limits: tuple[float, float] = (0.0, 1.0)
    """What the scores lie within."""
    chips: tuple[int, ...] = ()
    """Number of each test chip's block, where that is known."""


def has_histograms(rows: pd.DataFrame) -> bool:
    """Say whether all rows kept what resampling needs: histograms, and each test chip's block."""
    return bool(len(rows)) and bool(
        rows[["histogram_positive", "test_blocks"]].notna().all(axis=None)
    )


def unit_count(rows: pd.DataFrame) -> int:
    """Return how many blocks of test chips the rows of one split can be drawn from."""
    return len(np.unique(rows["test_blocks"].iloc[0]))


def blocks_tested(row: pd.Series) -> float:
    """Return how many blocks a row's scored landslides lie in, as `effective_blocks` counts."""
    chips = np.reshape(row["histogram_positive"], (len(row["test_blocks"]), -1)).sum(axis=1)
    return effective_blocks(np.unique(row["test_blocks"], return_inverse=True)[1], chips)


def resample(rows: pd.DataFrame) -> Resampled:
    """Score one configuration's rows, one for each seed, on blocks of test chips drawn anew.

    The draws depend on the number of blocks alone, so configurations of one split are paired. Rows
    without histograms are not drawn: their seeds speak alone.

    Raises
    ------
    ValueError
        Where the rows are not of the same blocks.
    """
    seeds = tuple(int(seed) for seed in rows["seed"])
    exact = rows["auprc"].to_numpy(dtype=np.float64)
    if not has_histograms(rows):
        return Resampled(seeds, exact, np.empty((0, len(seeds))), 0)
    blocks = rows["test_blocks"].iloc[0]
    units, number = np.unique(blocks, return_inverse=True)
    weights = draw(len(units), RESAMPLES, np.random.default_rng(0))
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
    effective = blocks_tested(rows.iloc[0])  # the labels are the same whichever seed
    return Resampled(
        seeds, exact, np.stack(drawn, axis=1), effective, chips=tuple(map(int, blocks))
    )


def combination(terms: Sequence[tuple[float, Resampled]]) -> Resampled:
    """Return a sum of scores, each with its weight, of the seeds and the draws that all share.

    Of scores on other test chips no draw is shared.

    Raises
    ------
    ValueError
        Where they share no seed.
    """
    seeds = shared_seeds([scores for _, scores in terms])
    places = [[scores.seeds.index(seed) for seed in seeds] for _, scores in terms]
    known = {scores.chips for _, scores in terms if scores.chips}
    drawn = min(len(scores.drawn) for _, scores in terms) if len(known) < 2 else 0
    return Resampled(
        seeds=tuple(seeds),
        exact=np.sum(
            [w * one.exact[own] for (w, one), own in zip(terms, places, strict=True)], axis=0
        ),
        drawn=np.sum(
            [w * one.drawn[:drawn, own] for (w, one), own in zip(terms, places, strict=True)],
            axis=0,
        ),
        blocks=min(scores.blocks for _, scores in terms),
        limits=(-np.inf, np.inf),
        chips=next(iter(known), ()),
    )


def for_seeds(scores: Resampled, seeds: Sequence[int]) -> Resampled:
    """Return the score of what has no seed, such as a detector, as it stands for each of some."""
    count = len(seeds)
    return replace(
        scores,
        seeds=tuple(seeds),
        exact=np.repeat(scores.exact[:1], count),
        drawn=np.repeat(scores.drawn[:, :1], count, axis=1),
    )


def mean_interval(scores: Resampled, confidence: float = CONFIDENCE) -> Interval:
    """Return the mean over the seeds, and its interval over other seeds and other test blocks.

    mean -+ t(df) sqrt(v), with v = a + b: a is s^2 / n over the seeds, b the variance of the means
    on blocks drawn anew, and df = v^2 / (a^2 / (seeds - 1) + b^2 / (blocks - 1)). What differs by
    seed and block together is in both, so that v is rather too large. Three seeds vary so little
    or so much by chance that t(2) sqrt(a) alone may be wider, or t(blocks - 1) sqrt(b): then that
    counts, so that no source narrows the interval. Where there is one seed, or fewer than
    `LEAST_BLOCKS`, the other speaks alone. Draws without any landslide are left out. Bounds are
    within the scores' limits.
    """
    mean, means = float(scores.exact.mean()), scores.drawn.mean(axis=1)
    means = means[~np.isnan(means)]  # blocks without any landslide score nothing
    parts = []  # variances of the mean, and their degrees of freedom
    if len(scores.exact) > 1:
        parts.append((scores.exact.var(ddof=1) / len(scores.exact), len(scores.exact) - 1.0))
    if scores.blocks >= LEAST_BLOCKS and len(means) > 1:
        parts.append((means.var(ddof=1), scores.blocks - 1))
    variance = sum(part for part, _ in parts)
    if variance < NOTHING:
        return Interval(mean, float("nan"), float("nan"))
    together = variance, variance**2 / sum(part**2 / own for part, own in parts)
    level = (1 + confidence) / 2
    half = max(stats.t.ppf(level, own) * np.sqrt(part) for part, own in (together, *parts))
    least, most = scores.limits
    return Interval(mean, float(max(mean - half, least)), float(min(mean + half, most)))


def shared_seeds(scores: Sequence[Resampled]) -> list[int]:
    """Return the seeds that all of them have.

    Raises
    ------
    ValueError
        Where there is none.
    """
    seeds = set.intersection(*(set(one.seeds) for one in scores))
    if not seeds:
        raise ValueError(
            "the inputs to compare share no seed: train both with the same seeds (--seeds)"
        )
    return sorted(seeds)


def draw(units: int, resamples: int, random: np.random.Generator) -> Values:
    """Return how often each unit is drawn (resample, unit): n - 1 draws of n; 1 is not drawn."""
    if units < 2:
        return np.ones((resamples, units))
    share = np.full(units, 1 / units)
    return random.multinomial(units - 1, share, size=resamples).astype(np.float64)

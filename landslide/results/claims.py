"""The paper's findings, each put to a table's rows: held, against or undecided."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from landslide.chips.inputs import PAPER_INPUTS
from landslide.results.bootstrap import (
    CONFIDENCE,
    Interval,
    Resampled,
    combination,
    mean_interval,
    resample,
)

type Configuration = tuple[str, int]
type Scores = dict[Configuration, Resampled]  # by inputs and timesteps

PAPER_PREVALENCE = 0.09
"""Share of landslides in the pixels that the paper scored, which its absolute bounds belong to."""
DIRECTIONS = {"held": "for it", "against": "against it", "neither": "neither way"}
NO_HELP = 0.01
"""A gain in AUPRC that counts as none: no effect could never be shown to be exactly zero."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A score or a sum of scores, and the bound on whose one side a claim wants its mean."""

    label: str
    family: Sequence[Resampled]
    """What is compared; of several the best. Empty where the rows for it are lacking."""
    bound: float = 0.0
    wants_above: bool = True
    signed: bool = True
    """Whether it is a difference, whose sign is always shown."""
    others: Sequence[Resampled] = ()
    """Of fewer seeds: what may be better, and is not named the best."""

    @property
    def seeds(self) -> int:
        """How many seeds enter it."""
        return min((len(each.seeds) for each in self.family), default=0)

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the mean and its interval over seeds and test blocks.

        The best of k is known to lie between the highest low and the highest high end of all k,
        each of confidence 1 - (1 - confidence) / k (Bonferroni): whichever scored best by chance.
        """
        every = [*self.family, *self.others]
        found = [mean_interval(one, 1 - (1 - confidence) / len(every)) for one in every]
        named = found[: len(self.family)]
        highs = [
            one.high if len(scores.seeds) > 1 or len(every) == 1 else np.nan
            for one, scores in zip(found, every, strict=True)
        ]
        return Interval(
            max(one.mean for one in named),
            max((one.low for one in named), key=lambda low: -np.inf if np.isnan(low) else low),
            float(np.max(highs)),  # NaN where one of them has none: it may be any
        )

    @property
    def points_to(self) -> str:
        """What the mean alone says: held, against, or neither where it lies on the bound."""
        sign = np.sign(self.interval().mean - self.bound) * (1 if self.wants_above else -1)
        return {1: "held", -1: "against"}.get(int(sign), "neither")

    def verdict(self, confidence: float = CONFIDENCE) -> str:
        """Return what the interval says: held, against, undecided, or no data.

        One seed decides nothing, whatever the test blocks say.
        """
        if not self.family:
            return "no data"
        return self.by_interval(confidence) if self.seeds > 1 else "undecided"

    def by_interval(self, confidence: float = CONFIDENCE) -> str:
        """Return which side of the bound the interval lies on: held, against or undecided."""
        found = self.interval(confidence)
        above, below = found.low > self.bound, found.high < self.bound
        if above or below:
            return "held" if above == self.wants_above else "against"
        return "undecided"

    def __str__(self) -> str:
        if not self.family:
            return f"{self.label}: no data"
        found = self.interval()
        number = f"{self.label} {self._shown(found.mean)}"
        if self.seeds < 2 or np.isnan(found.low):
            return number
        if (count := len(self.family) + len(self.others)) > 1:
            end = found.low if self.verdict() != "against" else found.high
            side = "least" if end == found.low else "most"
            return f"{number}, the best of {count} at {side} {self._shown(end)}"
        return f"{number} [{self._shown(found.low)}, {self._shown(found.high)}]"

    def _shown(self, value: float) -> str:
        sign = "+" if self.signed else ""
        short = f"{value:{sign}.3f}"
        # What would seem to lie on the bound is shown finer.
        return f"{value:{sign}.4f}" if float(short) == self.bound != value else short


@dataclass(frozen=True, eq=False)
class Claim:
    """One finding of the paper and the comparisons that it spans."""

    text: str
    comparisons: Sequence[Comparison]

    @property
    def verdict(self) -> str:
        """Held where all comparisons are, against where any is; no data where one has none.

        Of k comparisons any may fail by chance, so against asks each for confidence 1 - 0.05 / k.
        """
        strict = 1 - (1 - CONFIDENCE) / len(self.comparisons)
        if "against" in [each.verdict(strict) for each in self.comparisons]:
            return "against"
        found = {each.verdict() for each in self.comparisons}
        if "no data" in found:
            return "no data"
        return "held" if found == {"held"} else "undecided"

    @property
    def empty(self) -> bool:
        """Whether there are rows for none of its comparisons."""
        return not any(each.family for each in self.comparisons)

    @property
    def outcome(self) -> str:
        """The verdict, and with one seed what that speaks for."""
        if self.verdict != "undecided" or all(each.seeds > 1 for each in self.comparisons):
            return self.verdict
        return f"undecided (one seed: {self.direction})"

    @property
    def points_to(self) -> str:
        """What the means alone say: against where any is, else no data, neither, or held."""
        found = {each.points_to if each.family else "no data" for each in self.comparisons}
        return next(each for each in ("against", "no data", "neither", "held") if each in found)

    @property
    def direction(self) -> str:
        """What the means alone speak for, in words."""
        return DIRECTIONS.get(self.points_to, self.points_to)


def paper_claims(scored: pd.DataFrame) -> list[Claim]:
    """Return the claims of Boehm et al. (2022, arXiv 2211.02869) put to the scored rows.

    Orderings are judged by differences paired by seed and by test block, averaged over the
    timesteps that a claim spans; growth with timesteps by the least-squares slope. A seed that
    lacks one of the rows a comparison needs does not enter it.

    Parameters
    ----------
    scored
        Rows of one section, one for each inputs, timesteps and seed. Where they kept no histograms
        by test block, intervals are over the seeds alone.
    """
    scores: Scores = {}
    for inputs, n in sorted(set(zip(scored["inputs"], scored["timesteps"], strict=True))):
        mine = scored[(scored["inputs"] == inputs) & (scored["timesteps"] == n)]
        scores[inputs, int(n)] = resample(mine.sort_values("seed"))
    terrain = "vv+vh+dem - vv+vh"
    alone = scores.get(("dem", 0))
    return [
        Claim("The best AUPRC exceeds 0.7", [_best(scores)]),
        Claim("AUPRC grows with timesteps", [_slope(scores, each) for each in PAPER_INPUTS]),
        Claim("VV beats VH", [_difference(scores, "vv - vh")]),
        Claim(
            "VV and VH together beat either",
            [_difference(scores, "vv+vh - vv"), _difference(scores, "vv+vh - vh")],
        ),
        Claim("The DEM helps at 1 and 2 timesteps", [_difference(scores, terrain, (1, 2))]),
        Claim(
            f"The DEM adds no more than {NO_HELP} at 3 and 4 timesteps",
            [_difference(scores, terrain, (3, 4), bound=NO_HELP, wants_above=False)],
        ),
        Claim(
            f"DEM alone reaches at most 0.17 ({_beside_the_papers(scored['prevalence'].mean())})",
            [
                Comparison(
                    "dem", [] if alone is None else [alone], 0.17, wants_above=False, signed=False
                )
            ],
        ),
    ]


def _beside_the_papers(prevalence: float) -> str:
    """Say what a bound on a score is worth, which at another prevalence is another."""
    said = f"prevalence here {prevalence:.3f}, the paper's {PAPER_PREVALENCE}"
    hardly = prevalence < PAPER_PREVALENCE / 2
    return f"{said}: hardly a test so far below" if hardly else said


def _timesteps(scores: Scores, inputs: str) -> list[int]:
    return sorted(n for name, n in scores if name == inputs and n > 0)


def _best(scores: Scores) -> Comparison:
    """Compare the best configuration with 0.7, of those with the most seeds."""
    models = {column: one for column, one in scores.items() if column[0] != "dem"}
    if not models:
        return Comparison("best", [], 0.7)
    most = max(len(one.seeds) for one in models.values())
    whole = {column: one for column, one in models.items() if len(one.seeds) == most}
    others = [one for one in models.values() if len(one.seeds) < most]
    name, steps = max(whole, key=lambda column: float(whole[column].exact.mean()))
    return Comparison(f"{name} at {steps}", list(whole.values()), 0.7, signed=False, others=others)


def _slope(scores: Scores, inputs: str) -> Comparison:
    """Return the change of AUPRC for one timestep more."""
    steps = np.array(_timesteps(scores, inputs), dtype=np.float64)
    if len(steps) < 2:
        return Comparison(inputs, [])
    apart = steps - steps.mean()
    weights = apart / np.sum(apart**2)  # of the least-squares slope
    return _sum(
        f"{inputs} per timestep",
        scores,
        {(inputs, int(n)): float(w) for n, w in zip(steps, weights, strict=True)},
    )


def _difference(
    scores: Scores,
    label: str,
    timesteps: Sequence[int] | None = None,
    *,
    bound: float = 0.0,
    wants_above: bool = True,
) -> Comparison:
    """Return the difference "first - second", its mean over the timesteps of both."""
    first, second = label.split(" - ")
    shared = sorted(set(_timesteps(scores, first)) & set(_timesteps(scores, second)))
    steps = shared if timesteps is None else list(timesteps)
    weights = {
        (inputs, n): sign / len(steps) for inputs, sign in ((first, 1), (second, -1)) for n in steps
    }
    return _sum(label, scores, weights, bound=bound, wants_above=wants_above)


def _sum(
    label: str,
    scores: Scores,
    weights: dict[Configuration, float],
    *,
    bound: float = 0.0,
    wants_above: bool = True,
) -> Comparison:
    """Return a weighted sum of scores; of nothing where one has no rows, or no seed has all."""
    found = [(weight, scores[name]) for name, weight in weights.items() if name in scores]
    family: list[Resampled] = []
    if found and len(found) == len(weights):
        shared = set.intersection(*(set(one.seeds) for _, one in found))
        family = [combination(found)] if shared else []
    return Comparison(label, family, bound, wants_above=wants_above)

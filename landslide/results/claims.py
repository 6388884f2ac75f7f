"""The paper's findings, each put to a table's rows: held, against or undecided."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from landslide.chips.inputs import PAPER_INPUTS

type Values = npt.NDArray[np.float64]
type Configuration = tuple[str, int]
type Scores = dict[Configuration, pd.Series]  # by inputs and timesteps, the AUPRC of each seed

NO_HELP = 0.01
"""A gain in AUPRC that counts as none: no effect could never be shown to be exactly zero."""


def seeds_interval(values: Values, confidence: float = 0.95) -> tuple[float, float]:
    """Return Student's t interval of the mean over seeds; NaN for one, which leaves no spread.

    mean -+ t(n - 1) s / sqrt(n), with s the sample standard deviation. What other test chips would
    give is not in it; `landslide.results.bootstrap.mean_interval` has both.
    """
    n = len(values)
    if n < 2:
        return float("nan"), float("nan")
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * np.std(values, ddof=1) / np.sqrt(n)
    return float(np.mean(values) - half), float(np.mean(values) + half)


@dataclass(frozen=True, eq=False)
class Comparison:
    """One number for each seed, and the bound on whose one side a claim wants their mean."""

    label: str
    values: Values
    bound: float = 0.0
    wants_above: bool = True
    signed: bool = True
    """Whether it is a difference, whose sign is always shown."""

    @property
    def points_to(self) -> str:
        """What the mean alone says: held, against, or neither where it lies on the bound."""
        sign = np.sign(np.mean(self.values) - self.bound) * (1 if self.wants_above else -1)
        return {1: "held", -1: "against"}.get(int(sign), "neither")

    @property
    def verdict(self) -> str:
        """What the interval of the mean says: held, against, undecided, or no data."""
        if not len(self.values):
            return "no data"
        low, high = seeds_interval(self.values)
        above, below = low > self.bound, high < self.bound
        if above or below:
            return "held" if above == self.wants_above else "against"
        return "undecided"

    def __str__(self) -> str:
        if not len(self.values):
            return f"{self.label}: no data"
        sign = "+" if self.signed else ""
        number = f"{self.label} {np.mean(self.values):{sign}.3f}"
        low, high = seeds_interval(self.values)
        return number if np.isnan(low) else f"{number} [{low:{sign}.3f}, {high:{sign}.3f}]"


@dataclass(frozen=True, eq=False)
class Claim:
    """One finding of the paper and the comparisons that it spans."""

    text: str
    comparisons: Sequence[Comparison]

    @property
    def verdict(self) -> str:
        """Held where all comparisons are, against where any is; no data where one has none."""
        found = [each.verdict for each in self.comparisons]
        for verdict in ("against", "no data"):
            if verdict in found:
                return verdict
        return "held" if set(found) == {"held"} else "undecided"

    @property
    def empty(self) -> bool:
        """Whether there are rows for none of its comparisons."""
        return not any(len(each.values) for each in self.comparisons)

    @property
    def outcome(self) -> str:
        """The verdict, and with one seed which way it points."""
        if self.verdict != "undecided" or all(len(each.values) > 1 for each in self.comparisons):
            return self.verdict
        pointers = {each.points_to for each in self.comparisons}
        pointer = next(each for each in ("against", "neither", "held") if each in pointers)
        return f"undecided (one seed; points to {pointer})"


def paper_claims(scored: pd.DataFrame) -> list[Claim]:
    """Return the claims of Boehm et al. (2022, arXiv 2211.02869) put to the scored rows.

    Orderings are judged by differences paired by seed, averaged over the timesteps that a claim
    spans; growth with timesteps by each seed's least-squares slope. A seed that lacks one of
    the rows a comparison needs does not enter it.

    Parameters
    ----------
    scored
        Rows of one section, one for each inputs, timesteps and seed.
    """
    configurations = set(zip(scored["inputs"], scored["timesteps"], strict=True))
    scores = {
        (inputs, int(n)): scored[
            (scored["inputs"] == inputs) & (scored["timesteps"] == n)
        ].set_index("seed")["auprc"]
        for inputs, n in configurations
    }
    prevalence = scored["prevalence"].mean()
    terrain = "vv+vh+dem - vv+vh"
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
            f"DEM alone reaches at most 0.17 (prevalence here {prevalence:.3f})",
            [
                Comparison(
                    "dem",
                    _values(scores, [("dem", 0)]).ravel(),
                    0.17,
                    wants_above=False,
                    signed=False,
                )
            ],
        ),
    ]


def _values(scores: Scores, columns: Sequence[Configuration]) -> Values:
    """Return (seed, column) scores of the seeds that have all columns; none where one lacks."""
    if not columns or any(column not in scores for column in columns):
        return np.empty((0, len(columns)))
    shared = pd.concat([scores[column] for column in columns], axis=1, join="inner")
    return shared.sort_index().to_numpy(dtype=np.float64)


def _timesteps(scores: Scores, inputs: str) -> list[int]:
    return sorted(n for name, n in scores if name == inputs and n > 0)


def _best(scores: Scores) -> Comparison:
    """Compare the best configuration with 0.7, of those with the most seeds."""
    models = [column for column in scores if column[0] != "dem"]
    if not models:
        return Comparison("best", np.empty(0), 0.7)
    best = max(models, key=lambda column: (len(scores[column]), scores[column].mean()))
    values = _values(scores, [best]).ravel()
    return Comparison(f"{best[0]} at {best[1]}", values, 0.7, signed=False)


def _slope(scores: Scores, inputs: str) -> Comparison:
    """Return each seed's change of AUPRC for one timestep more."""
    steps = _timesteps(scores, inputs)
    values = _values(scores, [(inputs, n) for n in steps])
    if len(steps) < 2 or not len(values):
        return Comparison(inputs, np.empty(0))
    return Comparison(f"{inputs} per timestep", np.polyfit(steps, values.T, 1)[0])


def _difference(
    scores: Scores,
    label: str,
    timesteps: Sequence[int] | None = None,
    *,
    bound: float = 0.0,
    wants_above: bool = True,
) -> Comparison:
    """Return each seed's difference "first - second", its mean over the timesteps of both."""
    first, second = label.split(" - ")
    shared = sorted(set(_timesteps(scores, first)) & set(_timesteps(scores, second)))
    steps = shared if timesteps is None else list(timesteps)
    values = _values(scores, [(inputs, n) for inputs in (first, second) for n in steps])
    if not len(values):
        return Comparison(label, np.empty(0))
    differences = np.mean(values[:, : len(steps)] - values[:, len(steps) :], axis=1)
    return Comparison(label, differences, bound, wants_above=wants_above)

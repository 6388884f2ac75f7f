"""Why a claim is not held: the models beside the simulation's exact detector."""

from collections.abc import Iterator

import pandas as pd

from landslide.results.bootstrap import combination, for_seeds, mean_interval
from landslide.results.claims import Comparison, paper_claims

HEADER = ["claim", "the models", "the exact detector", "models - detector", "so the cause is"]


def causes(scored: pd.DataFrame, detector: pd.DataFrame) -> Iterator[list[str]]:
    """Return a line, under `HEADER`, for each number of a claim that is not held.

    What the models gain is set beside what the detector gains on the same test chips, and their
    difference is paired over seeds and test blocks.

    Parameters
    ----------
    scored, detector
        Rows as `paper_claims` takes them; the detector's are of one seed.
    """
    for claim, read in zip(paper_claims(scored), paper_claims(detector), strict=True):
        if claim.empty or claim.verdict == "held":
            continue
        text = f"{claim.text}: {claim.outcome}"
        for ours, its in zip(claim.comparisons, read.comparisons, strict=True):
            if ours.family and its.family and ours.verdict() != "held":
                yield [text, *_line(ours, its)]


def _line(ours: Comparison, its: Comparison) -> Iterator[str]:
    yield str(ours)
    yield str(its)
    if len(ours.family) > 1:  # the best of each may be different ones
        yield ""
        yield _cause(ours, its, apart=False)
        return
    (models,), (alone,) = ours.family, its.family
    between = combination([(1, models), (-1, for_seeds(alone, models.seeds))])
    found = mean_interval(between)
    yield str(Comparison("", [between])).strip()
    yield _cause(ours, its, apart=found.low > 0 or found.high < 0)


def _cause(ours: Comparison, its: Comparison, *, apart: bool) -> str:
    others = "training, the split or what neighbours tell"
    if its.points_to == "against":
        return f"the simulation{f', and beyond it {others}' if apart else ''}"
    if apart:
        return others
    if ours.points_to == "held":
        return "none: the means hold it, as the detector's do"
    return "not to be told: the interval has room for what the detector finds"

"""Why a claim is not held: the models beside the simulation's exact detector."""

from collections.abc import Iterator

import pandas as pd

from landslide.results.bootstrap import combination, for_seeds
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
    known = set(zip(scored["inputs"], scored["timesteps"], strict=True))
    same = [each in known for each in zip(detector["inputs"], detector["timesteps"], strict=True)]
    for claim, read in zip(paper_claims(scored), paper_claims(detector[same]), strict=True):
        if claim.empty or claim.verdict == "held":
            continue
        text = f"{claim.text}: {claim.outcome}"
        for ours, its in zip(claim.comparisons, read.comparisons, strict=True):
            if ours.family and its.family and ours.verdict() != "held":
                yield [text, *_line(ours, its)]


def _line(ours: Comparison, its: Comparison) -> Iterator[str]:
    yield str(ours)
    yield str(its)
    if len([*ours.family, *ours.others]) > 1 or len(its.family) > 1:
        # The best of each may be different ones.
        yield ""
        beyond = ours.verdict() == "against" and its.points_to == "held"
    else:
        (models,), (alone,) = ours.family, its.family
        apart = combination([(1, models), (-1, for_seeds(alone, models.seeds))])
        between = Comparison("", [apart], wants_above=ours.wants_above)
        yield str(between).strip()
        beyond = between.verdict() == "against"
    yield _cause(ours, its, beyond=beyond)


def _cause(ours: Comparison, its: Comparison, *, beyond: bool) -> str:
    """Say why; `beyond`: the models are surely on the wrong side of what the detector finds."""
    others = "training, the split or what neighbours tell"
    if its.points_to == "against":
        sure = its.by_interval() == "against"
        said = "the simulation" if sure else "perhaps the simulation, whose mean says the same"
        return f"{said}{f'; and beyond it {others}' if beyond else ''}"
    if beyond:
        return others
    if ours.points_to == "held":
        return "none sought: both means hold it, and more seeds or ground would tell"
    return "not to be told: it may be as the detector finds"

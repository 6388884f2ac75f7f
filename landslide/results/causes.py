"""Why a claim is not held: the models beside the simulation's exact detector."""

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from landslide.results.bootstrap import combination, for_seeds
from landslide.results.claims import Comparison, paper_claims
from landslide.results.setting import Detector

HEADER = ["claim", "the models", "the exact detector", "models - detector", "so the cause is"]
CONFIGURATION = ["inputs", "timesteps"]


def causes(scored: pd.DataFrame, detector: Detector) -> Iterator[list[str]]:
    """Return a line, under `HEADER`, for each number of a claim that is not held.

    What the models gain is set beside what the detector gains on the same test chips, and their
    difference is paired over seeds and test blocks. Models see land cover in part, as far as images
    show it: what they gain of terrain may be near what the detector gains alone, or told the cover.

    Parameters
    ----------
    scored
        Rows as `paper_claims` takes them.
    detector : Detector
    """
    known = pd.MultiIndex.from_frame(scored[CONFIGURATION])
    read = [
        paper_claims(rows[pd.MultiIndex.from_frame(rows[CONFIGURATION]).isin(known)])
        for rows in (detector.alone, detector.told)
    ]
    for claim, alone, told in zip(paper_claims(scored), *read, strict=True):
        if claim.empty or claim.verdict == "held":
            continue
        text = f"{claim.text}: {claim.outcome}"
        for ours, *its in zip(claim.comparisons, alone.comparisons, told.comparisons, strict=True):
            if ours.family and all(each.family for each in its) and ours.verdict() != "held":
                yield [text, *_line(ours, its)]


def _line(ours: Comparison, its: Sequence[Comparison]) -> Iterator[str]:
    yield str(ours)
    yield _both(map(str, its))
    if any(len([*each.family, *each.others]) > 1 for each in (ours, *its)):
        # The best of each may be different ones.
        yield ""
        beyond = ours.verdict() == "against" and {each.points_to for each in its} == {"held"}
    else:
        between = [_between(ours, each) for each in its]
        yield _both(str(each).strip() for each in between)
        beyond = all(each.verdict() == "against" for each in between)
    yield _cause(ours, its, beyond=beyond)


def _between(ours: Comparison, its: Comparison) -> Comparison:
    (models,), (scores,) = ours.family, its.family
    apart = combination([(1, models), (-1, for_seeds(scores, models.seeds))])
    return Comparison("", [apart], wants_above=ours.wants_above)


def _both(said: Iterable[str]) -> str:
    """Say what is of the detector alone, and, where it is another, told the land cover."""
    alone, told = said
    return alone if alone == told else f"{alone}; told {told}"


def _cause(ours: Comparison, its: Sequence[Comparison], *, beyond: bool) -> str:
    """Say why; `beyond`: the models are surely on the wrong side of what both detectors find."""
    others = "training, the split or what neighbours tell"
    against = [each.points_to == "against" for each in its]
    if any(against):
        if all(each.by_interval() == "against" for each in its):
            said = "the simulation"
        elif all(against):
            said = "perhaps the simulation, whose mean says the same"
        else:
            where = "only where not" if against[0] else "only where"
            said = f"perhaps the simulation: the detector points there {where} told the land cover"
        return f"{said}{f'; and beyond it {others}' if beyond else ''}"
    if beyond:
        return others
    if {each.points_to for each in (ours, *its)} == {"held"}:
        return "none sought: all means hold it, and more seeds or ground would tell"
    return "not to be told: it may be as the detector finds"

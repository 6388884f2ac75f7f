"""What one configuration scores more than another on the same test chips, paired."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from landslide.chips.split import LEAST_BLOCKS
from landslide.results.bootstrap import (
    Interval,
    Resampled,
    combination,
    has_histograms,
    mean_interval,
    resample,
)
from landslide.results.naming import Meeting, Name, began
from landslide.results.sections import Section

type Configuration = tuple[str, int]


@dataclass(frozen=True)
class Difference:
    """What one configuration scores more than another, over one timestep count or several."""

    first: str
    second: str
    timesteps: str
    """The counts that are compared, such as `2`, `1 - 4` for two that differ, or `1 to 4`."""
    interval: Interval
    seeds: int
    """How many there are that both were trained with."""
    blocks: int
    """How many blocks of test chips the interval is over, or chips under `paper`; 0 where the
    landslides lie in too few of them, and it is over seeds alone."""

    @property
    def verdict(self) -> str:
        """Which of the two beats the other, or that the data do not say: one seed never does."""
        if self.seeds < 2:
            return "undecided"
        if self.interval.low > 0:
            return f"{self.first} beats {self.second}"
        if self.interval.high < 0:
            return f"{self.second} beats {self.first}"
        return "undecided"


def pairs_of(
    meeting: Meeting, first: Name, second: Name
) -> list[tuple[Configuration, Configuration]]:
    """Return the configurations to compare: at the same timestep counts, unless one is named."""
    counts: list[set[int]] = []
    for section, name in ((meeting.first, first), (meeting.second, second)):
        rows = section.scored[section.scored["inputs"] == name.inputs]
        mine = {int(n) for n in rows["timesteps"]}
        # What has no timesteps is the same at every count.
        counts.append(mine if name.timesteps is None or mine == {0} else mine & {name.timesteps})
    one, other = counts
    if first.timesteps is not None and second.timesteps is not None:
        paired = [(n, m) for n in one for m in other]
    elif one == {0} or other == {0}:
        paired = [(n, m) for n in sorted(one) for m in sorted(other)]
    else:
        paired = [(n, n) for n in sorted(one & other)]
    pairs = [((first.inputs, n), (second.inputs, m)) for n, m in paired]
    return [(a, b) for a, b in pairs if a != b or meeting.apart]


def differences(
    meeting: Meeting, pairs: Sequence[tuple[Configuration, Configuration]]
) -> tuple[list[Difference], list[str]]:
    """Return the differences that there are, of several the mean last, and why others are not."""
    found: list[Difference] = []
    reasons: list[str] = []
    every: list[Resampled] = []
    for a, b in pairs:
        counts = _counts(a[1], b[1])
        try:
            scores = _difference(meeting, a, b)
        except ValueError as error:
            reasons.append(f"not compared at {counts}, {error}")
            continue
        names = _names(meeting, a, b)
        found.append(_between(*names, counts, scores))
        every.append(scores)
    if len(every) > 1:
        names = _names(meeting, *((inputs, 0) for inputs, _ in pairs[0]))
        counts = f"{found[0].timesteps} to {found[-1].timesteps}"
        if len(every) < len(pairs):  # some could not be compared: which the mean is over is said
            counts = ", ".join(each.timesteps for each in found)
        try:
            mean = combination([(1 / len(every), scores) for scores in every])
        except ValueError:
            reasons.append(f"no mean over {counts} timesteps, whose differences share no seed")
        else:
            found.append(_between(*names, counts, mean))
    return found, reasons


def _between(first: str, second: str, counts: str, scores: Resampled) -> Difference:
    blocks = len(set(scores.chips)) if scores.blocks >= LEAST_BLOCKS else 0
    return Difference(first, second, counts, mean_interval(scores), len(scores.seeds), blocks)


def _difference(meeting: Meeting, first: Configuration, second: Configuration) -> Resampled:
    one, other = _resampled(meeting.first, first), _resampled(meeting.second, second)
    if one.chips != other.chips:
        raise ValueError("the two are of other blocks of test chips: give both sweeps the same")
    if _scored_on(meeting.first, first) != _scored_on(meeting.second, second):
        raise ValueError("the two are scored on other pixels: give both sweeps the same event")
    return combination([(1, one), (-1, other)])


def _scored_on(section: Section, configuration: Configuration) -> set[tuple[Any, ...]]:
    """Return how many pixels a configuration was scored on, and which share were landslides."""
    rows = _rows(section, configuration)
    return set(rows[["test_pixels", "prevalence"]].itertuples(index=False, name=None))


def _names(meeting: Meeting, first: Configuration, second: Configuration) -> tuple[str, str]:
    """Name what is compared by its inputs, and by what else is needed to tell the two apart."""
    steps = first[1] != second[1] and first[0] == second[0]
    one, other = (f"{inputs}@{n}" if steps else inputs for inputs, n in (first, second))
    if not meeting.apart:
        return one, other
    return _begun(one, meeting.first), _begun(other, meeting.second)


def _begun(name: str, section: Section) -> str:
    origin, labelled = began(section)
    return f"{name} {origin} on {labelled}"


def _counts(first: int, second: int) -> str:
    differ = first != second and first and second
    return f"{first} - {second}" if differ else str(max(first, second))


def _rows(section: Section, configuration: Configuration) -> pd.DataFrame:
    inputs, timesteps = configuration
    scored = section.scored
    return scored[(scored["inputs"] == inputs) & (scored["timesteps"] == timesteps)]


def _resampled(section: Section, configuration: Configuration) -> Resampled:
    inputs, timesteps = configuration
    rows = _rows(section, configuration)
    if not has_histograms(rows):
        raise ValueError(
            f"a row of {inputs} at {timesteps} timesteps kept no histograms of its scores by test "
            "blocks, so nothing can be resampled: train it again (--force)"
        )
    return resample(rows)

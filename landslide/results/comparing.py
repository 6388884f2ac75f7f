"""Whether one input beats another, on the same test chips: `landslide table --compare`."""

import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from landslide.chips.inputs import parse_inputs
from landslide.results.bootstrap import (
    Interval,
    Resampled,
    combination,
    has_histograms,
    mean_interval,
    resample,
)
from landslide.results.layout import (
    Form,
    columns,
    one_place,
    pipes,
    settings,
    title,
    uncorrected,
    units_tested,
)
from landslide.results.sections import Section, sections

log = logging.getLogger(__name__)

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


def compare(table: pd.DataFrame, first: str, second: str, form: Form = "text") -> str:
    """Say for each section of a table whether inputs `first` beat inputs `second`.

    The difference in AUPRC, paired over the same test chips and seeds, stands with its 95 %
    interval over seeds and test chips, which are drawn anew by spatial block, or singly under the
    `paper` protocol.

    Parameters
    ----------
    table
        As `results_table` gives it.
    first, second
        Inputs such as `vv+vh`, compared at every timestep count that both have; or at one, as
        `vv+vh@4`. Inputs without timesteps, such as `dem`, stand against each count of the other.
    form
        text, csv or markdown. What could not be compared is said among the rest, of csv in the log.

    Raises
    ------
    ValueError
        Where an input is not known, both are the same, or no section holds both with histograms
        and a seed that they share.
    """
    wanted = (inputs, one), (others, other) = _parse(first), _parse(second)
    if inputs == others and (one == other or None in {one, other}):
        raise ValueError(
            f"{first} and {second} are the same inputs: name two timestep counts, such as "
            f"{inputs}@1 and {inputs}@4"
        )
    found = [(section, pairs) for section in sections(table) if (pairs := _pairs(section, *wanted))]
    if not found:
        known = ", ".join(dict.fromkeys(table["inputs"]))
        raise ValueError(
            f"no part of the table has scores of both {first} and {second} to compare; it has "
            f"{known}: choose two of them, or train what is missing"
        )
    results, reasons = [], []
    for section, pairs in found:
        differences, lacking = _differences(section, pairs)
        if differences:
            results.append((section, differences))
        reasons += [f"{title(section)}: {reason}" for reason in lacking]
    if not results:
        raise ValueError(reasons[0])
    if form == "csv":
        for reason in reasons:
            log.warning(reason)
        return _csv(results)
    lines = _text if form == "text" else _markdown
    looks = sum(len(differences) for _, differences in results)
    parts = ["\n".join(lines(*each, looks)) for each in results]
    return "\n\n".join([*parts, *reasons]) + "\n"


def _parse(name: str) -> tuple[str, int | None]:
    inputs, at, timesteps = name.partition("@")
    if at and not timesteps.isdecimal():
        raise ValueError(f"{name!r} is not INPUTS or INPUTS@TIMESTEPS, such as vv+vh or vv+vh@4")
    return parse_inputs(inputs).name, int(timesteps) if at else None


def _pairs(
    section: Section, first: tuple[str, int | None], second: tuple[str, int | None]
) -> list[tuple[Configuration, Configuration]]:
    """Return the configurations to compare: at the same timestep counts, unless one is named."""
    scored = section.scored
    counts: list[set[int]] = []
    for inputs, timesteps in (first, second):
        mine = {int(n) for n in scored.loc[scored["inputs"] == inputs, "timesteps"]}
        # What has no timesteps is the same at every count.
        counts.append(mine if timesteps is None or mine == {0} else mine & {timesteps})
    one, other = counts
    if first[1] is not None and second[1] is not None:
        paired = [(n, m) for n in one for m in other]
    elif one == {0} or other == {0}:
        paired = [(n, m) for n in sorted(one) for m in sorted(other)]
    else:
        paired = [(n, n) for n in sorted(one & other)]
    pairs = [((first[0], n), (second[0], m)) for n, m in paired]
    return [(a, b) for a, b in pairs if a != b]


def _differences(
    section: Section, pairs: Sequence[tuple[Configuration, Configuration]]
) -> tuple[list[Difference], list[str]]:
    """Return the differences that there are, of several the mean last, and why others are not."""
    found: list[Difference] = []
    reasons: list[str] = []
    every: list[Resampled] = []
    for a, b in pairs:
        counts = _counts(a[1], b[1])
        first, second = (n if a[0] != b[0] else f"{n}@{steps}" for n, steps in (a, b))
        try:
            scores = combination([(1, _resampled(section, a)), (-1, _resampled(section, b))])
        except ValueError as error:
            reasons.append(f"not compared at {counts}, {error}")
            continue
        found.append(Difference(first, second, counts, mean_interval(scores), len(scores.seeds)))
        every.append(scores)
    if len(every) > 1:
        (first, _), (second, _) = pairs[0]
        counts = f"{found[0].timesteps} to {found[-1].timesteps}"
        try:
            mean = combination([(1 / len(every), scores) for scores in every])
        except ValueError:
            reasons.append(f"no mean over {counts} timesteps, whose differences share no seed")
        else:
            found.append(Difference(first, second, counts, mean_interval(mean), len(mean.seeds)))
    return found, reasons


def _counts(first: int, second: int) -> str:
    differ = first != second and first and second
    return f"{first} - {second}" if differ else str(max(first, second))


def _resampled(section: Section, configuration: Configuration) -> Resampled:
    inputs, timesteps = configuration
    scored = section.scored
    rows = scored[(scored["inputs"] == inputs) & (scored["timesteps"] == timesteps)]
    if not has_histograms(rows):
        raise ValueError(
            f"a row of {inputs} at {timesteps} timesteps kept no histograms of its scores by test "
            "blocks, so nothing can be resampled: train it again with --force"
        )
    return resample(rows)


def _how(section: Section, found: Sequence[Difference], looks: int) -> Iterator[str]:
    """Say what was drawn, and what the intervals cannot say."""
    units, seeds = units_tested(section), min(each.seeds for each in found)
    over = f"{units} and " if units else ""
    yield (
        f"Mean difference in AUPRC [95 % interval over {over}"
        f"{seeds} seed{'s' if seeds > 1 else ''}, the same for both inputs]{uncorrected(looks)}"
    )
    if section.identity["protocol"] != "blocked":
        yield "Chips of this protocol have neighbours in training: intervals are narrow for it"
    if seeds == 1:
        yield "One seed decides nothing: what another would give is not in the intervals"
    yield from one_place(section)


def _cells(found: Sequence[Difference]) -> list[list[str]]:
    rows = [["timesteps", "difference", "verdict"]]
    for each in found:
        low, high = each.interval.low, each.interval.high
        bounds = "" if pd.isna(low) else f" [{low:+.3f}, {high:+.3f}]"
        rows.append([each.timesteps, f"{each.interval.mean:+.3f}{bounds}", each.verdict])
    return rows


def _text(section: Section, found: Sequence[Difference], looks: int) -> Iterator[str]:
    yield title(section)
    yield settings(section.identity)
    yield from _how(section, found, looks)
    yield ""
    yield from columns(_cells(found))


def _markdown(section: Section, found: Sequence[Difference], looks: int) -> Iterator[str]:
    yield f"## {title(section)}"
    yield ""
    yield settings(section.identity)
    yield ""
    yield from (f"- {line}" for line in _how(section, found, looks))
    yield ""
    header, *rows = _cells(found)
    yield from pipes(header, rows)


def _csv(results: Sequence[tuple[Section, Sequence[Difference]]]) -> str:
    rows = [
        {
            "first": each.first,
            "second": each.second,
            "timesteps": each.timesteps,
            "difference": each.interval.mean,
            "low": each.interval.low,
            "high": each.interval.high,
            "seeds": each.seeds,
            "verdict": each.verdict,
        }
        | section.identity
        for section, found in results
        for each in found
    ]
    text = io.StringIO()
    pd.DataFrame(rows).to_csv(text, index=False, lineterminator="\n")
    return text.getvalue()

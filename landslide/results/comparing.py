"""Whether one input beats another, on the same test chips: `landslide table --compare`."""

import logging
from collections.abc import Iterator, Sequence

import pandas as pd

from landslide.results.differences import Difference, differences, pairs_of
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
from landslide.results.naming import Meeting, meetings, names_of, parse_names
from landslide.results.sections import sections

log = logging.getLogger(__name__)


type Compared = list[tuple[Meeting, list[Difference]]]


def comparison(table: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Ask a table whether inputs `first` beat inputs `second`: one row for each comparison.

    Parameters
    ----------
    table
        As `results_table` gives it.
    first, second
        Inputs such as `vv+vh`, compared at every timestep count that both have; or at one, as
        `vv+vh@4`. Inputs without timesteps, such as `dem`, stand against each count of the other.
        Where models began elsewhere or trained on few labels, that may be named, too, as
        `label_report` does: `vv+vh from kaikoura on 16`, `vv+vh at random on all`. What one of the
        two leaves out is as in the other.

    Returns
    -------
    DataFrame
        `first` and `second`, as they are told apart; `timesteps`, as text: one count, `1 - 4` for
        two that differ, or the several that the mean is over, such as `1 to 4`; `difference` in
        AUPRC, first minus second, the mean over the seeds that both have, on the same test chips;
        `low` and `high` of its 95 % interval, NaN where nothing varies; `seeds` and `blocks`, how
        many of either the interval is over: blocks of test chips, or chips under the `paper`
        protocol, 0 where landslides lie in too few; `verdict`: `vv+vh beats vv` or `undecided`, as
        one seed always is. Then what the rows of both have in common, or `1 - 4` where they differ:
        `event`, `simulated`, `protocol`, `network` and so on. Several rows are several looks:
        intervals are not corrected for their number.

    Raises
    ------
    ValueError
        Where an input is not known, both are the same, or no rows of both were scored on the same
        test chips, with histograms and a seed that they share. What else could not be compared is
        said in the log.
    """
    compared, reasons = _compared(table, first, second)
    for reason in reasons:
        log.warning(reason)
    rows = [
        {
            "first": each.first,
            "second": each.second,
            "timesteps": each.timesteps,
            "difference": each.interval.mean,
            "low": each.interval.low,
            "high": each.interval.high,
            "seeds": each.seeds,
            "blocks": each.blocks,
            "verdict": each.verdict,
        }
        | meeting.either
        for meeting, found in compared
        for each in found
    ]
    return pd.DataFrame(rows)


def compare(table: pd.DataFrame, first: str, second: str, form: Form = "text") -> str:
    """Say what `comparison` finds, as text, csv or markdown.

    What could not be compared is said among the rest, of csv in the log.

    Raises
    ------
    ValueError
        As `comparison` does.
    """
    if form == "csv":
        return comparison(table, first, second).to_csv(index=False, lineterminator="\n")
    compared, reasons = _compared(table, first, second)
    lines = _text if form == "text" else _markdown
    looks = sum(len(found) for _, found in compared)
    said = ["\n".join(lines(*each, looks)) for each in compared]
    return "\n\n".join([*said, *reasons]) + "\n"


def _compared(table: pd.DataFrame, first: str, second: str) -> tuple[Compared, list[str]]:
    """Return the differences in each section of a table, and why others are not known."""
    one, other = parse_names(first, second)
    parts = sections(table)
    paired = [
        (meeting, pairs)
        for meeting in meetings(parts, one, other)
        if (pairs := pairs_of(meeting, one, other))
    ]
    if not paired:
        raise ValueError(
            f"no part of the table has scores of both {first} and {second} on the same test chips "
            f"to compare; it has {names_of(parts)}: choose two of them, or train what is missing"
        )
    compared: Compared = []
    reasons: list[str] = []
    for meeting, pairs in paired:
        known, lacking = differences(meeting, pairs)
        if known:
            compared.append((meeting, known))
        reasons += [f"{title(meeting.first)}: {reason}" for reason in lacking]
    if not compared:
        raise ValueError(reasons[0])
    return compared, reasons


def _how(meeting: Meeting, found: Sequence[Difference], looks: int) -> Iterator[str]:
    """Say what was drawn, and what the intervals cannot say."""
    section, seeds = meeting.first, min(each.seeds for each in found)
    if meeting.apart:
        yield from _sides(meeting, found[-1])
    units = units_tested(section)
    over = f"{units} and " if units else ""
    yield (
        f"Mean difference in AUPRC [95 % interval over {over}"
        f"{seeds} seed{'s' if seeds > 1 else ''}, the same for both]{uncorrected(looks)}"
    )
    if section.identity["protocol"] != "blocked":
        yield "Chips of this protocol have neighbours in training: intervals are narrow for it"
    if seeds == 1:
        yield "One seed decides nothing: what another would give is not in the intervals"
    yield from one_place(section)


def _sides(meeting: Meeting, found: Difference) -> Iterator[str]:
    """Say of either of two sections what it is, and in what else they differ."""
    shared = meeting.shared
    named = {"origin", "labelled_chips"}  # which the name says
    for section, name in ((meeting.first, found.first), (meeting.second, found.second)):
        own = {k: v for k, v in section.identity.items() if k not in {*shared, *named}}
        yield f"{name}: {settings(own)}" if own else name


def _cells(found: Sequence[Difference]) -> list[list[str]]:
    rows = [["timesteps", "difference", "verdict"]]
    for each in found:
        low, high = each.interval.low, each.interval.high
        bounds = "" if pd.isna(low) else f" [{low:+.3f}, {high:+.3f}]"
        rows.append([each.timesteps, f"{each.interval.mean:+.3f}{bounds}", each.verdict])
    return rows


def _text(meeting: Meeting, found: Sequence[Difference], looks: int) -> Iterator[str]:
    yield title(meeting.first)
    yield settings(meeting.shared)
    yield from _how(meeting, found, looks)
    yield ""
    yield from columns(_cells(found))


def _markdown(meeting: Meeting, found: Sequence[Difference], looks: int) -> Iterator[str]:
    yield f"## {title(meeting.first)}"
    yield ""
    yield settings(meeting.shared)
    yield ""
    yield from (f"- {line}" for line in _how(meeting, found, looks))
    yield ""
    header, *rows = _cells(found)
    yield from pipes(header, rows)

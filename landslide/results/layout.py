"""What reports of a table say alike: a section's title and settings, what was drawn, columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from landslide.chips.split import LEAST_BLOCKS
from landslide.results.bootstrap import blocks_tested, unit_count
from landslide.results.order import SECTION
from landslide.results.sections import Section

type Form = Literal["text", "csv", "markdown"]


def title(section: Section) -> str:
    """Return a section's event and protocol, and plainly that it is simulated where it is."""
    mark = ", SIMULATED DATA" if section.simulated else ""
    return f"{section.identity['event']}, {section.identity['protocol']} protocol{mark}"


def settings(identity: Mapping[str, Any]) -> str:
    """Return on one line what else rows have in common, of a section's identity or a part of it."""
    known = {name: value for name, value in identity.items() if value is not None}
    shown = [
        f"{name.replace('_', ' ')} {str(known[name])[:12] if 'digest' in name else known[name]}"
        for name in SECTION
        if name in known and name not in {"event", "protocol", "simulated"}
    ]
    return ", ".join(shown)


def apart(section: Section, others: Sequence[Section], alike: Sequence[str]) -> str:
    """Return the settings in which a section differs from others that are alike by column name."""
    identities = [
        each.identity
        for each in others
        if all(each.identity[name] == section.identity[name] for name in alike)
    ]
    differing = {
        name: value
        for name, value in section.identity.items()
        if len({identity[name] for identity in identities}) > 1
    }
    return settings(differing)


def one_place(section: Section) -> list[str]:
    """Say so where the test landslides lie in too few blocks to tell how blocks differ."""
    rows = section.scored[section.scored["test_blocks"].notna()]
    if not len(rows) or units_tested(section):
        return []
    units, found = _units(section, rows), blocks_tested(rows.iloc[0])
    said = f"Of {units} the landslides lie in {found:.1f}, counted by their pixels"
    return [f"{said}: what another place would give is in no interval"]


def units_tested(section: Section) -> str:
    """Say what a section's intervals are over beside seeds; nothing where it is seeds alone."""
    rows = section.scored[section.scored["test_blocks"].notna()]
    if not len(rows) or blocks_tested(rows.iloc[0]) < LEAST_BLOCKS:
        return ""
    return _units(section, rows)


def _units(section: Section, rows: pd.DataFrame) -> str:
    blocked = section.identity["protocol"] == "blocked"
    return f"{unit_count(rows)} {'spatial blocks of test chips' if blocked else 'test chips'}"


def drawn(section: Section) -> str:
    """Say what a section's intervals are over."""
    units = units_tested(section)
    return f"{units} and seeds" if units else "seeds"


def uncorrected(looks: int) -> str:
    """Say of several intervals that each was looked at as if it were the only one."""
    return f"; {looks} looks, not corrected for their number" if looks > 1 else ""


def short(seeds: int, of: int, failed: int) -> str:
    """Say in brackets where a cell has fewer seeds than others, and how many trials failed."""
    few = f"{seeds} of {of} seeds" if seeds < of else ""
    lost = f"{failed} failed" if failed else ""
    said = ", ".join(each for each in (few, lost) if each)
    return f" ({said})" if said else ""


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Return the lines of a table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip()


def pipes(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Return the lines of a Markdown table."""
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"

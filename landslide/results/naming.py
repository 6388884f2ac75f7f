"""How rows are named to be compared, such as `vv+vh@2 from kaikoura on 16`, and which meet."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from landslide.chips.inputs import parse_inputs
from landslide.results.labels import ALL, AT_RANDOM
from landslide.results.order import SECTION
from landslide.results.sections import Section

_NAME = re.compile(
    r"(?P<inputs>[^\s@]+)(@(?P<timesteps>\d+))?"
    r"( (?P<origin>(?!on (\d+|all)$).+?))?( on (?P<labelled>\d+|all))?"
)
# How long a model trains, and at what rate, follows from how it began and on how many labels.
_MAY_DIFFER = ("origin", "labelled_chips", "epochs", "learning_rate", "setup")


@dataclass(frozen=True)
class Name:
    """Which rows are meant; None where that was not said."""

    inputs: str
    timesteps: int | None
    origin: str | None
    """How a model began, as the curves over labels name it: `AT_RANDOM` where nothing else is."""
    labelled: str | None
    """How many labelled chips it trained on: a number, or `ALL`."""

    @property
    def began(self) -> tuple[str | None, str | None]:
        """How a model began and on how many labels it trained."""
        return self.origin, self.labelled

    def holds(self, section: Section) -> bool:
        """Say whether a section's models began so, and trained on as many labels."""
        return all(
            wanted in {None, known}
            for wanted, known in zip(self.began, began(section), strict=True)
        )


@dataclass(frozen=True, eq=False)
class Meeting:
    """Two sections scored on the same test chips, one to compare with the other; or one twice."""

    first: Section
    second: Section

    @property
    def apart(self) -> bool:
        """Whether they are two."""
        return self.first is not self.second

    @property
    def shared(self) -> dict[str, Any]:
        """What both have in common, by column name."""
        other = self.second.identity
        return {name: own for name, own in self.first.identity.items() if own == other[name]}

    @property
    def either(self) -> dict[str, Any]:
        """What each is, by column name: `1 - 4` where they are two."""
        mine, other = self.first.identity, self.second.identity
        pairs = zip(began(self.first), began(self.second), strict=True)
        said = dict(zip(("origin", "labelled_chips"), map(" - ".join, pairs), strict=True))
        return {
            name: own if own == other[name] else said.get(name, f"{own} - {other[name]}")
            for name, own in mine.items()
        }


def parse_names(first: str, second: str) -> tuple[Name, Name]:
    """Return what two names say; how models began and their labels, unsaid of one, are the other's.

    Raises
    ------
    ValueError
        Where one cannot be read, an input is not known, or both say the same.
    """
    one, other = _parse(first), _parse(second)
    one, other = _completed(one, other), _completed(other, one)
    counts = {one.timesteps, other.timesteps}
    if (one.inputs, one.began) == (other.inputs, other.began) and (
        None in counts or len(counts) < 2
    ):
        raise ValueError(
            f"{first} and {second} are the same inputs: name two timestep counts, such as "
            f"{one.inputs}@1 and {one.inputs}@4, or of both how they began or on how many labels, "
            f"such as '{one.inputs} {AT_RANDOM} on {ALL}'"
        )
    return one, other


def _parse(name: str) -> Name:
    read = _NAME.fullmatch(" ".join(name.split()))
    if read is None:
        raise ValueError(
            f"{name!r} is not INPUTS or INPUTS@TIMESTEPS, and then ORIGIN and on LABELS where they "
            f"differ, such as vv+vh, vv+vh@4 or 'vv+vh {AT_RANDOM} on 16'"
        )
    steps = read["timesteps"]
    return Name(
        parse_inputs(read["inputs"]).name,
        None if steps is None else int(steps),
        read["origin"],
        read["labelled"],
    )


def _completed(name: Name, other: Name) -> Name:
    return replace(
        name, origin=name.origin or other.origin, labelled=name.labelled or other.labelled
    )


def began(section: Section) -> tuple[str, str]:
    """Return how a section's models began, and on how many labels they trained."""
    labelled = section.identity["labelled_chips"]
    return section.identity["origin"] or AT_RANDOM, ALL if labelled is None else str(labelled)


def meetings(parts: Sequence[Section], first: Name, second: Name) -> Iterator[Meeting]:
    """Return the sections that two names let meet.

    What one name says of how models began, the other says, too, or leaves the same. Two sections
    meet where all agrees but that and what follows from it: cube, split and scored pixels do.
    """
    for one in parts:
        for other in parts:
            alike = one is other if first.began == second.began else _alike(one, other, first)
            if alike and first.holds(one) and second.holds(other):
                yield Meeting(one, other)


def _alike(one: Section, other: Section, named: Name) -> bool:
    same = [name for name in SECTION if name not in _MAY_DIFFER]
    left = [said is None for said in named.began]
    return all(one.identity[name] == other.identity[name] for name in same) and all(
        mine == its
        for mine, its, unsaid in zip(began(one), began(other), left, strict=True)
        if unsaid
    )


def names_of(parts: Sequence[Section]) -> str:
    """Say what there is to name: inputs, and, where models differ in it, how they began."""
    scored = [part for part in parts if len(part.scored)]
    inputs = dict.fromkeys(name for part in scored for name in part.scored["inputs"])
    labels: dict[str, set[str]] = {}
    for part in scored:
        origin, labelled = began(part)
        labels.setdefault(origin, set()).add(labelled)
    said = [
        f"{origin} on {', '.join(sorted(counts, key=lambda n: (n == ALL, n.zfill(9))))}"
        for origin, counts in labels.items()
    ]
    plain = [f"{AT_RANDOM} on {ALL}"]
    return "; ".join([", ".join(inputs) or "none", *(said if said != plain else [])])

"""Which rows of a table may be compared: those of one event, protocol, network and split."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from landslide.results.order import ROW_ORDER, SECTION, arithmetic, ordered

type Identity = tuple[object, ...]

_ONE = ["inputs", "timesteps", "seed"]


@dataclass(frozen=True, eq=False)
class Section:
    """The comparable rows of a table.

    Attributes
    ----------
    identity
        What the rows have in common, by column name, and of `precision` the class; None where a
        failed trial did not say.
    scored
        Rows with a score, one for each inputs, timesteps and seed: the newest.
    failed
        Rows of failed trials, but for what scored in another since.
    """

    identity: dict[str, Any]
    scored: pd.DataFrame
    failed: pd.DataFrame

    @property
    def simulated(self) -> bool:
        """Whether the rows come from a simulated cube."""
        return bool(self.identity["simulated"])

    @property
    def as_the_paper(self) -> bool:
        """Whether its models began at random on all labels, as those that the paper speaks of."""
        return self.identity["origin"] is None and self.identity["labelled_chips"] is None

    @property
    def seeds(self) -> list[int]:
        """The seeds of the scored rows."""
        return sorted({int(seed) for seed in self.scored["seed"]})


def sections(table: pd.DataFrame) -> list[Section]:
    """Split the rows of `results_table` into sections that are never mixed.

    A failed trial, which knows all but its arithmetic, joins the first section that agrees with
    what it knows.
    """
    identities = pd.Series(list(_identities(table)), index=table.index)
    failed = table["error"].notna()
    known: dict[Identity, None] = dict.fromkeys(identities[~failed])
    for row in table.index[failed]:
        mine = identities[row]
        match = next((whole for whole in known if _agrees(mine, whole)), mine)
        known.setdefault(match)
        identities[row] = match
    parts = []
    for identity in known:
        mine = identities == identity
        scored = _newest(table[mine & ~failed])
        lost = ordered(_not_since(scored, table[mine & failed]), ROW_ORDER)
        parts.append(Section(dict(zip(SECTION, identity, strict=True)), scored, lost))
    return parts


def _identities(table: pd.DataFrame) -> Iterator[Identity]:
    classed = table.assign(precision=arithmetic(table["precision"]))
    for values in classed[list(SECTION)].itertuples(index=False):
        yield tuple(None if pd.isna(value) else value for value in values)


def _agrees(part: Identity, whole: Identity) -> bool:
    return all(
        mine == its or (mine is None and name == "precision")
        for name, mine, its in zip(SECTION, part, whole, strict=True)
    )


def _newest(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each inputs, timesteps and seed, the one written last."""
    latest = rows.sort_values("written_at", kind="stable").drop_duplicates(_ONE, keep="last")
    return ordered(latest, ROW_ORDER)


def _not_since(scored: pd.DataFrame, failed: pd.DataFrame) -> pd.DataFrame:
    """Return the failed rows that are later than the score of the same, or have none."""
    since = failed[_ONE].merge(scored[[*_ONE, "written_at"]], how="left", on=_ONE)["written_at"]
    return failed[~(since > failed["written_at"].reset_index(drop=True)).to_numpy(dtype=bool)]

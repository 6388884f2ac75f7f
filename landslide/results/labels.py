"""Label efficiency: the AUPRC that a number of labelled chips buys, by where a model began."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from landslide.results.bootstrap import (
    Interval,
    combination,
    has_histograms,
    mean_interval,
    resample,
)
from landslide.results.layout import columns, short, uncorrected
from landslide.results.order import SECTION, inputs_order

AT_RANDOM = "at random"
"""The name of what began at random."""
AS_LONG = "at random, trained as long"
"""The name of what began at random and made as many steps as others did before and after."""
ALL = "all"
"""The name of all labelled chips that there are."""
_REFERENCES = (AT_RANDOM, AS_LONG)
_DIFFERENCE = ("origin", "labelled", "reference", "mean", "low", "high")
# A curve has few labels and many, and so other epochs and rates from point to point; a failed trial
# does not know its arithmetic.
_VARIES = ("origin", "labelled_chips", "epochs", "learning_rate", "precision", "setup")
COMMON = (*(name for name in SECTION if name not in _VARIES), "inputs", "timesteps")
"""What all points of a set of curves share."""


@dataclass(frozen=True, eq=False)
class Curves:
    """One configuration's scores over labelled chips: a curve for each origin of a model."""

    identity: dict[str, Any]
    """What the points have in common, by column name."""
    points: pd.DataFrame
    """One row a point: origin, labelled (chips; NaN for all where their number is not known), all
    (whether they are all there are), mean, spread (sample standard deviation over seeds), low and
    high (95 % interval over test chips or blocks and seeds; NaN for one seed), seeds and failed."""
    differences: pd.DataFrame
    """One row for each point and reference, `AT_RANDOM` or `AS_LONG`, which itself is held against
    the other: origin, labelled, reference, and mean, low and high of what the origin scores more on
    as many labels, or without any than on all, paired over test chips or blocks and seeds. Only
    where both kept histograms and share two seeds."""
    prevalence: float
    """What a random score reaches."""

    @property
    def origins(self) -> list[str]:
        """The curves' names: what began at random first."""
        return sorted(set(self.points["origin"]), key=lambda name: (_reference_rank(name), name))

    @property
    def labelled(self) -> list[float]:
        """The numbers of labelled chips, ascending; NaN, all of an unknown number, is last."""
        counts = self.points["labelled"]
        return [*sorted(set(counts.dropna())), *[np.nan] * bool(counts.isna().any())]

    def name(self, labelled: float) -> str:
        """Return a number of labelled chips as it is shown, and whether it is all there are."""
        if np.isnan(labelled):
            return ALL
        whole = labelled in set(self.points.loc[self.points["all"], "labelled"])
        return f"{ALL} {labelled:.0f}" if whole else f"{labelled:.0f}"


def label_efficiency(table: pd.DataFrame) -> list[Curves]:
    """Return the curves of a sweep's rows, a set of them for each inputs and timesteps.

    Parameters
    ----------
    table
        Rows as `results_table` gives them, of one sweep: those of another may have trained with
        other settings.

    Raises
    ------
    ValueError
        Where no row has a score.
    """
    if not table["auprc"].notna().any():
        raise ValueError("no row has a score to draw over labelled chips; every trial failed")
    known = table.assign(
        origin=table["origin"].fillna(AT_RANDOM),
        labelled=table["labelled_chips"].astype(float),
        all=table["labelled_chips"].isna(),
    )
    common = [name for name in COMMON if known[name].notna().any()]
    rank = {name: place for place, name in enumerate(inputs_order(known["inputs"]))}
    found = []
    for values, rows in known.groupby(common, dropna=False):
        counted = _with_all_counted(rows)
        scored = counted[counted["error"].isna()]
        if len(scored):
            identity = dict(zip(common, values, strict=True))
            points = pd.DataFrame(_points(counted))
            more = pd.DataFrame(_differences(scored), columns=_DIFFERENCE)
            prevalence = float(scored["prevalence"].mean())
            found.append(Curves(identity, points, more, prevalence))
    return sorted(found, key=lambda c: (rank[c.identity["inputs"]], c.identity["timesteps"]))


def _reference_rank(origin: str) -> int:
    return _REFERENCES.index(origin) if origin in _REFERENCES else len(_REFERENCES)


def _with_all_counted(rows: pd.DataFrame) -> pd.DataFrame:
    # All of this cube's: what trained on other cubes' chips beside them counts those, too. Where
    # all that began at random failed, nobody knows how many there are.
    own = rows.loc[rows["all"] & rows["origin"].isin(_REFERENCES), "train_chips"]
    return rows.assign(labelled=rows["labelled"].fillna(own.astype(float).min()))


def _points(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for _, mine in rows.groupby(["origin", "labelled", "all"], dropna=False):
        scored = mine[mine["error"].isna()]
        scores = scored["auprc"].to_numpy(dtype=np.float64)
        several = len(scores) > 1 and has_histograms(scored)
        interval = mean_interval(resample(scored)) if several else None
        yield {
            "origin": mine["origin"].iloc[0],
            "labelled": mine["labelled"].iloc[0],
            "all": bool(mine["all"].iloc[0]),
            "mean": scores.mean() if len(scores) else np.nan,
            "spread": scores.std(ddof=1) if len(scores) > 1 else np.nan,
            "low": interval.low if interval else np.nan,
            "high": interval.high if interval else np.nan,
            "seeds": len(scores),
            "failed": len(mine) - len(scored),
        }


def _differences(rows: pd.DataFrame) -> Iterator[tuple[str, float, str, float, float, float]]:
    for reference in _REFERENCES:
        others = rows[rows["origin"] == reference]
        for _, mine in rows.groupby(["origin", "labelled"]):
            origin, labelled = str(mine["origin"].iloc[0]), float(mine["labelled"].iloc[0])
            as_many = others["labelled"] == labelled if labelled else others["all"]
            follows = _reference_rank(origin) > _reference_rank(reference)
            if follows and (more := _difference(mine, others[as_many])):
                yield origin, labelled, reference, more.mean, more.low, more.high


def _difference(rows: pd.DataFrame, others: pd.DataFrame) -> Interval | None:
    """Return what the first score more in the mean, paired; nothing where it cannot be said."""
    if not (len(rows) and len(others) and has_histograms(rows) and has_histograms(others)):
        return None
    one, other = resample(rows), resample(others)
    if len(set(one.seeds) & set(other.seeds)) < 2:
        return None
    return mean_interval(combination([(1, one), (-1, other)]))


def label_report(table: pd.DataFrame) -> str:
    """Return the curves of a sweep's rows as text: origins by numbers of labelled chips."""
    return "\n\n".join("\n".join(_lines(each)) for each in label_efficiency(table)) + "\n"


def curves_title(curves: Curves) -> str:
    """Return what the curves are of."""
    known, count = curves.identity, curves.identity["timesteps"]
    steps = f" at {count} timestep{'s' if count > 1 else ''}" if count else ""
    return f"{known['event']}, {known['protocol']} protocol, {known['inputs']}{steps}"


def _lines(curves: Curves) -> Iterator[str]:
    points = curves.points
    yield curves_title(curves) + (", SIMULATED DATA" if curves.identity["simulated"] else "")
    known = points["low"].notna().any()
    seeds = (
        "AUPRC, mean over seeds" if points["seeds"].max() > 1 else "AUPRC of one seed, no spread"
    )
    drawn = "blocks" if curves.identity["protocol"] == "blocked" else "chips"
    yield seeds + (f" [95 % interval over test {drawn} and seeds]" if known else "")
    yield ""
    header = [curves.name(n) for n in curves.labelled]
    cells = [["model began / labelled chips", *header]]
    for origin in curves.origins:
        mine = points[points["origin"] == origin].set_index("labelled")
        cells.append([origin, *(_cell(mine, n, points["seeds"].max()) for n in curves.labelled)])
    cells.append(["random score", *[f"{curves.prevalence:.3f}"] * len(header)])
    yield from columns(cells)
    if looks := len(curves.differences):
        without = " (without labels: than on all)" if 0 in curves.labelled else ""
        yield ""
        yield f"Difference on as many labels{without}, paired{uncorrected(looks)}"
    for reference, more in curves.differences.groupby("reference", sort=False):
        cells = [[f"more than {reference}", *header]]
        for origin in more["origin"].unique():
            mine = more[more["origin"] == origin].set_index("labelled")
            cells.append([origin, *(_more(mine, n) for n in curves.labelled)])
        yield ""
        yield from columns(cells)


def _more(mine: pd.DataFrame, labelled: float) -> str:
    if labelled not in mine.index:
        return "-"
    point = mine.loc[[labelled]].iloc[0]
    bounds = "" if pd.isna(point["low"]) else f" [{point['low']:+.3f}, {point['high']:+.3f}]"
    return f"{point['mean']:+.3f}{bounds}"


def _cell(mine: pd.DataFrame, labelled: float, seeds: int) -> str:
    if labelled not in mine.index:
        return "-"
    point = mine.loc[[labelled]].iloc[0]
    if not point["seeds"]:
        return "failed"
    bounds = "" if pd.isna(point["low"]) else f" [{point['low']:.3f}, {point['high']:.3f}]"
    return f"{point['mean']:.3f}{bounds}{short(point['seeds'], seeds, point['failed'])}"

"""The paper's Figure 4: AUPRC over timesteps, a line for each inputs, above the baselines."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from landslide.results.layout import apart
from landslide.results.order import inputs_order
from landslide.results.panels import FAINT, INK
from landslide.results.pivot import CHANGE_ONLY, RANDOM, baselines, pivot
from landslide.results.saving import mark_simulated, save_figure
from landslide.results.sections import Section, sections

# Okabe and Ito's colours, told apart with every kind of colour vision; each with its marker.
_LINES = {
    "vv+vh+dem": ("#d55e00", "D"),
    "vv+vh": ("#0072b2", "s"),
    "vv": ("#009e73", "o"),
    "vh": ("#cc79a7", "^"),
}
_OTHERS = (("#e69f00", "v"), ("#56b4e9", "P"), ("#000000", "X"), ("#6b6b6b", "*"))
_TIMELESS = [("#7a5230", (5, 2.5)), ("#3b7d86", (7, 2, 1.5, 2)), ("#8b5fa8", (2.5, 2))]
type Values = npt.NDArray[np.float64]

_COLUMNS = 2
_TITLE = ("event", "simulated", "protocol", "preset")

# The axis is broken where the trained inputs would take up less than this share of it.
_BREAK_SHARE = 0.45


def figure4(table: pd.DataFrame, path: str) -> None:
    """Draw the rows of `results_table` as the paper's Figure 4 and write it to `path`.

    Means over seeds with the sample standard deviation as bars, DEM alone, a random score (the
    prevalence) and the untrained log ratio. Sections that may not be compared have panels of their
    own, which say in what they differ. What began elsewhere, or had few labels, is left out: see
    `label_figure`. Any format that matplotlib knows, at any address, whole or not at all.

    Raises
    ------
    ValueError
        Where no row is left that has a score, or the ending of `path` names no format.
    """
    here = table[table["origin"].isna() & table["labelled_chips"].isna()]
    drawn = [section for section in sections(here) if len(section.scored)]
    if not drawn:
        lost = "every trial failed"
        if table["auprc"].notna().any():
            lost = "those that have began elsewhere, or had few labels: they are drawn as curves"
        raise ValueError(f"no row has a score to draw in {path}; {lost}")
    columns = min(_COLUMNS, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=(7.2 * columns, 5.0 * rows))
    parts = np.ravel(figure.subfigures(rows, columns, squeeze=False))
    for part, section in zip(parts, drawn, strict=False):
        _draw(part, section, apart(section, drawn, _TITLE))
    save_figure(figure, path)


def _draw(part: SubFigure, section: Section, differing: str) -> None:
    means, untrained = pivot(section), baselines(section)
    axes = _axes(part, *_levels(means, untrained))
    steps = sorted({int(n) for n in means["timesteps"] if n > 0}) or [1]
    for axis in axes:
        _lines(axis, means)
        _references(axis, means, untrained)
        axis.set_xlim(steps[0] - 0.35, steps[-1] + 0.35)
        axis.set_xticks(steps)
    axes[-1].set_xlabel("Timesteps before and after", color=INK)
    part.text(0.02, 0.49, "AUPRC", rotation=90, va="center", color=INK, fontsize=10)
    axes[0].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9)
    _heading(part, section, differing)
    if section.simulated:
        mark_simulated(part)


def _heading(part: SubFigure, section: Section, differing: str) -> None:
    event, protocol = section.identity["event"], section.identity["protocol"]
    name = f"{event}".replace("_", " ")
    part.text(0.105, 0.945, f"{name[:1].upper()}{name[1:]}, {protocol} protocol", fontsize=12.5,
              fontweight="bold", color=INK)  # fmt: skip
    seeds = len(section.seeds)
    spread = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
    preset = section.identity["preset"]
    said = f"{preset} preset, {spread}" if preset else spread
    part.text(0.105, 0.9, said, fontsize=9, color=FAINT)
    part.text(0.105, 0.875, differing, fontsize=7, color=FAINT)


def _levels(means: pd.DataFrame, untrained: pd.DataFrame) -> tuple[Values, Values]:
    """Return the values of the trained inputs, bars' ends included, and those of baselines below.

    A baseline that reaches up among the trained inputs counts as one of them.
    """
    bars = means["spread"].fillna(0)
    ends = means.assign(low=means["mean"] - bars, high=means["mean"] + bars)
    trained, timeless = ends[ends["timesteps"] > 0], ends[ends["timesteps"] == 0]
    upper = [_numbers(trained["low"], trained["high"])]
    lower: list[Values] = []
    change = untrained["inputs"].str.startswith(CHANGE_ONLY)
    random = untrained["inputs"] == RANDOM
    for values in (
        *(_numbers(mine["low"], mine["high"]) for _, mine in timeless.groupby("inputs")),
        _numbers(untrained.loc[change, "mean"]),
        _numbers(untrained.loc[random, "mean"]),
    ):
        among = values.size and upper[0].size and values.max() > upper[0].min()
        (upper if among else lower).append(values)
    return np.concatenate(upper), np.concatenate([*lower, np.empty(0)])


def _numbers(*columns: pd.Series) -> Values:
    return pd.concat(columns).dropna().to_numpy(dtype=np.float64)


def _axes(part: SubFigure, upper: Values, lower: Values) -> list[Axes]:
    """Return one axis, or two where one would press the upper values together."""
    place = {"left": 0.105, "right": 0.7, "top": 0.865, "bottom": 0.115}
    values = np.concatenate([upper, lower])
    span = np.ptp(upper) if upper.size else 0.0
    if not lower.size or not 0 < span < _BREAK_SHARE * np.ptp(values):
        axis = part.add_subplot(part.add_gridspec(1, 1, **place)[0])
        axis.set_ylim(*_limits(values))
        return [_clean(axis, 8)]
    grid = part.add_gridspec(2, 1, height_ratios=[0.68, 0.32], hspace=0.07, **place)
    high, low = part.add_subplot(grid[0]), part.add_subplot(grid[1])
    high.set_ylim(*_limits(upper))
    low.set_ylim(*_limits(lower))
    for axis, edge, ticks in ((high, 0.0, 6), (low, 1.0, 4)):
        # Two short slanted strokes say that the axis is broken here.
        _clean(axis, ticks).plot([0], [edge], transform=axis.transAxes, color=FAINT,
                                 marker=[(-1, -0.6), (1, 0.6)], markersize=9, clip_on=False,
                                 linestyle="none")  # fmt: skip
    high.spines["bottom"].set_visible(False)
    high.tick_params(labelbottom=False, bottom=False)
    return [high, low]


def _limits(values: Values) -> tuple[float, float]:
    """Return limits around the values, at least four hundredths apart."""
    margin = max(0.09 * np.ptp(values), 0.02)
    return max(values.min() - margin, -0.01), values.max() + margin


def _clean(axis: Axes, ticks: int) -> Axes:
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(FAINT)
    axis.tick_params(colors=INK, labelsize=9)
    axis.yaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10], min_n_ticks=2))
    axis.yaxis.set_major_formatter("{x:.2f}")
    axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axis.set_axisbelow(True)
    return axis


def _lines(axis: Axes, means: pd.DataFrame) -> None:
    """Draw each inputs' means, drawn slightly apart so that their bars do not hide each other."""
    trained = means[(means["timesteps"] > 0) & means["mean"].notna()]
    last = trained.groupby("inputs")["mean"].last().sort_values(ascending=False)
    names = inputs_order(trained["inputs"])
    others = iter(_OTHERS * len(names))
    styles = {name: _LINES.get(name) or next(others) for name in names}
    for name in last.index:
        mine = trained[trained["inputs"] == name]
        colour, marker = styles[name]
        shift = 0.05 * (names.index(name) - (len(names) - 1) / 2)
        axis.errorbar(
            mine["timesteps"] + shift,
            mine["mean"],
            yerr=mine["spread"].fillna(0) if mine["spread"].notna().any() else None,
            color=colour,
            marker=marker,
            markersize=6.5,
            markeredgecolor="white",
            markeredgewidth=0.8,
            linewidth=1.8,
            elinewidth=1.2,
            capsize=2.5,
            zorder=3,
        )
        axis.plot([], [], color=colour, marker=marker, markersize=6.5, markeredgecolor="white",
                  linewidth=1.8, label=_label(name))  # fmt: skip


def _references(axis: Axes, means: pd.DataFrame, untrained: pd.DataFrame) -> None:
    change = untrained[untrained["inputs"].str.startswith(CHANGE_ONLY)]
    if len(change):
        # Where it differs between inputs, the best of them: a baseline is to be hard to beat.
        best = change.groupby("timesteps")["mean"].max()
        axis.plot(best.index, best, color=FAINT, linewidth=1.1, marker=".", markersize=5,
                  label="Change only, untrained", zorder=2)  # fmt: skip
    timeless = means[(means["timesteps"] == 0) & means["mean"].notna()]
    for place, (name, middle, spread) in enumerate(
        zip(timeless["inputs"], timeless["mean"], timeless["spread"], strict=True)
    ):
        colour, dashes = _TIMELESS[place % len(_TIMELESS)]
        axis.axhline(middle, color=colour, linewidth=1.4, dashes=dashes,
                     label=f"{_label(name)} only", zorder=2)  # fmt: skip
        if not np.isnan(spread):
            axis.axhspan(middle - spread, middle + spread, color=colour, alpha=0.12, lw=0)
    random = untrained.loc[untrained["inputs"] == RANDOM, "mean"].dropna()
    if len(random):
        axis.axhline(random.mean(), color=INK, linewidth=1.2, linestyle=":",
                     label="Random (prevalence)", zorder=2)  # fmt: skip


def _label(inputs: str) -> str:
    return " + ".join(name.upper() if len(name) <= 3 else name for name in inputs.split("+"))

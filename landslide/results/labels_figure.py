"""Label efficiency as a figure: AUPRC over labelled chips, a curve for each origin of a model."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from landslide.results.labels import AS_LONG, AT_RANDOM, Curves, curves_title, label_efficiency
from landslide.results.panels import FAINT, INK
from landslide.results.saving import mark_simulated, save_figure

# Okabe and Ito's colours; what begins at random is grey, as what all else is held against, and
# dashed where it was trained for longer.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKERS = "sDo^vPX"
_COLUMNS = 2


def label_figure(table: pd.DataFrame, path: str) -> None:
    """Draw AUPRC over labelled chips, means over seeds with their sample standard deviation.

    A panel for each inputs and timesteps. Any format that matplotlib knows, at any address, whole
    or not at all.

    Raises
    ------
    ValueError
        Where no row has a score, or the ending of `path` names no format.
    """
    panels = label_efficiency(table)
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    height = 4.4 * rows
    figure = Figure(figsize=(6.4 * columns, height))
    # Room above for the badge.
    engine = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - 0.3 / height))
    figure.set_layout_engine(engine)
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    origins = sorted({name for curves in panels for name in curves.origins})
    for axis, curves in zip(axes, panels, strict=False):
        _draw(axis, curves, origins)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    if any(curves.identity["simulated"] for curves in panels):
        mark_simulated(figure, 1 - 0.1 / height)
    save_figure(figure, path)


def _draw(axis: Axes, curves: Curves, origins: list[str]) -> None:
    others = [name for name in origins if name not in {AT_RANDOM, AS_LONG}]
    labelled = curves.labelled
    # All of an unknown number stand to the right of all numbers.
    ticks = [max(1, 2 * np.nanmax([0, *labelled])) if np.isnan(n) else n for n in labelled]
    for origin in curves.origins:
        mine = curves.points[curves.points["origin"] == origin].dropna(subset=["mean"])
        place = others.index(origin) % len(_COLOURS) if origin in others else None
        colour = FAINT if place is None else _COLOURS[place]
        axis.errorbar(
            mine["labelled"].fillna(ticks[-1]),
            mine["mean"],
            yerr=mine["spread"].fillna(0) if mine["spread"].notna().any() else None,
            label=origin,
            color=colour,
            marker="." if place is None else _MARKERS[place],
            markersize=9 if place is None else 6.5,
            markeredgecolor="white",
            markeredgewidth=0.8,
            linewidth=1.8,
            linestyle="--" if origin == AS_LONG else "-",
            elinewidth=1.2,
            capsize=2.5,
        )
    axis.axhline(curves.prevalence, color=INK, linewidth=1.2, linestyle=":",
                 label="Random score (prevalence)")  # fmt: skip
    # Linear below 1, so that no label has a place, and logarithmic from there on.
    axis.set_xscale("symlog", linthresh=1, base=2)
    axis.set_xticks(ticks, [curves.name(n) for n in labelled])
    axis.minorticks_off()
    axis.set_xlim(-0.25 if ticks[0] == 0 else ticks[0] / 1.3, ticks[-1] * 1.3)
    axis.set_xlabel("Labelled chips", color=INK)
    several = curves.points["spread"].notna().any()
    spread = ", \N{PLUS-MINUS SIGN} standard deviation over seeds" if several else ""
    axis.set_ylabel(f"AUPRC{spread}", color=INK)
    axis.set_title(curves_title(curves), fontsize=10, color=INK, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axis.set_axisbelow(True)
    # Below the label, however many curves there are: padding is in sizes of the font.
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4, ncols=2,
                frameon=False, fontsize=8, handlelength=3.5)  # fmt: skip

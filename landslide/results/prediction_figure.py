"""The paper's Figure 5: what a model predicts for some chips, above what was mapped there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landslide.results import panels
from landslide.results.saving import mark_simulated, save_figure

type Plane = npt.NDArray[Any]

# Inches: a panel's width, and the space between panels, left of them, above, and below.
_PANEL, _GAP, _LEFT, _ABOVE, _BELOW = 1.7, 0.12, 0.45, 0.95, 0.75


@dataclass(frozen=True)
class PredictedChips:
    """Some test chips."""

    probability: Plane
    """float32 (chip, y, x), calibrated if the model is; NaN where its inputs have no data."""
    label: Plane
    """uint8 (chip, y, x)."""
    names: tuple[str, ...]
    """Where each lies in the scene."""
    title: str
    """What model and cube they are of."""
    simulated: bool
    """Whether the cube is."""


def figure5(chips: PredictedChips, path: str) -> None:
    """Draw predicted above mapped landslides for some chips and write it to `path`.

    Any format that matplotlib knows, at any address, whole or not at all. What has no data is
    hatched.

    Raises
    ------
    ValueError
        Where the ending of `path` names no format.
    """
    count, rows, columns = chips.label.shape
    height = _PANEL * rows / columns
    across = max(_LEFT + count * (_PANEL + _GAP) + _GAP, 4.6)
    down = _ABOVE + 2 * height + _GAP + _BELOW
    figure = Figure(figsize=(across, down))
    figure.text(_LEFT / across, 1 - 0.2 / down, chips.title, va="top", fontsize=11,
                fontweight="bold", color=panels.INK)  # fmt: skip

    def axis(column: int, row: int) -> Axes:
        left, top = _LEFT + column * (_PANEL + _GAP), _ABOVE + row * (height + _GAP)
        drawn = panels.placed(figure, left, top, _PANEL, height)
        panels.bare(drawn, "" if row else chips.names[column], 8.5)
        if column == 0:
            drawn.set_ylabel(("Predicted", "Mapped")[row], fontsize=10, color=panels.INK)
        return drawn

    for column, (probability, label) in enumerate(zip(chips.probability, chips.label, strict=True)):
        image = axis(column, 0).imshow(
            np.ma.masked_invalid(probability), cmap=colormaps["magma_r"], vmin=0, vmax=1,
            interpolation="nearest", aspect="auto",
        )  # fmt: skip
        panels.draw_label(axis(column, 1), label, "auto")
    bar = figure.add_axes((_LEFT / across, 0.42 / down, 1.6 / across, 0.09 / down))
    scale = panels.colour_bar(figure, bar, image, ticks=[0, 0.5, 1])
    scale.set_label("probability of landslide", fontsize=8, color=panels.INK, labelpad=1)
    named = panels.kinds("landslide", "no data" if (chips.label > 1).any() else None)
    figure.legend(
        handles=named, loc="lower left", bbox_to_anchor=((_LEFT + 1.9) / across, 0.2 / down),
        ncols=len(named), frameon=False, fontsize=8, handlelength=1.1, columnspacing=0.9,
    )  # fmt: skip
    if chips.simulated:
        mark_simulated(figure, 1 - 0.2 / down)
    save_figure(figure, path)

"""The paper's Figure 5: what a model predicts for some chips, above what was mapped there."""

from collections.abc import Sequence
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


def figure5(
    predicted: Sequence[Plane],
    mapped: Sequence[Plane],
    path: str,
    *,
    names: Sequence[str],
    title: str,
    simulated: bool,
) -> None:
    """Draw predicted above mapped landslides for some chips and write it to `path`.

    Parameters
    ----------
    predicted
        Probabilities (y, x) of each chip; what is not finite is hatched as no-data.
    mapped
        Labels (y, x) of each chip: 1 landslide, 0 none, 255 no data.
    path
        Any address, any format that matplotlib knows; written whole or not at all.
    names
        Of the chips.
    title, simulated
        What model and cube these are of, and whether the data are simulated, which the figure
        then says.

    Raises
    ------
    ValueError
        Where there is no chip, the shapes differ, or the ending of `path` names no format.
    """
    if not len(predicted) or len({len(predicted), len(mapped), len(names)}) > 1:
        raise ValueError(
            f"cannot draw {path}: {len(predicted)} predicted chips, {len(mapped)} mapped ones and "
            f"{len(names)} names; give as many of each, and one or more"
        )
    for probability, label in zip(predicted, mapped, strict=True):
        if probability.shape != label.shape or label.ndim != 2:
            raise ValueError(f"a chip of {probability.shape} has a label of {label.shape}")
    count, (rows, columns) = len(predicted), mapped[0].shape
    height = _PANEL * rows / columns
    across = max(_LEFT + count * (_PANEL + _GAP) + _GAP, 4.6)
    down = _ABOVE + 2 * height + _GAP + _BELOW
    figure = Figure(figsize=(across, down))
    figure.text(_LEFT / across, 1 - 0.2 / down, title, va="top", fontsize=11,
                fontweight="bold", color=panels.INK)  # fmt: skip

    def axis(column: int, row: int) -> Axes:
        left, top = _LEFT + column * (_PANEL + _GAP), _ABOVE + row * (height + _GAP)
        drawn = panels.placed(figure, left, top, _PANEL, height)
        panels.bare(drawn, "" if row else names[column], 8.5)
        if column == 0:
            drawn.set_ylabel(("Predicted", "Mapped")[row], fontsize=10, color=panels.INK)
        return drawn

    for column, (probability, label) in enumerate(zip(predicted, mapped, strict=True)):
        image = axis(column, 0).imshow(
            np.ma.masked_invalid(probability), cmap=colormaps["magma_r"], vmin=0, vmax=1,
            interpolation="nearest", aspect="auto",
        )  # fmt: skip
        panels.draw_label(axis(column, 1), label, "auto")
    bar = figure.add_axes((_LEFT / across, 0.42 / down, 1.6 / across, 0.09 / down))
    scale = panels.colour_bar(figure, bar, image, ticks=[0, 0.5, 1])
    scale.set_label("probability of landslide", fontsize=8, color=panels.INK, labelpad=1)
    named = panels.kinds(
        "landslide", "no data" if any((each > 1).any() for each in mapped) else None
    )
    figure.legend(
        handles=named, loc="lower left", bbox_to_anchor=((_LEFT + 1.9) / across, 0.2 / down),
        ncols=len(named), frameon=False, fontsize=8, handlelength=1.1, columnspacing=0.9,
    )  # fmt: skip
    if simulated:
        mark_simulated(figure, 1 - 0.2 / down)
    save_figure(figure, path)

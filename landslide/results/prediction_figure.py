"""The paper's Figure 5: what a model predicts for some chips, above what was mapped there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from landslide.results.saving import mark_simulated, save_figure

type Plane = npt.NDArray[Any]

_INK, _FAINT, _LANDSLIDE, _GROUND = "#222222", "#8a8a8a", "#d55e00", "#d9d4c8"
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
                fontweight="bold", color=_INK)  # fmt: skip

    def axis(column: int, row: int) -> Axes:
        left, top = _LEFT + column * (_PANEL + _GAP), _ABOVE + row * (height + _GAP)
        place = left / across, 1 - (top + height) / down, _PANEL / across, height / down
        drawn = figure.add_axes(place)
        drawn.set(xticks=[], yticks=[])
        for spine in drawn.spines.values():
            spine.set(color=_FAINT, linewidth=0.6)
        drawn.patch.set(facecolor="#f2f2f2", edgecolor="#a8a8a8", hatch="////", linewidth=0)
        if column == 0:
            drawn.set_ylabel(("Predicted", "Mapped")[row], fontsize=10, color=_INK)
        return drawn

    colours = ListedColormap([_GROUND, _LANDSLIDE])
    for column, (probability, label, name) in enumerate(zip(predicted, mapped, names, strict=True)):
        above, below = axis(column, 0), axis(column, 1)
        above.set_title(name, fontsize=8.5, color=_INK, pad=4)
        image = above.imshow(
            np.ma.masked_invalid(probability), cmap=colormaps["magma_r"], vmin=0, vmax=1,
            interpolation="nearest", aspect="auto",
        )  # fmt: skip
        below.imshow(
            np.ma.masked_where(label > 1, label), cmap=colours, vmin=0, vmax=1,
            interpolation="nearest", aspect="auto",
        )  # fmt: skip
    bar = figure.add_axes((_LEFT / across, 0.42 / down, 1.6 / across, 0.09 / down))
    scale = figure.colorbar(image, cax=bar, orientation="horizontal", ticks=[0, 0.5, 1])
    scale.outline.set_visible(False)
    scale.set_label("probability of landslide", fontsize=8, color=_INK, labelpad=1)
    bar.tick_params(labelsize=7, length=2, width=0.6, color=_FAINT, pad=1.5)
    kinds = [Patch(facecolor=_LANDSLIDE, label="landslide"), Patch(facecolor=_GROUND, label="none")]
    if any((label > 1).any() for label in mapped):
        kinds.append(Patch(facecolor="#f2f2f2", edgecolor="#a8a8a8", hatch="////", linewidth=0,
                           label="no data"))  # fmt: skip
    figure.legend(
        handles=kinds, loc="lower left", bbox_to_anchor=((_LEFT + 1.9) / across, 0.2 / down),
        ncols=len(kinds), frameon=False, fontsize=8, handlelength=1.1, columnspacing=0.9,
    )  # fmt: skip
    if simulated:
        mark_simulated(figure, 1 - 0.2 / down)
    save_figure(figure, path)

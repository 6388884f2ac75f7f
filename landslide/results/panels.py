"""What the figures of planes share: bare panels placed in inches, labels, legends, colour bars."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

INK, FAINT = "#222222", "#8a8a8a"
LANDSLIDE, GROUND = "#d55e00", "#d9d4c8"
NO_DATA: dict[str, Any] = {
    "facecolor": "#f2f2f2", "edgecolor": "#a8a8a8", "hatch": "////", "linewidth": 0
}  # fmt: skip


def placed(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return an axis placed in inches from the page's upper left corner."""
    across, down = figure.get_size_inches()
    return figure.add_axes(
        (left / across, 1 - (top + height) / down, width / across, height / down)
    )


def bare(axis: Axes, name: str = "", size: float = 9.5) -> None:
    """Leave an axis its frame and a title, hatched where a plane will have no data."""
    axis.set_title(name, fontsize=size, color=INK, pad=4)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set(color=FAINT, linewidth=0.6)
    axis.patch.set(**NO_DATA)


def draw_label(axis: Axes, label: npt.NDArray[Any], aspect: Literal["auto", "equal"]) -> None:
    """Draw labels (y, x): 1 landslide, 0 none, 255 no data."""
    axis.imshow(
        np.ma.masked_where(label > 1, label),
        cmap=ListedColormap([GROUND, LANDSLIDE]),
        vmin=0,
        vmax=1,
        interpolation="nearest",
        aspect=aspect,
    )


def kinds(landslide: str, no_data: str | None) -> list[Patch]:
    """Return what a legend of labels names: landslide, none, and no data where there is some."""
    found = [Patch(facecolor=LANDSLIDE, label=landslide), Patch(facecolor=GROUND, label="none")]
    return [*found, *([Patch(**NO_DATA, label=no_data)] if no_data else [])]


def legend_below(axis: Axes, handles: Sequence[Patch]) -> None:
    """Put a legend in one row under an axis."""
    axis.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.005),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
        handlelength=1.1,
        columnspacing=0.9,
    )


def colour_bar(figure: Figure, place: Axes, drawn: Any, **options: Any) -> Any:
    """Draw the bar of what was drawn into an axis of its own; return it, to be named."""
    bar = figure.colorbar(drawn, cax=place, orientation="horizontal", **options)
    bar.outline.set_visible(False)
    place.tick_params(labelsize=7, labelcolor=INK, length=2, width=0.6, color=FAINT, pad=1.5)
    return bar

"""The paper's Figure 1: one chip's channels, and its label."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from landslide.results import panels
from landslide.results.example_chip import ExampleChip
from landslide.results.looks import look, stretch
from landslide.results.map_marks import scale_bar
from landslide.results.saving import mark_simulated, save_figure

type Plane = npt.NDArray[Any]

# Inches: a panel's width, the space between panels, above and below each, and for the title.
_PANEL, _GAP, _TITLE, _BELOW, _HEADER = 2.1, 0.2, 0.26, 0.38, 0.55


def figure1(chip: ExampleChip, path: str, *, simulated: bool) -> None:
    """Draw one chip as the paper's Figure 1 and write it to `path`.

    Channels are drawn in their order; the name decides the colours, and before and after of one
    channel share one stretch. What is not finite is hatched as no-data. Any format that matplotlib
    knows, at any address, whole or not at all; `simulated` says so in the figure.

    Raises
    ------
    ValueError
        Where the ending of `path` names no format.
    """
    channels, label = chip.channels, chip.label
    rows = 1 if len(channels) < 3 else 2
    columns = math.ceil(len(channels) / rows)
    height = _PANEL * label.shape[0] / label.shape[1]
    cell = _TITLE + height + _BELOW
    # The label is as high as the panels' rows together, and its pixels as square as theirs.
    label_height = rows * cell - _TITLE - _BELOW
    label_width = label_height * label.shape[1] / label.shape[0]
    edge = _GAP + columns * (_PANEL + _GAP)
    page = edge + max(label_width, _PANEL) + 2 * _GAP, _HEADER + rows * cell + 0.1
    figure = Figure(figsize=page)
    figure.text(_GAP / page[0], 1 - 0.2 / page[1], chip.title, va="top", fontsize=12.5,
                fontweight="bold", color=panels.INK)  # fmt: skip
    for place, (name, plane) in enumerate(channels.items()):
        row, column = divmod(place, columns)
        left, top = _GAP + column * (_PANEL + _GAP), _HEADER + row * cell + _TITLE
        axis = panels.placed(figure, left, top, _PANEL, height)
        bar = panels.placed(figure, left, top + height + 0.07, _PANEL, 0.07)
        _channel(figure, axis, bar, name, plane, stretch(name, channels))
    axis = panels.placed(figure, edge + _GAP, _HEADER + _TITLE, label_width, label_height)
    _label(axis, label)
    if chip.pixel_m is not None:
        scale_bar(axis, label.shape[1], chip.pixel_m)
    if simulated:
        mark_simulated(figure, 1 - 0.2 / page[1])
    save_figure(figure, path)


def _channel(
    figure: Figure,
    axis: Axes,
    bar: Axes,
    name: str,
    plane: Plane,
    limits: tuple[float, float],
) -> None:
    panels.bare(axis, name)
    image = axis.imshow(
        np.ma.masked_invalid(plane),
        cmap=look(name).colours,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
        aspect="auto",
    )
    colours = panels.colour_bar(figure, bar, image)
    if limits == (0.0, 360.0):
        colours.set_ticks([0, 90, 180, 270, 360])
    else:
        colours.locator = MaxNLocator(4)


def _label(axis: Axes, label: Plane) -> None:
    panels.bare(axis, "Label")
    panels.draw_label(axis, label, "auto")
    valid = label <= 1
    share = np.mean(label[valid] == 1) if valid.any() else 0.0
    no_data = None if valid.all() else "not scored: no data"
    panels.legend_below(axis, panels.kinds(f"landslide ({share:.1%})", no_data))

"""The paper's Figure 2: a place, one image before and one after, the labels and the elevation."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LightSource, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from landslide.results import panels
from landslide.results.looks import look, stretch
from landslide.results.map_marks import north_arrow, scale_bar
from landslide.results.place import Place
from landslide.results.saving import mark_simulated, save_figure

# Inches: a panel's longer side, the space around panels, the locator, and the header.
_PANEL, _GAP, _TITLE, _BELOW, _LOCATOR, _HEADER = 3.4, 0.25, 0.28, 0.42, 2.0, 0.55
_LINES_DEGREES = 15


def figure2(place: Place, path: str, *, simulated: bool) -> None:
    """Draw a place as the paper's Figure 2 and write it to `path`, whole or not at all.

    Parameters
    ----------
    place
        As `landslide.results.place.read_place` gives it.
    path
        Any address, any format that matplotlib knows.
    simulated
        Whether the data are simulated, which the figure then says.

    Raises
    ------
    ValueError
        Where the ending of `path` names no format.
    OSError
        Where it cannot be written.
    """
    shape = next(iter(place.images.values())).shape
    scale = _PANEL / max(shape)
    # A narrow scene still has room for its titles and bars.
    height, width = shape[0] * scale, max(shape[1] * scale, 2.2)
    left = _LOCATOR + 2 * _GAP
    page = left + 2 * (width + _GAP), _HEADER + 2 * (height + _TITLE + _BELOW) + 0.1
    figure = Figure(figsize=page)
    figure.text(_GAP / page[0], 1 - 0.2 / page[1], place.title, va="top", fontsize=12.5,
                fontweight="bold", color=panels.INK)  # fmt: skip

    def cell(row: int, column: int) -> Axes:
        across = left + column * (width + _GAP)
        down = _HEADER + row * (height + _TITLE + _BELOW) + _TITLE
        return panels.placed(figure, across, down, width, height)

    limits = stretch("before", dict(zip(("before", "after"), place.images.values(), strict=True)))
    for column, (name, plane) in enumerate(place.images.items()):
        axis = cell(0, column)
        _image(figure, axis, name, plane, limits)
        if column == 0:
            scale_bar(axis, shape[1], place.pixel_m)
            north_arrow(axis)
    _label(cell(1, 0), place)
    _elevation(figure, cell(1, 1), place)
    locator = panels.placed(figure, _GAP, _HEADER + _TITLE, _LOCATOR, _LOCATOR)
    _globe(locator, place)
    top = 1 - (_HEADER + _TITLE + _LOCATOR + 0.15) / page[1]
    figure.text(_GAP / page[0], top, "\n".join([*_where(place), *place.facts]), va="top",
                fontsize=8.5, color=panels.INK, linespacing=1.5)  # fmt: skip
    if simulated:
        mark_simulated(figure, 1 - 0.2 / page[1])
    save_figure(figure, path)


def _bar(figure: Figure, axis: Axes, drawn: object) -> None:
    below = axis.inset_axes((0, -0.055, 1, 0.025))
    panels.colour_bar(figure, below, drawn).locator = MaxNLocator(5)


def _image(
    figure: Figure, axis: Axes, name: str, plane: npt.NDArray[np.float32],
    limits: tuple[float, float],
) -> None:  # fmt: skip
    panels.bare(axis, name)
    if not np.isfinite(plane).any():
        _nothing(axis, "nothing was seen here")
        return
    drawn = axis.imshow(np.ma.masked_invalid(plane), cmap=look(name).colours, vmin=limits[0],
                        vmax=limits[1], interpolation="nearest", aspect="equal")  # fmt: skip
    _bar(figure, axis, drawn)


def _label(axis: Axes, place: Place) -> None:
    panels.bare(axis, "Landslides")
    if place.label is None:
        _nothing(axis, "this cube has no labels")
        return
    panels.draw_label(axis, place.label, "equal")
    no_data = "no data" if (place.label > 1).any() else None
    panels.legend_below(axis, panels.kinds(f"landslide ({place.pixel_share:.2%})", no_data))


def _elevation(figure: Figure, axis: Axes, place: Place) -> None:
    panels.bare(axis, "Elevation [m], lit from the north-west")
    if place.elevation is None:
        _nothing(axis, "this cube has no elevation")
        return
    known = place.elevation[np.isfinite(place.elevation)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    colours = look("elevation").colours
    step = place.pixel_m or 1.0
    filled = np.where(np.isfinite(place.elevation), place.elevation, low)
    light = LightSource(azdeg=315, altdeg=45).hillshade(filled, dx=step, dy=step)
    norm = Normalize(low, high)
    lit = colours(norm(filled))
    lit[..., :3] *= 0.45 + 0.55 * light[..., None]
    lit[~np.isfinite(place.elevation), 3] = 0
    drawn = axis.imshow(np.clip(lit, 0, 1), interpolation="nearest", aspect="equal")
    drawn.set_cmap(colours)
    drawn.set_norm(norm)
    _bar(figure, axis, drawn)


def _nothing(axis: Axes, words: str) -> None:
    axis.text(0.5, 0.5, words, ha="center", va="center", transform=axis.transAxes, fontsize=9,
              color=panels.INK, bbox={"facecolor": "white", "linewidth": 0})  # fmt: skip


def _where(place: Place) -> list[str]:
    if place.middle is None:
        return ["place unknown: the cube", "declares no reference system"]
    east, north = place.middle
    latitude = f"{abs(north):.2f}\N{DEGREE SIGN} {'N' if north >= 0 else 'S'}"
    longitude = f"{abs(east):.2f}\N{DEGREE SIGN} {'E' if east >= 0 else 'W'}"
    return [f"{latitude}, {longitude}"]


def _globe(axis: Axes, place: Place) -> None:
    """Draw the half of the Earth around the place: its parallels, its meridians, and a point."""
    axis.set_aspect("equal")
    axis.set_axis_off()
    axis.set_xlim(-1.12, 1.12)
    axis.set_ylim(-1.12, 1.12)
    turn = np.linspace(0, 2 * np.pi, 200)
    axis.fill(
        np.cos(turn), np.sin(turn), facecolor="#eef3f7", edgecolor=panels.FAINT, linewidth=0.8
    )
    if place.middle is None:
        axis.text(0, 0, "?", ha="center", va="center", fontsize=28, color=panels.FAINT)
        return
    middle = place.middle
    along = np.linspace(-180, 180, 181)
    for latitude in range(-75, 90, _LINES_DEGREES):
        _line(axis, along, np.full(along.shape, float(latitude)), middle, bold=latitude == 0)
    for longitude in range(-180, 180, _LINES_DEGREES):
        _line(axis, np.full(along.shape, float(longitude)), along / 2, middle, bold=longitude == 0)
    axis.plot(0, 0, marker="o", markersize=7, color=panels.LANDSLIDE, markeredgecolor="white")
    words = {
        "equator": (round(middle[0] / 15) * 15 + 30.0, 0.0),
        "Greenwich": (0.0, round(middle[1] / 15) * 15 - 15.0),
    }
    for word, (east, north) in words.items():
        x, y, front = _seen(np.array([east]), np.array([north]), middle)
        if front[0] and np.hypot(x[0], y[0]) < 0.9:
            axis.text(x[0], y[0], word, fontsize=6.5, color=panels.INK, ha="center", va="bottom")


def _line(
    axis: Axes,
    longitude: np.ndarray,
    latitude: np.ndarray,
    middle: tuple[float, float],
    *,
    bold: bool,
) -> None:
    x, y, front = _seen(longitude, latitude, middle)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], front, [False]]).astype(int)))
    for start, stop in list(pairwise(edges.tolist()))[::2]:
        axis.plot(x[start:stop], y[start:stop], color=panels.INK if bold else "#b8c4cf",
                  linewidth=0.9 if bold else 0.5)  # fmt: skip


def _seen(
    longitude: np.ndarray, latitude: np.ndarray, middle: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the orthographic projection around `middle`, and which points lie in front."""
    turned, north, tilt = (np.radians(v) for v in (longitude - middle[0], latitude, middle[1]))
    x = np.cos(north) * np.sin(turned)
    y = np.cos(tilt) * np.sin(north) - np.sin(tilt) * np.cos(north) * np.cos(turned)
    depth = np.sin(tilt) * np.sin(north) + np.cos(tilt) * np.cos(north) * np.cos(turned)
    return x, y, depth > 0

"""What a map carries beside its pixels: a scale bar, and where north is."""

import math

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from landslide.results.panels import INK

_HALO = [withStroke(linewidth=3, foreground="white")]


def round_length(wanted: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is no longer than `wanted`."""
    step = 10.0 ** math.floor(math.log10(wanted))
    return max(factor * step for factor in (1, 2, 5) if factor * step <= wanted)


def scale_bar(axis: Axes, width: int, pixel_size: float | None) -> None:
    """Draw a bar of a round length, about a quarter of the image's width.

    `width` is that of the image [pixels], `pixel_size` in metres; None: the bar is in pixels.
    """
    across = width * (pixel_size or 1.0)
    length = round_length(across / 4)
    share = length / across
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    if pixel_size is None:
        text = f"{length:g} pixels"
    axis.plot([0.04, 0.04 + share], [0.05, 0.05], transform=axis.transAxes, color=INK,
              linewidth=2.5, solid_capstyle="butt", path_effects=_HALO)  # fmt: skip
    axis.text(0.04, 0.065, text, transform=axis.transAxes, ha="left", va="bottom",
              fontsize=8.5, color=INK, path_effects=_HALO)  # fmt: skip


def north_arrow(axis: Axes) -> None:
    """Draw an arrow to north, which is up, into the upper right corner."""
    axis.annotate("N", xy=(0.94, 0.965), xytext=(0.94, 0.835), xycoords="axes fraction",
                  ha="center", va="center", fontsize=9, fontweight="bold", color=INK,
                  path_effects=_HALO,
                  arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.4,
                              "shrinkA": 4, "shrinkB": 0, "path_effects": _HALO})  # fmt: skip

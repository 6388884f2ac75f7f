"""How each kind of channel is drawn: its colours and its stretch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.colors import Colormap, ListedColormap

# The share of pixels left beyond either end of a stretch, in per cent.
_CLIPPED = 2.0


@dataclass(frozen=True)
class Look:
    """How a channel is drawn: its colours, its limits, and whether zero is their middle."""

    colours: Colormap
    limits: tuple[float, float] | None = None
    diverging: bool = False


_LOOKS = {
    ("vv", "vh", "hh", "hv", "backscatter"): Look(colormaps["gray"]),
    # A direction: its two ends are one.
    ("aspect",): Look(colormaps["twilight"], (0.0, 360.0)),
    ("curvature",): Look(colormaps["RdBu_r"], diverging=True),
    ("slope",): Look(colormaps["YlOrBr"]),
    ("coherence",): Look(colormaps["viridis"], (0.0, 1.0)),
    # From its green on: the blue below would read as water.
    ("elevation", "dem"): Look(ListedColormap(colormaps["terrain"](np.linspace(0.25, 0.95, 256)))),
}


def look(name: str) -> Look:
    """Return how the channel of this name is drawn: by the first word of a kind that is in it."""
    found = (kind for words, kind in _LOOKS.items() if any(word in name.lower() for word in words))
    return next(found, Look(colormaps["viridis"]))


def stretch(name: str, channels: Mapping[str, npt.NDArray[Any]]) -> tuple[float, float]:
    """Return the limits of a channel's colours: those of its fellow before or after it too."""
    drawn = look(name)
    if drawn.limits is not None:
        return drawn.limits
    fellows = [plane for each, plane in channels.items() if _stem(each) == _stem(name)]
    values = np.concatenate([plane[np.isfinite(plane)] for plane in fellows])
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, [_CLIPPED, 100 - _CLIPPED])
    if drawn.diverging:
        high = max(abs(low), abs(high))
        low = -high
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _stem(name: str) -> str:
    words = [word for word in name.lower().split() if word not in {"before", "after"}]
    return " ".join(words)

"""A figure written whole, to any address and in any format that matplotlib knows."""

import io
from pathlib import PurePosixPath

from matplotlib.figure import Figure, SubFigure

from landslide.errors import one_line
from landslide.storage import absolute, write_whole

DOTS_PER_INCH = 200
_BADGE = {"boxstyle": "round,pad=0.35,rounding_size=0.5", "facecolor": "#b2182b", "linewidth": 0}


def save_figure(figure: Figure, path: str) -> None:
    """Write `figure` to `path`, whole or not at all, in the format of the name's ending.

    Raises
    ------
    ValueError
        Where matplotlib knows no such ending; or as `absolute` does.
    OSError
        Where the address cannot be written.
    """
    path = absolute(path)
    ending = PurePosixPath(path).suffix.removeprefix(".").lower()
    known = figure.canvas.get_supported_filetypes()
    if ending not in known:
        raise ValueError(f"cannot draw {path}; end its name in one of .{', .'.join(sorted(known))}")
    drawn = io.BytesIO()
    figure.savefig(drawn, format=ending, dpi=DOTS_PER_INCH)
    try:
        write_whole(path, drawn.getvalue())
    except OSError as problem:
        raise OSError(f"cannot write the figure {path}: {one_line(problem)}") from problem


def mark_simulated(figure: Figure | SubFigure, top: float = 0.965) -> None:
    """Write plainly into the figure's upper right corner that its data are simulated."""
    figure.text(
        0.985,
        top,
        "Simulated data",
        ha="right",
        va="top",
        fontsize=9,
        fontweight="bold",
        color="white",
        bbox=_BADGE,
    )

"""Where the chips of a scene lie, and parts of a scene."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xbatcher.generators import BatchSchema

type Window = tuple[tuple[int, int], tuple[int, int]]
"""Rows and columns of a cube, each first and end."""


def chip_corners(
    shape: tuple[int, int], size: int, overlap: int = 0, *, pad: bool = False
) -> np.ndarray:
    """List the upper left corners of all chips of a scene, as xbatcher cuts it.

    The order is the authors': x is the outer loop. Chips that would reach over the edge are left
    out, or kept where `pad` is set (they are filled with no-data).

    Parameters
    ----------
    shape : (int, int)
        Scene size (y, x) in pixels.
    size, overlap : int
        Chip size and what neighbours share, in pixels.
    pad : bool
        Keep edge chips.

    Returns
    -------
    int (chip, 2)
        Corners (y, x).

    Raises
    ------
    ValueError
        For a chip larger than the scene without padding, or an overlap that leaves no step.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} pixels does not fit chips of {size}: give less")
    if not pad and size > min(shape):
        raise ValueError(
            f"chips of {size} pixels are larger than the scene of {shape[0]} x {shape[1]}: "
            "choose a smaller chip_size (--chip-size), or the blocked protocol, which pads"
        )
    step = size - overlap
    extent = [
        size + -(-max(length - size, 0) // step) * step if pad else length for length in shape
    ]
    # Only the sizes matter to xbatcher here: a broadcast zero stands for the scene.
    scene = xr.DataArray(np.broadcast_to(np.uint8(0), extent), dims=("y", "x"))
    schema = BatchSchema(
        scene,
        input_dims={"x": size, "y": size},
        input_overlap={"x": overlap, "y": overlap},
        concat_input_bins=False,
    )
    corners = [(s["y"].start, s["x"].start) for (s,) in schema.selectors.values()]
    return np.array(corners, dtype=np.int64).reshape(-1, 2)


def cut(plane: np.ndarray, corners: np.ndarray, size: int, fill: float) -> np.ndarray:
    """Cut chips (chip, size, size) from a plane (y, x) in memory, `fill` beyond its edges."""
    chips = np.full((len(corners), size, size), fill, dtype=plane.dtype)
    for chip, (y, x) in zip(chips, corners.tolist(), strict=True):
        piece = plane[y : y + size, x : x + size]
        chip[: piece.shape[0], : piece.shape[1]] = piece
    return chips


def corners_of(chips: xr.Dataset) -> NDArray[np.int64]:
    """Return the upper left corners (chip, 2) of planned chips, (y, x) in pixels."""
    return np.stack([chips["corner_y"], chips["corner_x"]], axis=1)


def corner_coordinates(corners: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    """Return the coordinates of chips that `corners_of` makes these corners (chip, 2) of."""
    return {"corner_y": ("chip", corners[:, 0]), "corner_x": ("chip", corners[:, 1])}

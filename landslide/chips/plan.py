"""Which chips to cut: chosen from the labels alone, before any image is read."""

import numpy as np
import xarray as xr

from landslide.chips.split import (
    TEST,
    TRAIN,
    UNUSED,
    Chipping,
    blocked_split,
    paper_split,
    pixels_between,
    split_from_json,
    split_to_json,
)
from landslide.chips.windows import chip_corners, corner_coordinates, corners_of, cut
from landslide.cube.labels import NO_DATA

LEAST_VALID = 0.5  # of a chip's pixels, under the blocked protocol


def plan_chips(labels: np.ndarray, chipping: Chipping, split: str | None = None) -> xr.Dataset:
    """Choose the chips of a scene and the part that each belongs to.

    Parameters
    ----------
    labels : uint8 (y, x)
        1 landslide, 0 none, 255 no-data.
    chipping : Chipping
    split : str, optional
        A saved split (JSON), which then says corners and parts.

    Returns
    -------
    Dataset
        `label` (chip, y, x) with the coordinates `corner_y`, `corner_x` [pixel] and `part`.

    Raises
    ------
    ValueError
        Where no chip qualifies, or too few for a split.
    """
    size = chipping.chip_size
    if split is not None:
        corners, parts = split_from_json(split, chipping)
        if (corners >= labels.shape).any() or (corners < 0).any():
            raise ValueError(
                f"the split has chips outside this scene of {labels.shape[0]} x {labels.shape[1]} "
                "pixels: give the split of this cube"
            )
        return _plan(labels, corners, parts, size)
    paper = chipping.protocol == "paper"
    corners = chip_corners(labels.shape, size, chipping.overlap, pad=not paper)
    landslides = np.array(
        [(labels[y : y + size, x : x + size] == 1).sum() for y, x in corners.tolist()]
    )
    least = chipping.minimum_landslide_pixels
    least = int(paper) if least is None else least
    if paper and least < 1:
        raise ValueError("the paper protocol keeps chips with at least 1 landslide pixel")
    chosen = landslides >= least
    if not paper:
        valid = [(labels[y : y + size, x : x + size] != NO_DATA).sum() for y, x in corners.tolist()]
        half_valid = np.array(valid) >= LEAST_VALID * size**2
        if not half_valid.any():
            raise ValueError(
                f"no chip of {size} pixels is at least half labelled (the scene has "
                f"{labels.shape[0]} x {labels.shape[1]} pixels): choose a smaller chip_size "
                "(--chip-size)"
            )
        chosen &= half_valid
    if not landslides[chosen].any():
        raise ValueError(
            f"no chip of {size} pixels holds {max(least, 1)} or more landslide pixels "
            f"(the scene has {int((labels == 1).sum())}): check the labels, or ask for fewer"
        )
    corners, landslides = corners[chosen], landslides[chosen]
    if paper:
        parts = np.full(len(corners), UNUSED, dtype="U10")
        for part, indices in paper_split(len(corners)).items():
            parts[indices] = part
    else:
        parts = blocked_split(corners, landslides, chipping)
    return _plan(labels, corners, parts, size)


def plan_unlabelled(shape: tuple[int, int], chips: xr.Dataset, chipping: Chipping) -> str:
    """Return a split (JSON) of all chips of a scene apart from its test chips, to pretrain on.

    They overlap none, and under `blocked` the buffer lies between.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the scene [pixels].
    chips : Dataset
        Planned chips, which say where the test part is.
    chipping : Chipping

    Raises
    ------
    ValueError
        Where no chip is left.
    """
    size = chipping.chip_size
    corners = chip_corners(shape, size, chipping.overlap, pad=chipping.protocol != "paper")
    test = chips.isel(chip=(chips["part"] == TEST).to_numpy())
    gap = 0 if chipping.protocol == "paper" else chipping.gap
    apart = pixels_between(corners, corners_of(test), size) >= gap
    if not apart.any():
        raise ValueError("no chip of the scene is apart from the test part: nothing to pretrain on")
    corners = corners[apart]
    return split_to_json(corners, np.full(len(corners), TRAIN), chipping)


def _plan(labels: np.ndarray, corners: np.ndarray, parts: np.ndarray, size: int) -> xr.Dataset:
    return xr.Dataset(
        {"label": (("chip", "y", "x"), cut(labels, corners, size, NO_DATA))},
        coords={**corner_coordinates(corners), "part": ("chip", parts)},
        attrs={"chip_size": size},
    )

"""Chips in memory, with one mask for every score."""

import warnings

import numpy as np
import xarray as xr

from landslide.chips.plan import LEAST_VALID
from landslide.chips.split import TEST, TRAIN, UNUSED, VALIDATION
from landslide.cube.labels import NO_DATA


def load_chips(chips: xr.Dataset) -> xr.Dataset:
    """Read the chips into memory and make their labels the one mask of every score.

    A pixel keeps its label only where every channel and timestep count has data. (Flat ground has
    no aspect; that excludes no pixel.) Under `blocked` a chip that turns out less than half valid
    becomes unused. Chips that are loaded already pass through unchanged.

    Raises
    ------
    ValueError
        Where no labelled pixel with data is left.
    """
    if chips.attrs.get("masked"):
        return chips
    chips = chips.compute()
    rejected = int(chips["rejected"].sum())
    if rejected:
        warnings.warn(
            f"{rejected} backscatter samples are infinite, zero or negative: taken as no-data",
            stacklevel=2,
        )
    static = chips["static"].sel(
        static_channel=[c for c in chips["static_channel"].to_numpy() if c != "dem_aspect"]
    )
    label = chips["label"].to_numpy().copy()
    for i in range(len(label)):
        label[i][~np.isfinite(chips["sar"].to_numpy()[i]).all(axis=(0, 1))] = NO_DATA
        label[i][~np.isfinite(static.to_numpy()[i]).all(axis=0)] = NO_DATA
    valid = (label != NO_DATA).mean(axis=(1, 2))
    if not valid.any():
        raise ValueError(
            "no pixel of any chip has data in every channel: check the cube's no-data values, "
            "or ask for fewer inputs"
        )
    part = chips["part"].to_numpy().copy()
    if chips.attrs["protocol"] == "blocked":
        part[valid < LEAST_VALID] = UNUSED
    chips = chips.assign(label=(chips["label"].dims, label)).assign_coords(part=("chip", part))
    return chips.assign_attrs(masked=1)


def require_landslides(chips: xr.Dataset) -> None:
    """Raise a ValueError where loaded chips cannot train or score a model.

    Training and test part need landslide pixels with data, and so does validation where the split
    has one: known before a model is trained, and not after.
    """
    part, label = chips["part"].to_numpy(), chips["label"].to_numpy()
    for name in (TRAIN, VALIDATION, TEST):
        inside = part == name
        if (inside.any() or name != VALIDATION) and not (label[inside] == 1).any():
            raise ValueError(
                f"no landslide pixel with data is left in the {name} part of the split "
                f"({int(inside.sum())} chips): choose another split, or fewer inputs"
            )

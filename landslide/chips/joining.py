"""Chips of several cubes as one set, to train on together."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from landslide.chips.split import TRAIN, VALIDATION


def join_cubes(own: xr.Dataset, others: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put what other cubes train and validate on before the chips of one's own.

    Statistics are then those of all training chips together.

    Parameters
    ----------
    own : Dataset
        Chips in memory, as `load_chips` gives them; attributes and test part are theirs.
    others : sequence of Dataset
        Likewise, with the same channels and timestep counts; their test parts are left out.

    Raises
    ------
    ValueError
        Where chips differ in what they hold.
    """
    for chips in others:
        for name in ("timesteps", "sar_channel", "static_channel"):
            if not np.array_equal(chips[name], own[name]):
                raise ValueError(f"the chips of the cubes differ in {name}: cut them alike")
        if chips.attrs["chip_size"] != own.attrs["chip_size"]:
            raise ValueError("the chips of the cubes differ in size: cut them alike")
    kept = [
        chips.isel(chip=np.isin(chips["part"], (TRAIN, VALIDATION)).nonzero()[0])
        for chips in others
    ]
    joined = xr.concat(
        [*kept, own], "chip", data_vars="minimal", coords="minimal", compat="override", join="exact"
    )
    joined = joined.assign_coords(chip=np.arange(joined.sizes["chip"]))
    return joined.assign_attrs(own.attrs)

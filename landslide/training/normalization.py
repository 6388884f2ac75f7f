"""Channels standardised by the statistics of the training chips, and of nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landslide.chips.inputs import Inputs
from landslide.chips.moments import chip_moments, combine_moments
from landslide.chips.split import TRAIN
from landslide.cube.labels import NO_DATA


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of each channel, for one timestep count."""

    channels: tuple[str, ...]
    """Names, in the order in which the network receives them."""
    mean: tuple[float, ...]
    """One for each channel: natural log of gamma0 for backscatter, else the cube's unit."""
    std: tuple[float, ...]
    """One for each channel, never zero."""


def select_channels(chips: xr.Dataset, inputs: Inputs, timesteps: int) -> np.ndarray:
    """Copy what one configuration sees out of the chips: (chip, channel, y, x) float32.

    Raises
    ------
    ValueError
        Where the chips lack a channel or the timestep count.
    """
    return _select(chips, "sar", "static", inputs, timesteps)


def _select(
    chips: xr.Dataset, of_sar: str, of_static: str, inputs: Inputs, timesteps: int
) -> np.ndarray:
    """Copy a configuration's channels (chip, channel, ...) out of two variables."""
    have = {*chips["sar_channel"].to_numpy().tolist(), *chips["static_channel"].to_numpy().tolist()}
    missing = [name for name in inputs.channels if name not in have]
    if missing:
        raise ValueError(f"the chips lack {', '.join(missing)}: stream them with {inputs.name!r}")
    static = chips[of_static].sel(static_channel=list(inputs.static)).to_numpy()
    if not inputs.polarisations:
        return np.array(static)
    if timesteps not in chips["timesteps"]:
        raise ValueError(
            f"the chips hold {chips['timesteps'].to_numpy().tolist()} timesteps, not {timesteps}: "
            "stream them with it"
        )
    sar = chips[of_sar].sel(timesteps=timesteps, sar_channel=list(inputs.sar_channels)).to_numpy()
    return np.concatenate([sar, static], axis=1)


def fit_normalization(chips: xr.Dataset, inputs: Inputs, planes: np.ndarray) -> Normalization:
    """Measure mean and standard deviation over the valid pixels of the training chips.

    Parameters
    ----------
    chips : Dataset
        With `label` and `part`, as `load_chips` gives them.
    inputs : Inputs
    planes : float32 (chip, channel, y, x)
        As `select_channels` gives them.

    Raises
    ------
    ValueError
        Where the training part has no valid pixel.
    """
    train = np.flatnonzero(chips["part"].to_numpy() == TRAIN)
    label = chips["label"].to_numpy()
    moments = [chip_moments(planes[i : i + 1], label[i : i + 1]) for i in train.tolist()]
    return _normalization(inputs, moments, label[train])


def known_normalization(chips: xr.Dataset, inputs: Inputs, timesteps: int) -> Normalization:
    """Return the same, to the bit, from each chip's moments as a store or a survey knows them.

    Parameters
    ----------
    chips : Dataset
        With `label`, `part`, `sar_moments` and `static_moments`.
    inputs : Inputs
    timesteps : int

    Raises
    ------
    ValueError
        Where the chips lack what the configuration needs, or the training part has no valid pixel.
    """
    train = np.flatnonzero(chips["part"].to_numpy() == TRAIN)
    moments = _select(chips, "sar_moments", "static_moments", inputs, timesteps)
    return _normalization(inputs, moments[train, None], chips["label"].to_numpy()[train])


def _normalization(
    inputs: Inputs, moments: Iterable[np.ndarray], label: np.ndarray
) -> Normalization:
    """Combine the training chips' moments, each (1, channel, moment), in their order."""
    if not (label != NO_DATA).any():
        raise ValueError("the training part has no pixel with data: choose another split")
    count, mean, squares = np.moveaxis(combine_moments(np.concatenate(list(moments))), -1, 0)
    std = np.sqrt(squares / np.maximum(count, 1))
    std[std == 0] = 1
    return Normalization(inputs.channels, tuple(mean.tolist()), tuple(std.tolist()))


def normalize(planes: np.ndarray, normalization: Normalization) -> np.ndarray:
    """Standardise channels (..., channel, y, x) in place; what has no data becomes the mean, 0."""
    for channel, (mean, std) in enumerate(zip(normalization.mean, normalization.std, strict=True)):
        plane = planes[..., channel, :, :]
        plane -= np.float32(mean)
        plane /= np.float32(std)
        np.copyto(plane, 0, where=~np.isfinite(plane))
    return planes

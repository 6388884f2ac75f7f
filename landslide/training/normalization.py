"""Channels standardised by the statistics of the training chips, and of nothing else."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from landslide.chips.inputs import Inputs
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
    have = {*chips["sar_channel"].to_numpy().tolist(), *chips["static_channel"].to_numpy().tolist()}
    missing = [name for name in inputs.channels if name not in have]
    if missing:
        raise ValueError(f"the chips lack {', '.join(missing)}: stream them with {inputs.name!r}")
    static = chips["static"].sel(static_channel=list(inputs.static)).to_numpy()
    if not inputs.polarisations:
        return np.array(static, dtype=np.float32)
    if timesteps not in chips["timesteps"]:
        raise ValueError(
            f"the chips hold {chips['timesteps'].to_numpy().tolist()} timesteps, not {timesteps}: "
            "stream them with it"
        )
    sar = chips["sar"].sel(timesteps=timesteps, sar_channel=list(inputs.sar_channels)).to_numpy()
    return np.concatenate([sar, static], axis=1, dtype=np.float32)


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
    train = chips["part"].to_numpy() == TRAIN
    valid = chips["label"].to_numpy()[train] != NO_DATA
    if not valid.any():
        raise ValueError("the training part has no pixel with data: choose another split")
    means, deviations = [], []
    for channel in range(planes.shape[1]):
        values = planes[train, channel][valid]
        values = values[np.isfinite(values)].astype(np.float64)
        means.append(float(values.mean()) if values.size else 0.0)
        deviation = float(values.std()) if values.size else 0.0
        deviations.append(deviation if deviation > 0 else 1.0)
    return Normalization(inputs.channels, tuple(means), tuple(deviations))


def normalize(planes: np.ndarray, normalization: Normalization) -> np.ndarray:
    """Standardise channels (..., channel, y, x) in place; what has no data becomes the mean, 0."""
    for channel, (mean, std) in enumerate(zip(normalization.mean, normalization.std, strict=True)):
        plane = planes[..., channel, :, :]
        plane -= np.float32(mean)
        plane /= np.float32(std)
        np.nan_to_num(plane, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return planes

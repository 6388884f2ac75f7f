"""Channels standardised by the statistics of the training chips, and of nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landslide.chips.inputs import Inputs
from landslide.chips.moments import chip_moments, combine_moments
from landslide.chips.split import TRAIN
from landslide.cube.labels import NO_DATA

AT_ONCE = 16  # chips
EVERY = slice(None)


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of each channel, for one timestep count."""

    channels: tuple[str, ...]
    """Names, in the order in which the network receives them."""
    mean: tuple[float, ...]
    """One for each channel: natural log of gamma0 for backscatter, else the cube's unit."""
    std: tuple[float, ...]
    """One for each channel, never zero."""


def select_channels(
    chips: xr.Dataset,
    inputs: Inputs,
    timesteps: int,
    chosen: np.ndarray | slice = EVERY,
    *,
    of: str = "",
) -> np.ndarray:
    """Copy what one configuration sees out of the chips: (chip, channel, y, x) float32.

    Of some chips only, where their positions are given; their `of="_moments"` instead.

    Raises
    ------
    ValueError
        Where the chips lack a channel or the timestep count.
    """
    sar_names, static_names, counts = (
        chips[name].to_numpy().tolist() for name in ("sar_channel", "static_channel", "timesteps")
    )
    missing = [name for name in inputs.channels if name not in {*sar_names, *static_names}]
    if missing:
        raise ValueError(f"the chips lack {', '.join(missing)}: stream them with {inputs.name!r}")
    # By positions, and all at once: each step by itself would copy what the next leaves out.
    static = chips[f"static{of}"].isel(
        chip=chosen, static_channel=[static_names.index(name) for name in inputs.static]
    )
    if not inputs.polarisations:
        return np.array(static)
    if timesteps not in counts:
        raise ValueError(f"the chips hold {counts} timesteps, not {timesteps}: stream them with it")
    sar = chips[f"sar{of}"].isel(
        chip=chosen,
        timesteps=counts.index(timesteps),
        sar_channel=[sar_names.index(name) for name in inputs.sar_channels],
    )
    return np.concatenate([sar.to_numpy(), static.to_numpy()], axis=1)


def few_at_a_time(chosen: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Divide positions of chips, and say where each few of them lie: of all no copy is made."""
    for start in range(0, len(chosen), AT_ONCE):
        few = slice(start, start + AT_ONCE)
        yield few, chosen[few]


def fit_normalization(chips: xr.Dataset, inputs: Inputs, timesteps: int) -> Normalization:
    """Measure mean and standard deviation over the valid pixels of the training chips.

    Parameters
    ----------
    chips : Dataset
        With `label` and `part`, as `load_chips` gives them.
    inputs : Inputs
    timesteps : int

    Raises
    ------
    ValueError
        Where the chips lack what the configuration needs, or the training part has no valid pixel.
    """
    train, label = _trained_on(chips)
    moments = [
        chip_moments(select_channels(chips, inputs, timesteps, few), label[few])
        for _, few in few_at_a_time(train)
    ]
    return _normalization(inputs, np.concatenate(moments))


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
    train, _ = _trained_on(chips)
    moments = select_channels(chips, inputs, timesteps, train, of="_moments")
    return _normalization(inputs, moments)


def _trained_on(chips: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return where the training chips lie among all, and the labels (chip, y, x) of all."""
    train, label = np.flatnonzero(chips["part"].to_numpy() == TRAIN), chips["label"].to_numpy()
    if not (label[train] != NO_DATA).any():
        raise ValueError("the training part has no pixel with data: choose another split")
    return train, label


def _normalization(inputs: Inputs, moments: np.ndarray) -> Normalization:
    """Combine the training chips' moments (chip, channel, moment) in their order."""
    count, mean, squares = np.moveaxis(combine_moments(moments), -1, 0)
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

"""What a sweep knows of its chips in memory, while their channels stay where they lie."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.chips.loading import finish, mask_labels
from landslide.chips.moments import chip_moments
from landslide.chips.passing import ChipStream, chip_batches, map_chips

Chips = xr.Dataset | ChipStream
"""Chips in memory or in a chip store, or the stream that cuts them out of the cube."""

CHIP_STORE = "chip_store"
"""The attribute of a dataset whose channels lie in a chip store: its address."""
AT_ONCE = 32  # chips read together from a dataset


def measure_batch(batch: xr.Dataset) -> xr.Dataset:
    """Return what is kept of a batch: `label` (the mask), `rejected`, `damaged` and the moments.

    Parameters
    ----------
    batch : Dataset
        As `map_chips` gives it.

    Returns
    -------
    Dataset
        With `sar_moments` (chip, timesteps, sar_channel, moment) and `static_moments` (chip,
        static_channel, moment), see `chip_moments`.
    """
    masked = mask_labels(batch)
    label = masked["label"].to_numpy()
    moments = {
        f"{name}_moments": (
            (*masked[name].dims[:-2], "moment"),
            chip_moments(masked[name].to_numpy(), label),
        )
        for name in ("sar", "static")
    }
    return masked[["label", "rejected", "damaged"]].assign(moments)


def survey(
    stream: ChipStream, executor: Executor | None = None, look_ahead: int | None = None
) -> ChipStream:
    """Pass over the cube once, and keep each chip's masked label and moments in `stream.chips`.

    What is held is one byte a pixel, and nothing of the channels. Whoever trains from a stream
    needs it, once for a whole sweep; a stream that was surveyed passes through unchanged.

    Parameters
    ----------
    stream : ChipStream
    executor, look_ahead
        As for `map_chips`.

    Raises
    ------
    ValueError
        Where no labelled pixel with data is left.
    """
    if stream.chips.attrs.get("masked"):
        return stream
    batches = list(map_chips(stream, measure_batch, executor, look_ahead=look_ahead))
    measured = xr.concat(batches, "chip", data_vars="minimal", coords="minimal", join="exact")
    measured = measured.sel(chip=stream.chips["chip"])
    known = stream.chips.assign({name: (v.dims, v.data) for name, v in measured.items()})
    return replace(stream, chips=finish(known))


def known_of(chips: Chips) -> xr.Dataset:
    """Return what lies in memory of chips of any kind: label, part, corners and attributes."""
    return chips if isinstance(chips, xr.Dataset) else chips.chips


def is_stored(chips: xr.Dataset) -> bool:
    """Say whether a dataset's channels lie in a chip store, to be read as they are wanted."""
    return CHIP_STORE in chips.attrs


def read_batches(
    chips: Chips, positions: NDArray[np.int64], *, threads: int | None = None
) -> Iterator[tuple[NDArray[np.int64], xr.Dataset]]:
    """Read some chips, a few at a time, in a fixed order: where they are in `positions`, and they.

    Parameters
    ----------
    chips : Dataset or ChipStream
    positions : int (chip)
        Ascending.
    threads : int, optional
        As for `map_chips`, where the chips are a stream.
    """
    if isinstance(chips, xr.Dataset):
        for rows in np.array_split(np.arange(len(positions)), -(-len(positions) // AT_ONCE) or 1):
            yield rows, chips.isel(chip=positions[rows])
        return
    some = chips.only(positions)
    for batch in chip_batches(some, threads=threads):
        yield np.searchsorted(some.chips["chip"], batch["chip"]), batch

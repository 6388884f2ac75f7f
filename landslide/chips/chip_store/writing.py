"""What a worker writes of a chip store, and what is noted of it."""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.chips.chip_store.arrays import JOURNAL, writable_arrays, writable_group
from landslide.chips.survey import measure_batch


@functools.lru_cache(maxsize=8)
def _opened(address: str, _token: str) -> dict[str, Any]:
    """Open the arrays once in each process that writes; who plans has made them."""
    arrays = writable_arrays(writable_group(address))
    if not arrays:
        raise ValueError(
            f"{address} is not the same place for a worker: give the chip store an address that "
            "all of them reach (--storage)"
        )
    return arrays


def write_batch(address: str, token: str, batch: xr.Dataset) -> xr.Dataset:
    """Write a batch's chips; return what is noted of them."""
    facts, arrays = measure_batch(batch), _opened(address, token)
    positions = facts["chip"].to_numpy()
    chips = {"sar": batch["sar"], "static": batch["static"], "label": facts["label"]}
    for name, values in chips.items():
        for here, there in runs(positions) if values.size else ():
            arrays[name][there] = values.to_numpy()[here]
    return facts[list(JOURNAL)]


def note(arrays: dict[str, Any], noted: dict[str, NDArray[Any]], facts: xr.Dataset) -> None:
    """Note a batch's chips as written, in memory and in the store's journal."""
    positions = facts["chip"].to_numpy()
    for name in JOURNAL:  # `rejected` comes last: it says that a chip is there
        values = facts[name].to_numpy()
        noted[name][positions] = values
        for here, there in runs(positions) if values.size else ():
            arrays[name][there] = values[here]


def runs(positions: NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """List the runs of neighbours: where they are in `positions`, and in the store.

    Only a slice is written without reading first what it replaces.
    """
    edges = np.flatnonzero(np.diff(positions, prepend=-9, append=-9) != 1)
    for low, high in itertools.pairwise(edges.tolist()):
        yield slice(low, high), slice(int(positions[low]), int(positions[low]) + high - low)

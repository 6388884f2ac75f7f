"""The arrays of a chip store: made, written in whole chunks, and read on demand."""

import contextlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec
from zarr.errors import ContainsArrayError

from landslide.chips.moments import MOMENTS
from landslide.chips.split import PARTS
from landslide.cube.address import plain_write_errors, writable_store

JOURNAL = ("sar_moments", "static_moments", "damaged", "rejected")
"""Facts of each chip, noted as it is written; `rejected` last. A chunk holds those of one chip, so
that of several runs at once none undoes what another noted."""
NOT_YET = -1
"""What `rejected` says of a chip that is not written."""
TOGETHER = 256  # chips whose coordinates share a chunk
COORDINATES = ("chip", "corner_y", "corner_x", "timesteps")
CHANNELS = ("sar_channel", "static_channel")
CHUNKED_BY_CHIP = ("sar", "static", "label", *JOURNAL)
ARRAYS: Mapping[str, tuple[tuple[str, ...], str, float]] = MappingProxyType(
    {
        "sar": (("chip", "timesteps", "sar_channel", "y", "x"), "f4", np.nan),
        "static": (("chip", "static_channel", "y", "x"), "f4", np.nan),
        "label": (("chip", "y", "x"), "u1", 255),
        "sar_moments": (("chip", "timesteps", "sar_channel", "moment"), "f8", 0),
        "static_moments": (("chip", "static_channel", "moment"), "f8", 0),
        "damaged": (("chip",), "bool", 0),
        "rejected": (("chip",), "i8", NOT_YET),
        "part": (("chip",), "u1", len(PARTS)),
        "chip": (("chip",), "i8", 0),
        "corner_y": (("chip",), "i8", 0),
        "corner_x": (("chip",), "i8", 0),
        "timesteps": (("timesteps",), "i8", 0),
    }
)
"""Dimensions, type and fill value of each array."""
PART_CODES: dict[str, Any] = {
    "flag_values": list(range(len(PARTS))),
    "flag_meanings": " ".join(PARTS),
}


def writable_group(address: str) -> zarr.Group:
    """Open the group at an address for writing, or make one.

    Raises
    ------
    PermissionError, ConnectionError
        Where the address cannot be written.
    """
    with plain_write_errors(address):
        return zarr.open_group(writable_store(address), mode="a", use_consolidated=False)


def writable_arrays(group: zarr.Group) -> dict[str, Any]:
    """Return a group's arrays so that every chunk is written, and what is missing is damaged."""
    return {n: array.with_config({"write_empty_chunks": True}) for n, array in group.arrays()}


def create_arrays(group: zarr.Group, chips: xr.Dataset) -> dict[str, Any]:
    """Create what a new store still lacks of its arrays, and say what each chip is; return them.

    Parameters
    ----------
    group : zarr.Group
    chips : Dataset
        `ChipStream.chips`.
    """
    sizes = {**chips.sizes, "moment": len(MOMENTS)}
    for name, (dims, dtype, fill) in ARRAYS.items():
        if name in group:
            continue
        if name in CHUNKED_BY_CHIP:
            chunks = [1 if dim in {"chip", "timesteps"} else max(1, sizes[dim]) for dim in dims]
        else:
            chunks = [TOGETHER if dim == "chip" else max(1, sizes[dim]) for dim in dims]
        # Another run may have made it since, and the same.
        with contextlib.suppress(ContainsArrayError):
            group.create_array(
                name,
                shape=[sizes[dim] for dim in dims],
                chunks=chunks,
                dtype=dtype,
                fill_value=fill,
                compressors=Crc32cCodec(),
                dimension_names=dims,
                attributes=PART_CODES if name == "part" else None,
            )
    arrays = writable_arrays(group)
    for name in COORDINATES:
        arrays[name][:] = chips[name].to_numpy()
    return arrays

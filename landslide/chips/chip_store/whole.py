"""Chips in a Zarr store, for sets larger than memory: written whole, read a chip at a time.

A chunk is one chip of one timestep count, float32 as it is with a checksum: speckle does not
compress, a configuration reads only its own timestep count, and no other layout was read faster.
"""

import functools
import hashlib
import json
import uuid
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from landslide.chips.chip_store.arrays import (
    ARRAYS,
    CHANNELS,
    COORDINATES,
    JOURNAL,
    NOT_YET,
    create_arrays,
    writable_group,
)
from landslide.chips.chip_store.reading import lazy_array, read_array
from landslide.chips.chip_store.writing import note, write_batch
from landslide.chips.loading import finish
from landslide.chips.passing import ChipStream, map_chips
from landslide.chips.split import PARTS
from landslide.chips.survey import CHIP_STORE
from landslide.cube.address import open_group
from landslide.cube.readers import AUTO, choose_reader

LAYOUT = 4
"""Changes with what a chip store holds, so that no store of another version is taken for one."""


def write_chip_store(
    stream: ChipStream,
    address: str,
    executor: Executor | None = None,
    *,
    look_ahead: int | None = None,
) -> None:
    """Write all chips of a stream to a Zarr group, where the executor's workers read them.

    Each batch is written by the worker that read its block, in whole chunks; what travels back are
    a few numbers a chip, which are noted in the store as they come. So a second run reads of the
    cube only what chips need that are not noted, and leaves a complete store as it is. What makes
    it complete is written last. Two runs at once do the work twice, and write the same.

    Parameters
    ----------
    stream : ChipStream
    address : str
        Where the group lies, on any filesystem that fsspec knows and every worker reaches.
    executor, look_ahead
        As for `map_chips`.

    Raises
    ------
    ValueError
        Where no labelled pixel with data is left, or other chips lie there.
    PermissionError, ConnectionError
        Where the address cannot be written.
    """
    group, plan = writable_group(address), _plan_digest(stream)
    if "plan" not in group.attrs:
        if any(True for _ in group.members()):
            group = writable_group(address)  # another run may have begun it just now
        else:
            # In one piece, and first: a group writes all its attributes as it found them, so that
            # an update later on would undo what another run has said meanwhile.
            channels = {name: stream.chips[name].to_numpy().tolist() for name in CHANNELS}
            begun = {"layout": LAYOUT, "plan": plan, "complete": False}
            group.update_attributes(begun | channels)
    if (group.attrs.get("layout"), group.attrs.get("plan")) != (LAYOUT, plan):
        raise ValueError(f"{address} holds other chips: delete it, or name another address")
    if group.attrs["complete"]:
        return
    arrays = create_arrays(group, stream.chips)
    noted = {name: arrays[name][:] for name in JOURNAL}
    left = noted["rejected"] == NOT_YET
    if left.any():
        write = functools.partial(write_batch, address, uuid.uuid4().hex)
        places = np.arange(left.size)  # a chip's number is its place in the store
        chips = stream.chips.assign_coords(chip=places)
        rest = replace(stream, chips=chips).only(places[left])
        for facts in map_chips(rest, write, executor, look_ahead=look_ahead):
            note(arrays, noted, facts)
    masked = read_array(address, arrays["label"], choose_reader(address), uuid.uuid4().hex)
    known = stream.chips.assign({name: ("chip", noted[name]) for name in ("rejected", "damaged")})
    known = finish(known.assign(label=(known["label"].dims, masked)))
    arrays["part"][:] = [PARTS.index(part) for part in known["part"].to_numpy().tolist()]
    group.update_attributes({"chips": known.attrs, "complete": True})


def open_chip_store(address: str, *, reader: str = AUTO) -> xr.Dataset:
    """Open a chip store: channels are read when they are asked for, and again each time.

    Labels lie in memory, one byte a pixel, as in `ChipStream.chips`.

    Parameters
    ----------
    address : str
    reader : str
        As for `open_cube`.

    Returns
    -------
    Dataset
        As `load_chips` gives it, with `sar` and `static` lazy (no Dask) and picklable; and the
        chips' `sar_moments` and `static_moments`.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        Where it is not complete, or, here or as chips are read, a chunk is damaged.
    """
    try:
        group = open_group(address)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no chip store at {address}: write it by write_chip_store (--chips store)"
        ) from error
    if group.attrs.get("layout") != LAYOUT or not group.attrs.get("complete"):
        raise ValueError(
            f"{address} is no complete chip store: run the sweep again, which goes on from what "
            "is there, or delete it"
        )
    reader, token = choose_reader(address, reader), uuid.uuid4().hex
    variables = {}
    for name, array in group.arrays():
        read = lazy_array if name in {"sar", "static"} else read_array
        variables[name] = (ARRAYS[name][0], read(address, array, reader, token))
    part = np.array(PARTS)[variables.pop("part")[1]].astype("U10")
    chips = xr.Dataset(variables).set_coords(COORDINATES)
    names = {name: np.array(group.attrs[name], "U24") for name in CHANNELS}
    chips = chips.assign_coords(names).assign_coords(part=("chip", part))
    attrs: Any = group.attrs["chips"]
    return chips.assign_attrs(attrs | {CHIP_STORE: address})


def _plan_digest(stream: ChipStream) -> str:
    chips, skipped = stream.chips, any(reading.skip_damaged for reading in stream.readings)
    digest = hashlib.sha256(json.dumps([chips.attrs, skipped], sort_keys=True).encode())
    for name in ("corner_y", "corner_x", "part", "timesteps", "sar_channel", "static_channel"):
        digest.update(json.dumps(chips[name].to_numpy().tolist()).encode())
    digest.update(np.ascontiguousarray(chips["label"].to_numpy()).data)
    return digest.hexdigest()

"""Chips in memory, with one mask for every score."""

import functools
import warnings
from concurrent.futures import Executor

import numpy as np
import xarray as xr
from tqdm import tqdm

from landslide.chips.cutting import empty_cut
from landslide.chips.inputs import judged
from landslide.chips.passing import ChipStream, batch, chip_batches, map_chips
from landslide.chips.plan import LEAST_VALID
from landslide.chips.split import TEST, TRAIN, UNUSED, VALIDATION
from landslide.cube.labels import NO_DATA

PIXELS = ("sar", "static", "label", "rejected", "damaged")


def load_chips(
    chips: xr.Dataset | ChipStream,
    executor: Executor | None = None,
    look_ahead: int | None = None,
    *,
    progress: bool = False,
) -> xr.Dataset:
    """Read the chips into memory and make their labels the one mask of every score.

    Parameters
    ----------
    chips : Dataset or ChipStream
        A stream is read by `executor` (see `map_chips`) straight into its place; a dataset is
        computed by whatever scheduler Dask has. One that is loaded already passes through.
    executor, look_ahead
        As for `map_chips`.
    progress : bool
        Show a bar while a stream is read.

    Raises
    ------
    ValueError
        Where no labelled pixel with data is left.
    """
    if isinstance(chips, ChipStream):
        loaded = _allocated(chips)
        if executor is None:  # threads of this process: each puts its own chips in their place
            placed = map_chips(chips, functools.partial(_place, loaded), look_ahead=look_ahead)
        else:
            batches = chip_batches(chips, executor, look_ahead=look_ahead)
            placed = (_place(loaded, each) for each in batches)
        with tqdm(
            total=loaded.sizes["chip"], desc="reading", unit="chip", delay=1, disable=not progress
        ) as bar:
            for count in placed:
                bar.update(count)
    else:
        if chips.attrs.get("masked"):
            return chips
        loaded = mask_labels(chips.compute())
    return finish(loaded)


def _allocated(stream: ChipStream) -> xr.Dataset:
    """Return a stream's chips with room for their pixels, in their order."""
    first, n = stream.readings[0], stream.chips.sizes["chip"]
    return batch(stream.chips.copy(deep=True), empty_cut(first, n, first.channels, filled=False))


def _place(loaded: xr.Dataset, chips: xr.Dataset) -> int:
    """Put a batch in its place, with its labels masked; return how many chips it has."""
    chips = mask_labels(chips)
    where = np.searchsorted(loaded["chip"].to_numpy(), chips["chip"].to_numpy())
    for name in PIXELS:
        loaded[name].values[where] = chips[name].values
    return where.size


def mask_labels(chips: xr.Dataset) -> xr.Dataset:
    """Return chips whose pixels keep their label only where every channel has data.

    A chip of a damaged chunk keeps none.

    Parameters
    ----------
    chips : Dataset
        A batch in memory, as `map_chips` says.
    """
    label = chips["label"].to_numpy().copy()
    # A mean over the fewest images has data nowhere that one over more of them has none.
    sar = chips["sar"].to_numpy()[:, 0]
    static = chips["static"].to_numpy()
    needed = judged(chips["static_channel"].to_numpy().tolist())
    for i in range(len(label)):
        valid = np.isfinite(sar[i]).all(axis=0)
        for channel in needed:
            valid &= np.isfinite(static[i, channel])
        label[i][~valid] = NO_DATA
    label[chips["damaged"].to_numpy()] = NO_DATA
    return chips.assign(label=(chips["label"].dims, label))


def finish(chips: xr.Dataset) -> xr.Dataset:
    """Say what was found in chips whose labels are masked, and leave out those without use.

    Under `blocked` a chip that turns out less than half valid becomes unused, and so does every
    chip of a damaged chunk.

    Raises
    ------
    ValueError
        Where no labelled pixel with data is left.
    """
    damaged = chips["damaged"].to_numpy()
    rejected = int(chips["rejected"].to_numpy()[~damaged].sum())
    if rejected:
        warnings.warn(
            f"{rejected} backscatter samples are infinite, zero or negative: taken as no-data",
            stacklevel=3,
        )
    if damaged.any():
        warnings.warn(
            f"{damaged.sum()} of {damaged.size} chips are left out: they need chunks that are "
            "damaged",
            stacklevel=3,
        )
    if len(damaged) and damaged.all():
        raise ValueError("every chip needs a damaged chunk: write or fetch the cube's chunks again")
    valid = (chips["label"].to_numpy() != NO_DATA).mean(axis=(1, 2))
    if not valid.any():
        raise ValueError(
            f"no pixel of any chip has data in every channel: {_lacking(chips)}; check the cube's "
            "no-data values, or ask for fewer inputs"
        )
    part = chips["part"].to_numpy().copy()
    part[damaged] = UNUSED
    if chips.attrs["protocol"] == "blocked":
        part[valid < LEAST_VALID] = UNUSED
    return chips.assign_coords(part=("chip", part)).assign_attrs(masked=1)


def _lacking(chips: xr.Dataset) -> str:
    """Say which channels have no data in any chip, where the chips' pixels lie in memory."""
    whole = np.flatnonzero(~chips["damaged"].to_numpy()).tolist()
    sar, static = (list(map(str, chips[f"{kind}_channel"].values)) for kind in ("sar", "static"))
    needed = {("sar", n): name for n, name in enumerate(sar)}
    needed |= {("static", n): static[n] for n in judged(static)}
    every = ", ".join(needed.values())
    if "sar" not in chips:
        return f"{every} are needed together"
    # Of the fewest images, as for the mask.
    values = {"sar": chips["sar"].to_numpy()[:, 0], "static": chips["static"].to_numpy()}
    none = [
        name
        for (kind, n), name in needed.items()
        if not any(np.isfinite(values[kind][chip, n]).any() for chip in whole)
    ]
    if none:
        return f"{', '.join(none)} {'have' if len(none) > 1 else 'has'} none anywhere"
    return f"{every} have some, but nowhere all of them and a label"


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

"""From chips, wherever they lie, to what one configuration is trained and scored on."""

import functools
import logging
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from landslide.chips.inputs import Inputs, parse_inputs
from landslide.chips.passing import ChipStream, map_chips
from landslide.chips.split import TEST, TRAIN, VALIDATION
from landslide.chips.survey import Chips, is_stored, known_of
from landslide.training.config import TrainingConfig
from landslide.training.feeding import Feed, Resident, Stored, Streamed
from landslide.training.labelled import training_chips
from landslide.training.normalization import (
    Normalization,
    few_at_a_time,
    fit_normalization,
    known_normalization,
    normalize,
    select_channels,
)
from landslide.training.prefetch import host_batch

Planes = NDArray[np.float32]
PlanesOf = Callable[[xr.Dataset], Planes]
"""From chips to the channels (chip, channel, y, x) of a configuration, normalised."""

DEVICE_SHARE = 0.5
"""Of a GPU's free memory, or of what is left of a trial's share, for a configuration's chips."""
WINDOW_BYTES = 1 << 28
"""Of chips held to be shuffled, where they come as the cube is passed over."""

log = logging.getLogger(__name__)


def feed_parts(
    chips: Chips,
    config: TrainingConfig,
    device: torch.device,
    precision: torch.dtype = torch.float32,
) -> tuple[Normalization, Mapping[str, Feed]]:
    """Return a configuration's normalisation, and the feed of each part.

    Chips in memory move to the device at once if it has room for them, in the precision that the
    network convolves them in: it would round them to the same. Those of a chip store or of a
    stream come when they are wanted, in float32, and their statistics are known from when they were
    written or surveyed. Statistics are of all training chips, few though the labels may be: they
    need none.
    """
    known, inputs = known_of(chips), parse_inputs(config.inputs)
    chosen = {p: np.flatnonzero(known["part"] == p) for p in (VALIDATION, TEST)}
    chosen[TRAIN] = training_chips(known, config)
    if config.labelled_chips is not None:  # to choose by more labels would be to use them
        chosen[VALIDATION] = chosen[VALIDATION][:0]
    labels = {p: torch.from_numpy(known["label"].to_numpy()[c]) for p, c in chosen.items()}
    labels = {p: label.to(device) for p, label in labels.items()}
    size, side = config.batch_size, known.sizes["y"] * known.sizes["x"]
    if isinstance(chips, xr.Dataset) and not is_stored(chips):
        normalization = fit_normalization(chips, inputs, config.timesteps)
        values = sum(map(len, chosen.values())) * len(inputs.channels) * side
        resident = values * precision.itemsize <= room_on(device)
        if not resident:
            log.info("%.2f GB of chips stay in host memory", 4 * values / 1e9)
        feeds: dict[str, Feed] = {}
        for part, c in chosen.items():
            # Laid out here: the device would hold them twice meanwhile.
            x = torch.empty(
                (len(c), len(inputs.channels), *known["label"].shape[1:]),
                dtype=precision if resident else torch.float32,
                memory_format=torch.channels_last,
            )
            for rows, few in few_at_a_time(c):
                planes = select_channels(chips, inputs, config.timesteps, few)
                x[rows] = torch.from_numpy(normalize(planes, normalization))
            feeds[part] = (
                Resident(x.to(device), labels[part], size)
                if resident
                else Stored(_taker(x.numpy()), labels[part], size)
            )
        return normalization, feeds
    normalization = known_normalization(known, inputs, config.timesteps)
    planes_of = functools.partial(_planes, inputs, config.timesteps, normalization)
    if isinstance(chips, xr.Dataset):
        channels = chips[["sar", "static"]]
        return normalization, {
            p: Stored(_reader(channels, planes_of, c), labels[p], size) for p, c in chosen.items()
        }
    window = max(size, WINDOW_BYTES // (4 * len(inputs.channels) * side))
    seen = chips.seeing(inputs, config.timesteps)
    return normalization, {
        p: Streamed(_passes(seen, planes_of, c, config.threads), labels[p], size, window)
        for p, c in chosen.items()
    }


def room_on(device: torch.device) -> float:
    """Return how many bytes of chips a device may hold: the network needs the rest."""
    if device.type != "cuda":
        return math.inf  # they are in its memory already
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    cached = torch.cuda.memory_reserved(device) - allocated
    # Less than all where trials share the GPU; it takes no device without an index.
    allowed = total * torch.cuda.get_per_process_memory_fraction(device.index)
    return DEVICE_SHARE * min(free + cached, allowed - allocated)


def _taker(planes: Planes) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what takes a part's chips out of host memory."""

    def take(rows: torch.Tensor) -> torch.Tensor:
        return host_batch(planes[rows.numpy()])

    return take


def _planes(
    inputs: Inputs, timesteps: int, normalization: Normalization, chips: xr.Dataset
) -> Planes:
    return normalize(select_channels(chips, inputs, timesteps), normalization)


def _numbered(planes_of: PlanesOf, batch: xr.Dataset) -> tuple[NDArray[np.int64], Planes]:
    return batch["chip"].to_numpy(), planes_of(batch)


def _reader(
    channels: xr.Dataset, planes_of: PlanesOf, chosen: NDArray[np.int64]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what reads a part's chips from a chip store."""

    def read(rows: torch.Tensor) -> torch.Tensor:
        return host_batch(planes_of(channels.isel(chip=chosen[rows.numpy()])))

    return read


def _passes(
    stream: ChipStream, planes_of: PlanesOf, chosen: NDArray[np.int64], threads: int
) -> Callable[[torch.Generator | None], Iterator[tuple[int, Planes]]]:
    """Return what passes over the cube for a part's chips.

    Blocks come in any order where each chip lies in one of them. Else they come in the order of the
    scene, from a random one on: so no more halves of chips are held than a pass ever holds.
    """
    some = stream.only(chosen)
    numbers = some.chips["chip"].to_numpy()
    blocks = [block.chips for _, block in some.blocks()] if len(chosen) else []
    apart = sum(map(len, blocks)) == len(chosen)

    def arriving(generator: torch.Generator | None) -> Iterator[tuple[int, Planes]]:
        order = np.arange(len(blocks))
        if generator is not None:
            drawn = torch.randperm(len(blocks), generator=generator).numpy()
            order = drawn if apart else np.roll(order, drawn[0])
        function = functools.partial(_numbered, planes_of)
        for chips, planes in map_chips(some, function, order=order.tolist(), threads=threads):
            for row, plane in zip(np.searchsorted(numbers, chips).tolist(), planes, strict=True):
                yield row, plane.copy()  # a view would hold the whole batch

    return arriving

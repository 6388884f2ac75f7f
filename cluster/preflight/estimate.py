"""What a sweep will read, hold and take, from its plan and from what was timed."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.preflight.step import Step
from landslide.chips.cutting import Reading
from landslide.chips.passing import ChipStream
from landslide.chips.sizes import MEMORY, STORE, Room, chip_bytes, choose_chips
from landslide.chips.split import TRAIN, VALIDATION
from landslide.training.config import TrainingConfig
from landslide.training.device import CONTEXT
from landslide.training.sources import DEVICE_SHARE


def decoded_bytes(stream: ChipStream) -> int:
    """Return the bytes that one pass over the cube decodes; whole chunks, of the images used."""
    return sum(
        _bytes_a_pixel(stream.readings[number]) * block.pixels for number, block in stream.blocks()
    )


def _bytes_a_pixel(reading: Reading) -> int:
    total = sum(
        len({image for made in composites for image in made.images}) * _itemsize(source)
        for source, composites in reading.backscatter
    )
    total += sum(_itemsize(source) for source, _ in reading.terrain)
    if reading.coherence is not None:
        pairs = int((reading.pairs[0] | reading.pairs[1]).sum())
        total += pairs * _itemsize(reading.coherence[0])
    return total


def _itemsize(source: Any) -> int:
    array = getattr(source, "stored", None) or source.data
    return int(array.dtype.itemsize)


def fit(stream: ChipStream, wanted: str, room: Room, storage: str) -> tuple[str, bool, str]:
    """Say where the chips will live, and whether they fit there.

    Parameters
    ----------
    stream : ChipStream
    wanted : str
        As `choose_chips` takes it.
    room : Room
        What the smallest node has for them.
    storage : str
        Address of the folder that a chip store would lie in.
    """
    size = chip_bytes(stream)
    way = choose_chips(wanted, size, room)
    said = f"{stream.chips.sizes['chip']} chips, {gigabytes(size)} in all: {way}"
    if way == MEMORY:
        passed, out = room.holds(size), "give --chips store"
        said += f"; the smallest node has {gigabytes(room.memory)}"
        said += f", {gigabytes(room.shared)} of it for Ray's object store"
    elif way == STORE and "://" not in storage:
        free = shutil.disk_usage(_existing(Path(storage))).free
        passed, out = size <= free, "free some, or give --storage on a larger disk"
        said += f"; {storage} has {gigabytes(free)} free"
    else:
        return "chips", True, said
    return "chips", passed, said if passed else f"{said}, too little: {out}"


def beside_network(stream: ChipStream, channels: int, step: Step) -> tuple[str, bool, str]:
    """Say whether a trial's chips in memory lie on its GPU, and how many trials that could hold.

    Parameters
    ----------
    stream : ChipStream
    channels : int
        Of the widest configuration.
    step : Step
        Of the same, on a GPU.
    """
    pixels = int(stream.chips["label"].size)
    size = step.itemsize * channels * pixels
    resident = size <= step.room
    where = "lie on its GPU" if resident else "stay in the node's memory, a batch at a time"
    said = f"a trial's chips, {gigabytes(size)}, {where}"
    if resident and step.memory is not None and step.peak is not None:
        # Chips lie there where they take no more than their share of what a trial may allocate.
        beside = max(step.peak + size + pixels, size / DEVICE_SHARE)  # a label takes a byte
        count = int(step.memory / (beside + CONTEXT))
        if count > 1:
            said += (
                f", whose {gigabytes(step.memory)} would hold {count} such trials: see "
                "--gpus-per-trial"
            )
    return "GPU memory", True, said


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def gigabytes(size: float) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1e9:.3g} GB"


def training_seconds(
    stream: ChipStream, configs: Mapping[str, TrainingConfig], step: float
) -> list[float]:
    """Return how long each configuration trains and validates.

    A forward pass is a third of a step, whose backward pass is twice that. Small batches count
    as much less as they are smaller, and the search for convolutions as nothing.

    Parameters
    ----------
    stream : ChipStream
    configs : mapping
        What is to be trained.
    step : float
        Seconds of one step of the widest configuration.
    """
    trained, validated = (int((stream.chips["part"] == part).sum()) for part in (TRAIN, VALIDATION))
    return [c.epochs * step * (trained + validated / 3) / c.batch_size for c in configs.values()]


def duration(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

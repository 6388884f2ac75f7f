"""What a sweep will read, hold and take, from its plan and from what was timed."""

import math
from collections.abc import Mapping
from typing import Any

from landslide.chips.cutting import Reading
from landslide.chips.passing import ChipStream
from landslide.chips.sizes import COPIES, MEMORY, chip_bytes, choose_chips
from landslide.chips.split import TRAIN, VALIDATION
from landslide.training.config import TrainingConfig


def decoded_bytes(stream: ChipStream) -> int:
    """Return the bytes that one pass over the cube decodes; whole chunks, of the images used."""
    return sum(
        _bytes_a_pixel(stream.readings[number])
        * sum(
            (region.rows.stop - region.rows.start) * (region.columns.stop - region.columns.start)
            for region in block.regions
        )
        for number, block in stream.blocks()
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


def fit(stream: ChipStream, wanted: str, memory: float) -> tuple[str, bool, str]:
    """Say where the chips will live, and whether they fit there.

    Parameters
    ----------
    stream : ChipStream
    wanted : str
        As `choose_chips` takes it.
    memory : float
        Bytes of the smallest machine that would hold them.
    """
    size = chip_bytes(stream)
    way = choose_chips(wanted, size, int(memory))
    passed = way != MEMORY or COPIES * size <= memory
    said = f"{stream.chips.sizes['chip']} chips of {size / 1e9:.2f} GB: {way}"
    said += f"; the smallest node has {memory / 1e9:.1f} GB"
    return "chips", passed, said if passed else f"{said}, too little: give --chips store"


def training_seconds(
    stream: ChipStream, configs: Mapping[str, TrainingConfig], step: float, at_once: int
) -> float:
    """Return how long all configurations train and validate, so many at once.

    A forward pass is a third of a step, whose backward pass is twice that.

    Parameters
    ----------
    stream : ChipStream
    configs : mapping
        What is to be trained.
    step : float
        Seconds of one step of the widest configuration.
    at_once : int
        Trials that the cluster runs at a time.
    """
    trained, validated = (int((stream.chips["part"] == part).sum()) for part in (TRAIN, VALIDATION))
    trials = [
        c.epochs * step * math.ceil(trained / c.batch_size)
        + c.epochs * step / 3 * math.ceil(validated / c.batch_size)
        for c in configs.values()
    ]
    return math.ceil(len(trials) / at_once) * max(trials, default=0.0)


def duration(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

"""A training step on random chips, where and with what a trial would make one."""

import time
from dataclasses import dataclass

import torch

from landslide.chips.inputs import parse_inputs
from landslide.training.compiling import compiled
from landslide.training.config import TrainingConfig
from landslide.training.device import (
    begin_as_planned,
    device_name,
    fastest_convolutions,
    this_device,
    threads_of,
    working_precision,
)
from landslide.training.network import network_on
from landslide.training.run import Run
from landslide.training.sources import room_on

WARMING = 2  # one that searches for convolutions, and one with those that it found
STEPS = 3


@dataclass(frozen=True)
class Step:
    """What a training step took."""

    device: str
    precision: str
    seconds: float
    """Of one step over a batch."""
    room: float
    """Bytes for chips on the device, as a trial takes them; infinite on a CPU."""
    itemsize: int
    """Bytes of a value of theirs there."""
    peak: float | None = None
    """Bytes of the device's memory that the steps took at most; None on a CPU."""
    memory: float | None = None
    """Bytes that the device has in all; None on a CPU."""
    compiled: bool = False


def trial_step(config: TrainingConfig, chip_size: int, gpus: float) -> Step:
    """Do as `training_step` with what a trial is given here, and no more of a GPU than its share.

    Raises
    ------
    Exception
        As `begin_as_planned` and `training_step` do.
    """
    begin_as_planned(config.precision, gpus)
    return training_step(config, chip_size)


def training_step(config: TrainingConfig, chip_size: int, device: str | None = None) -> Step:
    """Make a few optimiser steps, and time one.

    Parameters
    ----------
    config : TrainingConfig
    chip_size : int
        Pixels on a side.
    device : str, optional
        As torch names it; by default the one that a trial would take here.

    Raises
    ------
    Exception
        Whatever torch raises where it cannot train.
    """
    place = torch.device(device) if device else this_device()
    with threads_of(config.threads):
        return _timed(config, chip_size, place)


def _timed(config: TrainingConfig, chip_size: int, place: torch.device) -> Step:
    room = room_on(place)
    precision = working_precision(config.precision, place)
    network = network_on(place, config, (chip_size, chip_size))
    channels = len(parse_inputs(config.inputs).channels)
    shape = (config.batch_size, channels, chip_size, chip_size)
    x = torch.randn(shape, device=place, dtype=precision)
    x = x.contiguous(memory_format=torch.channels_last)
    y = torch.randint(2, (shape[0], *shape[2:]), dtype=torch.uint8, device=place)
    forward = compiled(network, [x], precision) if config.compile else network
    run = Run(network, config, precision, place, forward)
    network.train()
    with fastest_convolutions():
        for number in range(WARMING + STEPS):
            if number == 1:
                _forget_search(place)
            if number == WARMING:
                _wait(place)
                start = time.perf_counter()
            run.step(x, y)
        _wait(place)
    return Step(
        device=device_name(place),
        precision=str(precision).removeprefix("torch."),
        seconds=(time.perf_counter() - start) / STEPS,
        room=room,
        itemsize=precision.itemsize,
        peak=torch.cuda.max_memory_reserved(place) if place.type == "cuda" else None,
        memory=torch.cuda.mem_get_info(place)[1] if place.type == "cuda" else None,
        compiled=forward is not network,
    )


def _forget_search(device: torch.device) -> None:
    """Count from now on what steps take: the search for convolutions takes what it finds."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

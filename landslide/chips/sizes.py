"""Where chips go while a sweep trains: into memory, into a chip store, or nowhere."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from landslide.chips.passing import ChipStream

AUTO, MEMORY, STORE, STREAM = "auto", "memory", "store", "stream"
WAYS: Mapping[str, str] = MappingProxyType(
    {
        MEMORY: "all chips in memory",
        STORE: "chips in a Zarr store, read as training wants them",
        STREAM: "straight from the cube, which every epoch reads again",
    }
)


@dataclass(frozen=True)
class Room:
    """What the smallest machine that holds the chips has for them, in bytes."""

    memory: float
    """In all."""
    shared: float = math.inf
    """Of it, what processes may share, such as Ray's object store: one copy lies there."""
    trials: int = 1
    """That a machine has room for at once; each normalises its channels for itself."""

    @property
    def copies(self) -> int:
        """Of all chips, at most: as they are read, as trials share them, and one for each trial."""
        return 2 + self.trials

    def holds(self, chip_bytes: int) -> bool:
        """Return whether all copies of the chips fit, with nothing else on the machine."""
        return self.copies * chip_bytes <= self.memory and chip_bytes <= self.shared


CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def chip_bytes(stream: ChipStream) -> int:
    """Return what all chips of a stream take in memory: float32 channels, and labels of a byte."""
    chips = stream.chips
    planes = chips.sizes["timesteps"] * chips.sizes["sar_channel"] + chips.sizes["static_channel"]
    return int(chips["label"].size) * (4 * planes + 1)


def choose_chips(wanted: str, chip_bytes: int, room: Room) -> str:
    """Return the way that is wanted, or where that is `auto` the fastest that fits.

    Chips in memory are fastest, and there are several copies of them at a time: as they are read,
    as Ray's object store or the caller keeps them, and for each trial on the machine the channels
    of its configuration on their way to the device. All else there gets half of the memory. What
    does not fit is written to a chip store once, and read at the speed of the disk. Training
    straight from the cube decodes it anew in each epoch and composes every chip again: it needs no
    disk, but is never faster, so `auto` never chooses it.

    Parameters
    ----------
    wanted : str
        `auto`, `memory`, `store` or `stream`.
    chip_bytes : int
        As the function of this name gives it.
    room : Room

    Raises
    ------
    ValueError
        For another way.
    """
    if wanted in WAYS:
        return wanted
    if wanted != AUTO:
        raise ValueError(f"no way to hold chips {wanted!r}: choose auto, {', '.join(WAYS)}")
    half = replace(room, memory=room.memory / 2)
    return MEMORY if half.holds(chip_bytes) else STORE


def memory_bytes() -> int:
    """Return the memory of this machine, or of the container that this process runs in."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in map(Path, CGROUP_LIMITS):
        text = path.read_text().strip() if path.is_file() else ""
        limits += [int(text)] if text.isdigit() else []
    return min(limits)

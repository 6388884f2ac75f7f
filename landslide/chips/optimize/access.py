"""What a chip costs to read, from a cube as it is and as it is laid out for chips."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landslide.chips.images import most_images
from landslide.chips.layout.cube import CubeLayout
from landslide.cube.events import Event
from landslide.cube.layers import readable
from landslide.cube.schema import POLARISATIONS
from landslide.cube.store import stored_chunks


@dataclass(frozen=True)
class Access:
    """What one chip costs that is read alone: all images of its composite, VV and VH."""

    chunks: float
    """Chunks read, on average over the scene."""
    bytes: float
    """Bytes decoded."""

    def __add__(self, other: "Access") -> "Access":
        return Access(self.chunks + other.chunks, self.bytes + other.bytes)


def composite_images(cube: xr.Dataset, event: Event | None, most: int) -> list[int]:
    """Return the images of the largest composite that the event has, up to `most` on a side."""
    if event is None:
        return []
    try:
        images = most_images(cube, event, most)
    except ValueError:
        return []
    return [*images.before, *images.after]


def _access(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    numbers: Collection[int],
    chip: int,
    itemsize: int,
) -> Access:
    """Return the cost of a chip of the images in the chunks of these numbers along time."""
    reads = float(len(numbers))
    for size, chunk in zip(shape[1:], chunks[1:], strict=True):
        starts = np.arange(0, max(1, size - chip + 1), chip)
        ends = np.minimum(starts + chip, size) - 1
        reads *= float((ends // chunk - starts // chunk + 1).mean())
    return Access(reads, reads * math.prod(chunks) * itemsize)


def chip_access(
    cube: xr.Dataset, layout: CubeLayout, images: Sequence[int], chip: int
) -> tuple[Access, Access]:
    """Return what a chip of these images costs, read alone, in the cube and in its copy."""
    here = there = Access(0, 0)
    positions = np.argsort(layout.order)[list(images)].tolist() if images else []
    for name in POLARISATIONS:
        if name in layout.variables and images:
            variable, chunks = layout.variables[name], stored_chunks(cube)[name].chunks
            itemsize, stored = cube[name].dtype.itemsize, variable.dtype.itemsize
            numbers = readable(cube[name]).chunk_numbers(0)[list(images)].tolist()
            here += _access(variable.shape, chunks, {*numbers}, chip, itemsize)
            numbers = [position // variable.chunks[0] for position in positions]
            there += _access(variable.shape, variable.chunks, {*numbers}, chip, stored)
    return here, there

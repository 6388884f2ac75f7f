"""A scene divided into strips, each read and mapped by itself, and the seams between them.

A strip is made of whole rows of stored chunks, so that no two strips need the same chunk. Where
variables differ in their chunks these are the largest, and smaller ones that lie in two strips are
needed by both: they are read once by whoever maps both in one pass, else twice. Chips that lie in
two strips belong to the seam between them, which is mapped from what the strips kept of their
edges.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from landslide.chips.cutting import Reading
from landslide.chips.inputs import Inputs, judged
from landslide.chips.passing import ChipStream
from landslide.chips.readings import plan_readings, require_variables
from landslide.chips.windows import Window, corner_coordinates
from landslide.cube.events import Event
from landslide.mapping.inference.placing import Placing, place_chips

OBSERVED = "observed"
"""The cube's mask of ground that is free of layover, shadow and water; read beside the channels."""
BLOCK = 1024  # pixels on a side of what is read at once, where stored chunks are smaller


@dataclass(frozen=True)
class Strip:
    """Rows of the scene, all of its columns."""

    rows: tuple[int, int]
    """First row and the one after the last; of a seam, those that its chips touch."""
    chips: tuple[int, ...]
    """Which rows of chips lie in it, as numbers of the placing along y."""


@dataclass(frozen=True)
class ScenePlan:
    """What is to be read and mapped, known before any image is read."""

    area: Window
    """Rows and columns of the cube that are mapped, each first and end; the scene is these."""
    squares: ChipStream
    """The squares in which the scene is read, by their corners in the cube."""
    images: Mapping[str, Any]
    """The attributes that name the images of the composites."""
    channels: tuple[str, ...]
    """In the order in which the networks receive them."""
    static: int
    """How many of them have no timesteps; what is read beyond these is a mask."""
    across: tuple[Placing, Placing]
    """The chips along y and x."""
    strips: tuple[Strip, ...]
    seams: tuple[Strip, ...]
    """Seam n lies between strips n and n + 1."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the scene."""
        (top, bottom), (left, right) = self.area
        return bottom - top, right - left

    @property
    def judged(self) -> list[int]:
        """Channels that a pixel needs data in; they are numbered as the networks receive them."""
        return judged(self.channels)

    def own_rows(self, number: int) -> tuple[int, int]:
        """Return the rows of a strip that no seam touches."""
        start, stop = self.strips[number].rows
        if number > 0:
            start = self.seams[number - 1].rows[1]
        if number < len(self.seams):
            stop = self.seams[number].rows[0]
        return start, stop


def plan_scene(
    cube: xr.Dataset,
    event: Event,
    inputs: Inputs,
    timesteps: int,
    *,
    chip_size: int,
    overlap: int,
    area: Window,
    orbit: str | None = None,
    skip_damaged: bool = False,
) -> ScenePlan:
    """Divide an area of a cube into strips, and say what is to be read of each.

    Parameters
    ----------
    cube, event, orbit, skip_damaged
        As for `plan_stream`.
    inputs : Inputs
    timesteps : int
        Images on each side of the event.
    chip_size, overlap : int
        Of the chips that pass through the network, in pixels.
    area : ((int, int), (int, int))
        Rows and columns to map, each first and end.

    Raises
    ------
    ValueError
        Where the cube cannot give these inputs.
    """
    require_variables(cube, inputs)
    masks = (OBSERVED,) if OBSERVED in cube else ()
    images, found = plan_readings(
        cube,
        event,
        replace(inputs, static=(*inputs.static, *masks)),
        (max(timesteps, 1),),
        size=BLOCK,
        orbit=orbit,
        skip_damaged=skip_damaged,
    )
    readings = [replace(r, grid=_grid(r), block_pixels=BLOCK) for r in found]
    mask: tuple[list[int], list[int]] = ([], [len(inputs.static)])
    main = max(
        (reading for reading in readings if reading.made != mask),
        key=lambda reading: _block_side(reading.grid[0]),
    )
    # A mask is small: in chunks of its own, parts of it may be read twice.
    readings = [replace(r, grid=main.grid) if r.made == mask else r for r in readings]
    side = _block_side(main.grid[0])
    first_row, first_column = (_first_edge(sizes, side) for sizes in main.grid)
    edges = _block_edges(main.grid[0])
    edges = edges[(edges - first_row) % side == 0]
    (top, bottom), (left, right) = area
    rows = place_chips(bottom - top, chip_size, overlap)
    columns = place_chips(right - left, chip_size, overlap)
    strips, seams = _divide(rows, bottom - top, edges - top)
    corners = np.array(
        [
            (y, x)
            for y in range(top - (top - first_row) % side, bottom, side)
            for x in range(left - (left - first_column) % side, right, side)
        ]
    )
    squares = xr.Dataset(coords={"chip": np.arange(len(corners)), **corner_coordinates(corners)})
    stream = ChipStream(squares, tuple(replace(r, size=side) for r in readings), within=area)
    return ScenePlan(
        area=area,
        squares=stream,
        images=images,
        channels=inputs.channels,
        static=len(inputs.static),
        across=(rows, columns),
        strips=strips,
        seams=seams,
    )


def _grid(reading: Reading) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the stored chunks of a reading; an array in memory has none, and any will do."""
    sources = [source for source, _ in (*reading.backscatter, *reading.terrain)]
    sources += [reading.coherence[0]] if reading.coherence else []
    if not all(isinstance(getattr(source, "data", None), np.ndarray) for source in sources):
        return reading.grid
    height, width = (sum(sizes) for sizes in reading.grid)
    return _regular(height), _regular(width)


def _regular(length: int) -> tuple[int, ...]:
    whole, rest = divmod(length, BLOCK)
    return (BLOCK,) * whole + ((rest,) if rest else ())


def _block_side(sizes: tuple[int, ...]) -> int:
    return max(sizes) * max(1, BLOCK // max(sizes))


def _block_edges(sizes: tuple[int, ...]) -> np.ndarray:
    """Return where the blocks of a grid begin and end, as `blocks_with_chips` makes them."""
    edges = np.cumsum([0, *sizes])
    return np.union1d(edges[:: max(1, BLOCK // max(sizes))], edges[-1])


def _first_edge(sizes: tuple[int, ...], side: int) -> int:
    """Return where a regular grid of squares begins that the blocks of a grid lie on, 0 or less.

    Only the first block may be smaller than the others, where the store's axis runs backwards.
    """
    edges = _block_edges(sizes)
    first = int(edges[1])
    return 0 if len(edges) < 3 or first % side == 0 else first - side


def _divide(
    rows: Placing, length: int, edges: np.ndarray
) -> tuple[tuple[Strip, ...], tuple[Strip, ...]]:
    """Divide a scene at some of the edges, so that no chip lies in three strips."""
    size = rows.size
    cuts = [0]
    for edge in edges.tolist():
        if edge - cuts[-1] >= 2 * size and length - edge >= 2 * size:
            cuts.append(edge)
    cuts.append(length)
    strips, seams = [], []
    for start, stop in pairwise(cuts):
        inside = [
            n for n, s in enumerate(rows.starts) if s >= start and min(s + size, length) <= stop
        ]
        strips.append(Strip((start, stop), tuple(inside)))
    for cut in cuts[1:-1]:
        across = [n for n, s in enumerate(rows.starts) if s < cut < s + size]
        touched = (rows.starts[across[0]], rows.starts[across[-1]] + size) if across else (cut, cut)
        seams.append(Strip(touched, tuple(across)))
    return tuple(strips), tuple(seams)

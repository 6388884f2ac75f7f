"""The work on one block: read what its chips need, each stored chunk once, and compose it."""

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from landslide.chips.blocks import Block, Region
from landslide.chips.composite import coherence_layers, write_cumulative_log_means
from landslide.cube.layers import Layer, PlainArray
from landslide.cube.selections import Selection
from landslide.cube.stored import Damage, DamagedChunkError

AHEAD, AHEAD_REMOTE = 2, 16  # reads begun in advance while what was read is composed


@dataclass(frozen=True)
class Composite:
    """One channel of backscatter: the means over images of one side and orbit."""

    channel: int
    images: tuple[int, ...]
    """Positions along `timestep`, the nearest to the event first."""


@dataclass(frozen=True)
class Reading:
    """What is read of every block of one grid of stored chunks, and what becomes of it.

    Channels are numbered among those of all chips; which of them are made here follows from what
    is read.
    """

    size: int
    """Chip size in pixels."""
    counts: tuple[int, ...]
    """Timestep counts, ascending."""
    backscatter: tuple[tuple[Layer | PlainArray, tuple[Composite, ...]], ...]
    """Each polarisation, and all that is composed of its images."""
    terrain: tuple[tuple[Layer | PlainArray, int], ...]
    """Each static plane, and its channel."""
    coherence: tuple[Layer | PlainArray, dict[int, int]] | None
    """The pairs, and for each layer of `coherence_layers` that is wanted its channel."""
    pairs: tuple[np.ndarray, np.ndarray]
    """Which pairs precede the event, and which span it: bool (timepair)."""
    grid: tuple[tuple[int, ...], tuple[int, ...]]
    """Sizes of the stored chunks along y and x."""
    block_pixels: int
    """Side of a block, where chunks are smaller."""
    channels: tuple[int, int]
    """Counts of backscatter and of static channels of a whole chip."""
    remote: bool
    """Whether the store answers from elsewhere, and not from a disk."""
    skip_damaged: bool

    @property
    def made(self) -> tuple[list[int], list[int]]:
        """The backscatter and the static channels that are made here."""
        sar = [made.channel for _, composites in self.backscatter for made in composites]
        static = [channel for _, channel in self.terrain]
        return sar, static + list(self.coherence[1].values() if self.coherence else ())

    def seeing(self, sar: list[int], static: list[int], counts: tuple[int, ...]) -> "Reading":
        """Return what reads of these channels alone, which are numbered in this order."""
        backscatter = [
            (
                source,
                tuple(
                    Composite(sar.index(made.channel), made.images[: counts[-1]])
                    for made in composites
                    if made.channel in sar
                ),
            )
            for source, composites in self.backscatter
        ]
        coherence = {
            layer: static.index(channel)
            for layer, channel in (self.coherence[1].items() if self.coherence else ())
            if channel in static
        }
        return replace(
            self,
            counts=counts,
            backscatter=tuple(each for each in backscatter if each[1]),
            terrain=tuple(
                (source, static.index(channel))
                for source, channel in self.terrain
                if channel in static
            ),
            coherence=(self.coherence[0], coherence) if self.coherence and coherence else None,
            channels=(len(sar), len(static)),
        )

    @property
    def cut_channels(self) -> tuple[int, int]:
        """Counts of channels that a block's chips have room for: none of what others make alone."""
        sar, static = (
            whole if made else 0 for made, whole in zip(self.made, self.channels, strict=True)
        )
        return sar, static

    @property
    def planes(self) -> int:
        """How many planes (y, x) those of a chip are."""
        sar, static = self.cut_channels
        return len(self.counts) * sar + static


class Cut(NamedTuple):
    """What one block gives of its chips; NaN where a chip lies elsewhere."""

    sar: np.ndarray
    """float32 (chip, timesteps, sar_channel, y, x); no channel where the block has none."""
    static: np.ndarray
    """float32 (chip, static_channel, y, x); no channel where the block has none."""
    rejected: np.ndarray
    """int64 (chip): samples that are no backscatter."""
    damaged: np.ndarray
    """bool (chip): whether a chunk that it needs is damaged."""

    def taken(self, chips: np.ndarray | list[int]) -> "Cut":
        """Return a copy of some of the chips."""
        return Cut(*(each[chips] for each in self))


def join(into: Cut, cut: Cut) -> Cut:
    """Add to chips what another block gives of them; NaN is what lies elsewhere, or is no data."""
    into.rejected[:] += cut.rejected
    into.damaged[:] |= cut.damaged
    return into._replace(sar=_joined(into.sar, cut.sar), static=_joined(into.static, cut.static))


def _joined(into: np.ndarray, part: np.ndarray) -> np.ndarray:
    if into.size and part.size:
        np.copyto(into, part, where=~np.isnan(part))
    return into if into.size else part


def stack(cuts: list[Cut]) -> Cut:
    """Return the chips of several cuts as one."""
    return Cut(*map(np.concatenate, zip(*cuts, strict=True)))


def cut_block(reading: Reading, block: Block) -> Cut:
    """Read one block and cut its chips.

    Raises
    ------
    DamagedChunkError
        Where a chunk is damaged and its chips are not to be skipped.
    ConnectionError, PermissionError
        Where the store cannot be reached, or refuses.
    """
    pixels = np.zeros(len(block.chips), np.int64)
    for region in block.regions:
        for f in region.fragments:
            pixels[f.chip] += np.prod([s.stop - s.start for s in f.inside_chip])
    all_channels = all(len(m) == n for m, n in zip(reading.made, reading.channels, strict=True))
    whole = all_channels and bool((pixels == reading.size**2).all())
    cut = empty_cut(reading, len(block.chips), reading.cut_channels, filled=not whole)
    steps = (step for region in block.regions for step in _steps(reading, region, cut))
    for step, values in _read_ahead(reading, steps, cut):
        step.compose(values)
    return cut


def empty_cut(reading: Reading, chips: int, channels: tuple[int, int], *, filled: bool) -> Cut:
    """Return a cut with room for chips, filled with NaN where not every pixel will be written."""
    size = reading.size
    sar = np.empty((chips, len(reading.counts), channels[0], size, size), np.float32)
    static = np.empty((chips, channels[1], size, size), np.float32)
    if filled:
        sar.fill(np.nan)
        static.fill(np.nan)
    return Cut(sar, static, np.zeros(chips, np.int64), np.zeros(chips, np.bool_))


@dataclass(frozen=True)
class _Step:
    """One read, and what becomes of it."""

    source: Layer | PlainArray
    index: Selection
    region: Region
    compose: Callable[[np.ndarray], None]


def _steps(reading: Reading, region: Region, cut: Cut) -> Iterator[_Step]:
    where = (region.rows, region.columns)
    for source, composites in reading.backscatter:
        planes: dict[int, np.ndarray] = {}
        waiting = list(composites)
        for images in _images_of_each_chunk(source, composites):
            compose = functools.partial(
                _compose, reading, region, cut, source, images, planes, waiting
            )
            yield _Step(source, (np.array(images), *where), region, compose)
    for source, channel in reading.terrain:
        compose = functools.partial(_place, region, cut.static[:, channel])
        yield _Step(source, where, region, compose)
    if reading.coherence is not None:
        source, channels = reading.coherence
        used = np.flatnonzero(reading.pairs[0] | reading.pairs[1])
        compose = functools.partial(_compose_coherence, reading, region, cut, channels, used)
        yield _Step(source, (used, *where), region, compose)


def _images_of_each_chunk(
    source: Layer | PlainArray, composites: Sequence[Composite]
) -> list[tuple[int, ...]]:
    """Divide the images by the stored chunk they lie in, in the order in which they are needed."""
    numbers = source.chunk_numbers(0)
    chunks: dict[int, list[int]] = {}
    for image in dict.fromkeys(image for each in composites for image in each.images):
        chunks.setdefault(int(numbers[image]), []).append(image)
    return [tuple(images) for images in chunks.values()]


def _compose(
    reading: Reading,
    region: Region,
    cut: Cut,
    source: Layer | PlainArray,
    images: tuple[int, ...],
    planes: dict[int, np.ndarray],
    waiting: list[Composite],
    values: np.ndarray,
) -> None:
    """Take images in, and compose what waits and is complete with them."""
    planes.update(zip(images, values, strict=True))
    complete = [each for each in waiting if set(each.images) <= set(planes)]
    for made in complete:
        waiting.remove(made)
        for f in region.fragments:
            cut.rejected[f.chip] += write_cumulative_log_means(
                [planes[image][f.inside_region] for image in made.images],
                reading.counts,
                cut.sar[f.chip, :, made.channel][:, *f.inside_chip],
                logarithms=source.to_power is not None,
            )
    wanted = {image for each in waiting for image in each.images}
    for image in set(planes) - wanted:
        del planes[image]


def _place(region: Region, out: np.ndarray, plane: np.ndarray) -> None:
    for f in region.fragments:
        out[f.chip][f.inside_chip] = plane[f.inside_region]


def _compose_coherence(
    reading: Reading,
    region: Region,
    cut: Cut,
    channels: dict[int, int],
    used: np.ndarray,
    pairs: np.ndarray,
) -> None:
    before, across = (which[used] for which in reading.pairs)
    for f in region.fragments:
        layers = coherence_layers(pairs[:, *f.inside_region], before, across)
        for layer, channel in channels.items():
            cut.static[f.chip, channel][f.inside_chip] = layers[layer]


def _read_ahead(
    reading: Reading, steps: Iterator[_Step], cut: Cut
) -> Iterator[tuple[_Step, np.ndarray]]:
    """Read step by step, with a bounded number of reads begun in advance."""
    ahead = AHEAD_REMOTE if reading.remote else AHEAD
    begun: deque[tuple[_Step, Callable[[], np.ndarray]]] = deque()
    while True:
        while len(begun) <= ahead and (step := next(steps, None)) is not None:
            begun.append((step, step.source.start(step.index)))
        if not begun:
            return
        step, pending = begun.popleft()
        try:
            values = pending()
        except DamagedChunkError as error:
            if not reading.skip_damaged:
                way_out = "leave its chips out by skip_damaged (--skip-damaged)"
                raise DamagedChunkError(f"{error}, or {way_out}") from error
            values, damages = step.source.salvage(step.index)
            _mark(step.region, cut, damages)
        yield step, values


def _mark(region: Region, cut: Cut, damages: list[Damage]) -> None:
    """Remember which chips need a damaged chunk."""
    shape = [along.stop - along.start for along in (region.rows, region.columns)]
    for damage in damages:
        hit = np.zeros(shape, np.bool_)
        where = [np.arange(n)[along] for n, along in zip(shape, damage.where[-2:], strict=True)]
        hit[np.ix_(*where)] = True
        for f in region.fragments:
            cut.damaged[f.chip] |= hit[f.inside_region].any()

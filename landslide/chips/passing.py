"""One pass over a cube: block after block, a bounded number of them at once, in a fixed order."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import numpy as np
import xarray as xr

from landslide.chips.blocks import Block, blocks_with_chips
from landslide.chips.cutting import Cut, Reading, cut_block, join, stack

LOOK_AHEAD = 16  # blocks under way on an executor of unknown size
REMOTE_THREADS = 4  # which wait for answers more than they compute


@dataclass(frozen=True)
class ChipStream:
    """The chips of an event, chosen and not yet read."""

    chips: xr.Dataset
    """`label` (chip, y, x) uint8 with the coordinates `chip` (number), `corner_y`, `corner_x`
    [pixel], `part`, `timesteps`, `sar_channel` and `static_channel`."""
    readings: tuple[Reading, ...]
    """What is read: one for each grid of stored chunks."""

    def blocks(self) -> list[tuple[int, Block]]:
        """List the units of work in the order of the scene, each with its reading's number.

        Their chips are positions in `chips`.
        """
        corners = np.stack([self.chips["corner_y"], self.chips["corner_x"]], axis=1)
        blocks = [
            (number, block)
            for number, reading in enumerate(self.readings)
            for block in blocks_with_chips(
                corners, reading.size, *reading.grid, reading.block_pixels
            )
        ]
        return sorted(blocks, key=lambda numbered: (numbered[1].corner, numbered[0]))

    def only(self, chips: Sequence[int] | np.ndarray) -> "ChipStream":
        """Return the stream of some of the chips, which reads no chunk that they do not need."""
        return ChipStream(self.chips.isel(chip=np.asarray(chips)), self.readings)


def map_chips[Result](
    stream: ChipStream,
    function: Callable[[xr.Dataset], Result],
    executor: Executor | None = None,
    *,
    look_ahead: int | None = None,
    order: Sequence[int] | None = None,
) -> Iterator[Result]:
    """Read a cube once, and give what a function makes of its chips, in a fixed order.

    Parameters
    ----------
    stream : ChipStream
    function : callable
        Called with batches of chips, where their block was read; it travels there, and only what
        it returns travels back. A batch holds what `stream.chips` does of its chips, and `sar`
        (chip, timesteps, sar_channel, y, x) float32, mean natural log of gamma0; `static` (chip,
        static_channel, y, x) float32; `rejected` (chip), samples that were no backscatter;
        `damaged` (chip), whether a chunk that it needs could not be read. Chips that cross blocks
        are put together, and given to the function, in the calling process.
    executor : Executor, optional
        Threads of this process by default; spawned processes, or what a Dask client's
        `get_executor` gives.
    look_ahead : int, optional
        Blocks that are under way or wait to be taken, and never more; by default one more than
        there are threads, or 16 on a given executor.
    order : sequence of int, optional
        Which of `stream.blocks()` to read, one after another; all of them by default. The more
        blocks lie between the two that a chip crosses, the longer its first half is held.

    Raises
    ------
    DamagedChunkError, ConnectionError, PermissionError
        As `cut_block` does.
    """
    blocks = stream.blocks()
    work = blocks if order is None else [blocks[number] for number in order]
    parts = Counter(chip for _, block in work for chip in block.chips)
    missing = parts.copy()
    threads = os.cpu_count() or 1
    if any(reading.remote for reading in stream.readings):
        threads = max(threads, REMOTE_THREADS)
    look_ahead = look_ahead or (threads + 1 if executor is None else LOOK_AHEAD)
    halves: dict[int, Cut] = {}
    with ThreadPoolExecutor(threads, "cut") if executor is None else nullcontext(executor) as pool:

        def submit(number: int, block: Block) -> _Task[Result]:
            whole = np.array([parts[chip] == 1 for chip in block.chips])
            chips = stream.chips.isel(chip=np.array(block.chips)[whole])
            reading = stream.readings[number]
            return block, whole, pool.submit(cut_chips, reading, block, whole, chips, function)

        tasks = (submit(number, block) for number, block in work)
        for block, whole, task in _bounded(tasks, look_ahead):
            result, rest = task.result()
            if whole.any():
                yield result  # type: ignore[misc]  # there is one where a chip is whole
            del result, task  # before the next block is waited for
            complete = []
            for position, chip in enumerate(np.array(block.chips)[~whole].tolist()):
                part = rest.taken([position])
                halves[chip] = join(halves[chip], part) if chip in halves else part
                missing[chip] -= 1
                if not missing[chip]:
                    complete.append(chip)
            if complete:
                cut = stack([halves.pop(chip) for chip in complete])
                yield function(batch(stream.chips.isel(chip=complete), cut))


type _Task[Result] = tuple[Block, np.ndarray, Future[tuple[Result | None, Cut]]]


def _bounded[Result](tasks: Iterator[_Task[Result]], look_ahead: int) -> Iterator[_Task[Result]]:
    """Give tasks in order; no more than `look_ahead` are submitted and not yet done with."""
    under_way: deque[_Task[Result]] = deque()
    try:
        while True:
            under_way.extend(islice(tasks, look_ahead - len(under_way)))
            if not under_way:
                return
            yield under_way.popleft()
    finally:
        for *_, task in under_way:
            task.cancel()


def chip_batches(
    stream: ChipStream,
    executor: Executor | None = None,
    *,
    look_ahead: int | None = None,
    order: Sequence[int] | None = None,
) -> Iterator[xr.Dataset]:
    """Read a cube once and give its chips batch by batch; `map_chips` says how."""
    return map_chips(stream, _as_it_is, executor, look_ahead=look_ahead, order=order)


def _as_it_is(chips: xr.Dataset) -> xr.Dataset:
    return chips


def cut_chips[Result](
    reading: Reading,
    block: Block,
    whole: np.ndarray,
    chips: xr.Dataset,
    function: Callable[[xr.Dataset], Result],
) -> tuple[Result | None, Cut]:
    """Cut a block; return what the function makes of its whole chips, and the parts of others."""
    cut = cut_block(reading, block)
    if whole.all():
        return function(batch(chips, cut)), cut.taken(~whole)
    result = function(batch(chips, cut.taken(whole))) if whole.any() else None
    return result, cut.taken(~whole)


def batch(chips: xr.Dataset, cut: Cut) -> xr.Dataset:
    """Join what is known of chips with what was cut of them."""
    return chips.assign(
        sar=(("chip", "timesteps", "sar_channel", "y", "x"), cut.sar),
        static=(("chip", "static_channel", "y", "x"), cut.static),
        rejected=("chip", cut.rejected),
        damaged=("chip", cut.damaged),
    )

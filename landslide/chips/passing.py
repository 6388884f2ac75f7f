"""One pass over a cube: block after block, a bounded number of them at once, in a fixed order."""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from dask.system import CPU_COUNT

from landslide.chips.blocks import Block, blocks_with_chips
from landslide.chips.cutting import Cut, Reading, cut_block, join, stack
from landslide.chips.windows import Window, corners_of

LOOK_AHEAD = 16  # blocks under way on an executor of unknown size
BLOCKS_PER_THREAD = 4  # blocks under way in this process, where they hold few chips
REMOTE_THREADS = 4  # which wait for answers more than they compute


@dataclass(frozen=True)
class ChipStream:
    """The chips of an event, chosen and not yet read."""

    chips: xr.Dataset
    """`label` (chip, y, x) uint8 with the coordinates `chip` (number), `corner_y`, `corner_x`
    [pixel], `part`, `timesteps`, `sar_channel` and `static_channel`."""
    readings: tuple[Reading, ...]
    """What is read: one for each grid of stored chunks."""
    within: Window | None = None
    """Of chips no pixel beyond these rows and columns is read; all of them by default."""

    def blocks(self) -> list[tuple[int, Block]]:
        """List the units of work in the order of the scene, each with its reading's number.

        Their chips are positions in `chips`.
        """
        corners = corners_of(self.chips)
        blocks = [
            (number, block)
            for number, reading in enumerate(self.readings)
            for block in blocks_with_chips(
                corners, reading.size, *reading.grid, reading.block_pixels, self.within
            )
        ]
        return sorted(blocks, key=lambda numbered: (numbered[1].corner, numbered[0]))

    def only(self, chips: Sequence[int] | np.ndarray) -> "ChipStream":
        """Return the stream of some of the chips, which reads no chunk that they do not need.

        They keep the order that they have here, in whatever order they are named.
        """
        every, named = np.arange(self.chips.sizes["chip"]), np.asarray(chips)
        chosen = np.unique(every[named] if named.size else every[:0])
        return replace(self, chips=self.chips.isel(chip=chosen))


def map_chips[Result](
    stream: ChipStream,
    function: Callable[[xr.Dataset], Result],
    executor: Executor | None = None,
    *,
    look_ahead: int | None = None,
    order: Sequence[int] | None = None,
    threads: int | None = None,
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
        Blocks that are under way or wait to be taken, and never more; by default 16 on a given
        executor. On the threads of this process by default four for each, but no more chips than
        one more block than there are threads can hold: a full block does not keep sparse ones
        waiting, and memory is bounded by chips.
    order : sequence of int, optional
        Which of `stream.blocks()` to read, one after another; all of them by default. The more
        blocks lie between the two that a chip crosses, the longer its first half is held.
    threads : int, optional
        Of this process, where no executor is given: by default as many as it has cores. Where the
        store is remote they are four at least.

    Raises
    ------
    ValueError
        Where `look_ahead` or `threads` is less than 1.
    DamagedChunkError, ConnectionError, PermissionError
        As `cut_block` does.
    """
    _require_some(look_ahead=look_ahead, threads=threads)
    blocks = stream.blocks()
    work = blocks if order is None else [blocks[number] for number in order]
    parts = Counter(chip for _, block in work for chip in block.chips)
    missing = parts.copy()
    threads = threads or CPU_COUNT
    if any(reading.remote for reading in stream.readings):
        threads = max(threads, REMOTE_THREADS)
    largest = max((len(block.chips) for _, block in work), default=0)
    room = math.inf
    if look_ahead is None and executor is None:
        look_ahead, room = BLOCKS_PER_THREAD * threads, (threads + 1) * largest
    halves: dict[int, Cut] = {}
    with ThreadPoolExecutor(threads, "cut") if executor is None else nullcontext(executor) as pool:

        def submit(number: int, block: Block) -> Task[Result]:
            whole = np.array([parts[chip] == 1 for chip in block.chips])
            chips = stream.chips.isel(chip=np.array(block.chips)[whole])
            reading = stream.readings[number]
            return block, whole, pool.submit(cut_chips, reading, block, whole, chips, function)

        for block, whole, task in bounded(work, submit, look_ahead or LOOK_AHEAD, room):
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


def _require_some(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}: give 1 or more, or leave it out")


type Task[Result] = tuple[Block, np.ndarray, Future[tuple[Result | None, Cut]]]


def bounded[Result](
    work: Iterable[tuple[int, Block]],
    submit: Callable[[int, Block], Task[Result]],
    look_ahead: int,
    room: float,
) -> Iterator[Task[Result]]:
    """Give tasks in order; what is submitted and not yet done with is bounded in blocks and chips.

    A block with more chips than there is room for comes alone.
    """
    under_way: deque[Task[Result]] = deque()
    chips = 0
    try:
        for number, block in work:
            while under_way and (len(under_way) >= look_ahead or chips + len(block.chips) > room):
                chips -= len(under_way[0][0].chips)
                yield under_way.popleft()
            under_way.append(submit(number, block))
            chips += len(block.chips)
        while under_way:
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
    threads: int | None = None,
) -> Iterator[xr.Dataset]:
    """Read a cube once and give its chips batch by batch; `map_chips` says how."""
    return map_chips(
        stream, _as_it_is, executor, look_ahead=look_ahead, order=order, threads=threads
    )


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

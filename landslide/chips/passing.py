"""One pass over a cube: block after block, a bounded number of them at once, in a fixed order."""

import heapq
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from dask.system import CPU_COUNT

from landslide.chips.blocks import Block, blocks_with_chips
from landslide.chips.cutting import Cut, Reading, cut_block, join, stack
from landslide.chips.inputs import Inputs
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

    def only(self, chips: Sequence[int] | np.ndarray | xr.DataArray) -> "ChipStream":
        """Return the stream of some of the chips, which reads no chunk that they do not need.

        They are named by their positions, or by a truth value for each chip of the stream, as
        `stream.chips.part == "train"` gives. They keep the order that they have here, in whatever
        order they are named.
        """
        every, named = np.arange(self.chips.sizes["chip"]), np.asarray(chips)
        chosen = np.unique(every[named] if named.size else every[:0])
        return replace(self, chips=self.chips.isel(chip=chosen))

    def seeing(self, inputs: Inputs, timesteps: int) -> "ChipStream":
        """Return the same chips with what one configuration sees of them: nothing else is read.

        What is known of them stays as it is, labels masked by all that the sweep uses, too.
        """
        counts = (timesteps,) if inputs.polarisations else self.readings[0].counts[:1]
        wanted = {
            "timesteps": counts,
            "sar_channel": inputs.sar_channels,
            "static_channel": inputs.static,
        }
        at = {
            axis: [self.chips[axis].to_numpy().tolist().index(name) for name in names]
            for axis, names in wanted.items()
        }
        readings = [
            reading.seeing(at["sar_channel"], at["static_channel"], counts)
            for reading in self.readings
        ]
        kept = tuple(reading for reading in readings if any(reading.made))
        return replace(self, chips=self.chips.isel(at), readings=kept)


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
        Called with batches of chips, in memory and otherwise as `stream_chips` says, where their
        block was read; it travels there, and only what it returns travels back. Chips that cross
        blocks are put together, and given to the function, in the calling process.
    executor : Executor, optional
        Threads of this process by default; spawned processes, or what a Dask client's
        `get_executor` gives.
    look_ahead : int, optional
        Blocks that are under way or wait to be taken, and never more; by default 16 on a given
        executor. On the threads of this process by default four for each, but no more planes of
        chips than the fullest blocks hold, one more than there are threads: a full block does not
        keep sparse ones waiting, and memory is bounded by them.
    order : sequence of int, optional
        In which order to read `stream.blocks()`, by their positions; as they are by default. The
        more blocks lie between the two that a chip crosses, the longer its first half is held.
    threads : int, optional
        Of this process, where no executor is given: by default as many as it has cores. Where the
        store is remote they are four at least.

    Raises
    ------
    ValueError
        Where `look_ahead` or `threads` is less than 1, or `order` is not of all blocks.
    DamagedChunkError, ConnectionError, PermissionError
        As `cut_block` does.
    """
    _require_some(look_ahead=look_ahead, threads=threads)
    work = _in_order(stream.blocks(), order)
    parts = Counter(chip for _, block in work for chip in block.chips)
    missing = parts.copy()
    threads = threads or CPU_COUNT
    if any(reading.remote for reading in stream.readings):
        threads = max(threads, REMOTE_THREADS)
    planes = [len(block.chips) * stream.readings[number].planes for number, block in work]
    room = math.inf
    if look_ahead is None and executor is None:
        look_ahead, room = BLOCKS_PER_THREAD * threads, sum(heapq.nlargest(threads + 1, planes))
    halves: dict[int, Cut] = {}
    with ThreadPoolExecutor(threads, "cut") if executor is None else nullcontext(executor) as pool:

        def submit(number: int, block: Block) -> Task[Result]:
            whole = np.array([parts[chip] == 1 for chip in block.chips])
            chips = stream.chips.isel(chip=np.array(block.chips)[whole])
            reading = stream.readings[number]
            return block, whole, pool.submit(cut_chips, reading, block, whole, chips, function)

        # Unnamed: a variable would keep the generator, and what waits in it, where a block fails.
        for block, whole, task in bounded(work, planes, submit, look_ahead or LOOK_AHEAD, room):
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


def _in_order(
    blocks: list[tuple[int, Block]], order: Sequence[int] | None
) -> list[tuple[int, Block]]:
    if order is None:
        return blocks
    if sorted(order) != list(range(len(blocks))):
        raise ValueError(f"the order names not each of {len(blocks)} blocks once: read them all")
    return [blocks[number] for number in order]


type Task[Result] = tuple[Block, np.ndarray, Future[tuple[Result | None, Cut]]]


def bounded[Result](
    work: Sequence[tuple[int, Block]],
    planes: Sequence[int],
    submit: Callable[[int, Block], Task[Result]],
    look_ahead: int,
    room: float,
) -> Iterator[Task[Result]]:
    """Give tasks in order; what is submitted and not yet done with is bounded in blocks and planes.

    A block with more planes than there is room for comes alone.
    """
    under_way: deque[tuple[int, Task[Result]]] = deque()
    held = 0
    try:
        for here, (number, block) in zip(planes, work, strict=True):
            while under_way and (len(under_way) >= look_ahead or held + here > room):
                taken, task = under_way.popleft()
                held -= taken
                yield task
            under_way.append((here, submit(number, block)))
            held += here
        while under_way:
            yield under_way.popleft()[1]
    finally:
        for _, (_, _, future) in under_way:
            future.cancel()


def chip_batches(
    stream: ChipStream,
    executor: Executor | None = None,
    *,
    look_ahead: int | None = None,
    order: Sequence[int] | None = None,
    threads: int | None = None,
) -> Iterator[xr.Dataset]:
    """Read a cube once, each stored chunk once, and give its chips batch by batch, in memory.

    A batch is a dataset of the chips of one block, as many as lie there, with what `stream_chips`
    says of them as NumPy arrays; chips that cross blocks come once all of them are read. Training
    sees the blocks shuffled by another `order`, of `range(len(stream.blocks()))`, in every epoch.

    The parameters, and what is raised, are those of `map_chips`.
    """
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
    if not whole.any():
        return None, cut
    return function(batch(chips, cut.taken(whole))), cut.taken(~whole)


def batch(chips: xr.Dataset, cut: Cut) -> xr.Dataset:
    """Join what is known of chips with what was cut of them."""
    return chips.assign(
        sar=(("chip", "timesteps", "sar_channel", "y", "x"), cut.sar),
        static=(("chip", "static_channel", "y", "x"), cut.static),
        rejected=("chip", cut.rejected),
        damaged=("chip", cut.damaged),
    )

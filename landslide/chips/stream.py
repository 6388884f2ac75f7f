"""From a cube to chips in one pass that serves every configuration."""

import functools
import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from numbers import Real

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed

from landslide.chips.cutting import Cut, cut_block, join
from landslide.chips.inputs import PAPER_INPUTS, PAPER_TIMESTEPS, union
from landslide.chips.passing import ChipStream, batch
from landslide.chips.plan import plan_chips
from landslide.chips.readings import plan_readings, require_variables
from landslide.chips.split import PARTS, Chipping
from landslide.cube.events import Event, event_to_attribute, find_event
from landslide.cube.labels import read_labels

log = logging.getLogger(__name__)


def plan_stream(
    cube: xr.Dataset,
    event: Event | str | None = None,
    *,
    inputs: str | Sequence[str] = PAPER_INPUTS,
    timesteps: int | Sequence[int] = PAPER_TIMESTEPS,
    protocol: str | None = None,
    chipping: Chipping | None = None,
    orbit: str | None = None,
    split: str | None = None,
    skip_damaged: bool = False,
) -> ChipStream:
    """Choose the chips of an event, and say what is to be read of a cube for them.

    `chip_batches` reads them, each stored chunk once a pass; `only` keeps some of them, such as
    `stream.only(stream.chips.part == "train")`. Of the cube's pixels its labels alone are read
    here, to choose the chips.

    The parameters, and what is raised here, are those of `stream_chips`.

    Returns
    -------
    ChipStream
        In `chips` what is known of each chip before it is read: `label` and all coordinates and
        attributes that `stream_chips` names.
    """
    if chipping is not None and protocol not in (None, chipping.protocol):
        raise ValueError(
            f"protocol {protocol!r} was given beside a chipping of protocol {chipping.protocol!r}: "
            "give it to the chipping alone"
        )
    chipping = chipping or Chipping(protocol=protocol or "paper")
    event = find_event(cube, event)
    wanted = union(inputs)
    counts = whole_timesteps(timesteps)
    require_variables(cube, wanted)
    chips = plan_chips(read_labels(cube), chipping, split)
    parts = Counter(chips["part"].to_numpy().tolist())
    log.info("chips: %s", ", ".join(f"{parts[part]} {part}" for part in PARTS if parts[part]))

    said, readings = plan_readings(
        cube,
        event,
        wanted,
        counts,
        size=chipping.chip_size,
        orbit=orbit,
        skip_damaged=skip_damaged,
    )
    chips = chips.assign_coords(
        chip=np.arange(chips.sizes["chip"]),
        timesteps=list(counts),
        sar_channel=np.array(wanted.sar_channels, dtype="U24"),
        static_channel=np.array(wanted.static, dtype="U24"),
    )
    source = {k: v for k, v in cube.attrs.items() if k in {"simulated", "title"}}
    chips = chips.assign_attrs(
        source,
        event=event_to_attribute(event),
        protocol=chipping.protocol,
        **said,
    )
    return ChipStream(chips, readings)


def whole_timesteps(timesteps: float | Iterable[float]) -> tuple[int, ...]:
    """Return one or more timestep counts in order, each once.

    Raises
    ------
    ValueError
        Where there is none, or one is no whole number from 1 on.
    """
    given = list(timesteps) if isinstance(timesteps, Iterable) else [timesteps]
    if not given or not all(isinstance(n, Real) and n >= 1 and n % 1 == 0 for n in given):
        raise ValueError(f"timesteps are whole numbers from 1 on, not {given}")
    return tuple(sorted({int(count) for count in given}))


def stream_chips(
    cube: xr.Dataset,
    event: Event | str | None = None,
    *,
    inputs: str | Sequence[str] = PAPER_INPUTS,
    timesteps: int | Sequence[int] = PAPER_TIMESTEPS,
    protocol: str | None = None,
    chipping: Chipping | None = None,
    orbit: str | None = None,
    split: str | None = None,
    skip_damaged: bool = False,
) -> xr.Dataset:
    """Cut the chips of an event out of a cube, lazily; computing them is one pass over it.

    Compute the dataset as a whole: any part of a chip costs the block of stored chunks that it lies
    in, about 1024 pixels on a side, with all chips and channels there. One chip after another, or
    one variable after another, reads each block again and again. What is not to be held in memory
    is read by `chip_batches(plan_stream(...))`: each chunk once a pass, a few blocks at a time.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it. Its labels are read here, to choose the chips.
    event : Event or str, optional
        The event, a published one's name, or a TOML file's address; by default the cube's own.
    inputs : str or sequence of str
        Input sets such as `vv+vh+dem`; the chips hold every channel that any of them needs.
    timesteps : int or sequence of int
        Numbers of images on each side to average, all of them kept.
    protocol : str, optional
        `paper`, unless `blocked` is given; `chipping` says the same and more, in its place.
    chipping : Chipping, optional
        Chip size, overlap, protocol, blocks.
    orbit : str, optional
        A relative orbit, an orbit state or `any`, instead of the event's own.
    split : str, optional
        A saved split (JSON, not its address) to use again.
    skip_damaged : bool
        Mark the chips of a chunk that is missing or cannot be decoded as `damaged`, which `train`
        leaves out, instead of failing.

    Returns
    -------
    Dataset
        `sar` (chip, timesteps, sar_channel, y, x) float32, Dask: mean natural log of gamma0 [linear
        power] over as many images as `timesteps` says, the nearest before or after the event, each
        pixel over its valid ones; NaN where it has none, and beyond the scene.

        `static` (chip, static_channel, y, x) float32, Dask: `dem` [m], `dem_slope_radians`
        [radians], `dem_aspect` [degrees clockwise from grid north, NaN if flat], `dem_curvature`
        [1/100 m]; `coherence_before`, `coherence_event` [0 to 1], their difference
        `coherence_change` [-1 to 1]. NaN where there are no data.

        `label` (chip, y, x) uint8, in memory: 1 landslide, 0 none, 255 not mapped or beyond the
        scene. It is the cube's, whatever `sar` lacks there; `train` counts as 255 what lacks data.

        `rejected` (chip) int64, Dask: samples that were infinite, zero or negative, taken as
        no-data. `damaged` (chip) bool, Dask: whether `skip_damaged` let a chunk pass.

        Coordinates are `chip` (number), `timesteps` (counts, ascending), `sar_channel` (such as
        `vv_before`), `static_channel`; `part` (chip), `train`, `validation`, `test` or `unused`;
        `corner_y` and `corner_x` (chip), the row and column [pixels] of the upper left corner.
        Attributes name the event, the protocol, the chip size, and the orbit and the images used.

    Raises
    ------
    ValueError
        Here: where the cube cannot give these inputs or tells no event, no chip qualifies, or
        `protocol` and `chipping` differ.
    FileNotFoundError
        Here: where there is no such event or event file.
    DamagedChunkError, ConnectionError, PermissionError
        As the labels are read here, or what is lazy is computed: where a chunk is missing or
        damaged (a ValueError that names it), or the store cannot be reached, or refuses.
    """
    return lazy_chips(
        plan_stream(
            cube,
            event,
            inputs=inputs,
            timesteps=timesteps,
            protocol=protocol,
            chipping=chipping,
            orbit=orbit,
            split=split,
            skip_damaged=skip_damaged,
        )
    )


def lazy_chips(stream: ChipStream) -> xr.Dataset:
    """Return the chips of a stream as Dask arrays, in one graph with a task a block."""
    token = uuid.uuid4().hex
    tasks = []
    blocks_of: list[list[tuple[int, int]]] = [[] for _ in range(stream.chips.sizes["chip"])]
    # Once for all tasks, and untouched: Dask would compute a cube's arrays to hand them over.
    readings = [
        delayed(reading, name=f"reading-{token}-{n}", traverse=False)
        for n, reading in enumerate(stream.readings)
    ]
    for number, (reading, block) in enumerate(stream.blocks()):
        name = f"cut_block-{token}-{number}"
        tasks.append(
            delayed(cut_block, traverse=False)(readings[reading], block, dask_key_name=name)
        )
        for position, chip in enumerate(block.chips):
            blocks_of[chip].append((number, position))
    first = stream.readings[0]
    shape = (len(first.counts), first.channels[0], first.size, first.size)
    cuts: list[list[da.Array]] = []
    keyed = groupby(enumerate(blocks_of), key=lambda item: [number for number, _ in item[1]])
    for run, (numbers, members) in enumerate(keyed):
        positions = [[position for _, position in blocks] for _, blocks in members]
        name = f"chips-{token}-{run}"
        put = delayed(_put_together, nout=4)(
            [tasks[number] for number in numbers], positions, dask_key_name=name
        )
        n = len(positions)
        shapes = (n, *shape), (n, first.channels[1], *shape[2:]), (n,), (n,)
        dtypes = np.float32, np.float32, np.int64, np.bool_
        cuts.append([da.from_delayed(*each) for each in zip(put, shapes, dtypes, strict=True)])
    arrays = [da.concatenate(each) for each in zip(*cuts, strict=True)]
    return batch(stream.chips, Cut(*arrays))


def _put_together(cuts: list[Cut], positions: list[list[int]]) -> Cut:
    """Put chips together from the same blocks, given their positions in each of them."""
    chosen = [cut.taken([each[n] for each in positions]) for n, cut in enumerate(cuts)]
    return functools.reduce(join, chosen)

"""From a cube to chips in one pass: each block of the store is read once, for every configuration.

A block is a rectangle of whole stored chunks; one Dask task reads it, cuts out what chosen chips
need of it and composes only that. A chip that crosses blocks is put together from the fragments
that each of its blocks gave, so no chunk is decoded twice, whatever the chunks and the overlap.
"""

import functools
import logging
import warnings
from collections.abc import Callable, Sequence
from itertools import groupby

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import optimize
from dask.delayed import delayed

from landslide.chips.composite import (
    coherence_layers,
    coherence_pairs,
    cumulative_log_means,
    select_images,
)
from landslide.chips.inputs import COHERENCE, PAPER_INPUTS, PAPER_TIMESTEPS, Inputs, union
from landslide.chips.plan import LEAST_VALID, plan_chips
from landslide.chips.split import UNUSED, Chipping
from landslide.chips.windows import Block, blocks_with_chips
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.labels import NO_DATA, read_labels

log = logging.getLogger(__name__)

Kernel = Callable[[dict[str, np.ndarray]], tuple[np.ndarray, int]]
"""From a block's variables (…, y, x) to channels (…, y, x) and the count of rejected samples."""


def stream_chips(
    cube: xr.Dataset,
    event: Event,
    *,
    inputs: str | Sequence[str] = PAPER_INPUTS,
    timesteps: Sequence[int] = PAPER_TIMESTEPS,
    protocol: str = "paper",
    chipping: Chipping | None = None,
    orbit: str | None = None,
    split: str | None = None,
) -> xr.Dataset:
    """Cut the chips of an event out of a cube, lazily; computing them is one pass over it.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it. Its labels are read here, to choose the chips.
    event : Event
    inputs : str or sequence of str
        Input sets such as `vv+vh+dem`; the chips hold every channel that any of them needs.
    timesteps : sequence of int
        Numbers of images on each side to average, all of them kept.
    protocol : str
        `paper` or `blocked`; `chipping` says the same and more, and takes its place.
    chipping : Chipping, optional
        Chip size, overlap, protocol, blocks.
    orbit : str, optional
        A relative orbit, an orbit state or `any`, instead of the event's own.
    split : str, optional
        A saved split (JSON) to use again.

    Returns
    -------
    Dataset
        `sar` (chip, timesteps, sar_channel, y, x) float32, mean natural log of gamma0;
        `static` (chip, static_channel, y, x) float32 in the cube's units; `label` (chip, y, x)
        uint8, 255 where there is no data; `rejected` (chip) samples that were no backscatter.
        Coordinates: `corner_y`, `corner_x` [pixel], `part`, and the channels' names.

    Raises
    ------
    ValueError
        Where the cube cannot give these inputs, or no chip qualifies.
    """
    chipping = chipping or Chipping(protocol=protocol)
    wanted = union([inputs] if isinstance(inputs, str) else inputs)
    counts = tuple(sorted(set(timesteps)))
    if not counts or counts[0] < 1:
        raise ValueError(f"timesteps are whole numbers from 1 on, not {list(timesteps)}")
    require_variables(cube, wanted)
    chips = plan_chips(read_labels(cube), chipping, split)
    corners = np.stack([chips["corner_y"], chips["corner_x"]], axis=1)
    cutter = functools.partial(_cut_layers, cube, corners, chipping.chip_size)

    attrs: dict[str, object] = {}
    sar, rejected = cutter((), None, (len(counts),))
    if wanted.polarisations:
        images = select_images(cube, event, counts[-1], orbit)
        used = np.array(sorted({*images.before, *images.after}))
        times = cube["timestep"].to_numpy()
        attrs = {
            "orbit": images.orbit,
            "images_before": [str(times[i])[:19] for i in images.before],
            "images_after": [str(times[i])[:19] for i in images.after],
        }
        log.info("images before %(images_before)s, after %(images_after)s, orbit %(orbit)s", attrs)
        kernel = functools.partial(
            _sar_kernel,
            before=np.searchsorted(used, images.before),
            after=np.searchsorted(used, images.after),
            counts=np.array(counts),
        )
        sar, rejected = cutter(
            wanted.polarisations, kernel, (len(counts),), timestep=used, channels_each=2
        )
    terrain = tuple(name for name in wanted.static if name not in COHERENCE)
    static, _ = cutter(terrain, _terrain_kernel, ())
    if len(terrain) < len(wanted.static):
        before, across = coherence_pairs(cube, event)
        used = np.flatnonzero(before | across)
        kernel = functools.partial(_coherence_kernel, before=before[used], across=across[used])
        layers, _ = cutter(("coherence",), kernel, (), channels_each=len(COHERENCE), timepair=used)
        chosen = [COHERENCE.index(name) for name in wanted.static if name in COHERENCE]
        static = da.concatenate([static, layers[:, chosen]], axis=1)

    chips = chips.assign(
        sar=(("chip", "timesteps", "sar_channel", "y", "x"), sar),
        static=(("chip", "static_channel", "y", "x"), static),
        rejected=("chip", rejected),
    ).assign_coords(
        timesteps=list(counts),
        sar_channel=np.array(wanted.sar_channels, dtype="U24"),
        static_channel=np.array(wanted.static, dtype="U24"),
    )
    source = {k: v for k, v in cube.attrs.items() if k in {"simulated", "title"}}
    return chips.assign_attrs(
        source, event=event_to_attribute(event), protocol=chipping.protocol, **attrs
    )


def require_variables(cube: xr.Dataset, inputs: Inputs) -> None:
    """Raise a ValueError that names the variables which the cube lacks for these inputs."""
    missing = [name for name in inputs.variables if name not in cube]
    if missing:
        raise ValueError(
            f"inputs {inputs.name!r} need {', '.join(missing)}, which the cube lacks: it has "
            f"{', '.join(str(name) for name in cube.data_vars)}"
        )


def load_chips(chips: xr.Dataset) -> xr.Dataset:
    """Read the chips into memory and make their labels the one mask of every score.

    A pixel keeps its label only where every channel and timestep count has data. (Flat ground has
    no aspect; that excludes no pixel.) Under `blocked` a chip that turns out less than half valid
    becomes unused. Chips that are loaded already pass through unchanged.

    Raises
    ------
    ValueError
        Where no labelled pixel with data is left.
    """
    if chips.attrs.get("masked"):
        return chips
    chips = chips.compute()
    rejected = int(chips["rejected"].sum())
    if rejected:
        warnings.warn(
            f"{rejected} backscatter samples are infinite, zero or negative: taken as no-data",
            stacklevel=2,
        )
    static = chips["static"].sel(
        static_channel=[c for c in chips["static_channel"].to_numpy() if c != "dem_aspect"]
    )
    label = chips["label"].to_numpy().copy()
    for i in range(len(label)):
        label[i][~np.isfinite(chips["sar"].to_numpy()[i]).all(axis=(0, 1))] = NO_DATA
        label[i][~np.isfinite(static.to_numpy()[i]).all(axis=0)] = NO_DATA
    valid = (label != NO_DATA).mean(axis=(1, 2))
    if not valid.any():
        raise ValueError(
            "no pixel of any chip has data in every channel: check the cube's no-data values, "
            "or ask for fewer inputs"
        )
    part = chips["part"].to_numpy().copy()
    if chips.attrs["protocol"] == "blocked":
        part[valid < LEAST_VALID] = UNUSED
    chips = chips.assign(label=(chips["label"].dims, label)).assign_coords(part=("chip", part))
    return chips.assign_attrs(masked=1)


def _cut_layers(
    cube: xr.Dataset,
    corners: np.ndarray,
    size: int,
    names: Sequence[str],
    kernel: Kernel | None,
    lead: tuple[int, ...],
    *,
    channels_each: int = 1,
    **selection: np.ndarray,
) -> tuple[da.Array, da.Array]:
    """Cut the channels of some variables: (chip, *lead, channel, y, x), and the rejected (chip).

    Variables that share their chunks share their tasks.
    """
    nothing = da.zeros((len(corners), *lead, 0, size, size), dtype=np.float32, chunks=-1)
    arrays, rejected = [nothing], da.zeros(len(corners), dtype=np.int64)
    for chunks, group in groupby(names, key=lambda name: _chunks(cube[name])):
        variables = list(group)
        layers = cube[variables].isel(selection)
        layers = layers.drop_vars(list(layers.coords))
        blocks = blocks_with_chips(corners, size, *chunks)
        shape = (*lead, channels_each * len(variables), size, size)
        assert kernel is not None
        array, count = _assemble(layers, kernel, blocks, len(corners), shape)
        arrays.append(array)
        rejected = rejected + count
    return da.concatenate(arrays, axis=1 + len(lead)) if len(arrays) > 1 else nothing, rejected


def _chunks(variable: xr.DataArray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sizes = dict(variable.chunksizes) or {d: (n,) for d, n in variable.sizes.items()}
    return sizes["y"], sizes["x"]


def _assemble(
    layers: xr.Dataset, kernel: Kernel, blocks: list[Block], chips: int, shape: tuple[int, ...]
) -> tuple[da.Array, da.Array]:
    """Build the one graph: a task a block, and one for each run of chips of the same blocks."""
    tasks = {}
    blocks_of: list[list[int]] = [[] for _ in range(chips)]
    for number, block in enumerate(blocks):
        lazy = layers.isel(y=block.rows, x=block.columns)
        # Culled, so that a task carries its own chunks and not the whole cube's graph.
        (lazy,) = optimize(lazy)
        tasks[number] = delayed(functools.partial(_read_block, lazy, kernel, block), pure=False)()
        for fragment in block.fragments:
            blocks_of[fragment.chip].append(number)
    arrays, counts = [], []
    for key, run in groupby(range(chips), key=lambda chip: tuple(blocks_of[chip])):
        members = list(run)
        put = delayed(functools.partial(_put_together, members, shape), pure=False, nout=2)
        array, count = put([tasks[number] for number in key])
        arrays.append(da.from_delayed(array, (len(members), *shape), np.float32))
        counts.append(da.from_delayed(count, (len(members),), np.int64))
    return da.concatenate(arrays), da.concatenate(counts)


Pieces = dict[int, tuple[tuple[slice, slice], np.ndarray, int]]
"""For each chip: rows and columns within it, the channels there, and the rejected samples."""


def _read_block(lazy: xr.Dataset, kernel: Kernel, block: Block) -> Pieces:
    """Read one block, and compose what each chip needs of it."""
    loaded = lazy.compute(scheduler="synchronous")
    planes = {str(name): variable.to_numpy() for name, variable in loaded.items()}
    pieces: Pieces = {}
    for fragment in block.fragments:
        cut = {name: plane[..., *fragment.inside_block] for name, plane in planes.items()}
        pieces[fragment.chip] = (fragment.inside_chip, *kernel(cut))
    return pieces


def _put_together(
    members: list[int], shape: tuple[int, ...], blocks: list[Pieces]
) -> tuple[np.ndarray, np.ndarray]:
    """Put the chips of a run together from the blocks that they touch."""
    chips = np.full((len(members), *shape), np.nan, np.float32)
    rejected = np.zeros(len(members), np.int64)
    for pieces in blocks:
        for position, chip in enumerate(members):
            where, channels, count = pieces[chip]
            chips[position][..., *where] = channels
            rejected[position] += count
    return chips, rejected


def _sar_kernel(
    power: dict[str, np.ndarray], before: np.ndarray, after: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, int]:
    channels, rejected = [], 0
    for images in power.values():
        for side in (before, after):
            means, count = cumulative_log_means(images[side])
            channels.append(means[counts - 1])
            rejected += count
    return np.stack(channels, axis=1), rejected


def _terrain_kernel(planes: dict[str, np.ndarray]) -> tuple[np.ndarray, int]:
    return np.stack(list(planes.values())).astype(np.float32), 0


def _coherence_kernel(
    planes: dict[str, np.ndarray], before: np.ndarray, across: np.ndarray
) -> tuple[np.ndarray, int]:
    return coherence_layers(planes["coherence"], before, across), 0

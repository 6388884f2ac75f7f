"""The one graph that cuts chips out of a cube: a Dask task a block, and every block once.

A block is a rectangle of whole stored chunks; its task reads it, cuts out what chosen chips need of
it and composes only that. A chip that crosses blocks is put together from the fragments that each
of its blocks gave, so no chunk is decoded twice, whatever the chunks and the overlap.
"""

import functools
from collections.abc import Callable, Sequence
from itertools import groupby

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import optimize
from dask.delayed import delayed

from landslide.chips.windows import Block, blocks_with_chips

Kernel = Callable[[dict[str, np.ndarray]], tuple[np.ndarray, int]]
"""From a block's variables (…, y, x) to channels (…, y, x) and the count of rejected samples."""


def cut_layers(
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
    """Cut the channels of some variables, lazily.

    Parameters
    ----------
    cube : Dataset
    corners : int (chip, 2)
    size : int
        Chip size in pixels.
    names : sequence of str
        The variables; neighbours that share their chunks share their tasks.
    kernel : Kernel
        Composes channels; None where there is nothing to cut.
    lead : tuple of int
        Dimensions of the channels before the channel itself.
    channels_each : int
        Channels that the kernel makes of each variable.
    selection
        Positions along other dimensions, such as `timestep`.

    Returns
    -------
    channels : float32 (chip, *lead, channel, y, x)
        NaN beyond the scene.
    rejected : int64 (chip)
        Samples that the kernel rejected.
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

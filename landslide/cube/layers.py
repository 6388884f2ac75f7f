"""A variable of a cube over its stored array: read by region, and given in the house's form."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.cube.selections import Along, Selection
from landslide.cube.stored import Damage, DamagedChunkError, Pending, StoredArray

LAYER = "layer"
"""The key of a variable's `encoding` under which `open_cube` leaves its layer."""


@dataclass(frozen=True, eq=False)
class Layer:
    """An array to Dask and NumPy, and regions of it to who reads many of them."""

    name: str
    """Unique: a Dask array of this name, and no other, holds the layer as it is."""
    stored: StoredArray
    axes: tuple[int, ...]
    """The stored axis of each dimension."""
    positions: tuple[NDArray[np.int64] | None, ...]
    """Along each dimension, where in the store each index lies; None where it lies there."""
    decode: Callable[[NDArray[Any]], NDArray[Any]] | None
    """From stored values to those of the house; None where they are the same."""
    to_power: Callable[[NDArray[Any]], NDArray[Any]] | None
    """From the logarithm to power, where the store holds backscatter as its natural logarithm."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each dimension."""
        return tuple(self.stored.shape[axis] for axis in self.axes)

    @property
    def ndim(self) -> int:
        """Count of dimensions."""
        return len(self.axes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values once decoded."""
        return self.stored.dtype if self.decode is None else np.dtype(np.float32)

    def chunk_numbers(self, dim: int) -> NDArray[np.int64]:
        """Return the number of the stored chunk that each index along a dimension lies in."""
        return self.stored_positions(dim) // self.stored.chunks[self.axes[dim]]

    def stored_positions(self, dim: int) -> NDArray[np.int64]:
        """Return where in the store each index along a dimension lies."""
        positions = self.positions[dim]
        return np.arange(self.shape[dim]) if positions is None else positions

    def start(self, index: Selection) -> Callable[[], NDArray[Any]]:
        """Begin to read a region; what it returns waits for the values.

        Values of a layer with `to_power` are the logarithms as stored. Waiting raises what
        `StoredArray.finish` raises.
        """
        selection = self._selection(index)
        pending: Pending = self.stored.start(selection)
        return lambda: self._in_house_form(self.stored.finish(pending, selection), index)

    def salvage(self, index: Selection) -> tuple[NDArray[Any], list[Damage]]:
        """Read a region chunk by chunk: its values, and which of its chunks are damaged."""
        values, damages = self.stored.salvage(self._selection(index))
        turned = [
            Damage(
                tuple(
                    self._turned(dim, along, damage.where[axis])
                    for dim, (axis, along) in enumerate(zip(self.axes, index, strict=True))
                ),
                damage.error,
            )
            for damage in damages
        ]
        return self._in_house_form(values, index), turned

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read as NumPy indexes, along each axis by itself: what Dask asks for."""
        key = index if isinstance(index, tuple) else (index,)
        if Ellipsis in [along for along in key if not isinstance(along, np.ndarray)]:
            at = key.index(Ellipsis)
            key = (*key[:at], *[slice(None)] * (self.ndim - len(key) + 1), *key[at + 1 :])
        key = (*key, *[slice(None)] * (self.ndim - len(key)))
        region, rest = [], []
        for along, size in zip(key, self.shape, strict=True):
            if isinstance(along, slice) and along.step in (None, 1):
                start, stop, _ = along.indices(size)
                region.append(slice(start, max(start, stop)))
            else:
                region.append(np.atleast_1d(np.arange(size)[along]))
            rest.append(0 if np.ndim(along) == 0 and not isinstance(along, slice) else slice(None))
        sizes = [a.stop - a.start if isinstance(a, slice) else a.size for a in region]
        if math.prod(sizes) == 0:
            return np.empty(sizes, self.dtype)[tuple(rest)]
        values = self.start(tuple(region))()
        return (values if self.to_power is None else self.to_power(values))[tuple(rest)]

    def _selection(self, index: Selection) -> Selection:
        selection: list[Along] = [slice(0)] * self.ndim
        for axis, along, positions in zip(self.axes, index, self.positions, strict=True):
            selection[axis] = along if positions is None else _as_slice(positions[along])
        return tuple(selection)

    def _backwards(self, dim: int, along: Along) -> bool:
        positions = self.positions[dim]
        return positions is not None and _runs_backwards(positions[along])

    def _in_house_form(self, values: NDArray[Any], index: Selection) -> NDArray[Any]:
        turned = values.transpose(self.axes)
        flips = tuple(d for d, along in enumerate(index) if self._backwards(d, along))
        turned = np.flip(turned, flips) if flips else turned
        return turned if self.decode is None else self.decode(turned)

    def _turned(self, dim: int, along: Along, where: Along) -> Along:
        if not self._backwards(dim, along):
            return where
        size = along.stop - along.start if isinstance(along, slice) else along.size
        positions = np.arange(where.start, where.stop) if isinstance(where, slice) else where
        return size - 1 - positions


def _runs_backwards(positions: NDArray[np.int64]) -> bool:
    return positions.size > 1 and bool((np.diff(positions) == -1).all())


def _as_slice(positions: NDArray[np.int64]) -> Along:
    """Return neighbouring positions as a slice, in the order of the store."""
    if positions.size and (_runs_backwards(positions) or bool((np.diff(positions) == 1).all())):
        return slice(int(positions.min()), int(positions.max()) + 1)
    return positions


@dataclass(frozen=True, eq=False)
class PlainArray:
    """An array that is no layer: one in memory, or a Dask graph of somebody's own."""

    data: Any
    to_power = None

    def chunk_numbers(self, dim: int) -> NDArray[np.int64]:
        """Return the number of the Dask chunk that each index along a dimension lies in."""
        chunks = getattr(self.data, "chunks", None)
        sizes = chunks[dim] if chunks else (self.data.shape[dim],)
        return np.repeat(np.arange(len(sizes)), sizes)

    def start(self, index: Selection) -> Pending:
        """Choose a region; it is computed when waited for."""
        region = self.data[index]
        if isinstance(region, np.ndarray):
            return lambda: region
        return lambda: np.asarray(region.compute(scheduler="synchronous"))

    def salvage(self, index: Selection) -> tuple[NDArray[Any], list[Damage]]:
        """Read a region; where a chunk that it comes of is damaged, all of it is no data."""
        try:
            return self.start(index)(), []
        except DamagedChunkError as error:
            region = self.data[index]
            nothing = np.nan if region.dtype.kind in "fc" else 0
            everywhere = tuple(slice(0, size) for size in region.shape)
            return np.full(region.shape, nothing, region.dtype), [Damage(everywhere, error)]


def run_sizes(numbers: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the lengths of the runs of equal numbers."""
    edges = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1))
    return tuple(np.diff(edges).tolist())


def layer_of(array: xr.DataArray) -> Layer | None:
    """Return the layer under a variable of an opened cube; None where it has been changed since."""
    layer = array.encoding.get(LAYER)
    untouched = layer is not None and array.chunks is not None and array.data.name == layer.name
    return layer if untouched else None


def readable(array: xr.DataArray) -> Layer | PlainArray:
    """Return what reads regions of a variable: its layer, or the array itself."""
    return layer_of(array) or PlainArray(array.data)


def stored_grid(array: xr.DataArray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sizes of the stored chunks of a variable along y and x."""
    source = readable(array)
    rows, columns = (source.chunk_numbers(array.dims.index(dim)) for dim in ("y", "x"))
    return run_sizes(rows), run_sizes(columns)

"""One array of a Zarr store, read region by region with the reader that was chosen for it."""

import functools
import importlib
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from landslide.cube.address import filesystem_of, is_remote, open_group, plain_errors
from landslide.cube.readers import (
    CONCURRENCY,
    PIPELINES,
    TENSORSTORE,
    tensorstore_context,
    tensorstore_spec,
)

Along = slice | NDArray[np.int64]
"""What to read along one axis: a slice of step 1, or positions."""
Selection = tuple[Along, ...]
Pending = Callable[[], NDArray[Any]]
"""Gives what was asked for; waits until it is there."""

DAMAGE, AS_NO_DATA = "damage", "no-data"
MISSING = (DAMAGE, AS_NO_DATA)
"""What a chunk counts as that the store lacks: lost, or all fill value, as Zarr says."""

_opening = threading.Lock()


class DamagedChunkError(ValueError):
    """A chunk that is missing or cannot be decoded."""


@dataclass(frozen=True)
class Damage:
    """Where a selection holds a damaged chunk."""

    where: tuple[Along, ...]
    """Positions along each axis of the selection."""
    error: DamagedChunkError


@dataclass(frozen=True)
class StoredArray:
    """An array of a Zarr group; picklable, and opened by each process that reads it."""

    uri: str
    """Address of the group."""
    path: str
    """Name of the array in it."""
    reader: str
    """One of `landslide.cube.readers.READERS`."""
    missing: str
    """`damage` or `no-data`."""
    token: str
    """Differs each time a cube is opened: what lies at an address may have changed."""
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    """The smallest piece that can be read."""
    objects: tuple[int, ...]
    """What one object of the store holds: a shard, or a chunk."""
    dtype: np.dtype[Any]

    def start(self, selection: Selection) -> Pending:
        """Begin to read a selection; a reader that cannot do so in advance reads when waited for.

        Waiting raises what the reader raises: `finish` tells it in plain words.
        """
        if self.reader == TENSORSTORE:
            return _opened(self).oindex[selection].read().result
        if is_remote(self.uri):
            return _requests().submit(self._read, selection).result
        return functools.partial(self._read, selection)

    def _read(self, selection: Selection) -> NDArray[Any]:
        array = _opened(self)
        if self.reader == "zarrs" and self.missing == DAMAGE:  # it says of no chunk that it lacks
            for position, *_ in _chunks_of(selection, self.objects):
                if not self.has(position):
                    raise KeyError(position)
        return np.asarray(array.get_orthogonal_selection(selection))

    def finish(self, pending: Pending, selection: Selection) -> NDArray[Any]:
        """Wait for what `start` began.

        Raises
        ------
        DamagedChunkError
            Where a chunk is missing or cannot be decoded; the message names its key.
        ConnectionError, PermissionError
            Where the store cannot be reached, or refuses.
        """
        try:
            return np.asarray(pending())
        except Exception as error:
            _, damages = self.salvage(selection)
            if damages:
                raise damages[0].error from error
            with plain_errors(self.uri):
                raise

    def read(self, selection: Selection) -> NDArray[Any]:
        """Read a selection; raises what `finish` raises."""
        return self.finish(self.start(selection), selection)

    def salvage(self, selection: Selection) -> tuple[NDArray[Any], list[Damage]]:
        """Read a selection chunk by chunk, and say which of its chunks are damaged.

        Raises
        ------
        ConnectionError, PermissionError
            Where the store cannot be reached, or refuses.
        """
        sizes = [a.stop - a.start if isinstance(a, slice) else a.size for a in selection]
        values = np.zeros(sizes, self.dtype)
        damages = []
        lenient = replace(self, missing=AS_NO_DATA)
        for chunk, asked, where in _chunks_of(selection, self.chunks):
            position = tuple(
                c * n // o for c, n, o in zip(chunk, self.chunks, self.objects, strict=True)
            )
            problem = ""
            with plain_errors(self.uri):
                try:
                    values[np.ix_(*map(_positions, where))] = lenient.start(asked)()
                except (RuntimeError, ValueError, TypeError) as error:
                    problem = f"cannot be decoded ({' '.join(str(error).split())[:120]})"
                if not problem and self.missing == DAMAGE and not self.has(position):
                    problem = "is missing"
            if problem:
                said = DamagedChunkError(
                    f"{self.uri}: the chunk {self.key(position)} {problem}; write or fetch it "
                    "again, or leave its chips out with --skip-damaged"
                    + ("" if "decoded" in problem else " (--missing no-data if it was left empty)")
                )
                damages.append(Damage(where, said))
        return values, damages

    def key(self, position: tuple[int, ...]) -> str:
        """Return the key of the object at a position of the grid."""
        encoding = _zarr_array(self.uri, self.path, self.token).metadata
        return f"{self.path}/{encoding.encode_chunk_key(position)}"

    def has(self, position: tuple[int, ...]) -> bool:
        """Say whether the store has the object at a position of the grid."""
        filesystem, root = filesystem_of(self.uri)
        return bool(
            filesystem.exists(f"{root}/{self.key(position)}" if root else self.key(position))
        )


def _positions(along: Along) -> NDArray[np.int64]:
    return np.arange(along.start, along.stop) if isinstance(along, slice) else along


def _chunks_of(
    selection: Selection, chunks: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Selection, Selection]]:
    """List the chunks of a selection: grid position, what to ask for, and where it goes."""
    axes = [list(_along(a, size)) for a, size in zip(selection, chunks, strict=True)]
    for parts in itertools.product(*axes):
        position, asked, where = zip(*parts, strict=True)
        yield position, asked, where


def _along(along: Along, size: int) -> Iterator[tuple[int, Along, Along]]:
    if isinstance(along, slice):
        for number in range(along.start // size, -(-along.stop // size)):
            low, high = max(along.start, number * size), min(along.stop, (number + 1) * size)
            yield number, slice(low, high), slice(low - along.start, high - along.start)
        return
    for number in np.unique(along // size).tolist():
        (where,) = np.nonzero(along // size == number)
        yield number, along[where], where


@functools.lru_cache(maxsize=256)
def _zarr_array(uri: str, path: str, _token: str) -> zarr.Array[Any]:
    array = open_group(uri)[path]
    assert isinstance(array, zarr.Array)
    return array


@functools.lru_cache(maxsize=256)
def _opened(stored: StoredArray) -> Any:
    """Open an array once in each process: a TensorStore, or a zarr array."""
    if stored.reader == TENSORSTORE:
        tensorstore = importlib.import_module("tensorstore")
        array = _zarr_array(stored.uri, stored.path, stored.token)
        spec = tensorstore_spec(stored.uri, stored.path, array.metadata.zarr_format)
        spec["fill_missing_data_reads"] = stored.missing != DAMAGE
        return tensorstore.open(spec, read=True, open=True, context=_shared()).result()
    settings = {
        "codec_pipeline.path": PIPELINES[stored.reader],
        "array.read_missing_chunks": stored.missing != DAMAGE or stored.reader == "zarrs",
        "array.sharding_coalesce_max_gap_bytes": 0,  # no byte that nobody asked for
    }
    # zarr takes these from its configuration when an array is opened, and keeps them with it.
    with _opening, zarr.config.set(settings):
        chosen = open_group(stored.uri)[stored.path]
    zarr.config.set({"async.concurrency": CONCURRENCY})
    return chosen


@functools.cache
def _shared() -> Any:
    return importlib.import_module("tensorstore").Context(tensorstore_context())


@functools.cache
def _requests() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="request")

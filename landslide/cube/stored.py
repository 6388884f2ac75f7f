"""One array of a Zarr store, read region by region with the reader that was chosen for it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import RangeByteRequest
from zarr.core.sync import sync

from landslide.cube.address import UNDECODED, filesystem_of, is_remote, plain_errors
from landslide.cube.opening import (
    AS_NO_DATA,
    DAMAGE,
    UnfitReaderError,
    opened,
    opened_by,
    requested,
    waited,
    zarr_array,
)
from landslide.cube.readers import TENSORSTORE
from landslide.cube.retries import RangesIgnoredError
from landslide.cube.selections import Along, Selection, chunks_of, positions_of

Pending = Callable[[], NDArray[Any]]
"""Gives what was asked for; waits until it is there."""


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

    def require_reader(self) -> None:
        """Raise a ValueError where the reader lacks what the array needs."""
        try:
            opened_by(self.uri, self.path, self.reader, self.missing, self.token)
        except UnfitReaderError as error:
            raise UnfitReaderError(f"{error}; choose reader 'auto' (--reader)") from error

    def start(self, selection: Selection) -> Pending:
        """Begin to read a selection; a reader that cannot do so in advance reads when waited for.

        Waiting raises what the reader raises: `finish` tells it in plain words.
        """
        if self.reader == TENSORSTORE and not isinstance(store := self._opened(), zarr.Array):
            return functools.partial(waited, store.oindex[selection].read())
        if is_remote(self.uri):
            return requested(self._read, selection).result
        return functools.partial(self._read, selection)

    def _opened(self) -> Any:
        return opened(self.uri, self.path, self.reader, self.missing, self.token)

    def _read(self, selection: Selection) -> NDArray[Any]:
        array = self._opened()
        if self.reader == "zarrs" and self.missing == DAMAGE:  # it says of no chunk that it lacks
            for position, *_ in chunks_of(selection, self.objects):
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
        with plain_errors(self.uri):
            try:
                return np.asarray(pending())
            except Exception as error:
                if not self._is_of_a_chunk(error):
                    raise
                problem = error
        values, damages = self.salvage(selection)
        if damages:
            raise damages[0].error from problem
        return values  # a shard may lack a chunk that was left empty, or the second try went well

    def salvage(self, selection: Selection) -> tuple[NDArray[Any], list[Damage]]:
        """Read a selection chunk by chunk, and say which of its chunks are damaged.

        Raises
        ------
        ConnectionError, PermissionError
            Where the store cannot be reached, or refuses.
        """
        sizes = [a.stop - a.start if isinstance(a, slice) else a.size for a in selection]
        values = np.full(sizes, np.nan if self.dtype.kind in "fc" else 0, self.dtype)
        damages = []
        lenient = replace(self, missing=AS_NO_DATA)
        for chunk, asked, where in chunks_of(selection, self.chunks):
            position = tuple(
                c * n // o for c, n, o in zip(chunk, self.chunks, self.objects, strict=True)
            )
            problem, way_out = "", "write or fetch it again"
            with plain_errors(self.uri):
                try:
                    values[np.ix_(*map(positions_of, where))] = lenient.start(asked)()
                except Exception as error:
                    if not self._is_of_a_chunk(error):
                        raise
                    problem = f"cannot be decoded ({' '.join(str(error).split())[:120]})"
                if not problem and self.missing == DAMAGE and not self.has(position):
                    problem = "is missing"
                    way_out += (
                        ", or open it with missing 'no-data' (--missing) if it was left empty"
                    )
            if problem:
                said = f"{self.uri}: the chunk {self.key(position)} {problem}; {way_out}"
                damages.append(Damage(where, DamagedChunkError(said)))
        return values, damages

    def _is_of_a_chunk(self, error: Exception) -> bool:
        """Say whether an error is of a chunk that is missing or cannot be decoded."""
        # Some codecs raise a bare OSError; one of the disk has a number.
        codec = type(error) is OSError and error.errno is None and not is_remote(self.uri)
        return codec or isinstance(error, UNDECODED)

    def key(self, position: tuple[int, ...]) -> str:
        """Return the key of the object at a position of the grid."""
        encoding = zarr_array(self.uri, self.path, self.token).metadata
        return f"{self.path}/{encoding.encode_chunk_key(position)}"

    def has(self, position: tuple[int, ...]) -> bool:
        """Say whether the store has the object at a position of the grid."""
        if is_remote(self.uri):  # a filesystem takes a server that is busy for a missing object
            array = zarr_array(self.uri, self.path, self.token)
            chunk = array.store_path / array.metadata.encode_chunk_key(position)
            try:
                return sync(chunk.get(byte_range=RangeByteRequest(0, 1))) is not None
            except RangesIgnoredError:
                return True
        filesystem, root = filesystem_of(self.uri)
        return bool(
            filesystem.exists(f"{root}/{self.key(position)}" if root else self.key(position))
        )

"""The work store of a map: what of it is there, and the scene once all of it is.

Each run writes arrays of its own for each strip and each seam, so that nobody writes the chunks of
another, and says so in a record when one is done: what has no record is mapped again.
"""

import contextlib
import json
import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask.array as da
import fsspec
import numpy as np
import xarray as xr
import zarr
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray
from zarr.errors import ChunkNotFoundError

from landslide.cube.address import writable_store
from landslide.errors import differing
from landslide.storage import absolute, read_bytes, remove_all, write_whole

log = logging.getLogger(__name__)

FOLDER = ".landslide-map"
"""Of the work store in a map's folder."""
PLAN = "plan.json"
RECORDS = "done"
"""Where in it the records lie."""
COLUMNS = 512  # of a stored chunk


@dataclass(frozen=True)
class Work:
    """Where a map grows; picklable, and used by each process that maps."""

    address: str
    plan: str = ""
    """Digest of the map that grows here: what is of another one counts for nothing."""
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    """Whoever maps here at the same time has another."""

    def begun(self, plan: Mapping[str, Any]) -> bool:
        """Return whether the same plan began a map here.

        Raises
        ------
        FileExistsError
            Where another one did.
        """
        try:
            found = json.loads(read_bytes(f"{self.address}/{PLAN}"))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except ValueError:
            found = None
        wanted = json.loads(json.dumps(plan))
        if found != wanted:
            others = ", ".join(differing(found if isinstance(found, dict) else {}, wanted))
            raise FileExistsError(
                f"{self.address} holds the beginning of another map (other {others}): give the "
                "same to go on, or another place, or remove it"
            )
        return True

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Say which map begins here."""
        write_whole(f"{self.address}/{PLAN}", json.dumps(plan).encode())

    def require_begun(self) -> None:
        """Raise a FileNotFoundError where no map has begun here."""
        try:
            read_bytes(f"{self.address}/{PLAN}")
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(
                f"a worker finds no map begun at {self.address}: name a place that all workers "
                "reach as OUT, or with --work; or another run has just finished it, see its OUT"
            ) from None

    def create(
        self, piece: str, name: str, shape: tuple[int, ...], dtype: str = "float32"
    ) -> "Rows":
        """Begin an array of a strip or a seam, anew where a worker of this run was lost."""
        chunks = (*shape[:-2], max(shape[-2], 1), min(COLUMNS, shape[-1]))
        array = zarr.create_array(
            writable_store(f"{self.address}/{piece}/{self.run}/{name}"),
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            fill_value=np.nan if dtype == "float32" else 0,
            compressors=None,  # scores hardly shrink, and a GPU would wait for what tries to
            overwrite=True,
            config={"write_empty_chunks": True},
        )
        return Rows(array)

    def open(self, piece: str, name: str) -> "Piece":
        """Open an array of a strip or a seam that is done, whichever run made it.

        Raises
        ------
        FileNotFoundError
            Where it is gone.
        """
        record = self.record(piece)
        with _unless_gone(self.address, piece):
            if record is None:
                raise FileNotFoundError
            place = f"{self.address}/{piece}/{record['run']}/{name}"
            array = zarr.open_array(writable_store(place), mode="r")
            assert isinstance(array, zarr.Array)
        return Piece(array.with_config({"read_missing_chunks": False}), self.address, piece)

    def finish(self, piece: str, record: Mapping[str, Any]) -> None:
        """Say that a strip or a seam is done, once all that it wrote is there."""
        said = dict(record) | {"plan": self.plan, "run": self.run}
        write_whole(f"{self.address}/{RECORDS}/{piece}.json", json.dumps(said).encode())

    def record(self, piece: str) -> dict[str, Any] | None:
        """Return the record of a strip or a seam that is done, else None.

        One of another map is none: a run that ends late may leave it where the next has begun.
        """
        try:
            found = dict(json.loads(read_bytes(f"{self.address}/{RECORDS}/{piece}.json")))
        except FileNotFoundError:
            return None
        return found if found.get("plan") == self.plan else None

    def scene(self, pieces: Mapping[tuple[int, int], str], names: list[str]) -> xr.Dataset:
        """Return the whole scene, lazily, given the name of what wrote each run of rows."""
        planes = {}
        for name in names:
            parts = [
                da.from_array(part := self.open(piece, name), part.array.chunks, name=False)
                for (start, stop), piece in sorted(pieces.items())
                if stop > start
            ]
            planes[name] = (("y", "x"), da.concatenate(parts))
        return xr.Dataset(planes)

    def alone(self) -> bool:
        """Return whether no other run wrote arrays here."""
        filesystem, path = fsspec.core.url_to_fs(self.address)
        listed = filesystem.find(path, withdirs=False)
        inside = [name.removeprefix(path).strip("/").split("/") for name in listed]
        # What a run wrote lies at strips/NUMBER/RUN/NAME; records lie less deep.
        return all(parts[2] == self.run for parts in inside if len(parts) > 3)

    def remove(self) -> None:
        """Remove all of it, but for what another run writes just then, which is told."""
        try:
            # First, so that a run stopped here leaves nothing that is said to be done.
            remove_all(f"{self.address}/{RECORDS}")
            remove_all(self.address)
        except OSError as error:
            log.warning("%s could not be removed: %s", self.address, error)


@contextlib.contextmanager
def _unless_gone(address: str, piece: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, ChunkNotFoundError):
        raise FileNotFoundError(
            f"{address}/{piece} is gone, or part of it: where another run has finished this map, "
            f"see its OUT; else remove {address}, and run again"
        ) from None


@dataclass(frozen=True)
class Piece:
    """An array of a strip or a seam that is done; what is missing of it is an error."""

    array: zarr.Array[Any]
    address: str
    """Of the work store."""
    piece: str
    """Name of the strip or the seam."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As of any array."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of any array."""
        return np.dtype(self.array.dtype)

    @property
    def ndim(self) -> int:
        """As of any array."""
        return self.array.ndim

    def __getitem__(self, where: Any) -> NDArray[Any]:
        """Read a part.

        Raises
        ------
        FileNotFoundError
            Where it is gone.
        """
        with _unless_gone(self.address, self.piece):
            return np.asarray(self.array[where])


@dataclass
class Rows:
    """An array that is written column by column, whole chunks at a time."""

    array: zarr.Array[Any]
    written: int = 0
    """Columns that are in the store."""

    def __post_init__(self) -> None:
        self._held: list[NDArray[Any]] = []

    def append(self, values: NDArray[Any]) -> None:
        """Add the next columns (..., y, x)."""
        self._held.append(values)
        held = sum(v.shape[-1] for v in self._held)
        end = self.written + held
        stop = end if end == self.array.shape[-1] else end // COLUMNS * COLUMNS
        if stop <= self.written:
            return
        whole = np.concatenate(self._held, axis=-1)
        count = stop - self.written
        self.array[..., self.written : stop] = whole[..., :count]
        self._held = [whole[..., count:].copy()]
        self.written = stop


def require_place(work: Work, plan: Mapping[str, Any], out: str) -> None:
    """See that a map may begin, or go on.

    Raises
    ------
    FileExistsError
        Where another one began at `work`, or the folder `out` holds what no unfinished map of ours
        is.
    """
    if work.begun(plan):
        return
    folder = absolute(out)
    filesystem, path = fsspec.core.url_to_fs(folder)
    if not filesystem.exists(path):
        return
    if not filesystem.isdir(path):
        raise FileExistsError(f"{folder} is a file: name a folder for the map")
    names = {str(name).rstrip("/").rsplit("/", 1)[-1] for name in filesystem.ls(path, detail=False)}
    if names and FOLDER not in names:
        raise FileExistsError(
            f"{folder} holds something already, and no unfinished map: name another folder, or "
            "remove it"
        )


def leave(folder: str) -> None:
    """Remove a folder of a disk that nothing was written into; object stores have none."""
    filesystem, path = fsspec.core.url_to_fs(folder)
    if isinstance(filesystem, LocalFileSystem):
        with contextlib.suppress(OSError):  # it is not empty, or gone
            Path(path).rmdir()

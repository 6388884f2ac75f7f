"""What is tried at every place: whatever is wrong there is an answer, and not raised."""

import contextlib
import math
import platform
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from landslide.cube.layers import readable
from landslide.cube.schema import POLARISATIONS
from landslide.cube.store import open_cube
from landslide.errors import one_line
from landslide.storage import probe_folder, read_bytes, remove, write_whole

TRAINING = ("torch", "torchvision", "segmentation-models-pytorch", "timm", "ray")
"""Packages that a Dask worker need not have."""
PACKAGES = (
    *TRAINING,
    *("dask", "distributed", "cloudpickle", "numpy", "pandas", "pyarrow", "xarray", "zarr"),
    *("numcodecs", "xbatcher", "fsspec", "gcsfs", "s3fs", "tensorstore"),
)


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    where: str
    what: str
    passed: bool
    said: str


@dataclass(frozen=True)
class Place:
    """What was found at one place."""

    checks: tuple[tuple[str, bool, str], ...]
    """What, whether it passed, and what there is to say."""
    versions: Mapping[str, str]
    rate: float
    """Bytes of the cube decoded per second, NaN where none could be read."""


def examine(
    cube: str,
    reader: str,
    missing: str,
    folders: Mapping[str, str],
    marks: Mapping[str, str] = MappingProxyType({}),
) -> Place:
    """Try what any place of a sweep must be able to do.

    Parameters
    ----------
    cube, reader, missing
        As `open_cube` takes them.
    folders : mapping
        Addresses to write to, by what each is called.
    marks : mapping
        What the driver left in them, by the same names: who does not see it writes elsewhere.
    """
    checks, rate = [], math.nan
    try:
        said, rate = read_chunk(cube, reader, missing)
        checks.append(("cube", True, said))
    except Exception as error:  # noqa: BLE001 - whatever it is, the check is for it
        checks.append(("cube", False, one_line(error, 300)))
    for name, folder in folders.items():
        try:
            probe_folder(folder)
            if name in marks:
                read_mark(marks[name])
            checks.append((name, True, f"{folder} written, read and removed"))
        except Exception as error:  # noqa: BLE001 - every store has errors of its own
            said = f"{folder}: {one_line(error, 300)}: name a folder that every worker may write, "
            checks.append((name, False, f"{said}with --{name}"))
    return Place(tuple(checks), versions(), rate)


def read_mark(mark: str) -> None:
    """Raise an OSError where what the driver left in a folder is not there."""
    try:
        read_bytes(mark)
    except FileNotFoundError:
        raise OSError("here it is another folder than on the driver") from None


@contextlib.contextmanager
def marked(folders: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Leave a mark in each folder for a while; give their addresses by the folders' names."""
    marks = {name: f"{folder}/.probe-{uuid.uuid4().hex}" for name, folder in folders.items()}
    with contextlib.ExitStack() as left:
        for mark in marks.values():
            write_whole(mark, b"")
            left.callback(remove, mark)
        yield marks


def read_chunk(uri: str, reader: str, missing: str) -> tuple[str, float]:
    """Open a cube and read two chunks of one layer: the first opens connections, and is not timed.

    Returns
    -------
    str
        What was read, and how fast.
    float
        Bytes decoded per second.
    """
    start = time.perf_counter()
    cube = open_cube(uri, reader=reader, missing=missing)
    opened = time.perf_counter()
    name = next((n for n in (*POLARISATIONS, "dem") if n in cube), "landslides")
    source = readable(cube[name])
    numbers = [source.chunk_numbers(axis) for axis in range(cube[name].ndim)]
    first, middle = (
        tuple(_extent(n, n[int(share * len(n))]) for n in numbers) for share in (0, 0.5)
    )
    source.start(first)()
    warm = time.perf_counter()
    values = source.start(middle)()
    seconds = time.perf_counter() - warm
    rate = values.nbytes / seconds
    said = f"opened in {opened - start:.1f} s; a chunk of {name} read at {rate / 1e6:.0f} MB/s"
    return said, rate


def _extent(numbers: NDArray[np.int64], chunk: int) -> slice:
    inside = np.flatnonzero(numbers == chunk)
    return slice(int(inside[0]), int(inside[-1]) + 1)


def versions() -> dict[str, str]:
    """Return the versions of Python and of each package that matters; "none" where it lacks one."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def same_versions(
    here: Mapping[str, str], there: Mapping[str, str], *, trains: bool
) -> tuple[str, bool, str]:
    """Compare the packages of a place with the driver's."""
    needed = [name for name in here if trains or name not in TRAINING]
    other = [f"{n} {there[n]} (driver: {here[n]})" for n in needed if there[n] != here[n]]
    return (
        "packages",
        not other,
        f"{', '.join(other)}: use one image, or one requirements.txt, everywhere"
        if other
        else f"the driver's {len(needed)} versions, Python {there['python']}",
    )


def as_table(checks: list[Check]) -> str:
    """Return the checks for people, those that failed last."""
    widths = [max(len(getattr(check, name)) for check in checks) for name in ("where", "what")]
    lines = [
        f"{'ok' if check.passed else 'FAILED':6}  {check.where:{widths[0]}}  "
        f"{check.what:{widths[1]}}  {check.said}"
        for check in sorted(checks, key=lambda check: not check.passed)
    ]
    failed = sum(not check.passed for check in checks)
    end = (
        f"{failed} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks passed"
    )
    return "\n".join([*lines, end])

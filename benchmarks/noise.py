"""Cubes of incompressible speckle, of the size of Hokkaido's: as published, and as optimised.

All of it is simulated: exponential noise as power, smooth noise as terrain, squares as landslides.
"""

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from measure import arguments
from numcodecs import Blosc
from scipy.ndimage import gaussian_filter

from landslide.chips.inputs import TERRAIN
from landslide.chips.optimize import optimize_cube
from landslide.cube.events import event_to_attribute, load_event

SHAPE = (4398, 5382)
CHUNK = 1024
SIZE = 128
CHIPS = 309
ORBITS = "ddadddaddaddaddaddadaddadd"
FIRST = np.datetime64("2018-06-01T00:00:00", "s")
HOURS = {"d": 20, "a": 9}  # UTC


def corners() -> list[tuple[int, int]]:
    """Return the corners of the chips with landslides: clustered, as landslides are."""
    grid = (SHAPE[0] // SIZE, SHAPE[1] // SIZE)
    field = gaussian_filter(np.random.default_rng(0).standard_normal(grid), 3)
    chosen = np.argsort(field, axis=None)[-CHIPS:]
    return [
        (SIZE * int(i), SIZE * int(j)) for i, j in zip(*np.unravel_index(chosen, grid), strict=True)
    ]


def published(folder: Path) -> Path:
    """Write the cube as the published ones are: Zarr v2, one date a chunk, Blosc."""
    path = folder / "published.zarr"
    if path.exists():
        return path
    unfinished = folder / "published.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    rng = np.random.default_rng(0)
    group = zarr.open_group(unfinished, mode="w", zarr_format=2)
    group.attrs.update(
        title="incompressible noise",
        simulated=True,
        event=event_to_attribute(load_event("hokkaido")),
    )
    dates = len(ORBITS)

    def put(
        name: str, dims: tuple[str, ...], values: np.ndarray | None, **how: Any
    ) -> zarr.Array[Any]:
        shape = (dates, *SHAPE) if values is None else values.shape
        plane = {"y": CHUNK, "x": CHUNK, "timestep": 1} if len(dims) > 1 else {}
        array = group.create_array(
            name,
            shape=shape,
            chunks=tuple(plane.get(d, n) for d, n in zip(dims, shape, strict=True)),
            dtype=np.float32 if values is None else values.dtype,
            compressors=Blosc("lz4", 5, Blosc.SHUFFLE) if len(dims) > 1 else None,
            config={"write_empty_chunks": True},
            **how,
        )
        array.attrs["_ARRAY_DIMENSIONS"] = list(dims)
        if values is not None:
            array[...] = values
        return array

    for name, mean in (("vv", 0.2), ("vh", 0.05)):
        stack = put(name, ("timestep", "y", "x"), None, fill_value=np.nan)
        for date in range(dates):
            power = rng.standard_exponential(SHAPE, dtype=np.float32)
            stack[date] = np.maximum(power, np.float32(1e-6)) * np.float32(mean)
    for name in TERRAIN:
        smooth = gaussian_filter(rng.standard_normal(SHAPE, dtype=np.float32), 4)
        put(name, ("y", "x"), smooth - smooth.min(), fill_value=np.nan)
    labels = np.zeros(SHAPE, np.uint8)
    for y, x in corners():
        labels[y + 40 : y + 78, x + 40 : x + 78] = 1
    put("landslides", ("y", "x"), labels)
    put("y", ("y",), 4.76e6 - 10.0 * np.arange(SHAPE[0]))
    put("x", ("x",), 5.5e5 + 10.0 * np.arange(SHAPE[1]))
    hours = 24 * 6 * np.arange(dates) + [HOURS[orbit] for orbit in ORBITS]
    instants = FIRST.astype(np.int64) + 3600 * hours
    put("timestep", ("timestep",), instants, fill_value=None)
    group["timestep"].attrs.update(units="seconds since 1970-01-01", calendar="proleptic_gregorian")
    names = {"d": "descending", "a": "ascending"}
    put("sat:orbit_state", ("timestep",), np.array([names[orbit] for orbit in ORBITS]))
    zarr.consolidate_metadata(unfinished, zarr_format=2)
    unfinished.rename(path)
    return path


def optimised(folder: Path) -> Path:
    """Write the same cube as `landslide optimize` does."""
    path = folder / "optimised.zarr"
    if not path.exists():
        optimize_cube(str(published(folder)), str(path))
    return path


def fourfold(folder: Path) -> Path:
    """Lay the published cube four times from north to south."""
    return tiled(folder, "fourfold", 4, 1)


def square(folder: Path) -> Path:
    """Lay it twice from north to south and twice from west to east: rows of blocks are longer."""
    return tiled(folder, "square", 2, 2)


def tiled(folder: Path, kind: str, down: int, across: int) -> Path:
    """Lay the published cube's chunks beside each other, without copying any.

    Chips are as dense as in the smaller cube, so that only size differs. Where the copies meet
    there is a band without data: the part of the last chunks beyond the edge. The scene ends where
    so many cubes would without it, so that the last copy is cut short.
    """
    path, source = folder / f"{kind}.zarr", published(folder)
    if path.exists():
        return path
    unfinished = folder / f"{kind}.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    tall, wide = (-(-n // CHUNK) for n in SHAPE)
    old = zarr.open_group(source, mode="r")
    new = zarr.open_group(unfinished, mode="w", zarr_format=2)
    new.attrs.update(old.attrs.asdict())
    shape = (down * SHAPE[0], across * SHAPE[1])
    sizes = dict(zip("yx", shape, strict=True))
    grid = tuple(-(-n // CHUNK) for n in shape)
    for name, array in old.arrays():
        if array.ndim == 1:
            values = np.asarray(array[...])
            if name in sizes:
                values = values[0] + (values[1] - values[0]) * np.arange(sizes[name])
            copy = new.create_array(name, data=values, fill_value=array.fill_value)
            copy.attrs.update(array.attrs.asdict())
            continue
        copy = new.create_array(
            name,
            shape=(*array.shape[:-2], *shape),
            chunks=array.chunks,
            dtype=array.dtype,
            compressors=array.compressors,
            fill_value=array.fill_value,
        )
        copy.attrs.update(array.attrs.asdict())
        for lead in np.ndindex(*array.shape[:-2]):
            for i, j in np.ndindex(*grid):
                key = ".".join(map(str, (*lead, i, j)))
                like = ".".join(map(str, (*lead, i % tall, j % wide)))
                os.link(source / name / like, unfinished / name / key)
    zarr.consolidate_metadata(unfinished, zarr_format=2)
    unfinished.rename(path)
    return path


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    args = arguments(__doc__).parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for make in (published, optimised, fourfold, square):
        print(make(args.folder))

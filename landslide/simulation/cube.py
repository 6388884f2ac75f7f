"""Put a simulated scene together and write it, date by date, whole or not at all."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from tqdm import tqdm

from landslide.cube.events import event_to_attribute
from landslide.cube.labels import MASK_NAMES
from landslide.cube.schema import POLARISATIONS, VARIABLES
from landslide.cube.store import open_cube
from landslide.simulation.backscatter import simulate_image
from landslide.simulation.changes import event_changes
from landslide.simulation.events import scene_like
from landslide.simulation.insar import simulate_pair, timepairs
from landslide.simulation.place import GRID_MAPPING, NORTH_WEST_M, SPATIAL_REF, axis_attributes
from landslide.simulation.scene import Scene, event_of, overpasses, scene_to_attribute
from landslide.simulation.truth import Truth, simulate_truth
from landslide.simulation.whole import written_whole
from landslide.storage import Address

CHUNK = 512
"""Side of the stored chunks [pixels], a whole number of chips."""
MANTISSA_BITS = 12
"""Bits kept of each backscatter: 0.001 dB, far below the speckle, in two thirds of the bytes."""


def simulate_cube(
    uri: Address,
    *,
    shape: tuple[int, int] = (1024, 1280),
    seed: int = 0,
    descending: tuple[int, int] = (5, 5),
    ascending: tuple[int, int] = (2, 2),
    looks: tuple[float, float] | None = None,
    like: str = "hokkaido",
    scene: Scene | None = None,
    zarr_format: Literal[2, 3] = 3,
    overwrite: bool = False,
    progress: bool = False,
) -> xr.Dataset:
    """Write a simulated cube of an earthquake's landslides, and return it opened.

    Parameters
    ----------
    uri
        Where to write: a local path, or any address that fsspec knows.
    shape
        Rows and columns [pixels of 10 m]. At Hokkaido's, (4398, 5382), 309 chips of 128x128 hold
        landslides, 2 % of the scene.
    seed
        What all randomness follows from.
    descending, ascending
        Images before and after the event on either track; Hokkaido's cube has 18 descending
        and 8 ascending.
    looks
        Equivalent number of looks of VV and of VH; None for the scene's.
    like
        The event whose published statistics of backscatter and coherence it has, hokkaido or
        kaikoura.
    scene
        Everything else, for those who want to change it; `shape`, `seed`, `descending`,
        `ascending` and `like` are then taken from it.
    zarr_format
        3, or 2 as the published cubes are.
    overwrite
        Replace what lies at `uri`.
    progress
        Show a bar on standard error.

    Returns
    -------
    xr.Dataset
        The cube, lazily, as `landslide.open_cube` gives it.

    Raises
    ------
    FileExistsError
        Where something lies at `uri` and `overwrite` is not set.
    ValueError
        Where the scene cannot be.
    """
    if zarr_format not in (2, 3):
        raise ValueError(f"zarr_format is {zarr_format}: it is 2 or 3")
    if scene is None:
        rows, columns = shape
        # Three pairs around the event and one further back, where there are images for them.
        pairs = (min(2, descending[0] - 1), min(1, descending[1] - 1))
        scene = replace(
            scene_like(like),
            shape=(rows, columns),
            seed=seed,
            descending=descending,
            ascending=ascending,
            timepairs=pairs,
        )
    if looks is not None:
        vv, vh = looks
        scene = replace(scene, vv=replace(scene.vv, looks=vv), vh=replace(scene.vh, looks=vh))
    with written_whole(uri, overwrite=overwrite) as folder:
        truth = simulate_truth(scene)
        _template(scene, truth).to_zarr(
            folder,
            zarr_format=zarr_format,
            consolidated=False,
            compute=False,
            encoding=_encoding(scene),
        )
        stacks = dict(zarr.open_group(folder, mode="r+").arrays())
        steps = len(overpasses(scene)) + len(timepairs(scene))
        with tqdm(total=steps, desc="simulating", unit="image", disable=not progress) as bar:
            for name, index, plane in _planes(scene, truth):
                stacks[name][index] = plane
                bar.update(name in ("vh", "interferogram"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Zarr 3 does not know yet what web servers need
            zarr.consolidate_metadata(folder)
    return open_cube(uri)


def _planes(scene: Scene, truth: Truth) -> Iterator[tuple[str, int, NDArray[Any]]]:
    """Yield name, index and plane (y, x) of everything that has a date, one at a time."""
    changes = {name: event_changes(scene, truth, name) for name in POLARISATIONS}
    for index, (date, state, _) in enumerate(overpasses(scene)):
        for name, plane in simulate_image(scene, truth, changes, date, state):
            yield name, index, _rounded(plane)
    for index, pair in enumerate(timepairs(scene)):
        coherence, interferogram = simulate_pair(scene, truth, pair)
        yield "coherence", index, coherence
        yield "interferogram", index, interferogram


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return positive `values` with fewer bits, rounded to nearest, for smaller files."""
    drop = np.uint32(23 - MANTISSA_BITS)
    bits = values.view(np.uint32)
    half = np.uint32(1 << (int(drop) - 1))
    rounded = ((bits + half) >> drop) << drop
    return np.where(np.isfinite(values), rounded.view(np.float32), values)


def _template(scene: Scene, truth: Truth) -> xr.Dataset:
    """Return the cube with its planes that last, and room for those that have a date."""
    images, pairs = overpasses(scene), timepairs(scene)
    terrain = truth.terrain
    planes: dict[str, Any] = {
        "dem": terrain.elevation,
        "dem_slope_radians": terrain.slope,
        "dem_aspect": terrain.aspect,
        "dem_curvature": terrain.curvature,
        "landslides": (truth.inventory.identity > 0).astype(np.uint8),
    }
    for name, count in (
        *((name, len(images)) for name in POLARISATIONS),
        ("coherence", len(pairs)),
        ("interferogram", len(pairs)),
    ):
        dtype = VARIABLES[name].dtype
        planes[name] = da.zeros((count, *scene.shape), dtype=dtype, chunks=_chunks(scene, 3))
    variables = {}
    for name, values in planes.items():
        known = VARIABLES[name]
        attributes = {"long_name": known.meaning, "grid_mapping": GRID_MAPPING}
        if known.unit is not None:
            attributes["units"] = known.unit
        variables[name] = (known.dims, values, attributes)
    north, west = NORTH_WEST_M
    middle = 0.5 * scene.pixel_m
    rows, columns = (np.arange(size) * scene.pixel_m for size in scene.shape)
    return xr.Dataset(
        variables,
        coords={
            "timestep": ("timestep", np.array([date for date, _, _ in images])),
            "sat:orbit_state": ("timestep", np.array([state for _, state, _ in images], object)),
            "sat:relative_orbit": ("timestep", np.array([orbit for _, _, orbit in images])),
            "reference_time": ("timepair", np.array([pair.reference for pair in pairs])),
            "secondary_time": ("timepair", np.array([pair.secondary for pair in pairs])),
            "y": ("y", north - middle - rows, axis_attributes("northing")),
            "x": ("x", west + middle + columns, axis_attributes("easting")),
            GRID_MAPPING: ((), np.int32(0), dict(SPATIAL_REF)),
        },
        attrs={
            "title": "Simulated Sentinel-1 datacube of earthquake-triggered landslides: "
            "no real place, no measurement",
            "simulated": 1,
            "simulated_seed": scene.seed,
            "simulated_scene": scene_to_attribute(scene),
            "event": event_to_attribute(event_of(scene)),
        },
    )


def _chunks(scene: Scene, dimensions: int) -> tuple[int, ...]:
    """Return the stored chunk of a plane, or of a stack of planes."""
    plane = tuple(min(CHUNK, size) for size in scene.shape)
    return (1,) * (dimensions - 2) + plane


def _encoding(scene: Scene) -> dict[str, dict[str, Any]]:
    encoding: dict[str, dict[str, Any]] = {
        name: {"chunks": _chunks(scene, len(house.dims))}
        for name, house in VARIABLES.items()
        if name not in MASK_NAMES
    }
    encoding["landslides"]["_FillValue"] = None
    times = {"units": "seconds since 2018-01-01", "dtype": "int64"}
    for name in ("timestep", "reference_time", "secondary_time"):
        encoding[name] = dict(times)
    return encoding

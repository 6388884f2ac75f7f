"""From a trained model and a cube to the products of a map, whole or not at all."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any

import torch
import xarray as xr

from landslide.chips.inputs import parse_inputs
from landslide.cube.digest import cube_digest
from landslide.cube.events import Event, event_to_attribute, find_event
from landslide.experiment import versions
from landslide.mapping.area import area_of, grown, require_crs, require_fit
from landslide.mapping.facts import MapFacts
from landslide.mapping.members import (
    AUTO,
    load_members,
    member_facts,
    reliability_facts,
    temperatures_of,
    threshold_of,
    warnings_of,
)
from landslide.mapping.products import FORMATS, write_products
from landslide.mapping.resampling import resampled
from landslide.mapping.rows import Job, seam_name, strip_name
from landslide.mapping.scene import map_scene
from landslide.mapping.strips import ScenePlan, plan_scene
from landslide.mapping.work import FOLDER, Work, leave, require_free, require_writable
from landslide.storage import absolute
from landslide.training.bundle import Bundle

BATCH = {"cpu": 16, "cuda": 64}
"""Chips that pass through a network together."""


def map_landslides(
    models: Sequence[str],
    cube: xr.Dataset,
    out: str,
    *,
    event: str | None = None,
    bbox: Sequence[float] | None = None,
    threshold: str | float = AUTO,
    minimum_area: float = 400.0,
    formats: Sequence[str] = ("gpkg", "qgis", "report"),
    no_crs: bool = False,
    resample: bool = False,
    orbit: str | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    skip_damaged: bool = False,
    executor: Executor | None = None,
    look_ahead: int | None = None,
    work: str | None = None,
    progress: bool = False,
) -> dict[str, str]:
    """Map the landslides of a cube and write all products into a folder.

    A run that was stopped goes on from what it had mapped; until all products stand, that lies in
    a hidden folder of `out`, which is then removed.

    Parameters
    ----------
    models : sequence of str
        Folders of bundles that differ in their seeds; of several, the mean is the map.
    cube : Dataset
        As `open_cube` gives it; it needs no labels.
    out : str
        A folder that is not there yet, or that the same run began.
    event, orbit, skip_damaged
        As for `find_event` and `plan_stream`.
    bbox
        As for `area_of`.
    threshold : str or float
        Probability from which on ground is a landslide; `auto` is the models' own.
    minimum_area : float
        Smallest polygon [m2].
    formats
        As for `write_products`.
    no_crs, resample : bool
        Map a cube without coordinate reference system, or of pixels of another size.
    overlap : int, optional
        Pixels that neighbouring chips share; by default half a chip.
    batch_size, threads : int, optional
        Chips that pass together, and CPU threads of the networks.
    executor, look_ahead
        As for `map_scene`.
    work : str, optional
        Where the map grows, if the executor's workers do not reach `out`.
    progress : bool
        Show a bar.

    Returns
    -------
    dict
        Address of each product by its name.

    Raises
    ------
    ValueError, OSError
        Where a model, the cube, the options or the folder are wrong: before anything is mapped.
        Where no pixel has data: then nothing is left in `out`.
    """
    _require_options(formats, minimum_area, batch_size, threads)
    bundles = load_members(models)
    first = bundles[0]
    found = find_event(cube, event)
    require_crs(cube, no_crs=no_crs)
    chosen, origin = threshold_of(bundles, threshold)
    said = warnings_of(bundles)
    original = cube
    if resample:
        cube, how = resampled(cube, first)
        said += how
    require_fit(cube, first)
    area = area_of(cube, bbox)
    inputs = parse_inputs(first.config.inputs)
    shared = first.chip_size // 2 if overlap is None else overlap
    if not 0 <= shared < first.chip_size:
        raise ValueError(
            f"an overlap of {shared} pixels does not fit chips of {first.chip_size}: give less"
        )
    shape = (cube.sizes["y"], cube.sizes["x"])
    plan = plan_scene(
        cube,
        found,
        inputs,
        first.config.timesteps,
        chip_size=first.chip_size,
        overlap=shared,
        area=grown(area, first.chip_size, shared, shape),
        orbit=orbit,
        skip_damaged=skip_damaged,
    )
    folder = absolute(out)
    place = Work(absolute(work) if work else f"{folder}/{FOLDER}")
    require_free(folder)
    require_writable(out)
    digest = _digest(original, skip_damaged=skip_damaged)
    place.begin(_identity(bundles, digest, found, plan, resample=resample))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    job = Job(
        plan,
        tuple((absolute(bundle.address), bundle.digest) for bundle in bundles),
        place,
        batch_size or BATCH[device],
        threads or torch.get_num_threads(),
    )
    scene = map_scene(job, executor, look_ahead=look_ahead, progress=progress)
    counts = _counts(job)
    if not counts["valid"]:
        place.remove()
        leave(folder)
        raise ValueError(
            f"no pixel of the area has data in every channel of {inputs.name!r}: check the cube's "
            "no-data values and the --bbox"
        )
    images = plan.images
    facts = MapFacts(
        event=found,
        inputs=inputs.name,
        timesteps=first.config.timesteps,
        images_before=tuple(sorted(images.get("images_before", ()))),
        images_after=tuple(sorted(images.get("images_after", ()))),
        orbit=images.get("orbit", ""),
        cube=str(cube.encoding.get("source", "in memory")),
        members=tuple(member_facts(bundle) for bundle in bundles),
        threshold=chosen,
        threshold_from=origin,
        temperature=temperatures_of(bundles),
        reliability=reliability_facts(bundles),
        warnings=tuple(said + _found(counts)),
        simulated=bool(cube.attrs.get("simulated", False)),
        provenance={
            "cube digest": digest,
            "model digests": ", ".join(bundle.digest for bundle in bundles),
            "mapped at": datetime.now(UTC).isoformat(timespec="seconds"),
            "chips": f"{counts['chips']} of {first.chip_size} pixels, {shared} shared",
            "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        },
        versions=versions(),
    )
    written = write_products(
        _window(scene, cube, plan, area),
        cube,
        facts,
        out,
        minimum_area=minimum_area,
        formats=formats,
        no_crs=no_crs,
    )
    place.remove()
    return written


def _require_options(
    formats: Sequence[str], minimum_area: float, batch_size: int | None, threads: int | None
) -> None:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ValueError(f"unknown format {unknown[0]!r}: choose some of {', '.join(FORMATS)}")
    if not 0 <= minimum_area < math.inf:
        raise ValueError(f"a smallest area of {minimum_area:g} m2 cannot be: give 0 or more")
    if any(number is not None and number < 1 for number in (batch_size, threads)):
        raise ValueError("the batch size and the threads are at least 1")


def _window(
    scene: xr.Dataset, cube: xr.Dataset, plan: ScenePlan, area: tuple[tuple[int, int], ...]
) -> xr.Dataset:
    """Return what was asked for of what was mapped, with its coordinates."""
    inside = {}
    for axis, (start, stop), (first, _) in zip("yx", area, plan.area, strict=True):
        inside[axis] = slice(start - first, stop - first)
        if axis in cube.coords:
            scene = scene.assign_coords({axis: cube[axis][slice(*plan.area["yx".index(axis)])]})
    return scene.isel(inside)


def _digest(cube: xr.Dataset, *, skip_damaged: bool) -> str:
    source = cube.encoding.get("source")
    read_as = [str(cube.encoding.get("missing"))] + ["skip-damaged"] * skip_damaged
    return "in memory" if source is None else cube_digest(str(source), None, read_as)


def _identity(
    bundles: Sequence[Bundle], digest: str, event: Event, plan: ScenePlan, *, resample: bool
) -> Mapping[str, Any]:
    """Return what determines a map's probabilities."""
    return {
        "models": [bundle.digest for bundle in bundles],
        "temperatures": temperatures_of(bundles),
        "cube": digest,
        "event": event_to_attribute(event),
        "images": dict(plan.images),
        "area": plan.area,
        "chips": [plan.across[0].size, [placing.starts for placing in plan.across]],
        "strips": [strip.rows for strip in plan.strips],
        "resample": resample,
    }


def _counts(job: Job) -> dict[str, int]:
    """Add up what strips and seams say they did."""
    names = [strip_name(n) for n in range(len(job.plan.strips))]
    names += [seam_name(n) for n in range(len(job.plan.seams))]
    records = [job.work.record(name) or {} for name in names]
    keys = ("chips", "valid", "rejected", "damaged")
    return {key: sum(int(record.get(key, 0)) for record in records) for key in keys}


def _found(counts: Mapping[str, int]) -> list[str]:
    said = []
    if counts["rejected"]:
        said.append(
            f"{counts['rejected']} backscatter samples are infinite, zero or negative: taken as "
            "no data."
        )
    if counts["damaged"]:
        said.append("Some of the cube's chunks are damaged: what they held is left out.")
    return said

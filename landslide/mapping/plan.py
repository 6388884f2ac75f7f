"""What a map is to be, checked before anything is mapped."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr
from dask.base import tokenize

from landslide.chips.inputs import parse_inputs
from landslide.chips.windows import Window
from landslide.cube.digest import opened_digests
from landslide.cube.events import Event, event_to_attribute, find_event
from landslide.mapping.area import area_of, grown, require_fit
from landslide.mapping.choices import PLAIN, MapChoices
from landslide.mapping.inference.rows import Job
from landslide.mapping.inference.strips import ScenePlan, plan_scene
from landslide.mapping.inference.work import FOLDER, Work, require_place
from landslide.mapping.members import (
    load_members,
    temperatures_of,
    threshold_of,
    warnings_of,
)
from landslide.mapping.products.ground import ground_of
from landslide.mapping.products.polygons import smallest_area
from landslide.mapping.resampling import resampled
from landslide.storage import Address, absolute, require_writable
from landslide.training.bundle import Bundle


@dataclass(frozen=True, eq=False)
class MapPlan:
    """One map that can be made."""

    out: str
    """Address of the folder of its products."""
    choices: MapChoices
    cube: xr.Dataset
    """In pixels of the models' size."""
    digest: str
    """Of the cube as its rows in the table have it, or of what it holds in memory."""
    event: Event
    bundles: tuple[Bundle, ...]
    inputs: str
    """Channels, by the name that the paper's table uses, such as `vv+vh`."""
    area: Window
    """Rows and columns that were asked for; what is mapped is grown by what their chips see."""
    job: Job
    identity: Mapping[str, Any]
    """What determines its probabilities; JSON."""
    overlap: int
    """Pixels that neighbouring chips share."""
    threshold: float
    threshold_from: str
    """In words."""
    warnings: tuple[str, ...]
    """Sentences that every product must carry, as far as they are known before it is mapped."""


def plan_map(
    models: Address | Sequence[Address],
    cube: xr.Dataset,
    out: str,
    choices: MapChoices = PLAIN,
    *,
    work: str | None = None,
) -> MapPlan:
    """Check all that can be known of a map, whether `out` may be written to, too.

    Of the cube's pixels its labels are read, which its digest covers.

    Parameters
    ----------
    models, cube, out, choices, work
        As for `landslide.mapping.run.map_landslides`.

    Raises
    ------
    ValueError, OSError
        Where a model, the cube, the options or the folder are wrong.
    """
    bundles = load_members(models)
    first = bundles[0]
    event = find_event(cube, choices.event)
    ground = ground_of(cube, no_crs=choices.no_crs)  # which refuses one that lies nowhere
    smallest_area(choices.minimum_area, ground)  # and this, to guess at its unit
    threshold, origin = threshold_of(bundles, choices.threshold)
    original, said = cube, list[str]()
    if choices.resample:
        cube, how = resampled(cube, first)
        said += how
    said += require_fit(cube, first)
    area = area_of(cube, choices.bbox)
    inputs = parse_inputs(first.config.inputs)
    overlap = first.chip_size // 2 if choices.overlap is None else choices.overlap
    if not 0 <= overlap < first.chip_size:
        raise ValueError(
            f"an overlap of {overlap} pixels does not fit chips of {first.chip_size}: give 0 to "
            f"{first.chip_size - 1}"
        )
    shape = (cube.sizes["y"], cube.sizes["x"])
    scene = plan_scene(
        cube,
        event,
        inputs,
        first.config.timesteps,
        chip_size=first.chip_size,
        overlap=overlap,
        area=grown(area, first.chip_size, overlap, shape),
        orbit=choices.orbit,
        skip_damaged=choices.skip_damaged,
    )
    folder = absolute(out)
    source = original.encoding.get("source")
    digest, labels = (
        opened_digests(original, skip_damaged=choices.skip_damaged)
        if source
        else (f"in memory {tokenize(original)}", None)
    )
    address = absolute(str(source)) if source else ""
    identity = _identity(bundles, digest, event, scene, overlap, resample=choices.resample)
    # A folder that work lies in may be moved with it; another one may hold what is not ours.
    identity |= {"out": folder} if work else {}
    identity |= {"precision": choices.precision} if choices.precision else {}
    known = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    place = Work(f"{absolute(work) if work else folder}/{FOLDER}", known)
    require_place(place, identity, folder)
    require_writable(out, f"to the map's folder {out}", "name one that you may write to")
    members = tuple((absolute(bundle.address), bundle.digest) for bundle in bundles)
    job = Job(scene, members, place, choices.batch_size, choices.threads, choices.precision)
    return MapPlan(
        out=out,
        choices=choices,
        cube=cube,
        digest=digest,
        event=event,
        bundles=bundles,
        inputs=inputs.name,
        area=area,
        job=job,
        identity=identity,
        overlap=overlap,
        threshold=threshold,
        threshold_from=origin,
        warnings=(*warnings_of(bundles, address, labels), *said),
    )


def _identity(
    bundles: Sequence[Bundle],
    digest: str,
    event: Event,
    plan: ScenePlan,
    overlap: int,
    *,
    resample: bool,
) -> dict[str, Any]:
    """Return what determines a map's probabilities."""
    return {
        "models": [bundle.digest for bundle in bundles],
        "temperatures": temperatures_of(bundles),
        "cube": digest,
        "event": event_to_attribute(event),
        "images": dict(plan.images),
        "masked": plan.squares.readings[0].channels[1] > plan.static,
        "area": plan.area,
        "chips": [plan.across[0].size, [placing.starts for placing in plan.across]],
        "overlap": overlap,
        "strips": [strip.rows for strip in plan.strips],
        "resample": resample,
    }

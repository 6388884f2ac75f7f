"""From a trained model and a cube to the products of a map, whole or not at all."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import Executor

import xarray as xr

from landslide.mapping.choices import PLAIN, MapChoices
from landslide.mapping.facts import MapFacts
from landslide.mapping.inference.scene import any_done, map_scene, scene_counts
from landslide.mapping.inference.work import leave, require_place
from landslide.mapping.plan import MapPlan, plan_map
from landslide.mapping.products.planes import NothingSeenError
from landslide.mapping.provenance import facts_of
from landslide.mapping.write import write_products
from landslide.storage import Address, absolute

log = logging.getLogger(__name__)


def map_landslides(
    models: Address | Sequence[Address],
    cube: xr.Dataset,
    out: Address,
    choices: MapChoices = PLAIN,
    *,
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
    models : str or path, or a sequence of them
        A folder that `train_bundle` wrote, or several of models that differ in their seeds: their
        mean is the map, and their spread a product.
    cube : Dataset
        As `open_cube` gives it; it needs no labels.
    out : str or path
        A folder that is not there yet, or that the same run began.
    choices : MapChoices
        The event, where it is not the cube's own, the area, the threshold, the products.
    executor, look_ahead
        As for `map_scene`.
    work : str, optional
        Where the map grows, in a hidden folder, if the executor's workers do not reach `out`.
    progress : bool
        Show a bar.

    Returns
    -------
    dict
        Address of each product by its file's name without event and date: in the cube's CRS
        `probability.tif` [0 to 1, NaN where there are no data], `mask.tif` [1 landslide, 0 none,
        255 no data] and `density.tif` [m2 per km2]; polygons and page as `choices.formats` says,
        such as `landslides.gpkg` and `report.html`; `summary.json`. Each appears whole.

    Raises
    ------
    ValueError, OSError
        Where a model, the cube, the options or the folder are wrong: before anything is mapped.
        Where a chunk is missing or damaged (a DamagedChunkError that names it), or the store cannot
        be reached. Where no pixel has data: then nothing is left in `out`.
    """
    plan = plan_map(models, cube, os.fspath(out), choices, work=work)
    scene, facts = predict_scene(plan, executor, look_ahead=look_ahead, progress=progress)
    return write_map(plan, scene, facts)


def predict_scene(
    plan: MapPlan,
    executor: Executor | None = None,
    *,
    look_ahead: int | None = None,
    progress: bool = False,
) -> tuple[xr.Dataset, MapFacts]:
    """Predict what a planned map asks for; the parameters are those of `map_landslides`.

    Returns
    -------
    scene : Dataset
        As `write_products` takes it, lazily from the work store.
    facts : MapFacts

    Raises
    ------
    ValueError, OSError
        As `map_landslides` does.
    """
    job = plan.job
    # Again: whoever planned may have waited for nodes since.
    require_place(job.work, plan.identity, plan.out)
    job.work.begin(plan.identity)
    try:
        scene = map_scene(job, executor, look_ahead=look_ahead, progress=progress)
    except (ValueError, OSError):
        if executor is None and not any_done(job) and job.work.alone():  # else it goes on
            _abandon(plan)
        raise
    counts = scene_counts(job)
    if not counts["valid"]:
        _abandon(plan)
        raise ValueError(
            "no pixel of the area has data in every channel of "
            f"{plan.inputs!r}: check the cube's no-data values and the bbox (--bbox)"
        )
    facts = facts_of(plan, counts)
    for said in facts.statements():
        log.warning("%s", said)
    return _asked_for(scene, plan), facts


def write_map(plan: MapPlan, scene: xr.Dataset, facts: MapFacts) -> dict[str, str]:
    """Write all products of what `predict_scene` returned, and return the address of each.

    Raises
    ------
    ValueError, OSError
        As `write_products` does; nothing is left in the plan's folder where no pixel has data.
    """
    try:
        written = write_products(scene, plan.cube, facts, plan.out, plan.choices, plan.area)
    except NothingSeenError:  # in the area; what its chips see around it may have data
        _abandon(plan)
        raise
    plan.job.work.remove()
    return written


def _abandon(plan: MapPlan) -> None:
    plan.job.work.remove()
    leave(absolute(plan.out))


def _asked_for(scene: xr.Dataset, plan: MapPlan) -> xr.Dataset:
    """Return what was asked for of what was mapped, with its coordinates."""
    inside, mapped = {}, plan.job.plan.area
    for axis, (start, stop), (first, end) in zip("yx", plan.area, mapped, strict=True):
        inside[axis] = slice(start - first, stop - first)
        if axis in plan.cube.coords:
            scene = scene.assign_coords({axis: plan.cube[axis][first:end]})
    return scene.isel(inside)

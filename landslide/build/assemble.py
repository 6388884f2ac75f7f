"""A cube from a recipe: its layers one after another, each whole or not at all."""

import importlib.metadata
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from landslide.build.catalogue import cube_item, item_address
from landslide.build.changes import Change, changes, moved_layers
from landslide.build.fingerprint import as_recorded
from landslide.build.plan import BuildPlan
from landslide.build.stages import LABELS, Stage, stages
from landslide.build.target import PROGRESS, Target, target_at
from landslide.build.writing import write_layer
from landslide.chips.layout.cube import VERSION, Layout
from landslide.cube.address import plain_write_errors
from landslide.cube.events import event_to_attribute
from landslide.cube.schema import VARIABLES, house_schema
from landslide.cube.store import open_cube
from landslide.storage import remove, text_without_secrets, write_whole

log = logging.getLogger(__name__)

LITTLE = 0.0005
"""A share that would be told as none."""
GRID_NAMES = ("y", "x", "spatial_ref")
PACKAGES = ("landslide-sar-datacubes", "odc-stac", "odc-geo", "rasterio", "xarray", "zarr")


def build_cube(
    plan: BuildPlan,
    out: str,
    *,
    until: str = LABELS,
    blocks_at_once: int | None = None,
    report: Callable[[str], object] = log.info,
) -> xr.Dataset:
    """Build the cube of a plan, or go on with one that an earlier run began.

    Layers that are there and whose sources are the same stay. Dask computes with whatever
    scheduler is set: threads of this process, or those of a `distributed.Client`, whose workers
    must reach sources and `out`; `sweeps/build.py` makes one. Every source is opened before the
    first is read and before anything is taken out, so that what its header shows to be wrong with
    the last of them is told at once and costs nothing; damage inside a file shows as it is read.
    Layers that the recipe names no more are taken out.

    Parameters
    ----------
    plan : BuildPlan
    out : str
        A local path or a writable address that fsspec knows.
    until : str
        The last layer that is wanted: `sar`, `terrain`, `insar` or `labels`.
    blocks_at_once : int, optional
        How many blocks Dask is given at once: what bounds the memory of all its workers together.
        By default what 256 MB hold, unpacked, for this process; a cluster can be given more.
    report : callable
        Is told what becomes of each layer.

    Returns
    -------
    Dataset
        The cube, as `landslide.open_cube` gives it. Its STAC item lies beside it.

    Raises
    ------
    FileExistsError
        Where something else lies at `out`.
    ValueError
        Where a source cannot be used, or a layer does not fit the schema.
    OSError
        Where a source cannot be read, or the cube cannot be written.
    """
    work = _compared(plan, out, until)
    opened = _open(work.to_build)  # whatever is wrong with a source, the cube is as it was
    # Layers of two grids make no cube; others go as late as they can.
    _drop(work.target, moved_layers(work.target.layers(), grid_attributes(plan.grid)))
    for change in work.changes:
        report(change.text)
        if not change.built:
            if change.why:
                _drop(work.target, [change.layer])
            continue
        stage = work.stages[change.layer]
        # What is not open is a processor's work of hours, and may fail.
        layer = opened.pop(stage.name) if stage.name in opened else stage.load()
        _drop(work.target, [stage.name])
        for name, share in _build(work, stage, layer, plan, blocks_at_once).items():
            part = f"{share:.1%}" if share >= LITTLE else "less than 0.1%"
            report(f"{stage.name}: {part} of {name.upper()} have no data")
    work.target.describe(
        cube_attributes(plan), {name: dict(stage.source) for name, stage in work.stages.items()}
    )
    work.target.tidy()
    cube = open_cube(work.target.address)
    item = cube_item(plan, work.target, cube)
    beside = item_address(work.target.address)
    with plain_write_errors(beside):
        write_whole(beside, json.dumps(item.to_dict(), indent=1).encode())
    return cube


def plan_changes(plan: BuildPlan, out: str, *, until: str = LABELS) -> list[Change]:
    """Say what a build would do with each layer; nothing is written.

    The sources of what it would build are opened: headers and polygons are read, and blocks of a
    DEM up to the first that is not void.

    Raises
    ------
    ValueError, OSError
        As `build_cube` does, for what can be known before a pixel is read.
    """
    work = _compared(plan, out, until)
    _open(work.to_build)
    return work.changes


@dataclass(frozen=True)
class _Work:
    """What is to be done to a cube."""

    target: Target
    layout: Layout
    stages: dict[str, Stage]
    digests: dict[str, str]
    changes: list[Change]

    @property
    def to_build(self) -> list[Stage]:
        return [self.stages[change.layer] for change in self.changes if change.built]


def _compared(plan: BuildPlan, out: str, until: str) -> _Work:
    layout = layout_of(plan.grid)
    target = target_at(out)
    wanted = list(stages(plan, until, block_pixels=layout.shard_side))
    there = target.layers()
    alike = [_as_recorded(one, there.get(one.name, {})) for one in wanted]
    digests, compared = (
        {one.name: _digest(one, plan.grid, layout) for one in each} for each in (wanted, alike)
    )
    found = list(changes(plan, there, alike, compared, grid_attributes(plan.grid)))
    return _Work(target, layout, {one.name: one for one in wanted}, digests, found)


def layout_of(grid: GeoBox) -> Layout:
    """Return how a cube is stored: as `landslide optimize` does, with no chunk beyond the scene."""
    return Layout(chip_size=min(Layout().chip_size, max(grid.shape)))


def _as_recorded(stage: Stage, about: Mapping[str, Any]) -> Stage:
    """Return a stage as it is to be compared with what the layer that is there was built from."""
    if "files" not in stage.about or "files" not in about:
        return stage
    files = as_recorded(stage.about["files"], about["files"])
    return replace(stage, about={**stage.about, "files": files})


def _open(wanted: Iterable[Stage]) -> dict[str, xr.Dataset]:
    """Open the sources of layers; a processor, which takes hours, is asked whether it can start."""
    opened = {}
    for stage in wanted:
        if stage.ready is None:
            opened[stage.name] = stage.load()
        else:
            stage.ready()
    return opened


def _digest(stage: Stage, grid: GeoBox, layout: Layout) -> str:
    return f"{stage.digest(grid)}-{VERSION}-{json.dumps(asdict(layout), sort_keys=True)}"


def _drop(target: Target, names: Iterable[str]) -> None:
    """Take out those layers that are there, and the STAC item, which would list them."""
    gone = target.layers().keys() & set(names)
    if not gone:
        return
    arrays = target.unlist(gone)
    with plain_write_errors(item_address(target.address)):
        remove(item_address(target.address))
    # Records before what they are of: a later run would take it for there.
    for key in (*(f"{PROGRESS}/{name}" for name in gone), *arrays):
        target.clear(key)


def _build(
    work: _Work, stage: Stage, layer: xr.Dataset, plan: BuildPlan, blocks_at_once: int | None
) -> dict[str, float]:
    """Build one layer, and return which share of a variable's samples lack, where any do."""
    layer, digest = on_grid(layer, plan.grid), work.digests[stage.name]
    objects, counts = write_layer(
        work.target, stage.name, layer, plan.recipe.event, digest, work.layout, blocks_at_once
    )
    entry = {
        **stage.about,
        **stage.source,
        "digest": digest,
        "grid": grid_attributes(plan.grid),
        "variables": [str(name) for name in layer.variables if name not in GRID_NAMES],
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
    if counts:
        entry["samples"] = {name: asdict(of) for name, of in counts.items()}
    work.target.commit(stage.name, entry, objects, cube_attributes(plan))
    lacking = {name: of.missing + of.rejected for name, of in counts.items()}
    return {name: count / layer[name].size for name, count in lacking.items() if count}


def on_grid(layer: xr.Dataset, grid: GeoBox) -> xr.Dataset:
    """Return a layer in the house's form, its variables bound to the grid's reference system.

    Raises
    ------
    ValueError
        Where it does not fit the schema.
    """
    house = house_schema(layer.assign_coords(xr_coords(grid)))
    for variable in house.data_vars:
        if variable in VARIABLES:
            house[variable].attrs["grid_mapping"] = "spatial_ref"
            house[variable].encoding.clear()
    return house


def grid_attributes(grid: GeoBox) -> dict[str, Any]:
    """Return where a grid lies, as the cube's attributes say it: GDAL's six and the shape."""
    return {
        "crs": str(grid.crs),
        "transform": [float(number) for number in list(grid.affine)[:6]],
        "shape": list(grid.shape),
    }


def cube_attributes(plan: BuildPlan) -> dict[str, Any]:
    """Return the attributes of the whole cube, but for what each layer is built from."""
    grid = grid_attributes(plan.grid)
    return {
        "Conventions": "CF-1.11",
        "title": f"Sentinel-1 datacube of the event {plan.recipe.event.name}",
        "event": event_to_attribute(plan.recipe.event),
        "crs": grid["crs"],
        "transform": grid["transform"],
        "event_file": text_without_secrets(plan.recipe.text),
    }

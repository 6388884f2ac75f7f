"""The layers of a cube, each with what determines it, and how it is loaded when it is wanted."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import shapely
import xarray as xr
from odc.geo.geobox import GeoBox

from landslide.build.choosing import side
from landslide.build.fingerprint import fingerprint
from landslide.build.grid import LONGITUDE_LATITUDE, north_on
from landslide.build.insar.layers import insar_layers
from landslide.build.insar.processors import processed
from landslide.build.labels import label_layers
from landslide.build.observed import observed_layers
from landslide.build.outlines import outline
from landslide.build.plan import BuildPlan
from landslide.build.recipe import SECTIONS
from landslide.build.rtc import load_backscatter, open_images
from landslide.build.search import search_elevation
from landslide.build.signing import SIGNERS
from landslide.build.sources import PROCESSORS, TerrainSource
from landslide.build.terrain import terrain_layers
from landslide.build.viewing import View, sentinel1_look
from landslide.storage import without_secrets

SAR, TERRAIN, OBSERVED, INSAR, LABELS = NAMES = tuple(SECTIONS)
"""In the order in which they are built."""
MARGIN_DEGREES = 0.01
"""A slope at the grid's edge looks beyond it."""


@dataclass(frozen=True)
class Stage:
    """One layer that is to be."""

    name: str
    about: Mapping[str, Any]
    """What it is built from: files and options; another one is another layer."""
    source: Mapping[str, Any]
    """Where that lay, and its licences: what a reader wants to know, and a move changes."""
    load: Callable[[], xr.Dataset]
    """Opens the sources, and gives the variables lazily."""
    ready: Callable[[], object] | None = None
    """Of a layer that takes hours to load, as a processor makes it: raises where a program or a
    login is not there that it will need."""

    def digest(self, grid: GeoBox) -> str:
        """Return the SHA-256 (hexadecimal) of what determines the layer."""
        determines = {"grid": [str(grid.crs), list(grid.shape), list(grid.affine)[:6]]}
        text = json.dumps({**determines, **self.about}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def stages(plan: BuildPlan, until: str = LABELS, *, block_pixels: int = 1024) -> Iterator[Stage]:
    """Yield the layers that a plan's recipe asks for, in order, up to and with `until`.

    Raises
    ------
    ValueError, OSError
        Where a source cannot be found.
    """
    makers = {SAR: _sar, TERRAIN: _terrain, OBSERVED: _observed, INSAR: _insar, LABELS: _labels}
    # What is observed is read off the terrain, and comes with it.
    last = OBSERVED if until == TERRAIN else until
    for name in NAMES[: NAMES.index(last) + 1]:
        if getattr(plan.recipe, name) is not None:
            yield makers[name](plan, block_pixels)


def _sar(plan: BuildPlan, block_pixels: int) -> Stage:
    source, choice = plan.recipe.sar, plan.choice
    scenes = [scene for one in choice.passes for scene in one.scenes]
    files = [
        address
        for scene in scenes
        for name, address in scene.addresses.items()
        if name in choice.polarisations
    ]
    about = {
        "items": [scene.name for scene in scenes],
        "files": [fingerprint(file) for file in files],
        "resampling": source.resampling,
        # The images nearest the event lie together in the store.
        "sides": [side(one, plan.recipe.event) for one in choice.passes],
    }
    told = {
        "source": without_secrets(source.source),
        "licences": sorted({scene.licence for scene in scenes if scene.licence}),
    }

    def load() -> xr.Dataset:
        sign = SIGNERS[source.signing]
        open_images(choice.passes, choice.polarisations, sign)
        return load_backscatter(
            choice.passes,
            choice.polarisations,
            plan.grid,
            block_pixels=block_pixels,
            resampling=source.resampling,
            sign=sign,
        )

    return Stage(SAR, about, told, load)


def _terrain(plan: BuildPlan, block_pixels: int) -> Stage:
    source = plan.recipe.terrain
    assert source is not None
    items, addresses, licence = _elevation(source, plan.grid)
    ask = not source.of_archive
    about = {"items": items, "files": [fingerprint(address, ask=ask) for address in addresses]}
    told = {
        "source": [without_secrets(one) for one in source.addresses],
        "licences": [licence] if licence else [],
    }

    def load() -> xr.Dataset:
        return terrain_layers(
            addresses,
            plan.grid,
            block_pixels=block_pixels,
            least_cover=source.min_coverage,
            sign=SIGNERS[source.signing],
        )

    return Stage(TERRAIN, about, told, load)


def _elevation(source: TerrainSource, grid: GeoBox) -> tuple[list[str], list[str], str]:
    if isinstance(source.source, str) and source.of_archive:
        area = outline(grid, LONGITUDE_LATITUDE).buffer(MARGIN_DEGREES)
        return search_elevation(source.source, source.collection, area, source.asset)
    return [Path(file).name for file in source.addresses], list(source.addresses), ""


def _insar(plan: BuildPlan, block_pixels: int) -> Stage:
    source = plan.recipe.insar
    assert source is not None
    if source.source in PROCESSORS:
        about, pairs, ready = processed(plan, source)
    else:
        found = plan.pairs
        about = {
            "items": [f"{pair.reference_time}/{pair.secondary_time}" for pair in found],
            "files": [fingerprint(file) for pair in found for file in pair.files],
        }
        pairs, ready = (lambda: found), None

    def load() -> xr.Dataset:
        return insar_layers(pairs(), plan.grid, block_pixels=block_pixels)

    return Stage(INSAR, about, {"source": without_secrets(source.source)}, load, ready)


def _observed(plan: BuildPlan, block_pixels: int) -> Stage:
    source, terrain = plan.recipe.observed, plan.recipe.terrain
    assert source is not None
    items, dem, licence, incidence = list[str](), list[str](), "", dict[str, float]()
    if source.angles:
        if terrain is None:
            raise ValueError("layover and shadow are read off a DEM: give [build.terrain] one")
        items, dem, licence = _elevation(terrain, plan.grid)
        states = sorted({one.orbit_state for one in plan.choice.passes})
        incidence = {state: source.incidence_of(state) for state in states}
    ask = terrain is not None and not terrain.of_archive
    about = {
        "incidence_degrees": incidence,
        "water_values": source.water_values,
        "water_above": source.water_above,
        "items": items,
        "files": [
            *(fingerprint(file, ask=ask) for file in dem),
            *(fingerprint(file, ask=True) for file in source.files),
        ],
    }
    told = {
        "water": [without_secrets(file) for file in source.files],
        "licences": [licence] if licence else [],
    }

    def load() -> xr.Dataset:
        latitude, north = shapely.box(*plan.recipe.area.bounds).centroid.y, north_on(plan.grid)
        return observed_layers(
            plan.grid,
            dem=dem,
            views=[
                View(degrees, sentinel1_look(state, latitude) + north)
                for state, degrees in incidence.items()
            ],
            water=source.files,
            water_values=source.water_values,
            water_above=source.water_above,
            block_pixels=block_pixels,
            least_cover=1.0 if terrain is None else terrain.min_coverage,
            sign=SIGNERS["none" if terrain is None else terrain.signing],
            sign_water=SIGNERS[source.signing],
        )

    return Stage(OBSERVED, about, told, load)


def _labels(plan: BuildPlan, block_pixels: int) -> Stage:
    source = plan.recipe.labels
    assert source is not None
    files = [source.inventory, *([source.mapped] if source.mapped else [])]
    told = {
        "inventory": without_secrets(source.inventory),
        "mapped": without_secrets(source.mapped) if source.mapped else None,
    }
    about = {
        **{key: value for key, value in asdict(source).items() if key not in told},
        "files": [fingerprint(file, ask=True) for file in files],
    }

    def load() -> xr.Dataset:
        return label_layers(
            source.inventory,
            plan.grid,
            mapped=source.mapped,
            all_touched=source.all_touched,
            crs=source.crs,
            layer=source.layer,
            mapped_crs=source.mapped_crs,
            mapped_layer=source.mapped_layer,
            block_pixels=block_pixels,
        )

    return Stage(LABELS, about, told, load)

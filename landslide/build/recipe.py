"""What a cube is built from: the `[build]` table of an event file."""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from shapely.geometry.base import BaseGeometry

from landslide.build.area import read_area
from landslide.build.grid import RESOLUTION
from landslide.cube.events import Event, address_beside, load_event
from landslide.storage import absolute, read_bytes

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
SIGNING = ("planetary-computer", "none")
PROCESSORS = ("hyp3", "isce2")
RESAMPLINGS = ("auto", "nearest", "bilinear", "cubic", "average")


@dataclass(frozen=True)
class SarSource:
    """Where backscatter comes from.

    Raises
    ------
    ValueError
        Where a value is none that is understood.
    """

    source: str = PLANETARY_COMPUTER
    """A STAC API's address, or a folder of RTC GeoTIFFs with OPERA's or ASF's names."""
    collection: str = "sentinel-1-rtc"
    """Of the STAC API."""
    pattern: str = "*.tif"
    """Which files of a folder, as a shell would match them."""
    signing: str = "planetary-computer"
    """Who signs addresses: planetary-computer (only Azure's are touched), or none."""
    min_coverage: float = 0.8
    """Part of the area that a pass must cover."""
    images: int | None = None
    """Passes kept on each side of the event in each orbit, the nearest; None for all."""
    one_sided: bool = False
    """Build even where no orbit has images on both sides: to look at, not to train with."""
    resampling: str = "auto"
    """How pixels move onto the grid: auto is average where the grid is coarser, else bilinear."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_coverage <= 1:
            raise ValueError(f"`min_coverage` is {self.min_coverage}: give 0 to 1")
        if self.images is not None and self.images < 1:
            raise ValueError(f"`images` is {self.images}: give 1 or more, or leave it out")
        if self.signing not in SIGNING:
            raise ValueError(f"`signing` is {self.signing!r}: give one of {', '.join(SIGNING)}")
        if self.resampling not in RESAMPLINGS:
            raise ValueError(
                f"`resampling` is {self.resampling!r}: give one of {', '.join(RESAMPLINGS)}"
            )


@dataclass(frozen=True)
class TerrainSource:
    """Where elevation comes from."""

    source: str | tuple[str, ...] = PLANETARY_COMPUTER
    """A STAC API's address, or the files of a DEM."""
    collection: str = "cop-dem-glo-30"
    """Of the STAC API."""
    asset: str | None = None
    """Which of an item's assets; None for `data`, `elevation`, `dem`, or the only GeoTIFF."""
    signing: str = "planetary-computer"
    """As for backscatter."""
    min_coverage: float = 1.0
    """Part of the grid that the DEM must cover; Copernicus has no pieces over open sea."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_coverage <= 1:
            raise ValueError(f"`min_coverage` is {self.min_coverage}: give 0 to 1")
        if self.signing not in SIGNING:
            raise ValueError(f"`signing` is {self.signing!r}: give one of {', '.join(SIGNING)}")


@dataclass(frozen=True)
class ObservedSource:
    """Which ground the radar cannot have seen: layover, shadow, water."""

    incidence_degrees: float | None = None
    """Between the beam and the vertical at the area's middle; None: no layover, no shadow."""
    water: str | tuple[str, ...] | None = None
    """Polygons in a vector file or, with one of the next two, the GeoTIFFs of a raster."""
    water_values: tuple[float, ...] | None = None
    """The raster's values that mean water: 80 in ESA WorldCover."""
    water_above: float | None = None
    """The raster's value above which it is water: 50 per cent of JRC's occurrence, say."""

    def __post_init__(self) -> None:
        if self.incidence_degrees is None and self.water is None:
            raise ValueError("give `incidence_degrees`, for layover and shadow, or `water`")


@dataclass(frozen=True)
class InsarSource:
    """Where coherence and interferograms come from.

    Raises
    ------
    ValueError
        Where a processor has no folder to work in.
    """

    source: str
    """A folder of products; or `hyp3` or `isce2`, which make those of all consecutive passes."""
    folder: str | None = None
    """Where a processor's products are kept; a second run goes on from what is there."""
    relative_orbit: int | None = None
    """The track that is processed; None for the event's, or the only one of the images."""

    def __post_init__(self) -> None:
        if self.source in PROCESSORS and self.folder is None:
            raise ValueError(f"`folder` is missing: say where the products of {self.source} go")


@dataclass(frozen=True)
class LabelSource:
    """Where the landslides are mapped."""

    inventory: str
    """A vector file of polygons: shapefile, GeoPackage, GeoJSON or KMZ."""
    mapped: str | None = None
    """A vector file of the area that was mapped; None: all of the grid was."""
    all_touched: bool = False
    """Whether a pixel that a polygon only touches is a landslide."""
    crs: str | None = None
    """The inventory's reference system, where its file declares none."""
    layer: str | None = None
    """Which of several layers of the inventory."""


@dataclass(frozen=True)
class Recipe:
    """All that determines a cube.

    Raises
    ------
    ValueError
        Where a window is none.
    """

    event: Event
    area: BaseGeometry
    """Longitude and latitude [degrees]."""
    text: str
    """The event file, as it was read."""
    before_days: float = 60.0
    """Images as old are used [days before the event]."""
    after_days: float = 60.0
    """Images as late are used [days after the event]."""
    crs: str | None = None
    """A metric reference system; None for the area's UTM zone."""
    resolution: float = RESOLUTION
    """Side of a pixel [m]."""
    sar: SarSource = field(default_factory=SarSource)
    terrain: TerrainSource | None = field(default_factory=TerrainSource)
    """None: the cube gets no terrain."""
    observed: ObservedSource | None = None
    insar: InsarSource | None = None
    labels: LabelSource | None = None

    def __post_init__(self) -> None:
        for name in ("before_days", "after_days"):
            if not 0 <= getattr(self, name) <= 36_525:
                raise ValueError(f"`{name}` is {getattr(self, name)}: give a number of days")

    @property
    def window(self) -> tuple[np.datetime64, np.datetime64]:
        """First and last instant [ns, UTC] of the images."""
        return (
            self.event.start - _days(self.before_days),
            self.event.end + _days(self.after_days),
        )


def _days(count: float) -> np.timedelta64:
    return np.timedelta64(round(count * 86_400_000), "ms")


SECTIONS = {
    "sar": SarSource,
    "terrain": TerrainSource,
    "observed": ObservedSource,
    "insar": InsarSource,
    "labels": LabelSource,
}
KEYS = ("area", "before_days", "after_days", "crs", "resolution", *SECTIONS)
ADDRESSES = {
    "sar": ("source",),
    "terrain": ("source",),
    "observed": ("water",),
    "insar": ("source", "folder"),
    "labels": ("inventory", "mapped"),
}


def load_recipe(file: str | os.PathLike[str]) -> Recipe:
    """Return what an event file says of building its cube.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it describes no event, or has no `[build]` table that is understood.
    """
    address = os.fspath(file)
    event = load_event(address)
    try:
        text = read_bytes(address).decode()
    except FileNotFoundError as error:
        raise ValueError(
            f"{address} is an event without a file: write a TOML file with a [build] table, as "
            "examples/build.toml is one"
        ) from error
    where = f"event file {address}: [build]"
    table = tomllib.loads(text).get("build")
    if table is None:
        raise ValueError(f"{where} is missing: write `area = [west, south, east, north]` under it")
    _refuse_unknown(table, KEYS, where)
    if "area" not in table:
        raise ValueError(f"{where}: `area` is missing; write [west, south, east, north] in degrees")
    beside = absolute(address)
    area = table.pop("area")
    if isinstance(area, str):
        area = address_beside(area, beside)
    found: dict[str, Any] = {"area": read_area(area, where)}
    for name, value in table.items():
        if name in SECTIONS:
            found[name] = _section(name, value, beside, where)
        else:
            found[name] = _typed(Recipe, name, value, where)
    try:
        return Recipe(event=event, text=text, **found)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _refuse_unknown(table: object, known: tuple[str, ...], where: str) -> None:
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} is {table!r}: it is a table of {', '.join(known)}")  # noqa: TRY004
    if unknown := sorted(set(table) - set(known)):
        raise ValueError(f"{where}: unknown key `{unknown[0]}`; it has {', '.join(known)}")


def _section(name: str, table: Any, beside: str, where: str) -> Any:
    """Return a layer's source; `false` in its place is a layer that is not wanted."""
    if table is False and name == "terrain":
        return None
    kind, where = SECTIONS[name], f"{where[:-1]}.{name}]"
    fields = dataclasses.fields(kind)
    _refuse_unknown(table, tuple(entry.name for entry in fields), where)
    found = {key: _typed(kind, key, value, where) for key, value in table.items()}
    for key in ADDRESSES[name]:
        if isinstance(found.get(key), tuple):
            found[key] = tuple(address_beside(one, beside) for one in found[key])
        elif key in found and found[key] not in PROCESSORS:
            found[key] = address_beside(found[key], beside)
    for entry in fields:
        if entry.default is dataclasses.MISSING and entry.name not in found:
            raise ValueError(f"{where}: `{entry.name}` is missing")
    try:
        return kind(**found)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _typed(kind: type, name: str, value: Any, where: str) -> Any:
    """Return a value of the type that its field has."""
    wanted = {entry.name: str(entry.type) for entry in dataclasses.fields(kind)}[name]
    if "tuple" in wanted and isinstance(value, list) and value:
        value = tuple(value)
    elif "float" in wanted and type(value) is int:
        value = float(value)
    if "tuple[float" in wanted:
        numbers = isinstance(value, tuple) and all(type(one) in (int, float) for one in value)
        if not numbers:
            raise ValueError(f"{where}: `{name}` is {value!r}; write [numbers]")
        return value
    right = {
        "bool": type(value) is bool,
        "int | None": type(value) is int,
        "float": isinstance(value, float),
        "float | None": isinstance(value, float),
    }.get(wanted.removeprefix("<class '").removesuffix("'>"))
    if right is None:  # text, or several
        several = isinstance(value, tuple) and all(isinstance(one, str) for one in value)
        right = isinstance(value, str) or ("tuple" in wanted and several)
    if not right:
        kinds = {"bool": "true or false", "int": "a whole number", "float": "a number"}
        meant = next((said for key, said in kinds.items() if key in wanted), "text in quotes")
        raise ValueError(f"{where}: `{name}` is {value!r}; write {meant}")
    return value

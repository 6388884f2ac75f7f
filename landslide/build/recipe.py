"""What a cube is built from: the `[build]` table of an event file."""

import dataclasses
import os
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from shapely.geometry.base import BaseGeometry

from landslide.build.area import read_area
from landslide.build.grid import RESOLUTION
from landslide.build.sources import (
    PROCESSORS,
    InsarSource,
    LabelSource,
    ObservedSource,
    SarSource,
    TerrainSource,
)
from landslide.cube.events import Event, address_beside, load_event
from landslide.storage import absolute, read_bytes


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
    """Age of the oldest images that are used [days before the event]."""
    after_days: float = 60.0
    """The latest images that are used [days after the event]."""
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
"""The table of each layer, in the order in which they are built."""
MEANT = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    tuple[str, ...]: "[texts in quotes]",
}
"""What is to be written for each type, beside lists of numbers."""
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
    except (FileNotFoundError, IsADirectoryError) as error:
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
        area = address_beside(area, beside, "area")
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
    if table is False and name != "sar":
        return None
    kind, where = SECTIONS[name], f"{where[:-1]}.{name}]"
    fields = dataclasses.fields(kind)
    _refuse_unknown(table, tuple(entry.name for entry in fields), where)
    found = {key: _typed(kind, key, value, where) for key, value in table.items()}
    for key in ADDRESSES[name]:
        said = f"{name}.{key}"
        if isinstance(found.get(key), tuple):
            found[key] = tuple(address_beside(one, beside, said) for one in found[key])
        elif key in found and found[key] not in PROCESSORS:
            found[key] = address_beside(found[key], beside, said)
    for entry in fields:
        if entry.default is dataclasses.MISSING and entry.name not in found:
            raise ValueError(f"{where}: `{entry.name}` is missing")
    try:
        return kind(**found)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _typed(table: type, name: str, value: Any, where: str) -> Any:
    """Return a value of a type that its field may have."""
    hint = get_type_hints(table)[name]
    kinds = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for kind in kinds:
        if _is(value, kind):
            if get_origin(kind) is tuple:
                return tuple(value)
            return float(value) if kind is float else value
    wanted = MEANT.get(kinds[0], "[numbers]")
    raise ValueError(f"{where}: `{name}` is {value!r}; write {wanted}")


def _is(value: Any, kind: Any) -> bool:
    """Return whether a value of TOML is of a field's type: a whole number is a number, too."""
    if get_origin(kind) is tuple:
        several = isinstance(value, list) and bool(value)
        return several and all(_is(one, get_args(kind)[0]) for one in value)
    return type(value) in ((int, float) if kind is float else (kind,))

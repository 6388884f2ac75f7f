"""The event that a cube is about: its instant in UTC, its orbit, its cube.

Before is strictly earlier than an event's start, after strictly later than its end. Days are
too coarse: the Hokkaido earthquake struck at 18:08 UTC, and a Sentinel-1 pass of the same day
came after it.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr

from landslide.cube.spelling import ORBIT_STATES, decode_orbit_state, read_window
from landslide.storage import absolute, read_bytes

KEYS = ("name", "time", "start", "end", "orbit_state", "relative_orbit", "cube")
BUILD = "build"
"""The table of an event file that says how its cube is built; `landslide.build` reads it."""


@dataclass(frozen=True)
class Event:
    """One landslide event, such as `Event("hokkaido", "2018-09-05T18:07:59Z")`.

    Instants are given as text, as a datetime or as a datetime64, in UTC where they name no offset;
    a date, in any of these, is its whole day.

    Raises
    ------
    ValueError
        Where one is no instant, the end comes before the start, or the orbit is none.
    """

    name: str
    """What the table calls it: one word, lower case."""
    start: np.datetime64
    """Instant [ns, UTC] before which an image shows the ground as it was."""
    end: np.datetime64 = None  # type: ignore[assignment]  # until it is made, where left out
    """Instant [ns, UTC] after which an image shows the landslides; by default `start`, as of an
    earthquake, or the end of its day where that is a date."""
    orbit_state: str | None = None
    """The images to use, "ascending" or "descending"; None leaves the choice to the cube."""
    relative_orbit: int | None = None
    """The track to use, 1 to 175 for Sentinel-1; None leaves the choice to the cube."""
    cube: str | None = None
    """Address of the event's cube, where the event knows it."""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("an event needs a name: set `name` to a word")
        where = f"event {self.name}"
        start, end = read_window(self.start, "start", where)
        if self.end is not None:
            _, end = read_window(self.end, "end", where)
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)
        if self.end < self.start:
            raise ValueError(
                f"event {self.name}: it ends at {self.end} before it starts at {self.start}; "
                "swap `start` and `end`"
            )
        if self.orbit_state not in (None, *ORBIT_STATES.values()):
            raise ValueError(
                f"event {self.name}: orbit_state {self.orbit_state!r} is unknown; "
                "write ascending or descending"
            )


_EVENTS = (
    Event("hokkaido", np.datetime64("2018-09-05T18:07:59"), orbit_state="descending"),
    Event("kaikoura", np.datetime64("2016-11-13T11:02:56"), orbit_state="ascending"),
    Event("puerto_rico", np.datetime64("2017-09-20")),  # the day that Hurricane Maria took
    Event("talakmau", np.datetime64("2022-02-25T01:39")),
)
PUBLISHED: Mapping[str, Event] = MappingProxyType({event.name: event for event in _EVENTS})
"""The four events whose cubes lie on Zenodo, record 7248056."""

ZENODO_STEMS: Mapping[str, str] = MappingProxyType(
    {
        "hokkaido": "hokkaido_japan",
        "kaikoura": "kaikoura_newzealand",
        "puerto_rico": "puerto_rico",
        "talakmau": "talakmau_indonesia",
    }
)
"""What Zenodo calls each event's archive, without `.zip`."""


def published_name(name: str) -> str | None:
    """Return the published event that `name` means, by its name or its Zenodo stem, or None."""
    wanted = name.lower().replace("-", "_").removesuffix(".zip").removesuffix(".zarr")
    return next((name for name, stem in ZENODO_STEMS.items() if wanted in (name, stem)), None)


def _event_from_keys(keys: Mapping[str, Any], where: str) -> Event:
    """Return the event that the keys of a TOML file or of a JSON attribute describe."""
    if unknown := sorted(set(keys) - set(KEYS)):
        raise ValueError(f"{where}: unknown key `{unknown[0]}`; an event has {', '.join(KEYS)}")
    if not isinstance(keys.get("name"), str):
        raise ValueError(f'{where}: `name` is missing; write name = "my_event"')  # noqa: TRY004
    if "time" in keys and not {"start", "end"} & set(keys):
        start, end = read_window(keys["time"], "time", where)
    elif "time" not in keys and {"start", "end"} <= set(keys):
        start, _ = read_window(keys["start"], "start", where)
        _, end = read_window(keys["end"], "end", where)
    else:
        raise ValueError(f"{where}: give either `time`, or both `start` and `end`")
    orbit_state = keys.get("orbit_state")
    if orbit_state is not None:
        orbit_state = decode_orbit_state(orbit_state) or str(orbit_state)
    relative_orbit = keys.get("relative_orbit")
    if relative_orbit is not None and type(relative_orbit) is not int:
        raise ValueError(f"{where}: `relative_orbit` is {relative_orbit!r}; write a whole number")
    cube = keys.get("cube")
    if cube is not None and not isinstance(cube, str):
        raise ValueError(f"{where}: `cube` is {cube!r}; write an address in quotes")
    try:
        return Event(keys["name"], start, end, orbit_state, relative_orbit, cube)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def event_to_attribute(event: Event) -> str:
    """Return the JSON that a cube's `event` attribute holds; keys without a value are left out."""
    keys = {
        "name": event.name,
        "start": np.datetime_as_string(event.start) + "Z",
        "end": np.datetime_as_string(event.end) + "Z",
        "orbit_state": event.orbit_state,
        "relative_orbit": event.relative_orbit,
    }
    return json.dumps({key: value for key, value in keys.items() if value is not None})


def event_from_attribute(text: str) -> Event:
    """Return the event of a cube's `event` attribute.

    Raises
    ------
    ValueError
        Where the text is not the JSON that `event_to_attribute` writes.
    """
    where = "the cube's `event` attribute"
    try:
        keys = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} is not JSON; give an event (--event)") from error
    if not isinstance(keys, dict):
        raise ValueError(f"{where} is not a JSON object; give an event (--event)")  # noqa: TRY004
    return _event_from_keys(keys, where)


def address_beside(address: str, file: str, key: str) -> str:
    """Return an address as the TOML file `file` means it, in which it is the value of `key`.

    Raises
    ------
    ValueError
        Where it is empty.
    """
    if not address:
        raise ValueError(f"event file {file}: `{key}` is empty: write an address, or leave it out")
    address = os.path.expanduser(address)  # noqa: PTH111
    if "://" in address or "::" in address or os.path.isabs(address):  # noqa: PTH117
        return address
    folder, slash, _ = file.rpartition("/")
    if "://" in file:
        return f"{folder}/{address}"
    return os.path.abspath(folder + slash + address)  # noqa: PTH100


def load_event(name_or_file: str | os.PathLike[str]) -> Event:
    """Return a published event by name, or the event that a TOML file describes.

    Parameters
    ----------
    name_or_file
        `hokkaido`, `kaikoura`, `puerto_rico`, `talakmau` (or the Zenodo stem, such as
        `hokkaido_japan`), or the address of a TOML file with `name`, `time` or `start` and
        `end`, and optionally `orbit_state`, `relative_orbit`, `cube`. A time without an offset
        is UTC; a date is that whole day; a relative `cube` is relative to the file. Its table
        `[build]` says how the cube is built, and is not read here.

    Raises
    ------
    FileNotFoundError
        Where there is neither such an event nor such a file.
    ValueError
        Where the file does not describe an event.
    """
    text = os.fspath(name_or_file)
    published = published_name(text)
    if published is not None:
        return PUBLISHED[published]
    address = absolute(text)
    try:
        content = read_bytes(address).decode()
    except (FileNotFoundError, IsADirectoryError) as error:
        if text.endswith(".toml"):
            raise FileNotFoundError(f"no event file {text}: check its name") from error
        raise FileNotFoundError(
            f"no event {text!r}: name one of {', '.join(PUBLISHED)}, or an existing TOML file"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"event file {text} is not TOML: it is not UTF-8 text") from error
    try:
        keys = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"event file {text} is not TOML: {error}") from error
    if isinstance(keys.get("cube"), str):
        keys["cube"] = address_beside(keys["cube"], address, "cube")
    keys.pop(BUILD, None)
    return _event_from_keys(keys, f"event file {text}")


def find_event(cube: xr.Dataset, event: Event | str | os.PathLike[str] | None = None) -> Event:
    """Return the event given, else the cube's own, else the published one its address names.

    It may be given as it is, or by what `load_event` takes: a published name or a TOML file.

    Raises
    ------
    FileNotFoundError
        As `load_event` does.
    ValueError
        As `load_event` does, or where no event is given and the cube tells none.
    """
    if isinstance(event, Event):
        return event
    if event is not None:
        return load_event(event)
    if "event" in cube.attrs:
        return event_from_attribute(cube.attrs["event"])
    source = str(cube.encoding.get("source", ""))
    for part in reversed(source.lower().replace("-", "_").split("/")):
        named = [event for name, event in PUBLISHED.items() if name in part]
        if len(named) == 1:
            return named[0]
    raise ValueError(
        f"the cube {source or 'given'} does not say its event: give one (--event), "
        f"by name ({', '.join(PUBLISHED)}) or as a TOML file"
    )

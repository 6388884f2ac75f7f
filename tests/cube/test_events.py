"""An event has an instant in UTC, an orbit and a name, from wherever it is read."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from landslide.cube.events import (
    PUBLISHED,
    ZENODO_STEMS,
    Event,
    event_from_attribute,
    event_to_attribute,
    find_event,
    load_event,
)

Write = Callable[[str], str]


@pytest.fixture
def toml(tmp_path: Path) -> Write:
    def write(text: str) -> str:
        file = tmp_path / "event.toml"
        file.write_text(text)
        return str(file)

    return write


def instant(text: str) -> np.datetime64:
    return np.datetime64(text, "ns")


@pytest.mark.parametrize(
    ("name", "start", "end", "orbit"),
    [
        ("hokkaido", "2018-09-05T18:07:59", "2018-09-05T18:07:59", "descending"),
        ("kaikoura", "2016-11-13T11:02:56", "2016-11-13T11:02:56", "ascending"),
        ("puerto_rico", "2017-09-20", "2017-09-21", None),
        ("talakmau", "2022-02-25T01:39", "2022-02-25T01:39", None),
    ],
)
def test_a_published_event_is_known_by_its_name_and_by_its_zenodo_stem(
    name: str, start: str, end: str, orbit: str | None
) -> None:
    event = Event(name, instant(start), instant(end), orbit)
    assert load_event(name) == event
    assert load_event(ZENODO_STEMS[name]) == event
    assert load_event(name.upper().replace("_", "-")) == event


def test_the_descending_pass_on_the_evening_of_the_hokkaido_earthquake_is_after_it() -> None:
    assert instant("2018-09-05T20:40") > load_event("hokkaido").end


@pytest.mark.parametrize(
    ("time", "start", "end"),
    [
        ("2018-09-05T18:07:59", "2018-09-05T18:07:59", "2018-09-05T18:07:59"),
        ("2018-09-06T03:07:59+09:00", "2018-09-05T18:07:59", "2018-09-05T18:07:59"),
        ("2018-09-05T18:07:59Z", "2018-09-05T18:07:59", "2018-09-05T18:07:59"),
        ("2018-09-05 18:07:59.25", "2018-09-05T18:07:59.25", "2018-09-05T18:07:59.25"),
        ("2018-09-05", "2018-09-05", "2018-09-06"),
        ("2018-12-31", "2018-12-31", "2019-01-01"),
    ],
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_an_instant_is_utc_and_a_date_is_its_whole_day(
    time: str, start: str, end: str, quote: str, toml: Write
) -> None:
    event = load_event(toml(f'name = "quake"\ntime = {quote}{time}{quote}'))
    assert event == Event("quake", instant(start), instant(end))


def test_an_event_may_last_and_name_its_orbit_and_cube(toml: Write, tmp_path: Path) -> None:
    text = 'name = "storm"\nstart = 2017-09-20T06:00:00\nend = 2017-09-20\n'
    text += 'orbit_state = "D"\nrelative_orbit = 46\ncube = "{}"\n'
    event = load_event(toml(text.format("cubes/storm.zarr")))
    assert (event.start, event.end) == (instant("2017-09-20T06"), instant("2017-09-21"))
    assert (event.orbit_state, event.relative_orbit) == ("descending", 46)
    assert event.cube == str(tmp_path / "cubes" / "storm.zarr")
    for absolute in ("gs://bucket/storm.zarr", "/data/storm.zarr", "zip::s3://a/b.zip"):
        assert load_event(toml(text.format(absolute))).cube == absolute


def test_a_cube_is_beside_an_event_file_that_is_given_from_home(
    toml: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    toml('name = "storm"\ntime = 2017-09-20\ncube = "storm.zarr"')
    assert load_event("~/event.toml").cube == str(tmp_path / "storm.zarr")


def test_an_event_file_may_lie_in_a_store() -> None:
    import fsspec

    text = b'name = "storm"\ntime = 2017-09-20\ncube = "storm.zarr"'
    fsspec.filesystem("memory").pipe_file("/events/storm.toml", text)
    assert load_event("memory://events/storm.toml").cube == "memory://events/storm.zarr"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time = 2018-09-05", "`name` is missing"),
        ('name = "a"', "give either `time`, or both `start` and `end`"),
        ('name = "a"\nstart = 2018-09-05', "give either `time`, or both"),
        ('name = "a"\ntime = 2018-09-05\nend = 2018-09-05', "give either `time`, or both"),
        ('name = "a"\ntime = 18:07:59', "`time` is .*write an instant such as"),
        ('name = "a"\ntime = "now"', "`time` is 'now'; write an instant"),
        ('name = "a"\ntime = 20180905', "`time` is 20180905; write an instant"),
        ('name = "a"\ntime = 3018-09-05T18:00:00Z', "`time` is .*3018.*; write an instant"),
        ('name = "a"\ntime = "0018-09-05"', "`time` is '0018-09-05'; write an instant"),
        ('name = "a"\ntime = 2018-09-05\nmagnitude = 6.6', "unknown key `magnitude`"),
        ('name = "a"\ntime = 2018-09-05\norbit_state = "up"', "'up' is unknown; write ascending"),
        ('name = "a"\ntime = 2018-09-05\nrelative_orbit = "46"', "write a whole number"),
        ('name = "a"\ntime = 2018-09-05\ncube = 3', "write an address in quotes"),
        ('name = "a"\nstart = 2018-09-07\nend = 2018-09-05', "before it starts.*swap"),
        ('name = " "\ntime = 2018-09-05', "needs a name"),
        ("name = ", "is not TOML"),
    ],
)
def test_a_wrong_event_file_is_refused_in_one_line(text: str, message: str, toml: Write) -> None:
    file = toml(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_event(file)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_event_that_is_neither_known_nor_a_file_names_those_that_are(tmp_path: Path) -> None:
    for unknown in ("hokaido", str(tmp_path)):
        with pytest.raises(FileNotFoundError, match="name one of hokkaido, kaikoura, puerto_rico"):
            load_event(unknown)


def test_bytes_that_are_no_text_are_not_toml(tmp_path: Path) -> None:
    (tmp_path / "event.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not TOML"):
        load_event(tmp_path / "event.toml")


INSTANTS = st.datetimes().map(lambda moment: np.datetime64(moment, "ns"))


@pytest.mark.parametrize(
    "time",
    [
        "2018-09-05T18:07:59Z",
        "2018-09-06 03:07:59+09:00",
        np.datetime64("2018-09-05T18:07:59"),
        np.datetime64("2018-09-05T18:07:59", "us"),
        dt.datetime(2018, 9, 5, 18, 7, 59, tzinfo=dt.UTC),
        dt.datetime(2018, 9, 5, 18, 7, 59),  # noqa: DTZ001 - what names no offset is UTC
        pd.Timestamp("2018-09-06T03:07:59", tz="Asia/Tokyo"),
    ],
)
def test_an_instant_comes_in_any_form_and_ends_an_earthquake(time: Any) -> None:
    event = Event("quake", time)
    assert (event.start, event.end) == (instant("2018-09-05T18:07:59"),) * 2
    assert event.start.dtype == event.end.dtype == np.dtype("datetime64[ns]")
    assert event == Event("quake", time, time)


@pytest.mark.parametrize("day", ["2017-09-20", dt.date(2017, 9, 20), np.datetime64("2017-09-20")])
def test_a_date_is_its_whole_day_in_any_form_as_in_a_file(day: Any, toml: Write) -> None:
    whole = load_event(toml('name = "storm"\ntime = 2017-09-20'))
    assert Event("storm", day) == Event("storm", day, day) == whole
    assert Event("storm", "2017-09-19", day).end == instant("2017-09-21")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        "now",
        20180905,
        dt.time(18, 7),
        pd.NaT,
        np.datetime64("NaT", "ns"),
        np.datetime64("2018-09"),
        np.datetime64("3018-09-05T18:00"),
    ],
)
@pytest.mark.parametrize("field", ["start", "end"])
def test_what_is_no_instant_is_refused_in_one_line_that_names_it(field: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=rf"^event quake: `{field}` is .*; write an inst") as error:
        Event("quake", **{"start": instant("2018-09-05"), field: wrong})
    assert "\n" not in str(error.value)


@given(
    st.text(min_size=1).filter(str.strip),
    st.tuples(INSTANTS, INSTANTS).map(sorted),
    st.sampled_from(["ascending", "descending", None]),
    st.none() | st.integers(1, 175),
)
def test_an_event_survives_the_cubes_attribute(
    name: str, instants: list[np.datetime64], orbit_state: str | None, relative_orbit: int | None
) -> None:
    event = Event(name, instants[0], instants[1], orbit_state, relative_orbit)
    assert event_from_attribute(event_to_attribute(event)) == event


@pytest.mark.parametrize("text", ["hokkaido", "[1]", "3", '{"name": "a"}'])
def test_a_wrong_attribute_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="the cube's `event` attribute"):
        event_from_attribute(text)


def opened(source: str, attrs: dict[str, str] | None = None) -> xr.Dataset:
    cube = xr.Dataset(attrs=attrs)
    cube.encoding["source"] = source
    return cube


def test_the_event_given_comes_before_the_cubes_own_and_that_before_its_name() -> None:
    own = Event("own", instant("2020-01-01"), instant("2020-01-01"))
    cube = opened("gs://kaikoura/hokkaido_japan.zarr", {"event": event_to_attribute(own)})
    assert find_event(cube, "talakmau") == PUBLISHED["talakmau"]
    assert find_event(cube, PUBLISHED["kaikoura"]) is PUBLISHED["kaikoura"]
    assert find_event(cube) == own
    assert find_event(opened(cube.encoding["source"])) == PUBLISHED["hokkaido"]
    assert find_event(opened("s3://Puerto-Rico/cube.zarr")) == PUBLISHED["puerto_rico"]


@pytest.mark.parametrize("source", ["", "gs://bucket/cube.zarr", "hokkaido_and_kaikoura.zarr"])
def test_a_cube_that_does_not_say_its_event_is_an_error_with_a_way_out(source: str) -> None:
    with pytest.raises(ValueError, match=r"does not say its event: give one \(--event\)"):
        find_event(opened(source))


def test_the_example_event_lies_between_the_dates_of_the_floods_cube(floods: str) -> None:
    from landslide.cube.store import open_cube

    event = load_event(Path(__file__).parents[2] / "examples" / "floods.toml")
    before, after = open_cube(floods).timestep.to_numpy()
    assert event.name == "floods-ombria"
    assert before < event.start <= event.end < after

"""Which images are before the event and which after it, and which of them are used."""

import logging
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from landslide.chips.images import select_images, sides
from landslide.cube.events import PUBLISHED, Event


def instants(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]")


def event_at(start: str, end: str | None = None, **orbit: Any) -> Event:
    first, last = np.datetime64(start, "ns"), np.datetime64(end or start, "ns")
    return Event("quake", first, last, **orbit)


def cube_of(
    times: list[str], states: list[str] | None = None, tracks: list[int] | None = None
) -> xr.Dataset:
    """Return a cube that has images, but no pixels."""
    coords: dict[str, object] = {"timestep": instants(*times)}
    if states is not None:
        coords["sat:orbit_state"] = ("timestep", states)
    if tracks is not None:
        coords["sat:relative_orbit"] = ("timestep", tracks)
    return xr.Dataset(coords=coords)


def test_a_pass_later_on_the_day_of_the_hokkaido_earthquake_is_after_it() -> None:
    times = instants("2018-09-05T08:40", "2018-09-05T20:40", "2018-09-06T08:40")
    before, after = sides(times, PUBLISHED["hokkaido"])
    assert before.tolist() == [True, False, False]
    assert after.tolist() == [False, True, True]


def test_an_image_at_the_instant_of_the_event_is_on_neither_side() -> None:
    times = instants("2018-09-05T18:07:58", "2018-09-05T18:07:59", "2018-09-05T18:08")
    before, after = sides(times, event_at("2018-09-05T18:07:59"))
    assert before.tolist() == [True, False, False]
    assert after.tolist() == [False, False, True]


def test_images_during_an_event_are_on_neither_side(caplog: pytest.LogCaptureFixture) -> None:
    times = instants("2017-09-18T10", "2017-09-20T10", "2017-09-21T10", "2017-09-24T10")
    before, after = sides(times, event_at("2017-09-19T12", "2017-09-22"))
    assert before.tolist() == [True, False, False, False]
    assert after.tolist() == [False, False, False, True]
    assert not caplog.records


def test_dates_without_an_hour_are_left_out_on_the_events_own_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = instants("2018-09-04", "2018-09-05", "2018-09-06")
    with caplog.at_level(logging.WARNING):
        before, after = sides(times, PUBLISHED["hokkaido"])
    assert before.tolist() == [True, False, False]
    assert after.tolist() == [False, False, True]
    assert [r.getMessage() for r in caplog.records] == [
        "images of the event's own day have no hour and are left out: 2018-09-05"
    ]


def test_a_date_among_times_with_an_hour_is_left_out_on_the_events_own_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = instants("2018-09-04", "2018-09-05", "2018-09-05T20:40", "2018-09-06", "2018-09-06T08")
    before, after = sides(times, PUBLISHED["hokkaido"])
    assert before.tolist() == [True, False, False, False, False]
    assert after.tolist() == [False, False, True, True, True]
    assert [r.getMessage() for r in caplog.records] == [
        "images of the event's own day have no hour and are left out: 2018-09-05"
    ]


def test_an_image_with_an_hour_on_neither_side_is_not_said_to_have_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = instants("2018-09-04", "2018-09-05T18:07:59", "2018-09-07")
    before, after = sides(times, event_at("2018-09-05T18:07:59"))
    assert before.tolist() == [True, False, False]
    assert after.tolist() == [False, False, True]
    assert not caplog.records


def test_an_event_that_takes_a_whole_day_leaves_out_that_day_alone() -> None:
    times = instants("2017-09-19", "2017-09-20", "2017-09-21")
    before, after = sides(times, PUBLISHED["puerto_rico"])
    assert before.tolist() == [True, False, False]
    assert after.tolist() == [False, False, True]


@given(
    st.lists(st.integers(0, 20 * 24), min_size=1, max_size=12),
    st.integers(0, 480),
    st.integers(0, 99),
)
def test_no_image_is_on_both_sides(hours: list[int], start: int, lasting: int) -> None:
    origin = np.datetime64("2020-01-01", "ns")
    times = origin + np.array(hours) * np.timedelta64(1, "h")
    first = origin + np.timedelta64(start, "h")
    last = first + np.timedelta64(lasting, "h")
    before, after = sides(times, Event("quake", first, last))
    assert not (before & after).any()
    assert (times[before] < first).all()
    assert (times[after] >= last).all()


DAYS = [f"2018-09-{day:02}T06" for day in (1, 3, 5, 7, 9, 11)]
QUAKE = event_at("2018-09-06")


def test_the_nearest_images_come_first() -> None:
    images = select_images(cube_of(DAYS), QUAKE, 2)
    assert (images.before, images.after) == ((2, 1), (3, 4))


def test_unsorted_images_are_chosen_by_their_instant() -> None:
    order = [4, 0, 3, 5, 2, 1]
    images = select_images(cube_of([DAYS[i] for i in order]), QUAKE, 3)
    assert [order[i] for i in images.before] == [2, 1, 0]
    assert [order[i] for i in images.after] == [3, 4, 5]


def test_images_share_the_orbit_state_with_most_on_its_scarcer_side() -> None:
    cube = cube_of(
        DAYS, ["ascending", "descending", "descending", "ascending"] + ["descending"] * 2
    )
    images = select_images(cube, QUAKE, 1)
    assert images.orbit == "descending"
    assert (images.before, images.after) == ((2,), (4,))


def test_a_known_relative_orbit_goes_before_the_orbit_state() -> None:
    cube = cube_of(DAYS, ["descending"] * 6, [46, 148, 46, 148, 46, 46])
    images = select_images(cube, QUAKE, 2)
    assert (images.orbit, images.before, images.after) == ("46", (2, 0), (4, 5))


def test_of_orbits_whose_scarcer_sides_are_alike_the_one_with_more_images_is_taken() -> None:
    images = select_images(cube_of(DAYS, tracks=[148, 46, 46, 148, 46, 119]), QUAKE, 1)
    assert (images.orbit, images.before, images.after) == ("46", (2,), (4,))


def test_one_side_is_enough_only_where_it_is_asked_for_and_there_is_one() -> None:
    before, during = cube_of(DAYS[:3]), cube_of(DAYS[1:2])
    with pytest.raises(ValueError, match=r"there are 0 .* give a cube with images on both sides"):
        select_images(before, QUAKE, 1)
    images = select_images(before, QUAKE, 1, one_sided=True)
    assert (images.before, images.after) == ((2,), ())
    with pytest.raises(ValueError, match="there are 3 "):
        select_images(before, QUAKE, 4, one_sided=True)
    with pytest.raises(ValueError, match="1 timesteps need 1 images before"):
        select_images(during, event_at("2018-01-01", "2019-01-01"), 1, one_sided=True)


def test_a_cube_without_images_says_so() -> None:
    terrain = xr.Dataset({"dem": (("y", "x"), np.zeros((3, 4)))})
    with pytest.raises(ValueError, match="the cube has no images: choose inputs without"):
        select_images(terrain, PUBLISHED["hokkaido"], 1)


def test_images_mix_orbits_only_when_asked() -> None:
    cube = cube_of(DAYS, ["ascending", "descending"] * 3, [46, 148] * 3)
    with pytest.raises(ValueError, match="3 timesteps need 3 images before"):
        select_images(cube, QUAKE, 3)
    images = select_images(cube, QUAKE, 3, "any")
    assert (images.orbit, images.before, images.after) == ("any", (2, 1, 0), (3, 4, 5))


@pytest.mark.parametrize(
    ("wanted", "asked", "before"),
    [
        ({"orbit_state": "ascending"}, None, (0,)),
        ({"orbit_state": "ascending"}, "descending", (2,)),
        ({"orbit_state": "ascending"}, "any", (2,)),
        ({"orbit_state": "ascending"}, "148", (2,)),
        ({"relative_orbit": 46}, None, (0,)),
        ({"relative_orbit": 46}, "148", (2,)),
        ({"orbit_state": "descending", "relative_orbit": 148}, None, (2,)),
        ({}, None, (2,)),
    ],
)
def test_the_events_own_orbit_is_used_unless_another_is_asked_for(
    wanted: dict[str, Any], asked: str | None, before: tuple[int, ...]
) -> None:
    states = ["ascending", "descending", "descending", "ascending", "descending", "descending"]
    tracks = [46, 148, 148, 46, 148, 148]
    event = event_at("2018-09-06", **wanted)
    assert select_images(cube_of(DAYS, states, tracks), event, 1, asked).before == before


def test_an_events_orbit_does_not_matter_where_the_cube_knows_none() -> None:
    event = event_at("2018-09-06", orbit_state="descending", relative_orbit=46)
    assert select_images(cube_of(DAYS), event, 3).before == (2, 1, 0)


@pytest.mark.parametrize(
    ("cube", "event", "orbit", "message"),
    [
        (
            cube_of(DAYS),
            QUAKE,
            None,
            r"need 4 images before .*, there are 3 \(orbit any: 3 before, 3 after\): ask for fewer",
        ),
        (
            cube_of(DAYS, ["ascending", "descending"] * 3),
            QUAKE,
            None,
            r"there are 2 \(orbit ascending: 2 before, 1 after; orbit descending: 1 before, 2 aft",
        ),
        (
            cube_of(DAYS, tracks=[46] * 6),
            event_at("2018-09-06", relative_orbit=148),
            None,
            "event 'quake': no image of the orbit asked for; the cube has 46",
        ),
        (
            cube_of(DAYS, ["ascending"] * 6),
            QUAKE,
            "46",
            "orbit '46' was asked for, but the cube has no sat:relative_orbit",
        ),
        (cube_of(DAYS), event_at("2019-01-01"), None, "4 images after event 'quake', there are 0"),
    ],
)
def test_too_few_images_are_counted_in_one_line(
    cube: xr.Dataset, event: Event, orbit: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        select_images(cube, event, 4, orbit)
    assert "\n" not in str(error.value)


@given(st.data())
def test_chosen_images_share_one_orbit_and_are_the_nearest_of_it(data: st.DataObject) -> None:
    hours = data.draw(st.lists(st.integers(1, 400), min_size=4, max_size=14, unique=True))
    tracks = data.draw(
        st.lists(st.sampled_from([46, 148]), min_size=len(hours), max_size=len(hours))
    )
    origin = np.datetime64("2018-09-01", "ns")
    times = origin + np.array(hours) * np.timedelta64(1, "h") + np.timedelta64(1, "m")
    event = Event("quake", origin + np.timedelta64(200, "h"), origin + np.timedelta64(200, "h"))
    cube = xr.Dataset(coords={"timestep": times, "sat:relative_orbit": ("timestep", tracks)})
    best = max(
        min(
            sum(h < 200 for h, t in zip(hours, tracks, strict=True) if t == track),
            sum(h >= 200 for h, t in zip(hours, tracks, strict=True) if t == track),
        )
        for track in (46, 148)
    )
    if best == 0:
        with pytest.raises(ValueError, match="timesteps need"):
            select_images(cube, event, 1)
        return
    images = select_images(cube, event, best)
    assert {tracks[i] for i in (*images.before, *images.after)} == {int(images.orbit)}
    same = sorted(h for h, t in zip(hours, tracks, strict=True) if str(t) == images.orbit)
    assert [hours[i] for i in images.before] == [h for h in same if h < 200][::-1][:best]
    assert [hours[i] for i in images.after] == [h for h in same if h >= 200][:best]

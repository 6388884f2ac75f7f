"""Scenes of one overpass together, and which passes a cube is built from."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from landslide.build.choosing import choose_passes
from landslide.build.passes import Pass, group_passes, newest
from landslide.build.scenes import Scene
from landslide.build.sources import SarSource
from landslide.cube.events import Event

CRS = "EPSG:32654"
AREA = shapely.box(141.0, 42.0, 141.2, 42.2)
INSTANT = np.datetime64("2018-09-05T18:07:59", "ns")
EVENT = Event("quake", INSTANT, INSTANT)


def scene(
    start: str,
    box: tuple[float, float, float, float] = (140, 41, 142, 43),
    *,
    track: int | None = 46,
    state: str = "descending",
    produced: str = "",
    piece: str = "",
    polarisations: tuple[str, ...] = ("vv", "vh"),
) -> Scene:
    return Scene(
        name=f"{start} {track} {produced}",
        piece=piece or f"{start} {box} {track}",
        produced=produced,
        start=np.datetime64(start, "ns"),
        platform="sentinel-1a",
        relative_orbit=track,
        orbit_state=state,
        footprint=shapely.box(*box),
        addresses={name: f"{start}_{name}.tif" for name in polarisations},
    )


def passes(*scenes: Scene) -> list[Pass]:
    return group_passes(scenes, AREA, CRS)


def chosen(*scenes: Scene, event: Event = EVENT, **source: object) -> list[str]:
    choice = choose_passes(passes(*scenes), event, SarSource(**source))  # type: ignore[arg-type]
    return [str(one.start)[:10] for one in choice.passes]


def test_slices_of_one_overpass_are_one_pass() -> None:
    south, north = (140, 41, 142, 42.1), (140, 42.1, 142, 43)
    found = passes(
        scene("2018-09-01T20:41:25", north),
        scene("2018-09-01T20:41:00", south),
        scene("2018-09-13T20:41:00", south),
        scene("2018-09-01T08:41:00", track=141, state="ascending"),
    )
    assert [(str(one.start)[:16], len(one.scenes)) for one in found] == [
        ("2018-09-01T08:41", 1), ("2018-09-01T20:41", 2), ("2018-09-13T20:41", 1),
    ]  # fmt: skip
    assert [round(one.coverage, 2) for one in found] == [1, 1, 0.5]


def test_of_a_scene_that_was_made_twice_the_later_counts() -> None:
    early = scene("2018-09-01T20:41", produced="20180902", piece="burst")
    late = replace(early, name="late", produced="20240101")
    assert newest([late, early]) == newest([early, late]) == [late]


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=30, unique=True))
def test_every_scene_is_in_one_pass_and_passes_lie_apart(minutes: list[int]) -> None:
    start = np.datetime64("2018-01-01", "ns")
    given_ = [scene(str(start + np.timedelta64(m, "m"))) for m in minutes]
    found = passes(*given_)
    assert sorted(s.name for one in found for s in one.scenes) == sorted(s.name for s in given_)
    for first, second in pairwise(found):
        assert second.start - first.scenes[-1].start > np.timedelta64(15, "m")
    for one in found:
        for first, second in pairwise(one.scenes):
            assert second.start - first.start <= np.timedelta64(15, "m")


def test_what_is_left_out_has_a_reason() -> None:
    during = Event("storm", INSTANT, INSTANT + np.timedelta64(1, "D"))
    found = passes(
        scene("2018-08-20T20:41"),
        scene("2018-08-08T20:41"),
        scene("2018-08-28T20:41", (140, 41, 141.1, 43)),
        scene("2018-09-01T08:41", track=141, state="ascending"),
        scene("2018-09-02T20:41", track=119),
        scene("2018-09-03T20:41", polarisations=("vv",)),
        scene("2018-09-06T08:41"),
        scene("2018-09-07T20:41"),
    )
    event = replace(during, orbit_state="descending", relative_orbit=46)
    choice = choose_passes(found, event, SarSource(images=1))
    assert [str(one.start)[:10] for one in choice.passes] == ["2018-08-20", "2018-09-07"]
    assert {str(one.start)[:10]: reason for one, reason in choice.dropped} == {
        "2018-08-08": "beyond the 1 nearest of its orbit and side",
        "2018-08-28": "covers 50% of the area, less than 80%",
        "2018-09-01": "ascending, not descending as the event wants",
        "2018-09-02": "of track 119 (descending), not track 46 as the event wants",
        "2018-09-03": "has no VH",
        "2018-09-06": "during the event",
    }
    assert choice.polarisations == ("vv", "vh")


def test_a_cube_of_one_polarisation_is_one_where_there_is_no_other() -> None:
    one = ("vh",)
    found = passes(
        scene("2018-09-01T20:41", polarisations=one), scene("2018-09-13T20:41", polarisations=one)
    )
    assert choose_passes(found, EVENT, SarSource()).polarisations == ("vh",)


VV_ONLY = [scene(day, polarisations=("vv",)) for day in ("2018-08-08", "2018-08-20", "2018-09-13")]
OF_BOTH = [scene(day) for day in ("2018-09-01", "2018-09-25")]


@pytest.mark.parametrize(
    ("scenes", "wanted", "found"),
    [
        ([*VV_ONLY, OF_BOTH[0]], None, (("vv",), 4)),
        ([*VV_ONLY, OF_BOTH[1]], None, (("vv",), 4)),
        ([*VV_ONLY, *OF_BOTH], None, (("vv", "vh"), 2)),
        ([*VV_ONLY, *OF_BOTH], ("vv",), (("vv",), 5)),
        (OF_BOTH, ("vh",), (("vh",), 2)),
        (OF_BOTH, ("vh", "vv"), (("vv", "vh"), 2)),
    ],
)
def test_the_cube_holds_what_is_asked_for_or_what_both_sides_have(
    scenes: list[Scene], wanted: tuple[str, ...] | None, found: tuple[tuple[str, ...], int]
) -> None:
    choice = choose_passes(passes(*scenes), EVENT, SarSource(polarisations=wanted))
    assert (choice.polarisations, len(choice.passes)) == found


def test_where_passes_lack_a_polarisation_its_key_is_named() -> None:
    source = SarSource(polarisations=("vv", "vh"))
    said = r"dropped 3 times: has no VH.* or set `polarisations` under .* to what more passes have"
    with pytest.raises(ValueError, match=said):
        choose_passes(passes(*VV_ONLY, OF_BOTH[0]), EVENT, source)
    with pytest.raises(ValueError, match=r"none is left: 3 .* has no VH.* set `polarisations`"):
        choose_passes(passes(*VV_ONLY), EVENT, source)


def test_a_pass_whose_scenes_share_no_polarisation_is_left_out() -> None:
    south, north = (140, 41, 142, 42.1), (140, 42.1, 142, 43)
    unlike = (
        scene("2018-08-20T20:41:00", south, polarisations=("vv",)),
        scene("2018-08-20T20:41:25", north, polarisations=("vh",)),
    )
    alike = (scene("2018-09-01T20:41"), scene("2018-09-13T20:41"))
    choice = choose_passes(passes(*unlike, *alike), EVENT, SarSource())
    assert [len(one.scenes) for one in choice.passes] == [1, 1]
    ((_, reason),) = choice.dropped
    assert reason == "its scenes share neither VV nor VH"
    with pytest.raises(ValueError, match="of 1 passes none is left: 1 times: its scenes share"):
        choose_passes(passes(*unlike), EVENT, SarSource())


def test_both_orbits_stay_where_one_has_both_sides() -> None:
    assert chosen(
        scene("2018-09-01T20:41"),
        scene("2018-09-07T20:41"),
        scene("2018-09-02T08:41", track=141, state="ascending"),
    ) == ["2018-09-01", "2018-09-02", "2018-09-07"]


def test_the_nearest_images_are_counted_for_each_orbit_and_side() -> None:
    other: dict[str, Any] = {"track": 141, "state": "ascending"}
    assert chosen(
        scene("2018-08-20T20:41"),
        scene("2018-09-01T20:41"),
        scene("2018-09-13T20:41"),
        scene("2018-09-02T08:41", **other),
        scene("2018-09-08T08:41", **other),
        images=1,
    ) == ["2018-09-01", "2018-09-02", "2018-09-08", "2018-09-13"]


def test_one_side_alone_is_refused_unless_it_is_asked_for() -> None:
    before = scene("2018-09-01T20:41"), scene("2018-08-20T20:41")
    with pytest.raises(ValueError, match="only one side of the event is covered, before") as said:
        chosen(*before)
    assert "track 46 (descending): 2 before, 0 after" in str(said.value)
    assert "one_sided = true" in str(said.value)
    assert chosen(*before, one_sided=True) == ["2018-08-20", "2018-09-01"]


def test_of_one_side_the_polarisations_are_taken_that_most_passes_have() -> None:
    later = [scene(day, polarisations=("vv",)) for day in ("2018-09-13", "2018-09-25")]
    found = passes(*later, scene("2018-10-07"))
    choice = choose_passes(found, EVENT, SarSource(one_sided=True))
    assert (choice.polarisations, len(choice.passes)) == (("vv",), 3)


def test_sides_of_different_orbits_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different orbits are not compared") as said:
        chosen(scene("2018-09-01T20:41"), scene("2018-09-13T08:41", track=141, state="ascending"))
    assert "track 141 (ascending): 0 before, 1 after" in str(said.value)


def test_orbits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="one track, but not of one direction"):
        chosen(scene("2018-09-01T20:41"), scene("2018-09-13T20:41", state="ascending"))
    with pytest.raises(ValueError, match="1 of 2 passes do not say their track"):
        chosen(scene("2018-09-01T20:41"), scene("2018-09-13T20:41", track=None))
    assert len(chosen(scene("2018-09-01T20:41", track=None), scene("2018-09-13T20:41", track=None)))


def test_where_nothing_is_left_the_reasons_are_counted() -> None:
    with pytest.raises(ValueError, match="of 2 passes none is left: 2 times: ascending, not"):
        chosen(
            scene("2018-09-01T08:41", state="ascending"),
            scene("2018-09-13T08:41", state="ascending"),
            event=replace(EVENT, orbit_state="descending"),
        )

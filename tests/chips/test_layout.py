"""How a cube is laid out for chips: the order of its images, its chunks, what is packed."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from landslide.chips.layout.cube import Layout, cube_layout
from landslide.chips.layout.order import chunk_dates, storage_order
from landslide.chips.layout.packing import PACKINGS, backscatter
from landslide.cube.events import Event

DAY0 = np.datetime64("2018-01-01T20:00", "ns")


def placed(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return times, geometries and sides of images written as `ad|da`: | is the event, - neither.

    An upper-case letter is an image on neither side.
    """
    before, _, after = text.partition("|")
    letters = np.array(list(before + after))
    times = DAY0 + np.arange(letters.size) * np.timedelta64(6, "D")
    counted = np.char.islower(letters)
    first = np.arange(letters.size) < len(before)
    return times, np.char.lower(letters), first & counted, ~first & counted


def chunks_of(order: tuple[int, ...], dates: int) -> list[set[int]]:
    return [set(order[i : i + dates]) for i in range(0, len(order), dates)]


scenes = st.tuples(
    st.text("adADz", max_size=14), st.text("adAz", max_size=14), st.integers(1, 5)
).filter(lambda drawn: drawn[0] + drawn[1])


@given(scenes)
def test_the_images_nearest_the_event_share_a_chunk(drawn: tuple[str, str, int]) -> None:
    before_text, after_text, dates = drawn
    times, names, before, after = placed(f"{before_text}|{after_text}")
    order = storage_order(times, names, before, after, dates)
    assert sorted(order) == list(range(times.size))
    chunks = chunks_of(order, dates)
    for name in np.unique(names):
        for side, step in ((before, -1), (after, 1)):
            images = np.flatnonzero(side & (names == name))[::step].tolist()
            whole = len(images) // dates
            for rank in range(whole):  # not only the nearest: the next, too
                assert set(images[rank * dates : (rank + 1) * dates]) in chunks
            if whole:
                stored = [order.index(image) for image in images[:dates]]
                assert stored == sorted(stored), "the nearest comes first"


@given(scenes)
def test_the_images_of_a_small_group_lie_in_as_few_chunks_as_they_can(
    drawn: tuple[str, str, int],
) -> None:
    before_text, after_text, dates = drawn
    times, names, before, after = placed(f"{before_text}|{after_text}")
    chunks = chunks_of(storage_order(times, names, before, after, dates), dates)
    for name in np.unique(names):
        sides = [set(np.flatnonzero(side & (names == name)).tolist()) for side in (before, after)]
        unit = set().union(*(side for side in sides if len(side) < dates))
        touched = sum(bool(chunk & unit) for chunk in chunks)
        # One more where nothing was left to fill up the chunk before.
        assert touched <= math.ceil(len(unit) / dates) + 1


@pytest.mark.parametrize(
    ("images", "most", "dates", "order"),
    [
        # Kaikoura's five of one orbit: composites of two, and none decodes a third image.
        ("aaa|aa", 4, 2, (2, 1, 3, 4, 0)),
        ("aaaa|a", 4, 1, (3, 4, 2, 1, 0)),
        ("aa|aa", 4, 2, (1, 0, 2, 3)),
        # Of the other orbit, both sides share a chunk: a composite of one reads no other.
        ("ddadd|addddd", 4, 4, (4, 3, 1, 0, 6, 7, 8, 9, 2, 5, 10)),
        # What no composite needs fills up, so that the small group starts at a chunk's edge.
        ("dddaaadd|dddddaa", 4, 4, (7, 6, 2, 1, 8, 9, 10, 11, 5, 4, 3, 13, 14, 0, 12)),
        ("dd|", 4, 1, (1, 0)),
        ("A|", 4, 1, (0,)),
    ],
)
def test_the_order_of(images: str, most: int, dates: int, order: tuple[int, ...]) -> None:
    times, names, before, after = placed(images)
    assert chunk_dates(names, before, after, most) == dates
    assert storage_order(times, names, before, after, dates) == order


def test_a_composite_of_hokkaido_decodes_eight_images_of_twenty_six() -> None:
    times, names, before, after = placed("ddadddaddaddadd|addadaddadd")
    dates = chunk_dates(names, before, after, 4)
    chunks = chunks_of(storage_order(times, names, before, after, dates), dates)
    needed = set(np.flatnonzero(before & (names == "d"))[-4:].tolist())
    needed |= set(np.flatnonzero(after & (names == "d"))[:4].tolist())
    assert sum(len(chunk) for chunk in chunks if chunk & needed) == 8


def test_every_plane_is_laid_out_in_whole_chips(
    make_cube: Callable[..., xr.Dataset], event: Event
) -> None:
    cube = make_cube((40, 200)).assign(mapped=(("y", "x"), np.ones((40, 200), bool)))
    laid = cube_layout(cube, event, Layout(chip_size=24, shard_pixels=64))
    assert laid.variables.keys() == set(cube.data_vars)
    vv, pairs, mask = (laid.variables[name] for name in ("vv", "coherence", "mapped"))
    assert (vv.chunks, vv.shards) == ((3, 24, 24), (3, 48, 48))
    assert (pairs.chunks, pairs.shards) == ((1, 24, 24), (1, 48, 48))
    assert (mask.chunks, mask.shards, mask.dtype) == ((24, 24), (48, 48), np.int8)
    assert vv.attributes["units"] == "ln(1)"
    assert "units" not in pairs.attributes
    assert vv.encoding["shards"] == {"shape": (3, 48, 48), "index_location": "start"}
    with pytest.raises(ValueError, match=r"for an event: give one \(--event\)"):
        cube_layout(cube, None, Layout())
    planes = cube.drop_dims("timestep")
    assert cube_layout(planes, None, Layout()).variables["dem"].shards == (128, 256)


@pytest.mark.parametrize("name", ["float16", "int16"])
def test_packing_changes_a_logarithm_by_no_more_than_it_says(name: str) -> None:
    packing = PACKINGS[name]
    random = np.random.default_rng(0)
    logs = random.uniform(-18, 13, 20_000).astype(np.float32)
    power = np.exp(logs)
    power[:5] = [np.nan, 0, -1, np.inf, np.exp(np.float32(20))]
    stored, counts = backscatter(power, logarithms=False, packing=packing)
    unpacked = packing.unpack(stored)
    assert stored.dtype == packing.dtype
    assert np.isnan(unpacked[:4]).all()
    within = (np.log(power[5:]) < packing.limits[1]) & (np.log(power[5:]) > packing.limits[0])
    differences = np.abs(unpacked[5:] - np.log(power[5:]))[within]
    assert 0 < differences.max() == counts.largest_error <= packing.error
    assert unpacked[4] == np.float32(packing.limits[1])
    assert (counts.missing, counts.rejected) == (1, 3)
    assert counts.clipped == 1 + (~within).sum()


def test_logarithms_of_the_source_stay_to_the_bit() -> None:
    logs = np.array([-3.25, np.nan, np.inf, 0], np.float32)
    stored, counts = backscatter(logs, logarithms=True, packing=PACKINGS["ln"])
    np.testing.assert_array_equal(stored, np.float32([-3.25, np.nan, np.nan, 0]))
    assert (counts.missing, counts.rejected) == (1, 1)
    power, _ = backscatter(logs[:2], logarithms=True, packing=PACKINGS["power"])
    np.testing.assert_array_equal(power, np.exp(logs[:2]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chip_size": 0}, r"^chip_size is 0 \(--chip-size\): give 1 or more$"),
        ({"dates": 0}, r"^dates is 0 \(--dates\): give 1 or more$"),
        ({"packing": "int8"}, "no packing 'int8': choose one of ln, power, float16, int16"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(Layout(), **change)  # type: ignore[arg-type]

"""Chips of a cube in memory are lazy, and equal the plain composite to the bit."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from dask.base import is_dask_collection
from hypothesis import given, settings
from hypothesis import strategies as st

from landslide.chips.inputs import PAPER_INPUTS
from landslide.chips.split import Chipping
from landslide.chips.stream import stream_chips
from landslide.chips.windows import corners_of
from landslide.cube.events import Event

EVERYTHING = ("vv+vh+dem", "coherence")


def assert_equal(chips: xr.Dataset, expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        np.testing.assert_array_equal(chips[name].to_numpy(), values, strict=True)


@st.composite
def scenes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a scene in ragged Dask chunks, and what is wanted of it."""
    shape = draw(st.integers(8, 30)), draw(st.integers(8, 30))
    chunks = []
    for length in shape:
        cuts = draw(st.sets(st.integers(1, length - 1), max_size=3))
        chunks.append(tuple(np.diff([0, *sorted(cuts), length]).tolist()))
    size = draw(st.integers(2, 12))
    return {
        "shape": shape,
        "chunks": {"timestep": draw(st.integers(1, 10)), "y": chunks[0], "x": chunks[1]},
        "size": size,
        "overlap": draw(st.integers(0, size // 2)),
        "missing": draw(st.sampled_from([0, 0.2, 0.8])),
        "seed": draw(st.integers(0, 9)),
        "inputs": draw(st.sampled_from([EVERYTHING, ("vh",), ("vv", "slope"), ("dem",)])),
        "timesteps": draw(st.sampled_from([(1, 2, 3), (3,), (2, 1)])),
        "order": draw(st.permutations(range(10))),
    }


@settings(max_examples=20)
@given(scene=scenes())
def test_chips_equal_the_plain_composite_for_any_scene(
    scene: dict[str, Any],
    event: Event,
    make_cube: Callable[..., xr.Dataset],
    every_chip: Callable[..., str],
    expected: Callable[..., dict[str, np.ndarray]],
) -> None:
    cube = make_cube(scene["shape"], seed=scene["seed"], missing=scene["missing"])
    order = scene["order"]
    chipping = Chipping("blocked", chip_size=scene["size"], overlap=scene["overlap"])
    chips = stream_chips(
        cube.isel(timestep=order).chunk(scene["chunks"]),
        event,
        inputs=scene["inputs"],
        timesteps=scene["timesteps"],
        chipping=chipping,
        split=every_chip(scene["shape"], chipping),
    )
    plain = expected(
        cube, corners_of(chips), scene["size"], scene["inputs"], sorted(scene["timesteps"])
    )
    assert_equal(chips.compute(scheduler="synchronous"), plain)


def test_a_cube_in_memory_needs_no_dask(
    event: Event,
    make_cube: Callable[..., xr.Dataset],
    expected: Callable[..., dict[str, np.ndarray]],
) -> None:
    cube = make_cube()
    chips = stream_chips(cube, event, timesteps=[1, 3], chipping=Chipping(chip_size=8))
    plain = expected(cube, corners_of(chips), 8, PAPER_INPUTS, (1, 3))
    assert_equal(chips.compute(), plain)


def test_variables_may_lie_in_different_chunks(
    event: Event,
    make_cube: Callable[..., xr.Dataset],
    expected: Callable[..., dict[str, np.ndarray]],
) -> None:
    cube = make_cube()
    chunked = cube.chunk({"y": 16, "x": 24})
    chunked["vh"] = cube["vh"].chunk({"y": 11, "x": 13})
    chunked["dem_aspect"] = cube["dem_aspect"]
    chips = stream_chips(chunked, event, timesteps=[2], chipping=Chipping(chip_size=8))
    plain = expected(cube, corners_of(chips), 8, PAPER_INPUTS, [2])
    assert_equal(chips.compute(), plain)


def test_another_orbit_may_be_asked_for(
    event: Event,
    make_cube: Callable[..., xr.Dataset],
    expected: Callable[..., dict[str, np.ndarray]],
) -> None:
    cube = make_cube()
    chips = stream_chips(
        cube,
        event,
        inputs="vv",
        timesteps=[2],
        chipping=Chipping(chip_size=8),
        orbit="ascending",
    )
    images = ((4, 2), (6, 8))
    plain = expected(cube, corners_of(chips), 8, ["vv"], [2], images)
    assert_equal(chips.compute(), plain)
    assert chips.attrs["orbit"] == "ascending"


def test_the_graph_does_not_grow_with_channels_or_timesteps(
    make_cube: Callable[..., xr.Dataset], event: Event
) -> None:
    cube = make_cube((48, 64), missing=0).chunk({"timestep": 1, "y": 24, "x": 32})

    def tasks(inputs: str, timesteps: Sequence[int]) -> int:
        chipping = Chipping(chip_size=8)
        chips = stream_chips(cube, event, inputs=inputs, timesteps=timesteps, chipping=chipping)
        return len(dict(chips["sar"].data.dask))

    assert tasks("vv", [1]) == tasks("vv+vh", [1, 2, 3])


def test_every_channel_is_read_lazily(event: Event, make_cube: Callable[..., xr.Dataset]) -> None:
    cube = make_cube().chunk({"y": 16, "x": 24})
    chips = stream_chips(
        cube, event, inputs=EVERYTHING, timesteps=[1], chipping=Chipping(chip_size=8)
    )
    assert all(is_dask_collection(chips[name].data) for name in ("sar", "static"))
    assert not is_dask_collection(chips["label"].data)

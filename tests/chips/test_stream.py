"""Chips equal the plain composite to the bit, however the cube lies and whoever computes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from landslide.chips.inputs import COHERENCE, PAPER_INPUTS, TERRAIN, union
from landslide.chips.split import Chipping
from landslide.chips.stream import stream_chips
from landslide.chips.windows import corners_of
from landslide.cube.events import Event
from landslide.cube.store import open_cube

EVERYTHING = ("vv+vh+dem", "coherence")


def assert_equal(chips: xr.Dataset, expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        np.testing.assert_array_equal(chips[name].to_numpy(), values, strict=True)


@pytest.fixture(scope="session")
def stored(
    make_cube: Callable[..., xr.Dataset],
    write_cube: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """A cube of 70x88 pixels, of 24x32 stored chunks, in each layout."""
    folder = tmp_path_factory.mktemp("stored")
    cube = make_cube((70, 88))
    return {
        "v2": write_cube(cube, folder / "v2.zarr", "v2"),
        "v3": write_cube(cube, folder / "v3.zarr", "v3"),
        "sharded": write_cube(cube, folder / "sharded.zarr", "sharded"),
        "dates": write_cube(cube, folder / "dates.zarr", "v3", dates=4),
    }


@pytest.mark.parametrize(
    ("layout", "scheduler"),
    [
        *((layout, "threads") for layout in ("v2", "v3", "sharded", "dates")),
        ("v3", "synchronous"),
        *((layout, "distributed") for layout in ("v2", "sharded")),
    ],
)
def test_chips_equal_the_plain_composite_from_each_layout_and_scheduler(
    layout: str,
    scheduler: str,
    stored: dict[str, str],
    event: Event,
    make_cube: Callable[..., xr.Dataset],
    expected: Callable[..., dict[str, np.ndarray]],
    request: pytest.FixtureRequest,
) -> None:
    chips = stream_chips(
        open_cube(stored[layout], block_pixels=48),
        event,
        inputs=EVERYTHING,
        timesteps=(1, 2, 3),
        chipping=Chipping(chip_size=20, overlap=5),
    )
    who: Any = request.getfixturevalue("client") if scheduler == "distributed" else scheduler
    loaded = chips.compute(scheduler=who)
    reference = make_cube((70, 88))
    plain = expected(reference, corners_of(chips), 20, EVERYTHING, (1, 2, 3))
    assert_equal(loaded, plain)
    assert loaded["sar_channel"].values.tolist() == list(union(EVERYTHING).sar_channels)
    assert loaded["static_channel"].values.tolist() == [*TERRAIN, *COHERENCE]


@pytest.mark.parametrize("block_pixels", [1, 40, 64, 1024])
def test_the_size_of_a_block_does_not_matter(
    block_pixels: int,
    stored: dict[str, str],
    event: Event,
    make_cube: Callable[..., xr.Dataset],
    expected: Callable[..., dict[str, np.ndarray]],
) -> None:
    chipping = Chipping(chip_size=16)
    cube = open_cube(stored["v3"], block_pixels=block_pixels)
    chips = stream_chips(cube, event, inputs="vh", timesteps=[2], chipping=chipping)
    plain = expected(make_cube((70, 88)), corners_of(chips), 16, ["vh"], [2])
    assert_equal(chips.compute(), plain)


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

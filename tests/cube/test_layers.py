"""Regions of a stored variable are read as NumPy indexes, in the house's form."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from landslide.cube.layers import Layer, PlainArray, layer_of, readable, run_sizes, stored_grid
from landslide.cube.readers import READERS
from landslide.cube.store import open_cube

SHAPE = (4, 40, 56)
TURNED = {
    "as it is": lambda cube: cube,
    "y ascends": lambda cube: cube.isel(y=slice(None, None, -1)),
    "x descends": lambda cube: cube.isel(x=slice(None, None, -1)),
    "images shuffled": lambda cube: cube.isel(timestep=[2, 0, 3, 1]),
    "all": lambda cube: cube.transpose("x", "timestep", "y", missing_dims="ignore").isel(
        x=slice(None, None, -1), y=slice(None, None, -1), timestep=[3, 2, 1, 0]
    ),
}


@pytest.fixture(scope="session")
def turned(cube: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The cube stored in other orders of its axes and along them."""
    folder = tmp_path_factory.mktemp("turned")
    for way, turn in TURNED.items():
        sides = {"timestep": 3, "y": 24, "x": 32}
        stored = turn(cube[["vv", "dem"]])
        encoding = {
            name: {"chunks": tuple(sides[str(dim)] for dim in stored[name].dims)}
            for name in ("vv", "dem")
        }
        stored.to_zarr(folder / way, zarr_format=2, encoding=encoding)
    return {way: folder / way for way in TURNED}


def along(size: int) -> st.SearchStrategy[Any]:
    """Draw what NumPy, Dask and xarray may ask along an axis."""
    bound = st.none() | st.integers(-size - 1, size + 1)
    return (
        st.slices(size)
        | st.builds(slice, bound, bound)
        | st.integers(-size, size - 1)
        | st.lists(st.integers(0, size - 1), max_size=5).map(lambda n: np.array(n, np.int64))
    )


@settings(max_examples=60)
@given(
    way=st.sampled_from(list(TURNED)),
    reader=st.sampled_from(["tensorstore", "fused"]),
    index=st.tuples(*map(along, SHAPE)),
    length=st.integers(0, 3),
)
def test_a_layer_is_indexed_as_numpy_is_along_each_axis(
    way: str,
    reader: str,
    index: tuple[Any, ...],
    length: int,
    cube: xr.Dataset,
    turned: dict[str, Path],
) -> None:
    layer = layer_of(open_cube(turned[way], reader=reader)["vv"])
    assert layer is not None
    index = index[:length]
    expected = cube["vv"].values
    for axis in reversed(range(length)):
        expected = expected[(slice(None),) * axis + (index[axis],)]
    np.testing.assert_array_equal(layer[index], expected, strict=True)


@pytest.mark.parametrize("index", [..., (..., slice(3)), (1, ...), (1, ..., 2), 0, slice(1, 3)])
def test_an_ellipsis_stands_for_the_axes_between(
    index: Any, cube: xr.Dataset, turned: dict[str, Path]
) -> None:
    layer = readable(open_cube(turned["all"])["vv"])
    np.testing.assert_array_equal(layer[index], cube["vv"].values[index], strict=True)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("way", TURNED)
def test_a_region_is_started_and_then_waited_for(
    way: str, reader: str, cube: xr.Dataset, turned: dict[str, Path]
) -> None:
    layer = readable(open_cube(turned[way], reader=reader)["vv"])
    regions = [
        (np.array([3, 0]), slice(5, 30), slice(7, 50)),
        (slice(1, 3), slice(0, 40), np.array([55, 0, 20])),
        (np.array([2]), np.array([39, 38]), slice(31, 33)),
    ]
    begun = [layer.start(region) for region in regions]
    for region, pending in zip(regions, begun, strict=True):
        axes = [np.arange(n)[a] for n, a in zip(SHAPE, region, strict=True)]
        expected = cube["vv"].values[np.ix_(*axes)]
        np.testing.assert_array_equal(pending(), expected, strict=True)


@pytest.mark.parametrize("way", TURNED)
def test_the_stored_chunks_are_known_in_the_houses_order(
    way: str, cube: xr.Dataset, turned: dict[str, Path]
) -> None:
    opened = open_cube(turned[way])
    rows = (16, 24) if way in ("y ascends", "all") else (24, 16)
    columns = (24, 32) if way in ("x descends", "all") else (32, 24)
    assert stored_grid(opened["vv"]) == stored_grid(opened["dem"]) == (rows, columns)
    layer = readable(opened["vv"])
    assert layer.shape == SHAPE
    times = {"images shuffled": [0, 1, 0, 0], "all": [1, 0, 0, 0]}
    assert layer.chunk_numbers(0).tolist() == times.get(way, [0, 0, 0, 1])


def test_a_layer_is_sent_to_a_worker_as_an_address(
    cube: xr.Dataset, stored: dict[str, Path]
) -> None:
    layer = readable(open_cube(stored["sharded"])["vv"])
    layer.start((slice(0, 1), slice(0, 9), slice(0, 9)))()
    sent = pickle.dumps(layer)
    assert len(sent) < 4000
    np.testing.assert_array_equal(pickle.loads(sent)[1], cube["vv"].values[1], strict=True)


def test_a_variable_that_was_changed_is_no_layer(cube: xr.Dataset, stored: dict[str, Path]) -> None:
    opened = open_cube(stored["v2"])
    assert isinstance(readable(opened["vv"]), Layer)
    changed = opened["vv"] * 2
    changed.encoding = dict(opened["vv"].encoding)
    for other in (changed, opened["vv"][1:], opened["vv"].load()):
        assert isinstance(readable(other), PlainArray)


def test_a_plain_array_computes_the_region_alone(cube: xr.Dataset) -> None:
    values = cube["vv"].values
    blocks = da.from_array(values, chunks=(2, 24, 32))
    plain = PlainArray(blocks)
    assert plain.chunk_numbers(1).tolist() == [0] * 24 + [1] * 16
    index = (np.array([3, 1]), slice(0, 5), slice(30, 34))
    with dask.config.set(scheduler=lambda *_, **__: pytest.fail("another scheduler")):
        np.testing.assert_array_equal(plain.start(index)(), values[[3, 1], :5, 30:34])
    region, damages = PlainArray(values).salvage(index)
    assert np.array_equal(region, values[[3, 1], :5, 30:34])
    assert not damages


@given(st.lists(st.integers(1, 5), min_size=1))
def test_run_sizes_are_the_lengths_of_equal_runs(sizes: list[int]) -> None:
    assert run_sizes(np.repeat(np.arange(len(sizes)), sizes)) == tuple(sizes)


def test_a_cube_that_is_written_anew_is_not_mistaken_for_the_old_one(
    cube: xr.Dataset, write: Callable[..., str]
) -> None:
    uri = write(cube)
    assert np.array_equal(open_cube(uri)["vv"].values, cube["vv"])
    import shutil

    shutil.rmtree(uri)
    write(cube.assign(vv=cube["vv"] + 1))
    assert np.array_equal(open_cube(uri)["vv"].values, cube["vv"] + 1)

"""Chips equal the plain composite to the bit, however the cube lies and whoever computes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from landslide.chips.inputs import COHERENCE, PAPER_INPUTS, TERRAIN, parse_inputs, union
from landslide.chips.split import Chipping, paper_split
from landslide.chips.stream import require_variables, stream_chips
from landslide.cube.events import Event
from landslide.cube.store import open_cube

EVERYTHING = ("vv+vh+dem", "coherence")


def corners_of(chips: xr.Dataset) -> np.ndarray:
    return np.stack([chips["corner_y"], chips["corner_x"]], axis=1)


def assert_equal(chips: xr.Dataset, expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        np.testing.assert_array_equal(chips[name].to_numpy(), values, strict=True)


@pytest.fixture(scope="session")
def stored(
    make_cube: Callable[..., xr.Dataset],
    write_cube: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """A cube of 70x104 pixels, of 24x32 stored chunks, in each layout."""
    folder = tmp_path_factory.mktemp("stored")
    cube = make_cube((70, 104))
    return {
        "v2": write_cube(cube, folder / "v2.zarr", "v2"),
        "v3": write_cube(cube, folder / "v3.zarr", "v3"),
        "sharded": write_cube(cube, folder / "sharded.zarr", "sharded"),
        "dates": write_cube(cube, folder / "dates.zarr", "v3", dates=4),
    }


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "distributed"])
@pytest.mark.parametrize("layout", ["v2", "v3", "sharded", "dates"])
def test_chips_equal_the_plain_composite_from_every_layout_under_every_scheduler(
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
    reference = make_cube((70, 104))
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
    plain = expected(make_cube((70, 104)), corners_of(chips), 16, ["vh"], [2])
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


@settings(deadline=None, max_examples=25)
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


@pytest.mark.parametrize(
    ("inputs", "timesteps"),
    [
        ("vv", 1),
        ("vh", 3),
        ("vv+vh", 2),
        ("vv+vh+dem", 3),
        ("dem", 1),
        ("vh+slope+coherence", 2),
        ("aspect", 1),
    ],
)
def test_one_pass_serves_every_configuration(
    inputs: str, timesteps: int, event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube().chunk({"y": 16, "x": 24})
    chipping = Chipping(chip_size=8)
    everything = stream_chips(
        cube, event, inputs=[*PAPER_INPUTS, "coherence"], timesteps=(1, 2, 3), chipping=chipping
    )
    alone = stream_chips(cube, event, inputs=inputs, timesteps=[timesteps], chipping=chipping)
    wanted = parse_inputs(inputs)
    selected = everything.sel(
        timesteps=[timesteps],
        sar_channel=list(wanted.sar_channels),
        static_channel=list(wanted.static),
    )
    for name in ("sar", "static", "label"):
        assert alone[name].shape == selected[name].shape
        np.testing.assert_array_equal(alone[name].to_numpy(), selected[name].to_numpy())


def test_the_dem_alone_needs_neither_images_nor_enough_of_them(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube()[[*TERRAIN, "landslides"]]
    chips = stream_chips(cube, event, inputs="dem", chipping=Chipping(chip_size=8)).compute()
    assert chips["sar"].shape == (35, 4, 0, 8, 8)
    assert chips["static"].shape == (35, 4, 8, 8)
    assert chips["rejected"].sum() == 0
    assert "orbit" not in chips.attrs


def test_padding_of_the_blocked_protocol_is_no_data(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube((44, 60), missing=0).chunk({"y": 16, "x": 24})
    chipping = Chipping("blocked", chip_size=8, block_size=16, buffer=0)
    chips = stream_chips(cube, event, timesteps=[1], chipping=chipping).compute()
    y, x = np.arange(8)[:, None], np.arange(8)
    beyond = (chips["corner_y"].values[:, None, None] + y >= 44) | (
        chips["corner_x"].values[:, None, None] + x >= 60
    )
    assert beyond.any()
    assert np.array_equal(chips["label"].values == 255, beyond)
    assert np.array_equal(np.isnan(chips["sar"]).all(("timesteps", "sar_channel")), beyond)
    assert np.array_equal(np.isnan(chips["static"]).any("static_channel"), beyond)


def test_chips_say_their_images_event_orbit_and_part(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube().assign_attrs(simulated=1, title="a test", history="long")
    chips = stream_chips(cube, event, timesteps=(2, 1), chipping=Chipping(chip_size=8))
    assert chips.attrs == {
        "chip_size": 8,
        "simulated": 1,
        "title": "a test",
        "event": chips.attrs["event"],
        "protocol": "paper",
        "orbit": "descending",
        "images_before": ["2018-08-24T20:40:00", "2018-08-12T20:40:00"],
        "images_after": ["2018-09-05T20:40:00", "2018-09-17T20:40:00"],
    }
    assert '"hokkaido"' in chips.attrs["event"]
    assert chips["timesteps"].values.tolist() == [1, 2]
    assert chips["sar"].dims == ("chip", "timesteps", "sar_channel", "y", "x")
    assert chips["static"].dims == ("chip", "static_channel", "y", "x")
    assert [int((chips["part"] == p).sum()) for p in paper_split(35)] == [24, 7, 4]


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


def test_what_no_backscatter_is_is_counted_once_for_each_chip_and_image_used(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    cube = make_cube(missing=0)
    cube["vv"][3, 0, 0] = np.inf  # the last before the event
    cube["vv"][5, 9, 0] = 0  # the first after it, in the second chip
    cube["vh"][5, 9, 0] = -1
    cube["vh"][9, 9, 0] = -1  # too late to be used
    cube["vh"][2, 9, 0] = -1  # of the other orbit
    chips = stream_chips(
        cube.chunk({"y": 5, "x": 7}), event, timesteps=(1, 2), chipping=Chipping(chip_size=8)
    ).compute()
    assert chips["rejected"].values[:3].tolist() == [1, 2, 0]
    assert chips["rejected"].sum() == 3
    assert np.isnan(chips["sar"].sel(sar_channel="vv_before", timesteps=1)[0, 0, 0])
    assert np.isfinite(chips["sar"].sel(sar_channel="vv_before", timesteps=2)[0, 0, 0])


@pytest.mark.parametrize(
    ("drop", "inputs", "message"),
    [
        ("vh", PAPER_INPUTS, "inputs 'vv.vh.dem.*' need vh, which the cube lacks: it has vv, dem,"),
        ("dem_slope_radians", "vv+slope", "need dem_slope_radians, which the cube lacks"),
        ("coherence", "coherence", "need coherence, which the cube lacks"),
        ("landslides", "vv", "has no `landslides`: labels are needed"),
    ],
)
def test_a_missing_variable_is_named_with_those_there_are(
    drop: str,
    inputs: Sequence[str],
    message: str,
    event: Event,
    make_cube: Callable[..., xr.Dataset],
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        stream_chips(make_cube().drop_vars(drop), event, inputs=inputs)
    assert "\n" not in str(error.value)


def test_nothing_is_missing_where_everything_is_there(make_cube: Callable[..., xr.Dataset]) -> None:
    require_variables(make_cube(), union(EVERYTHING))


@pytest.mark.parametrize("timesteps", [(), (0,), (-1, 2)])
def test_timesteps_are_whole_numbers_from_1_on(
    timesteps: tuple[int, ...], event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    with pytest.raises(ValueError, match="timesteps are whole numbers from 1 on, not"):
        stream_chips(make_cube(), event, timesteps=timesteps)


def test_more_timesteps_than_images_are_an_error(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    with pytest.raises(ValueError, match="4 timesteps need 4 images before event 'hokkaido'"):
        stream_chips(make_cube(), event, chipping=Chipping(chip_size=8))


def test_a_chip_of_the_default_size_needs_a_larger_scene(
    event: Event, make_cube: Callable[..., xr.Dataset]
) -> None:
    with pytest.raises(ValueError, match="chips of 128 pixels are larger than the scene of 40 x"):
        stream_chips(make_cube(), event)


class TestReading:
    """What is fetched from the store, and when."""

    @staticmethod
    def patchy(
        make_cube: Callable[..., xr.Dataset],
        write_cube: Callable[..., str],
        folder: Path,
        **how: Any,
    ) -> tuple[str, set[tuple[int, int]]]:
        """Write a cube with landslides in some places; return the chunks that their chips touch."""
        cube = make_cube((100, 170), missing=0)
        landslides = np.zeros((100, 170), np.uint8)
        for y, x in [(2, 2), (40, 40), (50, 33), (26, 120), (90, 150), (3, 4), (70, 20)]:
            landslides[y, x] = 1
        cube["landslides"] = (("y", "x"), landslides)
        touched = set()
        for y, x in {(y // 16 * 16, x // 16 * 16) for y, x in np.argwhere(landslides).tolist()}:
            for row in range(y // 24, (y + 15) // 24 + 1):
                touched |= {(row, c) for c in range(x // 32, (x + 15) // 32 + 1)}
        return write_cube(cube, folder / "patchy.zarr", **how), touched

    @pytest.mark.parametrize("dates", [1, 4])
    @pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
    def test_one_pass_fetches_each_needed_chunk_once_and_no_other(
        self,
        scheduler: str,
        dates: int,
        make_cube: Callable[..., xr.Dataset],
        write_cube: Callable[..., str],
        event: Event,
        tmp_path: Path,
        reads: list[tuple[str, object]],
    ) -> None:
        uri, touched = self.patchy(make_cube, write_cube, tmp_path, dates=dates)
        cube = open_cube(uri, block_pixels=1)
        chips = stream_chips(
            cube, event, inputs=EVERYTHING, timesteps=(1, 2, 3), chipping=Chipping(chip_size=16)
        )
        assert not [key for key, _ in reads if key[:2] in ("vv", "vh", "de") and key[-1].isdigit()]
        reads.clear()
        chips.compute(scheduler=scheduler)
        fetched = [key for key, _ in reads if key[-1].isdigit()]
        images = {image // dates for image in (0, 1, 3, 5, 7, 9)}
        wanted = {f"{n}/{i}.{y}.{x}" for n in ("vv", "vh") for i in images for y, x in touched}
        wanted |= {f"{name}/{y}.{x}" for name in TERRAIN for y, x in touched}
        pairs = {key for key in fetched if key.startswith("coherence/")}
        assert {key.partition(".")[2] for key in pairs} == {f"{y}.{x}" for y, x in touched}
        assert sorted(fetched) == sorted(wanted | pairs)

    def test_shards_give_each_inner_chunk_once(
        self,
        make_cube: Callable[..., xr.Dataset],
        write_cube: Callable[..., str],
        event: Event,
        tmp_path: Path,
        reads: list[tuple[str, object]],
    ) -> None:
        uri, _ = self.patchy(make_cube, write_cube, tmp_path, layout="sharded")
        chips = stream_chips(
            open_cube(uri, block_pixels=48),
            event,
            inputs="vv+vh+dem",
            timesteps=(1, 2, 3),
            chipping=Chipping(chip_size=16),
        )
        reads.clear()
        chips.compute(scheduler="synchronous")
        fetched = [(key, repr(part)) for key, part in reads if key[-1].isdigit()]
        assert fetched
        assert len(set(fetched)) == len(fetched)

    def test_only_touched_blocks_are_read_each_by_one_task(
        self,
        make_cube: Callable[..., xr.Dataset],
        write_cube: Callable[..., str],
        event: Event,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from landslide.chips import stream

        uri, touched = self.patchy(make_cube, write_cube, tmp_path)
        blocks: list[tuple[int, int]] = []
        read = stream._read_block

        def counted(lazy: xr.Dataset, kernel: stream.Kernel, block: stream.Block) -> stream.Pieces:
            blocks.append((block.rows.start // 24, block.columns.start // 32))
            return read(lazy, kernel, block)

        monkeypatch.setattr(stream, "_read_block", counted)
        cube = open_cube(uri, block_pixels=1)
        chipping = Chipping(chip_size=16)
        chips = stream_chips(cube, event, inputs="vv+vh", timesteps=(1, 2, 3), chipping=chipping)
        assert not blocks
        chips.compute(scheduler="synchronous")
        assert sorted(blocks) == sorted(touched)

    def test_the_graph_does_not_grow_with_channels_or_timesteps(
        self, make_cube: Callable[..., xr.Dataset], event: Event
    ) -> None:
        cube = make_cube((48, 64), missing=0).chunk({"timestep": 1, "y": 24, "x": 32})

        def tasks(inputs: str, timesteps: Sequence[int]) -> int:
            chipping = Chipping(chip_size=8)
            chips = stream_chips(cube, event, inputs=inputs, timesteps=timesteps, chipping=chipping)
            return len(dict(chips["sar"].__dask_graph__()))

        assert tasks("vv", [1]) == tasks("vv+vh", [1, 2, 3])

    def test_every_channel_is_read_lazily(
        self, event: Event, make_cube: Callable[..., xr.Dataset]
    ) -> None:
        cube = make_cube().chunk({"y": 16, "x": 24})
        chips = stream_chips(
            cube, event, inputs=EVERYTHING, timesteps=[1], chipping=Chipping(chip_size=8)
        )
        assert all(dask.is_dask_collection(chips[name].data) for name in ("sar", "static"))
        assert not dask.is_dask_collection(chips["label"].data)

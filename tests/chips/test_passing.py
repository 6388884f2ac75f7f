"""A pass over a stored cube equals the plain composite to the bit, whoever reads and works."""

import os
import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from landslide.chips.blocks import Block
from landslide.chips.cutting import cut_block
from landslide.chips.inputs import COHERENCE, TERRAIN, parse_inputs, union
from landslide.chips.loading import load_chips
from landslide.chips.passing import LOOK_AHEAD, ChipStream, bounded, chip_batches, map_chips
from landslide.chips.split import UNUSED, Chipping
from landslide.chips.stream import lazy_chips, plan_stream
from landslide.chips.windows import corners_of
from landslide.cube.events import Event
from landslide.cube.readers import READERS
from landslide.cube.store import open_cube
from landslide.cube.stored import DamagedChunkError

MakeCube = Callable[..., xr.Dataset]
WriteCube = Callable[..., str]
Expected = Callable[..., dict[str, np.ndarray]]

EVERYTHING = ("vv+vh+dem", "coherence")
SHAPE = (70, 88)
LAYOUTS: dict[str, dict[str, Any]] = {
    "v2": {"layout": "v2"},
    "v3": {"layout": "v3"},
    "sharded": {"layout": "sharded"},
    "dates": {"layout": "v3", "dates": 4},
}


@pytest.fixture(scope="session")
def stored(
    make_cube: MakeCube, write_cube: WriteCube, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """A cube with ragged edges, of 24x32 stored chunks, in each layout."""
    folder = tmp_path_factory.mktemp("passing")
    cube = make_cube(SHAPE)
    return {n: write_cube(cube, folder / f"{n}.zarr", **how) for n, how in LAYOUTS.items()}


@pytest.fixture(scope="session")
def reference(make_cube: MakeCube, expected: Expected) -> Callable[..., dict[str, np.ndarray]]:
    """The plain composite of the cube's chips."""

    def compose(chips: xr.Dataset) -> dict[str, np.ndarray]:
        return expected(make_cube(SHAPE), corners_of(chips), 20, EVERYTHING, (1, 2, 3))

    return compose


def plan(uri: str, event: Event, **how: Any) -> ChipStream:
    """Plan chips that cross the stored chunks."""
    opening = {key: how.pop(key) for key in ("reader", "missing", "block_pixels") if key in how}
    options = {"inputs": EVERYTHING, "timesteps": (1, 2, 3)} | how
    options.setdefault("chipping", Chipping(chip_size=20, overlap=5))
    return plan_stream(open_cube(uri, **{"block_pixels": 48, **opening}), event, **options)


def joined(batches: list[xr.Dataset]) -> xr.Dataset:
    return xr.concat(batches, "chip", join="exact").sortby("chip")


def assert_equal(chips: xr.Dataset, expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        np.testing.assert_array_equal(chips[name].to_numpy(), values, strict=True)


@pytest.mark.parametrize(
    ("layout", "reader"),
    [each for each in product(LAYOUTS, READERS) if each != ("sharded", "zarrs")],
)
def test_each_reader_gives_the_plain_composite_from_each_layout(
    layout: str, reader: str, stored: dict[str, str], event: Event, reference: Any
) -> None:
    chips = joined(list(chip_batches(plan(stored[layout], event, reader=reader))))
    assert_equal(chips, reference(chips))


EXACT: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "y ascends": lambda cube: cube.isel(y=slice(None, None, -1)),
    "x descends": lambda cube: cube.isel(x=slice(None, None, -1)),
    "both": lambda cube: cube.isel(y=slice(None, None, -1), x=slice(None, None, -1)),
    "transposed": lambda cube: cube.transpose("x", "timepair", "y", "timestep"),
    "images shuffled": lambda cube: cube.isel(timestep=[7, 2, 9, 0, 4, 5, 1, 8, 3, 6]),
    "all of it": lambda cube: cube.transpose("x", "timepair", "timestep", "y").isel(
        y=slice(None, None, -1),
        x=slice(None, None, -1),
        timestep=[9, 8, 7, 6, 5, 4, 3, 1, 2, 0],
    ),
    "big-endian": lambda cube: cube.assign(vv=cube["vv"].astype(">f4"), dem=cube.dem.astype(">f4")),
}


@pytest.mark.parametrize(
    ("way", "reader"), [each for each in product(EXACT, READERS) if each != ("big-endian", "zarrs")]
)
def test_the_order_in_which_a_cube_is_stored_does_not_show(
    way: str,
    reader: str,
    event: Event,
    make_cube: MakeCube,
    write_cube: WriteCube,
    reference: Any,
    tmp_path: Path,
) -> None:
    uri = write_cube(EXACT[way](make_cube(SHAPE)), tmp_path / "cube.zarr", "v2", dates=3)
    chips = joined(list(chip_batches(plan(uri, event, reader=reader))))
    assert_equal(chips, reference(chips))


def packed(cube: xr.Dataset) -> xr.Dataset:
    """Backscatter as scaled whole numbers, as CF says."""
    for name in ("vv", "vh"):
        scale, offset, fill = np.float32(1e-4), np.float32(0.5), np.int16(-32768)
        missing = np.isnan(cube[name].values)
        counts = np.round((np.nan_to_num(cube[name].values) - offset) / scale).astype(np.int16)
        attrs = {"scale_factor": scale, "add_offset": offset, "_FillValue": fill}
        cube[name] = (cube[name].dims, np.where(missing, fill, counts), attrs)
    return cube


def halved(cube: xr.Dataset) -> xr.Dataset:
    """Float16."""
    return cube.assign({n: cube[n].astype(np.float16) for n in ("vv", "vh", "dem", "coherence")})


def decibels(cube: xr.Dataset) -> xr.Dataset:
    """Backscatter in dB."""
    for name in ("vv", "vh"):
        cube[name] = (10 * np.log10(cube[name])).assign_attrs(units="dB")
    return cube


def plainly(uri: str) -> xr.Dataset:
    """Decode a store the plain way, into float32 and power."""
    cube = xr.open_zarr(uri, chunks=None, decode_timedelta=False).load()
    for name in ("vv", "vh", "dem", "coherence"):
        values = cube[name].astype(np.float32)
        power = np.float32(10) ** (values / 10) if cube[name].attrs.get("units") == "dB" else values
        cube[name] = power
    return cube


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("way", [packed, halved, decibels])
def test_values_are_decoded_as_xarray_decodes_them(
    way: Callable[[xr.Dataset], xr.Dataset],
    reader: str,
    event: Event,
    make_cube: MakeCube,
    write_cube: WriteCube,
    expected: Expected,
    tmp_path: Path,
) -> None:
    uri = write_cube(way(make_cube(SHAPE)), tmp_path / "cube.zarr", "v2", dates=3)
    decoded = plainly(uri)
    decoded["landslides"] = make_cube(SHAPE)["landslides"]
    cube = open_cube(uri, reader=reader)
    for name in ("vv", "vh", "dem", "coherence"):
        np.testing.assert_array_equal(cube[name].values, decoded[name].values, strict=True)
    chips = joined(list(chip_batches(plan(uri, event, reader=reader))))
    assert_equal(chips, expected(decoded, corners_of(chips), 20, EVERYTHING, (1, 2, 3)))


@pytest.mark.parametrize("reader", READERS)
def test_stored_logarithms_are_streamed_as_they_are_and_opened_as_power(
    reader: str,
    event: Event,
    make_cube: MakeCube,
    write_cube: WriteCube,
    expected: Expected,
    tmp_path: Path,
) -> None:
    cube = make_cube(SHAPE)
    cube["vv"][3, 1, 2] = np.inf
    logarithms = cube.assign(
        {name: np.log(cube[name]).assign_attrs(units="ln(1)") for name in ("vv", "vh")}
    )
    uri = write_cube(logarithms, tmp_path / "cube.zarr", "v3", dates=4)
    opened = open_cube(uri, reader=reader)
    for name in ("vv", "vh"):
        power = np.exp(logarithms[name].values)
        np.testing.assert_array_equal(opened[name].values, power, strict=True)
        assert opened[name].attrs["units"] == "1"
    stream = plan(uri, event, reader=reader)
    chips = joined(list(chip_batches(stream)))
    corners = corners_of(chips)
    plain = expected(logarithms, corners, 20, EVERYTHING, (1, 2, 3), logarithms=True)
    assert_equal(chips, plain)
    assert_equal(lazy_chips(stream).compute(), plain)
    holds = (corners[:, 0] <= 1) & (corners[:, 1] <= 2)
    assert np.array_equal(chips["rejected"].values, holds)


@st.composite
def scenes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a stored scene, and what is wanted of it."""
    shape = draw(st.integers(8, 40)), draw(st.integers(8, 40))
    size = draw(st.integers(2, 12))
    chunks = {
        "timestep": draw(st.integers(1, 10)),
        "timepair": draw(st.integers(1, 5)),
        "y": draw(st.integers(3, 45)),
        "x": draw(st.integers(3, 45)),
    }
    return {
        "shape": shape,
        "chunks": chunks,
        "shards": draw(st.none() | st.tuples(st.integers(1, 2), st.integers(1, 3))),
        "zarr_format": draw(st.sampled_from([2, 3])),
        "size": size,
        "overlap": draw(st.integers(0, size // 2)),
        "block_pixels": draw(st.sampled_from([1, 16, 1024])),
        "missing": draw(st.sampled_from([0, 0.2, 0.8])),
        "seed": draw(st.integers(0, 9)),
        "inputs": draw(st.sampled_from([EVERYTHING, ("vh",), ("vv", "slope")])),
        "timesteps": draw(st.sampled_from([(1, 2, 3), (3,), (2, 1)])),
        "images": draw(st.permutations(range(10))),
        "turned": draw(st.booleans()),
        "reader": draw(st.sampled_from(["fused", "tensorstore"])),
        "shuffle": draw(st.randoms(use_true_random=False)),
    }


@settings(max_examples=25)
@given(scene=scenes())
def test_a_pass_equals_the_plain_composite_for_any_stored_scene(
    scene: dict[str, Any],
    event: Event,
    make_cube: MakeCube,
    every_chip: Callable[..., str],
    expected: Expected,
) -> None:
    wanted = ("vv", "vh", "dem_slope_radians", "coherence", "landslides")
    whole = make_cube(scene["shape"], seed=scene["seed"], missing=scene["missing"])
    chosen = list(wanted) if scene["inputs"] != EVERYTHING else list(whole.data_vars)
    cube = whole[chosen].isel(timestep=scene["images"]).drop_vars("sat:orbit_state")
    if scene["turned"]:
        cube = cube.isel(y=slice(None, None, -1))
    shards = scene["shards"] if scene["zarr_format"] == 3 else None
    encoding: dict[str, dict[str, Any]] = {}
    for name in chosen:
        dims = cube[name].dims
        chunks = [min(scene["chunks"][str(dim)], cube.sizes[dim]) for dim in dims]
        encoding[name] = {"chunks": tuple(chunks)}
        if shards:
            factors = [*[1] * (len(dims) - 2), *shards]
            encoding[name]["shards"] = tuple(np.multiply(chunks, factors).tolist())
    chipping = Chipping("blocked", chip_size=scene["size"], overlap=scene["overlap"])
    with tempfile.TemporaryDirectory() as folder:
        # A chunk that holds nothing but the fill value would be left out, and count as lost.
        cube.to_zarr(
            folder,
            zarr_format=scene["zarr_format"],
            consolidated=False,
            encoding=encoding,
            write_empty_chunks=True,
        )
        stream = plan_stream(
            open_cube(folder, reader=scene["reader"], block_pixels=scene["block_pixels"]),
            event,
            inputs=scene["inputs"],
            timesteps=scene["timesteps"],
            chipping=chipping,
            split=every_chip(scene["shape"], chipping),
        )
        order = list(range(len(stream.blocks())))
        scene["shuffle"].shuffle(order)
        chips = joined(list(chip_batches(stream)))
        again = joined(list(chip_batches(stream, order=order)))
    times = np.argsort(whole["timestep"].values)
    instant = event.start
    before = [int(i) for i in times[::-1] if whole["timestep"].values[i] < instant][:3]
    after = [int(i) for i in times if whole["timestep"].values[i] > instant][:3]
    largest = max(scene["timesteps"])
    images = tuple(before[:largest]), tuple(after[:largest])
    inputs, counts = scene["inputs"], sorted(scene["timesteps"])
    plain = expected(whole, corners_of(chips), scene["size"], inputs, counts, images)
    assert_equal(chips, plain)
    xr.testing.assert_identical(again, chips)


WORKERS = ("default", "threads", "spawned", "client", "processes")


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("layout", ["dates", "sharded"])
def test_whoever_works_gives_the_same_batches_in_the_same_order(
    layout: str,
    workers: str,
    stored: dict[str, str],
    event: Event,
    reference: Any,
    request: pytest.FixtureRequest,
) -> None:
    stream = plan(stored[layout], event)
    expected = list(chip_batches(stream, look_ahead=1))
    with ThreadPoolExecutor(3) as threads:
        executor: Executor | None = threads
        if workers == "default":
            executor = None
        elif workers != "threads":
            executor = request.getfixturevalue(workers)
        if isinstance(executor, Client):
            executor = executor.get_executor(pure=False)
        batches = list(chip_batches(stream, executor, look_ahead=5))
    assert len(batches) == len(expected)
    for batch, same in zip(batches, expected, strict=True):
        xr.testing.assert_identical(batch, same)
    chips = joined(batches)
    assert_equal(chips, reference(chips))
    loaded = load_chips(stream)
    xr.testing.assert_identical(loaded, load_chips(chips))


@pytest.mark.parametrize(
    ("layout", "scheduler"),
    [
        *(("v3", who) for who in ("threads", "synchronous", "spawned", "client", "processes")),
        *(("sharded", who) for who in ("threads", "client")),
    ],
)
def test_the_lazy_chips_are_the_same_under_each_scheduler(
    layout: str,
    scheduler: str,
    stored: dict[str, str],
    event: Event,
    reference: Any,
    request: pytest.FixtureRequest,
) -> None:
    chips = lazy_chips(plan(stored[layout], event))
    how: dict[str, Any] = {"scheduler": scheduler}
    if scheduler == "spawned":
        how = {"scheduler": "processes", "pool": request.getfixturevalue("spawned")}
    elif scheduler in ("client", "processes"):
        how = {"scheduler": request.getfixturevalue(scheduler)}
    assert_equal(chips.compute(**how), reference(chips))
    assert chips["sar_channel"].values.tolist() == list(union(EVERYTHING).sar_channels)
    assert chips["static_channel"].values.tolist() == [*TERRAIN, *COHERENCE]


@pytest.mark.parametrize("block_pixels", [1, 40, 64, 1024])
def test_the_size_of_a_block_does_not_matter(
    block_pixels: int, stored: dict[str, str], event: Event, reference: Any
) -> None:
    chips = lazy_chips(plan(stored["v3"], event, block_pixels=block_pixels))
    assert_equal(chips.compute(), reference(chips))


def test_the_dashboard_shows_what_is_done(
    stored: dict[str, str], event: Event, client: Client
) -> None:
    stream = plan(stored["v2"], event)
    names = {str(key).split("-")[0] for key in dict(lazy_chips(stream).__dask_graph__())}
    assert {"cut_block", "chips", "reading"} <= {name.lstrip("('") for name in names}
    batches = chip_batches(stream, client.get_executor(pure=False))
    next(batches)
    assert {str(key).split("-")[0] for key in client.futures} == {"cut_chips"}
    batches.close()


class Late(Future[Any]):
    """A result that is worked out when somebody asks for it."""

    def __init__(self, owner: "Recorder", task: Callable[[], Any]) -> None:
        super().__init__()
        self.owner, self.task = owner, task

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002
        self.owner.waiting.remove(self)
        return self.task()


class Recorder(Executor):
    """Counts what was handed in and has not been taken."""

    def __init__(self) -> None:
        self.submitted: list[Late] = []
        self.waiting: list[Late] = []
        self.most = 0

    def submit(self, function: Any, /, *args: Any, **how: Any) -> Late:
        late = Late(self, lambda: function(*args, **how))
        self.submitted.append(late)
        self.waiting.append(late)
        self.most = max(self.most, len(self.waiting))
        return late


@pytest.mark.parametrize("look_ahead", [1, 3, None, 100])
def test_no_more_blocks_are_under_way_than_the_look_ahead(
    look_ahead: int | None, stored: dict[str, str], event: Event
) -> None:
    stream = plan(stored["v2"], event, block_pixels=1, chipping=Chipping(chip_size=8))
    blocks, recorder = len(stream.blocks()), Recorder()
    batches = chip_batches(stream, recorder, look_ahead=look_ahead)
    assert not recorder.submitted
    chips = joined([next(batches), *batches])
    assert recorder.most == min(look_ahead or LOOK_AHEAD, blocks)
    assert len(recorder.submitted) == blocks
    assert not recorder.waiting
    assert chips.sizes["chip"] == stream.chips.sizes["chip"]


@pytest.mark.parametrize("number", ["look_ahead", "threads"])
def test_no_pass_goes_on_with_less_than_one(
    number: str, stored: dict[str, str], event: Event
) -> None:
    how: dict[str, Any] = {number: 0}
    with pytest.raises(ValueError, match=f"{number} is 0: give 1 or more"):
        next(map_chips(plan(stored["v2"], event), lambda chips: chips, **how))


@pytest.mark.parametrize("order", [[], [0], [0, 0], [1, 2]])
def test_no_pass_leaves_a_block_out(order: list[int], stored: dict[str, str], event: Event) -> None:
    with pytest.raises(ValueError, match=r"the order names not each of \d+ blocks once"):
        next(map_chips(plan(stored["v2"], event), lambda chips: chips, order=order))


def test_some_chips_of_a_stream_keep_its_order(stored: dict[str, str], event: Event) -> None:
    stream = plan(stored["v2"], event)
    whole, some = load_chips(stream), load_chips(stream.only([7, 1, 4]))
    xr.testing.assert_identical(some, whole.isel(chip=[1, 4, 7]))


@pytest.mark.parametrize(
    ("inputs", "timesteps", "lost"),
    [
        ("vv", 1, ["vh", "dem", "coherence", "vv/[!35]*"]),
        ("vh+dem", 2, ["vv", "coherence", "vh/[!1357.]*"]),
        ("dem", 0, ["vv", "vh", "coherence"]),
        ("slope", 0, ["vv", "vh", "coherence", "dem", "dem_aspect", "dem_curvature"]),
        ("coherence", 0, ["vv", "vh", "dem"]),
        ("vv+vh+dem", 2, ["coherence", "vv/[09].*"]),
    ],
)
def test_what_one_configuration_sees_is_the_same_and_nothing_else_is_read(
    inputs: str,
    timesteps: int,
    lost: list[str],
    event: Event,
    make_cube: MakeCube,
    write_cube: WriteCube,
    tmp_path: Path,
) -> None:
    folder, wanted = tmp_path / "cube.zarr", parse_inputs(inputs)
    uri = write_cube(make_cube(SHAPE), folder)
    whole = joined(list(chip_batches(plan(uri, event))))
    for pattern in lost:
        for chunk in folder.glob(pattern if "/" in pattern else f"{pattern}/[0-9]*"):
            chunk.unlink()
    stream = plan(uri, event)
    with pytest.raises(DamagedChunkError):
        list(chip_batches(stream))
    seen = joined(list(chip_batches(stream.seeing(wanted, timesteps))))
    sar = whole["sar"].sel(sar_channel=list(wanted.sar_channels))
    sar = sar.sel(timesteps=[timesteps] if wanted.polarisations else [1])
    static = whole["static"].sel(static_channel=list(wanted.static))
    np.testing.assert_array_equal(seen["sar"], sar, strict=True)
    np.testing.assert_array_equal(seen["static"], static, strict=True)
    np.testing.assert_array_equal(seen["label"], whole["label"], strict=True)


def test_a_block_of_terrain_alone_has_no_room_for_backscatter(
    event: Event, make_cube: MakeCube, tmp_path: Path
) -> None:
    encoding: dict[str, Any] = {name: {"chunks": (1, 24, 32)} for name in ("vv", "vh")}
    uri = str(tmp_path / "cube.zarr")
    make_cube(SHAPE).to_zarr(uri, encoding=encoding, zarr_format=2)
    stream = plan(uri, event, inputs="vv+vh+dem", block_pixels=1)
    cuts = [
        (reading.planes, len(block.chips), cut_block(reading, block))
        for number, block in stream.blocks()
        for reading in [stream.readings[number]]
    ]
    assert {planes for planes, *_ in cuts} == {3 * 4, 4}
    for planes, chips, cut in cuts:
        assert cut.sar.nbytes + cut.static.nbytes == planes * chips * 20 * 20 * 4


@given(
    sizes=st.lists(st.integers(1, 9), max_size=20),
    look_ahead=st.integers(1, 6),
    room=st.integers(1, 30),
)
def test_no_more_planes_are_under_way_than_there_is_room_for(
    sizes: list[int], look_ahead: int, room: int
) -> None:
    work = [(number, Block((), ())) for number in range(len(sizes))]
    under_way: list[int] = []

    def submit(number: int, block: Block) -> Any:
        under_way.append(number)
        assert len(under_way) <= look_ahead
        planes = sum(sizes[each] for each in under_way)
        assert planes <= room or under_way == [number]
        return block, np.array([number]), Future[Any]()

    taken = []
    for _, (number,), _ in bounded(work, sizes, submit, look_ahead, room):
        taken.append(number)
        under_way.remove(number)
    assert taken == list(range(len(sizes)))


def test_a_pass_that_is_closed_cancels_what_waits(stored: dict[str, str], event: Event) -> None:
    stream, recorder = plan(stored["v2"], event, block_pixels=1), Recorder()
    batches = chip_batches(stream, recorder, look_ahead=3)
    next(batches)
    assert len(stream.blocks()) > len(recorder.submitted)
    submitted = len(recorder.submitted)
    batches.close()
    assert recorder.waiting
    assert all(late.cancelled() for late in recorder.waiting)
    assert len(recorder.submitted) == submitted


def test_a_pass_whose_reader_fails_cancels_what_waits(
    event: Event, make_cube: MakeCube, write_cube: WriteCube, tmp_path: Path
) -> None:
    uri = write_cube(make_cube(SHAPE), tmp_path / "cube.zarr")
    (tmp_path / "cube.zarr/vv/0.0.0").unlink()
    stream, recorder = plan(uri, event, block_pixels=1), Recorder()
    with pytest.raises(DamagedChunkError, match=r"vv/0\.0\.0 is missing"):
        list(chip_batches(stream, recorder, look_ahead=4))
    assert len(recorder.submitted) == 4
    assert all(late.cancelled() for late in recorder.waiting)


def test_the_chips_of_a_damaged_chunk_are_left_out_and_all_others_are_equal(
    event: Event, make_cube: MakeCube, write_cube: WriteCube, tmp_path: Path
) -> None:
    whole = write_cube(make_cube(SHAPE), tmp_path / "whole.zarr", "v3", dates=4)
    uri = write_cube(make_cube(SHAPE), tmp_path / "cube.zarr", "v3", dates=4)
    lost = {("vv/c/1", (1, 1)), ("dem/c", (0, 2)), ("coherence/c/2", (2, 0)), ("vh/c/0", (1, 1))}
    for name, (row, column) in lost:
        chunk = tmp_path / "cube.zarr" / name / f"{row}/{column}"
        if name == "dem/c":
            chunk.write_bytes(chunk.read_bytes()[:9])
        else:
            chunk.unlink()
    stream = plan(uri, event, skip_damaged=True)
    with pytest.raises(DamagedChunkError):
        list(chip_batches(plan(uri, event)))
    chips = joined(list(chip_batches(stream)))
    hit = np.zeros((96, 128), np.bool_)
    for _, (row, column) in lost:
        hit[24 * row : 24 * (row + 1), 32 * column : 32 * (column + 1)] = True
    damaged = np.array([hit[y : y + 20, x : x + 20].any() for y, x in corners_of(chips).tolist()])
    assert 0 < damaged.sum() < damaged.size
    np.testing.assert_array_equal(chips["damaged"].values, damaged, strict=True)
    undisturbed = joined(list(chip_batches(plan(whole, event))))
    xr.testing.assert_identical(chips.isel(chip=~damaged), undisturbed.isel(chip=~damaged))
    xr.testing.assert_identical(lazy_chips(stream).compute(), chips)
    with pytest.warns(UserWarning, match=f"^{damaged.sum()} of {damaged.size} chips are left out"):
        loaded = load_chips(stream)
    assert (loaded["part"].values[damaged] == UNUSED).all()
    assert (loaded["label"].values[damaged] == 255).all()
    parts = stream.chips["part"].values[~damaged]
    assert np.array_equal(loaded["part"].values[~damaged], parts)


@pytest.mark.parametrize("reader", READERS)
def test_damage_along_turned_axes_marks_the_chips_that_lie_there(
    reader: str,
    event: Event,
    make_cube: MakeCube,
    write_cube: WriteCube,
    tmp_path: Path,
) -> None:
    turned = {"y": slice(None, None, -1), "x": slice(None, None, -1)}
    cube = make_cube(SHAPE).isel(turned).transpose("x", "timestep", "y", "timepair")
    uri = write_cube(cube, tmp_path / "cube.zarr")
    (tmp_path / "cube.zarr/vh/1.5.0").unlink()  # stored as (x, timestep, y)
    stream = plan(uri, event, reader=reader, skip_damaged=True)
    chips = joined(list(chip_batches(stream)))
    hit = np.zeros((24 + SHAPE[0], 32 + SHAPE[1]), np.bool_)
    hit[SHAPE[0] - 24 : SHAPE[0], SHAPE[1] - 64 : SHAPE[1] - 32] = True
    damaged = [hit[y : y + 20, x : x + 20].any() for y, x in corners_of(chips).tolist()]
    assert chips["damaged"].values.tolist() == damaged
    assert 0 < sum(damaged) < len(damaged)


def test_a_killed_worker_costs_its_blocks_only(
    stored: dict[str, str], event: Event, processes: Client, tmp_path: Path
) -> None:
    # Small chips, most of which lie in one block: the others are put together in this process.
    stream = plan(stored["v2"], event, block_pixels=1, chipping=Chipping(chip_size=8))
    marker = tmp_path / "killed"

    def kill_once(chips: xr.Dataset) -> xr.Dataset:
        if os.getpid() != parent and chips["chip"].values[0] > 2 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return chips

    parent = os.getpid()
    executor = processes.get_executor(pure=False)
    batches = list(map_chips(stream, kill_once, executor, look_ahead=4))
    assert marker.exists()
    for batch, same in zip(batches, chip_batches(stream), strict=True):
        xr.testing.assert_identical(batch, same)

"""Chips in memory, in a store and straight from the cube train to the same, in bounded memory."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from landslide.chips import passing
from landslide.chips.chip_store import open_chip_store, write_chip_store
from landslide.chips.inputs import parse_inputs
from landslide.chips.loading import load_chips
from landslide.chips.passing import ChipStream
from landslide.chips.split import TEST, TRAIN, UNUSED, VALIDATION, Chipping
from landslide.chips.stream import plan_stream
from landslide.chips.survey import Chips, survey
from landslide.training import compiling, normalization, sources
from landslide.training import train as training
from landslide.training.bundle import load_bundle, save_bundle
from landslide.training.config import TrainingConfig
from landslide.training.feeding import Feed, Resident, Stored, Streamed
from landslide.training.metrics import change_baselines
from landslide.training.normalization import fit_normalization, known_normalization
from landslide.training.sources import feed_parts
from landslide.training.train import train
from tests.quake import EVENT, SHAPE, make_cube

from .conftest import assert_same

Small = Callable[..., TrainingConfig]
SIZE = 32  # 3 x 5 chips
PARTS = [TRAIN, TEST, TRAIN, VALIDATION, TRAIN] * 2 + [UNUSED, TRAIN, TEST, TRAIN, TRAIN]
CPU = torch.device("cpu")


def plan(chunk: int, parts: list[str] = PARTS) -> ChipStream:
    """Plan chips of a cube in blocks, in which flat ground has no aspect."""
    chipping = Chipping("blocked", chip_size=SIZE)
    corners = [(y, x) for x in range(0, SHAPE[1], SIZE) for y in range(0, SHAPE[0], SIZE)]
    chips = [{"y": y, "x": x, "part": p} for (y, x), p in zip(corners, parts, strict=True)]
    split = json.dumps({"protocol": "blocked", "chip_size": SIZE, "chips": chips})
    cube = make_cube()
    cube["dem_aspect"][:5] = np.nan
    return plan_stream(
        cube.chunk(y=chunk, x=chunk),
        EVENT,
        inputs=["vv+vh+dem"],
        timesteps=(1, 2),
        chipping=chipping,
        split=split,
    )


@pytest.fixture(scope="module", params=[64, 48], ids=["apart", "crossing"])
def stream(request: pytest.FixtureRequest) -> ChipStream:
    """Chips that each lie in one block, and chips that cross them."""
    return plan(request.param)


@pytest.fixture
def ways(stream: ChipStream, tmp_path: Path) -> dict[str, Chips]:
    """Return the same chips in memory, in a store and as a stream."""
    write_chip_store(stream, f"{tmp_path}/chips.zarr")
    stored = open_chip_store(f"{tmp_path}/chips.zarr")
    return {"memory": load_chips(stream), "store": stored, "stream": stream}


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold fewer chips of a stream than there are: one batch."""
    monkeypatch.setattr(sources, "WINDOW_BYTES", 1)


@pytest.mark.parametrize("inputs", ["vv", "vv+vh+dem", "dem"])
def test_small_sets_train_to_the_same_bits_all_ways(
    inputs: str, ways: dict[str, Chips], small: Small
) -> None:
    config = small(inputs=inputs, timesteps=2, epochs=2, batch_size=3)
    memory = train(ways["memory"], config)
    assert_same(train(ways["store"], config), memory)
    assert_same(train(ways["stream"], config), memory)


def test_the_baselines_are_the_same_all_ways(ways: dict[str, Chips]) -> None:
    ways["stream"] = survey(plan(64))
    for timesteps in (1, 2):
        memory, store, stream = (change_baselines(chips, timesteps) for chips in ways.values())
        assert memory == store == stream
        assert memory["change_auprc"] > 0.8


def test_a_bundle_says_the_same_all_ways(
    ways: dict[str, Chips], small: Small, tmp_path: Path
) -> None:
    trained = train(ways["memory"], small(timesteps=1, epochs=1, batch_size=3))
    said = []
    for way, chips in ways.items():
        save_bundle(f"{tmp_path}/{way}", trained, chips, "{}")
        said.append(load_bundle(f"{tmp_path}/{way}").description)
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("way", ["store", "stream"])
def test_the_statistics_are_known_to_the_bit_without_the_chips(
    way: str, ways: dict[str, Chips]
) -> None:
    chips = ways["memory"]
    assert isinstance(chips, xr.Dataset)
    known = ways[way] if way == "store" else survey(plan(64)).chips
    assert isinstance(known, xr.Dataset)
    for name, timesteps in (("vv+vh+dem", 1), ("vh", 2), ("dem", 0)):
        inputs = parse_inputs(name)
        fitted = fit_normalization(chips, inputs, timesteps)
        assert known_normalization(known, inputs, timesteps) == fitted


@pytest.mark.parametrize("way", ["store", "stream"])
def test_a_run_that_was_interrupted_goes_on_to_the_same_result(
    way: str, ways: dict[str, Chips], small: Small, small_window: None, tmp_path: Path
) -> None:
    chips, config = ways[way], small(timesteps=1, epochs=4, checkpoint_every=2, batch_size=3)

    def stop(record: dict[str, float]) -> None:
        if record["epoch"] == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(chips, config, checkpoint=f"{tmp_path}/c", report=stop)
    torch.rand(5)
    heard: list[dict[str, float]] = []
    resumed = train(chips, config, checkpoint=f"{tmp_path}/c", report=heard.append)
    assert [record["epoch"] for record in heard] == [3, 4]
    assert_same(resumed, train(chips, config))


def epochs_of(feed: Feed, seed: int, count: int) -> list[list[float]]:
    """Return the first pixel of each chip, in the order of each epoch."""
    generator = torch.Generator().manual_seed(seed)
    return [
        [float(chip[0, 0, 0]) for x, _ in feed.shuffled(generator) for chip in x]
        for _ in range(count)
    ]


@pytest.mark.parametrize("way", ["memory", "store", "stream"])
def test_each_epoch_gives_the_same_chips_in_an_order_that_the_seed_fixes(
    way: str, ways: dict[str, Chips], small: Small, small_window: None
) -> None:
    if isinstance(ways[way], ChipStream):
        ways[way] = survey(plan(64))
    _, parts = feed_parts(ways[way], small(timesteps=1), CPU)
    one, two = epochs_of(parts[TRAIN], 0, 2)
    assert len(set(one)) == len(one) == PARTS.count(TRAIN)
    assert sorted(one) == sorted(two)
    assert one != two
    assert [one, two] == epochs_of(parts[TRAIN], 0, 2)
    assert one != epochs_of(parts[TRAIN], 1, 1)[0]


@pytest.mark.parametrize("part", [TRAIN, VALIDATION, TEST])
def test_chips_come_with_their_labels_and_their_place(
    part: str, ways: dict[str, Chips], small: Small, small_window: None
) -> None:
    ways["stream"] = survey(plan(48))
    config = small(timesteps=1)
    feeds = {way: feed_parts(chips, config, CPU)[1][part] for way, chips in ways.items()}
    x = torch.cat([x for _, x in feeds["memory"].in_order()])
    label_of = {
        float(chip[0, 0, 0]): label for chip, label in zip(x, feeds["memory"].labels, strict=True)
    }
    for feed in feeds.values():
        assert torch.equal(feed.labels, feeds["memory"].labels)
        for rows, some in feed.in_order():
            assert torch.equal(some, x[rows])
            assert len(rows) <= config.batch_size
        for some, labels in feed.shuffled(torch.Generator()):
            for chip, label in zip(some, labels, strict=True):
                assert torch.equal(label, label_of[float(chip[0, 0, 0])])


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_chips_that_a_device_has_no_room_for_come_from_host_memory_to_the_same_bits(
    precision: torch.dtype, stream: ChipStream, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though those on the device are kept in the precision that they are convolved in."""
    monkeypatch.setattr(training, "working_precision", lambda *_: precision)
    chips, config = load_chips(stream), small(timesteps=1, epochs=2, batch_size=3)
    _, feeds = feed_parts(chips, config, CPU, precision)
    assert {(type(feed), feed.dtype) for feed in feeds.values()} == {(Resident, precision)}
    resident = train(chips, config)
    monkeypatch.setattr(sources, "room_on", lambda _: 1.0)
    _, feeds = feed_parts(chips, config, CPU, precision)
    assert {(type(feed), feed.dtype) for feed in feeds.values()} == {(Stored, torch.float32)}
    assert_same(train(chips, config), resident)


def test_chips_of_half_the_bytes_find_room_where_those_of_float32_do_not(
    stream: ChipStream, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    chips, config = load_chips(stream), small(timesteps=1)
    values = chips.sizes["chip"] * 2 * SIZE**2  # before and after
    monkeypatch.setattr(sources, "room_on", lambda _: 2.0 * values)
    for precision, kind in ((torch.bfloat16, Resident), (torch.float32, Stored)):
        _, feeds = feed_parts(chips, config, CPU, precision)
        assert {type(feed) for feed in feeds.values()} == {kind}


def test_of_chips_in_memory_few_are_copied_at_a_time_and_unused_ones_never(
    stream: ChipStream, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    select = normalization.select_channels

    def watched(chips: xr.Dataset, inputs: Any, timesteps: int, few: Any) -> Any:
        seen.append(few.tolist())
        return select(chips, inputs, timesteps, few)

    monkeypatch.setattr(normalization, "AT_ONCE", 2)
    for module in (normalization, sources):
        monkeypatch.setattr(module, "select_channels", watched)
    chips = load_chips(stream)
    feed_parts(chips, small(timesteps=1), CPU)
    assert max(map(len, seen)) == 2
    used = np.flatnonzero(chips["part"] != UNUSED).tolist()
    assert sorted({place for few in seen for place in few}) == used


@pytest.mark.parametrize("inputs", ["elevation", "vv"])
@pytest.mark.parametrize("way", ["memory", "store"])
def test_a_compiled_step_meets_the_layout_that_it_was_tried_with(
    inputs: str, way: str, ways: dict[str, Chips], small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "compiled", lambda _, samples, __: list(samples))
    config = small(inputs=inputs, timesteps=1, batch_size=3, compile=True)
    _, feeds = feed_parts(ways[way], config, CPU)
    tried: Any = compiling.compiled_for(feeds[TRAIN], torch.nn.Identity(), config, torch.float32)
    known = {(each.shape, each.stride()) for each in tried}
    met = {(x.shape, x.stride()) for x, _ in feeds[TRAIN].shuffled(torch.Generator())}
    assert met == known


def test_a_stream_is_shuffled_in_a_window_of_so_many_bytes(
    stream: ChipStream, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "WINDOW_BYTES", 5 * 4 * 2 * SIZE**2 + 1)
    for inputs, window in (("vv", 5), ("vv+vh", 2)):
        _, feeds = feed_parts(survey(stream), small(inputs=inputs, timesteps=1, batch_size=2), CPU)
        for feed in feeds.values():
            assert isinstance(feed, Streamed)
            assert feed.window == window


def test_a_store_is_read_no_further_ahead_than_it_says() -> None:
    begun: list[int] = []

    def read(rows: torch.Tensor) -> torch.Tensor:
        begun.extend(rows.tolist())
        return torch.zeros(len(rows), 1, 2, 3)

    feed = Stored(read, torch.zeros(40, 2, 3, dtype=torch.uint8), batch_size=4, ahead=2)
    taken = 0
    for x, _ in feed.shuffled(torch.Generator()):
        taken += len(x)
        assert len(begun) - taken <= 2 * 4  # beside the batch that is at work
    assert sorted(begun) == list(range(40))


def test_a_stream_holds_no_more_chips_than_it_says() -> None:
    arrived = 0

    def arriving(generator: torch.Generator | None) -> Iterator[tuple[int, np.ndarray]]:
        nonlocal arrived
        assert generator is not None  # more chips than the window holds: the blocks are shuffled
        for row in range(40):
            arrived += 1
            yield row, np.zeros((1, 2, 3), np.float32)

    feed = Streamed(arriving, torch.zeros(40, 2, 3, dtype=torch.uint8), batch_size=4, window=7)
    taken = 0
    for x, _ in feed.shuffled(torch.Generator()):
        taken += len(x)
        assert arrived - taken <= 7
    assert taken == arrived == 40


def test_an_epoch_reads_each_block_of_the_part_once(
    stream: ChipStream, small: Small, small_window: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = survey(stream)
    _, parts = feed_parts(known, small(timesteps=1), CPU)
    cut: Counter[tuple[int, ...]] = Counter()
    cut_chips = passing.cut_chips

    def counted(reading: object, block: passing.Block, *rest: object) -> object:
        cut[block.chips] += 1
        return cut_chips(reading, block, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(passing, "cut_chips", counted)
    for _ in parts[TRAIN].shuffled(torch.Generator()):
        pass
    chosen = np.flatnonzero(known.chips["part"].values == TRAIN)
    assert cut == Counter(block.chips for _, block in known.only(chosen).blocks())


def test_a_damaged_chip_stops_training_and_is_named(tmp_path: Path, small: Small) -> None:
    address = f"{tmp_path}/chips.zarr"
    write_chip_store(plan(64), address)
    chips = open_chip_store(address)
    (Path(address) / "sar/c/0/0/0/0/0").unlink()
    with pytest.raises(ValueError, match=r"sar/c/0/0/0/0/0 is missing; delete this chip store"):
        train(chips, small(timesteps=1))

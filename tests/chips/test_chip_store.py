"""A chip store holds the chips of memory to the bit, whole or not at all, and reads them lazily."""

import math
import pickle
import uuid
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from distributed import Client

from landslide.chips.chip_store import open_chip_store, write_chip_store
from landslide.chips.chip_store import whole as chip_store
from landslide.chips.loading import load_chips
from landslide.chips.passing import ChipStream, chip_batches
from landslide.chips.split import TRAIN, UNUSED, Chipping
from landslide.chips.stream import plan_stream
from landslide.chips.survey import survey
from landslide.cube.events import Event
from landslide.cube.store import open_cube

MakeCube = Callable[..., xr.Dataset]
Write = Callable[..., str]
SIZE = 8


class InterruptedRunError(Exception):
    pass


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"{tmp_path}/runs/chips.zarr"


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory, make_cube: MakeCube, write_cube: Write) -> str:
    return write_cube(make_cube(), tmp_path_factory.mktemp("cube") / "c.zarr")


@pytest.fixture
def stream(cube: str, event: Event) -> ChipStream:
    """Chips of which some cross the cube's chunks."""
    return plan(open_cube(cube, block_pixels=24), event)


def plan(cube: xr.Dataset, event: Event, **options: Any) -> ChipStream:
    how = {"timesteps": (1, 2), "chipping": Chipping(chip_size=SIZE)} | options
    return plan_stream(cube, event, **how)


def assert_same(stored: xr.Dataset, loaded: xr.Dataset) -> None:
    """Compare what a chip store gives with what memory holds."""
    for name, variable in loaded.variables.items():
        np.testing.assert_array_equal(stored[name], variable, err_msg=str(name))
        assert (stored[name].dims, stored[name].dtype) == (variable.dims, variable.dtype)
    left = dict(stored.attrs)
    del left["chip_store"]
    assert left == loaded.attrs


def keys(address: str, name: str) -> set[str]:
    folder = Path(address) / name
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {"zarr.json"}


@pytest.mark.parametrize("inputs", [["vv+vh+dem"], ["vv", "coherence"], ["dem"]])
def test_it_holds_the_chips_of_memory_to_the_bit(
    inputs: list[str], cube: str, event: Event, address: str
) -> None:
    stream = plan(open_cube(cube), event, inputs=inputs)
    write_chip_store(stream, address)
    assert_same(open_chip_store(address), load_chips(stream))


@pytest.mark.parametrize(
    "where", ["threads", "cluster", pytest.param("processes", marks=pytest.mark.long)]
)
def test_so_it_does_wherever_the_blocks_are_read(
    where: str, stream: ChipStream, address: str, client: Client
) -> None:
    loaded = load_chips(stream)
    if where == "cluster":
        write_chip_store(stream, address, client.get_executor(), look_ahead=2)
    elif where == "threads":
        with ThreadPoolExecutor(3) as pool:
            write_chip_store(stream, address, pool)
    else:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            write_chip_store(stream, address, pool)
    assert_same(open_chip_store(address), loaded)


def test_it_lies_on_any_filesystem(stream: ChipStream, s3_bucket: str) -> None:
    stream = stream.only(range(0, 35, 5))
    loaded = load_chips(stream)
    for address in (f"memory://{uuid.uuid4().hex}/c.zarr", f"{s3_bucket}/{uuid.uuid4().hex}.zarr"):
        write_chip_store(stream, address)
        assert_same(open_chip_store(address), loaded)


def test_a_chunk_is_one_chip_of_one_timestep_count(stream: ChipStream, address: str) -> None:
    write_chip_store(stream, address)
    n = stream.chips.sizes["chip"]
    assert keys(address, "sar") == {f"c/{i}/{t}/0/0/0" for i in range(n) for t in range(2)}
    assert keys(address, "static") == {f"c/{i}/0/0/0" for i in range(n)}
    assert keys(address, "label") == {f"c/{i}/0/0" for i in range(n)}


def test_only_what_is_asked_for_is_read(
    stream: ChipStream, address: str, reads: list[tuple[str, object]]
) -> None:
    write_chip_store(stream, address)
    chips = open_chip_store(address, reader="fused")
    reads.clear()
    some = chips["sar"].isel(chip=[5, 2]).sel(timesteps=2, sar_channel=["vv_after", "vv_before"])
    some = pickle.loads(pickle.dumps(some))
    assert not reads
    expected = load_chips(stream)["sar"].isel(chip=[5, 2], timesteps=1, sar_channel=[1, 0])
    np.testing.assert_array_equal(some, expected)
    fetched = [key for key, _ in reads if "/c/" in key]
    assert sorted(fetched) == ["sar/c/2/1/0/0/0", "sar/c/5/1/0/0/0"]


def test_what_is_asked_for_in_any_way_is_what_memory_gives(
    stream: ChipStream, address: str
) -> None:
    write_chip_store(stream, address)
    stored, loaded = open_chip_store(address)["sar"], load_chips(stream)["sar"]
    for index in (
        {"chip": 3},
        {"chip": slice(None, None, -2), "y": 2, "x": slice(1, 7, 3)},
        {"chip": np.array([4, 4, 0]), "timesteps": [1, 0], "sar_channel": []},
    ):
        np.testing.assert_array_equal(stored.isel(index), loaded.isel(index))


def interrupt(
    stream: ChipStream, address: str, batches: int, monkeypatch: pytest.MonkeyPatch
) -> list[int]:
    """Stop a run after some batches; return the chips that it wrote."""
    written: list[int] = []
    write = chip_store.write_batch

    def stop(*args: Any) -> xr.Dataset:
        nonlocal batches
        if not batches:
            raise InterruptedRunError
        batches -= 1
        facts = write(*args)
        written.extend(facts["chip"].values.tolist())
        return facts

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(chip_store, "write_batch", stop)
        with pytest.raises(InterruptedRunError):
            write_chip_store(stream, address, pool, look_ahead=1)
    return written


@pytest.mark.parametrize("batches", [0, 2])
def test_an_interrupted_run_is_no_chip_store_and_the_next_goes_on(
    batches: int, stream: ChipStream, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = interrupt(stream, address, batches, monkeypatch)
    with pytest.raises(ValueError, match="no complete chip store: run the sweep again") as caught:
        open_chip_store(address)
    assert "\n" not in str(caught.value)
    second: list[int] = []
    write = chip_store.write_batch

    def watched(*args: Any) -> xr.Dataset:
        second.extend(args[-1]["chip"].values.tolist())
        return write(*args)

    monkeypatch.setattr(chip_store, "write_batch", watched)
    write_chip_store(stream, address)
    assert bool(first) == bool(batches)
    assert sorted(first + second) == list(range(stream.chips.sizes["chip"]))
    assert_same(open_chip_store(address), load_chips(stream))
    second.clear()
    write_chip_store(stream, address)  # what is complete stays as it is
    assert not second


def test_a_run_undoes_nothing_of_another_that_is_faster(
    stream: ChipStream, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, loaded = chip_store.note, load_chips(stream)

    def overtaken(*args: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(chip_store, "note", note)
            write_chip_store(stream, address)
        whole = open_chip_store(address)
        note(*args)  # what the slower knows is less than what is there by now
        xr.testing.assert_identical(open_chip_store(address), whole)
        raise InterruptedRunError

    monkeypatch.setattr(chip_store, "note", overtaken)
    with pytest.raises(InterruptedRunError):
        write_chip_store(stream, address, look_ahead=1)
    stored = open_chip_store(address)
    assert_same(stored, loaded)
    assert (stored["sar_moments"].values[..., 0] > 0).all()


def test_a_run_that_still_begins_leaves_complete_what_another_has_finished(
    stream: ChipStream, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_arrays = chip_store.create_arrays

    def overtaken(*args: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(chip_store, "create_arrays", create_arrays)
            write_chip_store(stream, address)
        whole = open_chip_store(address)
        create_arrays(*args)  # in a group that was opened before the other had finished
        xr.testing.assert_identical(open_chip_store(address), whole)
        raise InterruptedRunError

    monkeypatch.setattr(chip_store, "create_arrays", overtaken)
    with pytest.raises(InterruptedRunError):
        write_chip_store(stream, address)
    assert_same(open_chip_store(address), load_chips(stream))


def test_an_array_that_another_run_has_made_meanwhile_is_taken(
    stream: ChipStream, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = zarr.Group.create_array

    def second(group: zarr.Group, name: str, **how: Any) -> object:
        create(group, name, **how)  # the other run
        return create(group, name, **how)

    monkeypatch.setattr(zarr.Group, "create_array", second)
    write_chip_store(stream, address)
    assert_same(open_chip_store(address), load_chips(stream))


def test_what_was_rejected_is_said_once_and_in_full(
    make_cube: MakeCube, event: Event, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = make_cube(missing=0)
    cube["vv"][3, 1, 2] = np.inf
    cube["vh"][5, 39, 50:52] = 0
    stream = plan(cube.chunk(y=16, x=16), event)
    interrupt(stream, address, 1, monkeypatch)
    with pytest.warns(UserWarning, match="3 backscatter samples are infinite, zero or neg") as seen:
        write_chip_store(stream, address)
    assert len(seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_chip_store(address)["rejected"].sum() == 3


def test_a_blocked_chip_that_turns_out_less_than_half_valid_is_unused(
    event: Event, make_cube: MakeCube, every_chip: Callable[..., str], address: str
) -> None:
    cube = make_cube(missing=0)
    cube["vv"][:, 8:12, 0:8] = cube["vv"][:, 12, 0] = np.nan
    chipping = Chipping("blocked", chip_size=SIZE)
    stream = plan(cube, event, chipping=chipping, split=every_chip((40, 56), chipping))
    write_chip_store(stream, address)
    parts = open_chip_store(address)["part"].values.tolist()
    assert parts == [TRAIN, UNUSED] + [TRAIN] * 33
    assert survey(stream).chips["part"].values.tolist() == parts


def test_no_valid_pixel_at_all_completes_nothing(
    event: Event, make_cube: MakeCube, address: str
) -> None:
    cube = make_cube(missing=0)
    cube["dem"][:] = np.nan
    needed = "no pixel of any chip has data in every channel: vv_before, .* are needed together"
    with pytest.raises(ValueError, match=needed):
        write_chip_store(plan(cube, event), address)
    with pytest.raises(ValueError, match="no complete chip store"):
        open_chip_store(address)


@pytest.mark.parametrize("damage", ["missing", "cut short", "another bit"])
@pytest.mark.parametrize("reader", ["auto", "fused"])
@pytest.mark.parametrize("key", ["sar/c/3/1/0/0/0", "label/c/4/0/0"])
def test_a_damaged_chunk_is_named_with_the_way_out(
    key: str, reader: str, damage: str, stream: ChipStream, address: str
) -> None:
    write_chip_store(stream, address)
    file = Path(address) / key
    content = bytearray(file.read_bytes())
    file.unlink()
    if damage == "cut short":
        file.write_bytes(content[:-9])
    elif damage == "another bit":
        content[17] ^= 4
        file.write_bytes(content)

    def read() -> None:
        chips = open_chip_store(address, reader=reader)
        chips["sar"].isel(chip=[1, 3]).sel(timesteps=2).to_numpy()

    with pytest.raises(ValueError, match=f"{key} (is missing|cannot be decoded)") as caught:
        read()
    assert "delete this chip store, and the next run writes it again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_lacks_damaged_chips_is_not_taken_for_the_whole(
    make_cube: MakeCube, write_cube: Write, event: Event, address: str, tmp_path: Path
) -> None:
    cube = write_cube(make_cube(missing=0), tmp_path / "cube.zarr")
    (chunk,) = Path(cube, "vv").glob("3.0.0")
    chunk.unlink()
    with pytest.warns(UserWarning, match=r"of 35 chips are left out"):
        write_chip_store(plan(open_cube(cube), event, skip_damaged=True), address)
    stored = open_chip_store(address)
    assert (stored["part"].values[stored["damaged"].values] == UNUSED).all()
    with pytest.raises(ValueError, match="holds other chips"):
        write_chip_store(plan(open_cube(cube), event), address)


def test_a_worker_that_does_not_reach_it_says_so(address: str, stream: ChipStream) -> None:
    (batch, *_) = chip_batches(stream)
    with pytest.raises(ValueError, match=r"not the same place for a worker: .* \(--storage\)"):
        chip_store.write_batch(address, "token", batch)


def test_nothing_there_is_no_chip_store(address: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"no chip store at .*chips\.zarr"):
        open_chip_store(address)


def test_other_chips_are_not_written_over(stream: ChipStream, address: str, event: Event) -> None:
    write_chip_store(stream, address)
    chips = stream.chips.copy(deep=True)
    chips["label"][0, 0, 0] ^= 1
    with pytest.raises(ValueError, match="holds other chips: delete it, or name another"):
        write_chip_store(replace(stream, chips=chips), address)


def test_a_cube_is_not_written_over(stream: ChipStream, cube: str) -> None:
    with pytest.raises(ValueError, match="holds other chips"):
        write_chip_store(stream, cube)


def test_a_survey_knows_what_a_chip_store_knows(stream: ChipStream, address: str) -> None:
    write_chip_store(stream, address)
    surveyed, stored = survey(stream), open_chip_store(address)
    for name in ("label", "part", "rejected", "damaged", "sar_moments", "static_moments", "chip"):
        np.testing.assert_array_equal(surveyed.chips[name], stored[name])
    assert survey(surveyed) is surveyed
    valid = surveyed.chips["label"].values != 255
    counts = surveyed.chips["static_moments"].values[:, [0, 1, 3], 0]  # but for the aspect
    assert math.prod(counts.shape) == 3 * len(valid)
    assert (counts == valid.sum(axis=(1, 2))[:, None]).all()

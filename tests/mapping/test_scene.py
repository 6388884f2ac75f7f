"""A scene mapped chip by chip is the scene mapped at once, and no chunk is read twice."""

import dataclasses
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
import xarray as xr

from landslide.cube.stored import DamagedChunkError
from landslide.mapping.inference import rows, work
from landslide.mapping.inference.models import Model
from landslide.mapping.inference.rows import Job, seam_name, strip_name
from landslide.mapping.inference.scene import map_scene, scene_devices
from landslide.mapping.inference.work import Work
from landslide.training.device import device_name, this_device

from .conftest import (
    CHUNK,
    HEIGHT,
    WIDTH,
    composite,
    local_model,
    whole_image,
    write_cube,
)

Mapped = Callable[..., xr.Dataset]
MakeJob = Callable[..., Job]


@pytest.mark.parametrize(("chip_size", "overlap"), [(32, 16), (24, 12), (32, 20), (16, 15)])
def test_stitched_is_the_whole_image(
    chip_size: int, overlap: int, small_cube: str, mapped: Mapped
) -> None:
    scene = mapped(small_cube, chip_size=chip_size, overlap=overlap)
    wanted = whole_image(local_model(2), composite(small_cube))
    assert scene["probability"].dims == ("y", "x")
    assert scene["probability"].dtype == np.float32
    np.testing.assert_allclose(scene["probability"], wanted, atol=1e-5)
    assert np.isnan(wanted).sum() == 8 * 37  # and no data where the input has none


def test_chips_that_do_not_overlap_need_no_seam(small_cube: str, mapped: Mapped) -> None:
    scene = mapped(small_cube, chip_size=32, overlap=0)
    wanted = whole_image(local_model(2), composite(small_cube))
    y, x = np.arange(HEIGHT) % 32, np.arange(WIDTH) % 32
    y[HEIGHT - 32 :], x[WIDTH - 32 :] = 0, 0  # there the last chip lies over the one before
    inside = ((y > 1) & (y < 30))[:, None] & ((x > 1) & (x < 30))  # what a network of 5 x 5 sees
    np.testing.assert_allclose(scene["probability"].to_numpy()[inside], wanted[inside], atol=1e-5)


def test_a_scene_smaller_than_a_chip_is_mapped(small_cube: str, mapped: Mapped) -> None:
    area = ((20, 41), (3, 30))
    scene = mapped(small_cube, chip_size=32, overlap=8, area=area)
    assert scene["probability"].shape == (21, 27)
    assert np.isfinite(scene["probability"]).all()
    wanted = whole_image(local_model(2), composite(small_cube)[:, 20:41, 3:30])
    # What lies beyond is the mean there, and padding here: both are zeros for the first layer.
    inner = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(scene["probability"][inner], wanted[inner], atol=1e-5)


def test_an_area_of_a_cube_is_mapped_as_a_scene_of_its_own(small_cube: str, mapped: Mapped) -> None:
    scene = mapped(small_cube, area=((30, 221), (17, 140)))
    wanted = whole_image(local_model(2), composite(small_cube)[:, 30:221, 17:140])
    np.testing.assert_allclose(scene["probability"], wanted, atol=1e-5)


@pytest.mark.parametrize(("upward", "dem_chunk"), [(True, CHUNK), (False, 50), (True, 128)])
def test_stored_upside_down_or_in_other_chunks_it_is_the_same_map(
    upward: bool,
    dem_chunk: int,
    small_cube: str,
    mapped: Mapped,
    tmp_path: Path,
    fetched: Counter[Any],
) -> None:
    other = write_cube(f"{tmp_path}/other.zarr", upward=upward, dem_chunk=dem_chunk)
    wanted = mapped(small_cube, inputs="vv+elevation", name="a")["probability"]
    fetched.clear()
    found = mapped(other, inputs="vv+elevation", name="b")["probability"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert set(fetched.values()) == {1}


@pytest.mark.parametrize("upward", [False, True])
def test_ground_that_was_not_observed_has_no_probability_and_changes_no_other(
    upward: bool, small_cube: str, job_of: MakeJob, mapped: Mapped, tmp_path: Path
) -> None:
    observed = np.ones((HEIGHT, WIDTH), np.bool_)
    observed[10:90, 33:70] = False  # in a strip, and in the seam between two
    masked = write_cube(f"{tmp_path}/masked.zarr", upward=upward, observed=observed)
    assert job_of(masked).plan.seams[0].rows[0] < 90
    wanted = mapped(small_cube, name="a")["probability"].where(observed)
    found = mapped(masked, name="b")["probability"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.isfinite(found).sum() < observed.sum()  # the hole in the images is another matter


def test_a_damaged_mask_is_ground_that_was_not_observed(
    small_cube: str, mapped: Mapped, tmp_path: Path
) -> None:
    observed = np.ones((HEIGHT, WIDTH), np.bool_)
    masked = write_cube(f"{tmp_path}/masked.zarr", observed=observed)
    chunk = Path(masked) / "observed/c/1/0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    with pytest.raises(DamagedChunkError, match=r"--skip-damaged"):
        mapped(masked, name="a")
    observed[CHUNK : 2 * CHUNK, :CHUNK] = False
    wanted = mapped(small_cube, name="b")["probability"].where(observed)
    found = mapped(masked, name="c", skip_damaged=True, block_pixels=CHUNK)["probability"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_of_an_area_only_the_chunks_are_read_that_its_chips_see(
    mapped: Mapped, fetched: Counter[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = write_cube(f"{tmp_path}/cube.zarr")
    for chunk in Path(cube, "vv/c").glob("*/1/*"):  # beside the area, and in its square
        chunk.write_bytes(chunk.read_bytes()[:-3])
    monkeypatch.setattr("landslide.mapping.inference.strips.BLOCK", 2 * CHUNK)
    area = ((130, 192), (64, 128))
    scene = mapped(cube, area=area)
    assert {position[1:] for _, position in fetched} == {(2, 1)}
    wanted = whole_image(local_model(2), composite(write_cube(f"{tmp_path}/whole.zarr")))
    np.testing.assert_allclose(scene["probability"][3:-3, 3:-3], wanted[133:189, 67:125], atol=1e-5)


def test_every_chunk_is_read_once(small_cube: str, mapped: Mapped, fetched: Counter[Any]) -> None:
    mapped(small_cube)
    planes = {name for name, _ in fetched}
    assert planes == {"vv"}
    assert len(fetched) == 4 * 4 * 3  # of two images on either side, rows and columns of chunks
    assert set(fetched.values()) == {1}


class Elsewhere(Executor):
    """Runs tasks as another process would: all of it pickled."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)
        self.tasks: list[str] = []

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        self.tasks.append(fn.__name__)
        function, arguments = pickle.loads(pickle.dumps((fn, args)))
        return self.pool.submit(function, *arguments)


def test_spread_over_workers_the_map_is_the_same_to_the_bit(
    small_cube: str, job_of: MakeJob, fetched: Counter[Any]
) -> None:
    here = map_scene(job_of(small_cube, name="here")).load()
    fetched.clear()
    executor = Elsewhere()
    there = map_scene(job_of(small_cube, name="there"), executor, look_ahead=2).load()
    np.testing.assert_array_equal(there["probability"], here["probability"])
    assert Counter(executor.tasks) == {"map_strip": 3, "map_seam": 2}
    assert set(fetched.values()) == {1}
    executor.pool.shutdown()


def test_layers_in_other_chunks_are_mapped_strip_by_strip_too(
    job_of: MakeJob, fetched: Counter[Any], tmp_path: Path
) -> None:
    other = write_cube(f"{tmp_path}/other.zarr", dem_chunk=50)
    here = map_scene(job_of(other, inputs="vv+elevation", name="here")).load()
    assert set(fetched.values()) == {1}
    fetched.clear()
    executor = Elsewhere()
    job = job_of(other, inputs="vv+elevation", name="there")
    there = map_scene(job, executor, look_ahead=2).load()
    executor.pool.shutdown()
    np.testing.assert_array_equal(there["probability"], here["probability"])
    assert len(job.plan.strips) == 3
    times = {
        name: {count for (of, _), count in fetched.items() if of == name} for name in ("vv", "dem")
    }
    assert times == {"vv": {1}, "dem": {1, 2}}  # twice what lies in two strips


def test_what_is_done_is_not_mapped_again(
    small_cube: str, job_of: MakeJob, fetched: Counter[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = map_scene(job_of(small_cube, name="whole")).load()
    job = job_of(small_cube, name="stopped")
    finish = Work.finish

    def stopped(work: Work, piece: str, record: dict[str, Any]) -> None:
        if piece == seam_name(1):
            raise KeyboardInterrupt
        finish(work, piece, record)

    with monkeypatch.context() as patch:
        patch.setattr(Work, "finish", stopped)
        with pytest.raises(KeyboardInterrupt):
            map_scene(job)
    done = [n for n in range(3) if job.work.record(strip_name(n))]
    assert done == [0, 1, 2]
    assert job.work.record(seam_name(0))
    assert not job.work.record(seam_name(1))
    Path(
        f"{job.work.address}/done/{strip_name(0)}.json"
    ).unlink()  # as if it had been stopped there
    fetched.clear()
    again = map_scene(job).load()
    np.testing.assert_array_equal(again["probability"], whole["probability"])
    assert {position[1] for _, position in fetched} == {0}  # the rows of chunks of that strip
    assert set(fetched.values()) == {1}


def test_two_runs_at_one_map_do_not_touch_each_others_arrays(
    small_cube: str, job_of: MakeJob
) -> None:
    whole = map_scene(job_of(small_cube, name="whole")).load()
    first = job_of(small_cube, name="both")
    second = dataclasses.replace(first, work=Work(first.work.address))
    assert list(rows.map_strips(first, [0, 1, 2])) == [0, 1, 2]
    for name in ("probability", "above-logits", "below-valid"):
        second.work.create(strip_name(1), name, (1, HEIGHT, WIDTH))  # and then it was stopped
    np.testing.assert_array_equal(map_scene(first)["probability"], whole["probability"])
    assert scene_devices(first) == [f"{device_name(this_device())}, float32"]
    finished = map_scene(second)
    second.work.remove()
    with pytest.raises(FileNotFoundError, match=r"another run has finished this map"):
        rows.map_seam(first, 0)
    with pytest.raises(FileNotFoundError, match=r"another run has finished this map"):
        finished.load()


def test_what_is_lost_of_a_map_is_an_error_and_not_ground_without_data(
    small_cube: str, job_of: MakeJob
) -> None:
    job = job_of(small_cube)
    whole = map_scene(job).load()
    lost = sorted(Path(job.work.address, strip_name(1)).rglob("probability/c/0/0"))
    lost[0].unlink()
    with pytest.raises(FileNotFoundError, match=r"strips/00001 is gone, or part of it") as error:
        map_scene(job).load()
    assert f"; else remove {job.work.address}, and run again" in str(error.value)
    shutil.rmtree(job.work.address)
    np.testing.assert_array_equal(map_scene(job)["probability"], whole["probability"])


def test_a_run_that_is_stopped_as_it_removes_its_work_leaves_nothing_that_counts_as_done(
    small_cube: str, job_of: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(small_cube)
    whole = map_scene(job).load()
    remove_all = work.remove_all

    def stopped(address: str) -> None:
        if address == job.work.address:
            next(Path(address).rglob("probability/c/0/0")).unlink()
            raise KeyboardInterrupt
        remove_all(address)

    monkeypatch.setattr(work, "remove_all", stopped)
    with pytest.raises(KeyboardInterrupt):
        job.work.remove()
    np.testing.assert_array_equal(map_scene(job)["probability"], whole["probability"])


def test_a_folder_that_is_left_goes_where_it_is_empty_and_on_a_disk(tmp_path: Path) -> None:
    work.leave(f"{tmp_path}/none")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    store = fsspec.filesystem("memory")
    store.mkdir("/bucket")
    for folder in (f"{tmp_path}/empty", f"{tmp_path}/full", "memory://bucket"):
        work.leave(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    assert store.isdir("/bucket")


def test_what_is_of_another_map_counts_for_nothing(small_cube: str, job_of: MakeJob) -> None:
    whole = map_scene(job_of(small_cube, name="whole")).load()
    job = job_of(small_cube, name="both")
    late = dataclasses.replace(job, work=Work(job.work.address, "of another model"))
    assert list(rows.map_strips(late, [0])) == [0]  # and its map was finished meanwhile
    assert job.work.record(strip_name(0)) is None
    np.testing.assert_array_equal(map_scene(job)["probability"], whole["probability"])


def test_what_cannot_be_removed_is_told_and_fails_no_finished_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def busy(_: str) -> None:
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr("landslide.mapping.inference.work.remove_all", busy)
    Work(str(tmp_path)).remove()
    assert f"{tmp_path} could not be removed: [Errno 39] Directory not empty" in caplog.text


def test_a_worker_that_does_not_reach_the_work_store_says_so_at_once(
    small_cube: str, job_of: MakeJob, tmp_path: Path
) -> None:
    job = job_of(small_cube)
    elsewhere = dataclasses.replace(job, work=Work(f"{tmp_path}/of-another-machine"))
    with pytest.raises(FileNotFoundError, match=r"a worker finds no map begun at .*--work"):
        map_scene(elsewhere, Elsewhere())
    assert not Path(elsewhere.work.address).exists()


def test_a_device_without_memory_for_a_batch_is_one_line(
    small_cube: str, job_of: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    job = job_of(small_cube)
    monkeypatch.setattr(Model, "logits", full)
    with pytest.raises(
        OSError, match=r"no memory for batches of 8 chips .*: give a smaller --batch"
    ):
        map_scene(job)


def test_a_score_that_is_no_number_stops_a_map_rather_than_passing_for_no_data(
    small_cube: str, job_of: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overflown(_: Model, chips: torch.Tensor, *__: Any) -> torch.Tensor:
        return torch.full((len(chips), *chips.shape[2:]), torch.inf)

    monkeypatch.setattr(Model, "logits", overflown)
    for precision, way_out in ((torch.float32, "train it"), (torch.float16, "--precision float32")):
        model = dataclasses.replace(local_model(2), precision=precision)
        with pytest.raises(ValueError, match=rf"is no number: .*{way_out}"):
            map_scene(job_of(small_cube, (model,)))


def test_several_models_give_a_mean_and_a_spread(small_cube: str, mapped: Mapped) -> None:
    models = tuple(local_model(2, temperature=t) for t in (1.0, 2.0, 5.0))
    scene = mapped(small_cube, models)
    each = np.stack([whole_image(model, composite(small_cube)) for model in models])
    np.testing.assert_allclose(scene["probability"], each.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(scene["spread"], each.std(axis=0, ddof=1), atol=1e-5)


def test_no_chip_is_flipped_or_turned(small_cube: str, job_of: MakeJob) -> None:
    model = local_model(2)
    seen = []
    forward = model.network.forward

    def watched(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.clone())
        return forward(x)

    model.network.forward = watched
    map_scene(job_of(small_cube, (model,)))
    scene = torch.from_numpy(composite(small_cube))
    normal = (scene - model.mean) / model.std
    chips = torch.cat(seen)
    assert len(chips) < HEIGHT * WIDTH
    first = normal[:, :32, :32]
    assert torch.allclose(chips[0], first, atol=1e-5)


def test_ground_without_any_data_passes_through_no_network(
    small_cube: str, job_of: MakeJob
) -> None:
    job = job_of(small_cube, chip_size=8, overlap=4, area=((100, 108), (44, 76)))
    assert np.isnan(map_scene(job)["probability"]).all()
    record = job.work.record(strip_name(0))
    assert record is not None
    assert (record["chips"], record["valid"]) == (0, 0)

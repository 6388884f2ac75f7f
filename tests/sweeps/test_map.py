"""One map made by many workers is the map that one process makes."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import xarray as xr

from landslide import open_cube
from landslide.cli import main as landslide_command
from landslide.command import run_command
from landslide.mapping.choices import MapChoices
from landslide.mapping.inference.work import FOLDER
from landslide.mapping.run import map_landslides
from sweeps.map import main, options

from .conftest import Refused

CHUNK = 128
PRODUCTS = "simulated_20180905"
TRAINING = (
    *("--preset", "quick", "--epochs", "2", "--chip-size", "64", "--inputs", "vv"),
    *("--timesteps", "1", "--protocol", "blocked", "--block-size", "128", "--buffer", "0"),
)
MAPPING = ("--threads", "1", "--min-area", "1000")


@pytest.fixture(scope="module")
def model(cube: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("model") / "vv")
    assert landslide_command(["train", cube, *TRAINING, "--out", out]) == 0
    return out


@pytest.fixture(scope="module")
def chunked(cube: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the cube in chunks so small that its 384 rows are several strips."""
    out = str(tmp_path_factory.mktemp("chunked") / "simulated.zarr")
    opened = xr.open_zarr(cube).drop_encoding()
    planes = {n: v for n, v in opened.data_vars.items() if {"y", "x"} <= set(v.dims)}
    encoding = {str(n): {"chunks": (*(1,) * (v.ndim - 2), CHUNK, CHUNK)} for n, v in planes.items()}
    opened.chunk(y=CHUNK, x=CHUNK).to_zarr(
        out, encoding=encoding, zarr_format=2, consolidated=False
    )
    return out


@pytest.fixture(autouse=True)
def blocks_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide small scenes into strips; workers are told so by the plan that they are given."""
    monkeypatch.setattr("landslide.mapping.inference.strips.BLOCK", CHUNK)


@pytest.fixture(scope="module")
def local(model: str, chunked: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the map that one process makes."""
    out = tmp_path_factory.mktemp("local") / "map"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("landslide.mapping.inference.strips.BLOCK", CHUNK)
        assert landslide_command(["map", model, chunked, str(out), *MAPPING]) == 0
    return out


def contents(folder: Path) -> dict[str, Any]:
    """Return what a map says, but for when it was made."""
    said: dict[str, Any] = {"files": {path.name for path in folder.iterdir()}}
    for name in ("probability", "mask", "density"):
        with rasterio.open(folder / f"{PRODUCTS}_{name}.tif") as raster:
            said[name] = raster.read(1)
    polygons = pyogrio.read_dataframe(folder / f"{PRODUCTS}_landslides.gpkg", layer="landslides")
    said["polygons"] = polygons.to_wkt().to_dict()
    summary = json.loads((folder / f"{PRODUCTS}_summary.json").read_text())
    del summary["map"]["provenance"]["mapped at"]
    said["summary"] = summary
    return said


def require_equal(folder: Path, local: Path) -> None:
    found, wanted = contents(folder), contents(local)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_equal(found[name], value, err_msg=name)


def test_the_scene_is_several_strips_and_has_landslides(local: Path) -> None:
    said = contents(local)
    assert np.isfinite(said["probability"]).any()
    assert said["summary"]["landslides"]["count"] > 1
    assert said["summary"]["scores"]["auprc"] > said["summary"]["scores"]["prevalence"]


def test_on_ray_actors(
    model: str, chunked: str, local: Path, ray: None, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "map"
    main([model, chunked, str(out), "--actors", "2", *MAPPING])
    assert f"{out}/{PRODUCTS}_probability.tif" in capsys.readouterr().out.splitlines()
    require_equal(out, local)


def test_a_killed_actor_begins_its_task_again(ray: None, tmp_path: Path) -> None:
    from cluster.executors import AGAIN, RayActors
    from cluster.resources import Resources

    def killed(times: int, name: str) -> str:
        tried = len(list(tmp_path.glob(f"{name}-*")))
        (tmp_path / f"{name}-{tried}").touch()
        if tried < times:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"{name} after {tried}"

    with RayActors(1, Resources(1), bool) as actors:
        # one after another: an answer that is on its way when its process dies is lost with it
        assert actors.submit(killed, 0, "a").result() == "a after 0"
        assert actors.submit(killed, 1, "b").result() == "b after 1"
        with pytest.raises(OSError, match="died at one task again and again: run again"):
            actors.submit(killed, 99, "c").result()
        assert 1 < len(list(tmp_path.glob("c-*"))) <= AGAIN + 1
        assert actors.submit(killed, 0, "d").result() == "d after 0"


def test_actors_that_died_with_nothing_to_do_cost_no_task_a_try(ray: None) -> None:
    import ray as running

    from cluster.executors import AGAIN, RayActors
    from cluster.resources import Resources

    with RayActors(AGAIN + 1, Resources(0.25), bool) as actors:
        assert actors.submit(os.getpid).result(timeout=120)
        for actor in actors._actors:  # as where their node goes
            running.kill(actor)
        assert actors.submit(os.getpid).result(timeout=120)
        with pytest.raises(TypeError):  # which cannot be sent to an actor, and costs none
            actors.submit(threading.Lock().acquire).result(timeout=120)
        assert actors.submit(os.getpid).result(timeout=120)


def test_an_actor_that_died_is_told_of_on_one_line(
    ray: None, caplog: pytest.LogCaptureFixture
) -> None:
    import ray as running

    from cluster.executors import RayActors
    from cluster.resources import Resources

    with RayActors(1, Resources(0.5), bool) as actors:
        assert actors.submit(os.getpid).result(timeout=120)
        (actor,) = actors._actors
        running.kill(actor)
        assert actors.submit(os.getpid).result(timeout=120)
    (said,) = caplog.messages
    assert said.startswith("a Ray actor died, another is asked for: ")
    assert "\n" not in said


def test_an_actor_begins_before_its_first_task(ray: None, tmp_path: Path) -> None:
    from cluster.executors import RayActors
    from cluster.resources import Resources

    def begin() -> None:
        os.environ["BEGUN"] = os.environ.get("BEGUN", "") + "once"

    with RayActors(1, Resources(0.5), begin) as actors:
        asked = [actors.submit(os.getenv, "BEGUN") for _ in range(2)]
        assert [each.result(timeout=120) for each in asked] == ["once", "once"]


def test_what_no_actor_can_begin_with_is_said_once_for_every_task(ray: None) -> None:
    from cluster.executors import RayActors
    from cluster.resources import Resources

    def begin() -> None:
        raise RuntimeError("torch sees no GPU:\nsee nvidia-smi")

    with RayActors(1, Resources(0.5), begin) as actors:
        for each in [actors.submit(os.getpid) for _ in range(2)]:
            with pytest.raises(OSError, match=r"^a Ray actor cannot begin: see nvidia-smi$"):
                each.result(timeout=600)


def test_actors_for_which_there_is_no_room_hold_up_nothing(ray: None) -> None:
    from cluster.executors import RayActors
    from cluster.resources import Resources

    with RayActors(3, Resources(1), bool) as actors:  # of a Ray that has two CPUs
        each = [actors.submit(os.getpid) for _ in range(6)]
        assert 1 <= len({one.result(timeout=120) for one in each}) <= 2
    with RayActors(1, Resources(64), bool) as actors:
        waiting = actors.submit(os.getpid)
    assert waiting.cancelled() or isinstance(waiting.exception(), OSError)


def test_a_free_actor_does_not_wait_for_a_busy_one(ray: None, tmp_path: Path) -> None:
    from cluster.executors import RayActors
    from cluster.resources import Resources

    gate = tmp_path / "gate"
    os.mkfifo(gate)  # who reads it waits for who writes
    with RayActors(2, Resources(0.5), bool) as actors:
        slow = actors.submit(Path.read_text, gate)
        quick = [actors.submit(os.getpid) for _ in range(5)]
        assert len({each.result(timeout=120) for each in quick}) == 1
        assert not slow.done()
        gate.write_text("open")
        assert slow.result(timeout=120) == "open"


def test_on_a_dask_cluster_with_its_work_elsewhere(
    model: str, chunked: str, local: Path, processes: Any, tmp_path: Path
) -> None:
    out, work = tmp_path / "map", tmp_path / "work"
    how = ("--dask", processes.scheduler.address, "--work", str(work))
    main([model, chunked, str(out), *how, *MAPPING])
    require_equal(out, local)
    assert not list(work.iterdir())


def test_a_strip_of_a_killed_dask_worker_is_mapped_by_another(
    model: str, chunked: str, local: Path, processes: Any, tmp_path: Path
) -> None:
    marker = tmp_path / "killed"
    submit = processes.get_executor(pure=False).submit

    class Killing(Executor):
        def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
            def killed_once(*args: Any) -> Any:
                if not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return fn(*args)

            return submit(killed_once, *args)

    out = tmp_path / "map"
    choices = MapChoices(threads=1, minimum_area=1000)
    map_landslides([model], open_cube(chunked), str(out), choices, executor=Killing())
    assert marker.exists()
    require_equal(out, local)


@pytest.mark.parametrize("where", ["ray", "dask"])
def test_a_damaged_chunk_is_one_line_wherever_it_is_met(
    where: str, model: str, chunked: str, ray: None, processes: Any, refused: Refused,
    tmp_path: Path,
) -> None:  # fmt: skip
    damaged = tmp_path / "damaged.zarr"
    xr.open_zarr(chunked, consolidated=False).drop_encoding().chunk(y=CHUNK, x=CHUNK).to_zarr(
        damaged, zarr_format=2, consolidated=False
    )
    for chunk in (damaged / "vv").glob("*.1.1"):
        os.truncate(chunk, chunk.stat().st_size // 2)
    out = tmp_path / "map"
    how = ("--actors", "2") if where == "ray" else ("--dask", processes.scheduler.address)
    line, _ = refused(main, [model, str(damaged), str(out), *how, *MAPPING])
    assert "damaged" in line
    assert "--skip-damaged" in line
    assert [path.name for path in out.iterdir()] == [FOLDER]  # to go on from


@pytest.mark.parametrize("where", [("--actors", "2"), ("--dask", "tcp://127.0.0.1:1")])
def test_what_is_wrong_is_said_before_any_cluster_is_joined(
    where: tuple[str, ...], chunked: str, refused: Refused, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def joined(*_: Any, **__: Any) -> None:
        raise AssertionError("a cluster was joined")

    monkeypatch.setattr("sweeps.map.ray_cluster", joined)
    monkeypatch.setattr("sweeps.workers.dask_client", joined)
    out = tmp_path / "map"
    line, _ = refused(main, ["nowhere", chunked, str(out), *where])
    assert f"no trained model at {Path.cwd()}/nowhere" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give either --actors or --dask"),
        (("--actors", "2", "--dask", "tcp://127.0.0.1:1"), "give either --actors or --dask"),
        (("--actors", "0"), "--actors is at least 1"),
        (("--actors", "2", "--dask-workers", "1", "8"), "--dask-workers goes with --dask"),
        *(
            (("--dask", "tcp://127.0.0.1:1", option, value), f"{option} goes with --actors")
            for option, value in (
                ("--address", "127.0.0.1:1"),
                ("--gpus-per-actor", "0"),
                ("--accelerator", "V100"),
                ("--cpus-per-actor", "1"),
            )
        ),
    ],
)
def test_options_that_cannot_be_are_one_line(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with pytest.raises(SystemExit):
        options(["model", "cube.zarr", "out", *arguments])
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_the_environments_scheduler_maps_unless_actors_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:1")
    assert options(["model", "cube.zarr", "out"]).actors is None
    assert options(["model", "cube.zarr", "out", "--actors", "2"]).actors == 2


@pytest.fixture
def nothing_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whatever is asked for planned and mapped already, and no node waited for."""
    monkeypatch.setattr("sweeps.map.await_node", lambda *_: None)
    monkeypatch.setattr("sweeps.map.cube_to_map", lambda _: None)
    monkeypatch.setattr("sweeps.map.plan_map", lambda *_, **__: None)
    monkeypatch.setattr("sweeps.map.predict_scene", lambda *_, **__: (None, None))
    monkeypatch.setattr("sweeps.map.write_map", lambda *_: {})


def test_actors_are_asked_for_with_an_accelerator_and_so_a_gpu(
    ray: None, nothing_mapped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    @contextmanager
    def seen(actors: int, resources: Any, _: Any) -> Iterator[None]:
        asked.append((actors, resources.gpus, resources.accelerator))
        yield

    monkeypatch.setattr("sweeps.map.RayActors", seen)
    how = ("--actors", "3", "--accelerator", "V100")
    main(["model", "cube.zarr", "out", *how])
    assert asked == [(3, 1, "V100")]


@pytest.mark.parametrize(
    ("share", "said"),
    [("0", "planned without a GPU, and this process sees one"), ("1", None), ("0.5", None)],
)
def test_actors_begin_held_to_the_gpus_that_they_are_given(
    share: str, said: str | None, ray: None, nothing_mapped: None,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    fractions: list[float] = []

    @contextmanager
    def here(actors: int, resources: Any, begin: Any) -> Iterator[None]:
        begin()
        yield

    monkeypatch.setattr("sweeps.map.RayActors", here)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (4e9, 10e9))
    monkeypatch.setattr("torch.cuda.set_per_process_memory_fraction", fractions.append)
    how = ("--actors", "1", "--gpus-per-actor", share)
    assert run_command(lambda: main(["model", "cube.zarr", "out", *how]), verbose=True) == int(
        said is not None
    )
    assert (said or "") in capsys.readouterr().err
    assert fractions == ([0.4] if share == "0.5" else [])


def test_workers_that_may_come_are_given_work_for(
    nothing_mapped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    @contextmanager
    def dask(address: str, *, adapt: Any = None, **_: object) -> Iterator[Any]:
        seen["cluster"] = address, adapt
        yield SimpleNamespace(nthreads=lambda: {"only": 2}, get_executor=lambda **_: None)

    def predict(*_: object, look_ahead: int, **__: object) -> tuple[None, None]:
        seen["at once"] = look_ahead
        return None, None

    monkeypatch.setattr("sweeps.workers.dask_client", dask)
    monkeypatch.setattr("sweeps.map.predict_scene", predict)
    how = ("--dask", "kubernetes:a/b", "--dask-workers", "1", "8")
    main(["model", "cube.zarr", "out", *how])
    assert seen == {"cluster": ("kubernetes:a/b", (1, 8)), "at once": 32}

"""A preflight of a sweep on a small cube: what passes, what fails, and what it estimates."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.preflight import __main__ as preflighting
from cluster.preflight.__main__ import check_trial, estimates, main
from cluster.preflight.estimate import beside_network, decoded_bytes, fit, training_seconds
from cluster.preflight.step import Step
from cluster.resources import Resources
from landslide import open_cube
from landslide.chips.passing import ChipStream
from landslide.chips.sizes import Room, chip_bytes
from landslide.chips.split import Chipping
from landslide.training.config import training_config
from landslide.training.device import CONTEXT
from sweeps.choices import SweepChoices
from sweeps.planning import Sweep, plan_sweep

QUICK = ["--preset", "quick", "--chip-size", "64", "--epochs", "3"]
Answers = Callable[..., tuple[int, dict[tuple[str, str], dict[str, object]]]]


@pytest.fixture
def preflight(cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Answers:
    """Run a preflight; return its exit status and each check by place and name."""

    def run(*options: str) -> tuple[int, dict[tuple[str, str], dict[str, object]]]:
        where = ["--table", str(tmp_path / "table")] if "--table" not in options else []
        code = main([cube, *QUICK, *where, "--json", *options])
        told = json.loads(capsys.readouterr().out)
        assert told["passed"] == (code == 0)
        places = {"node": "node", "driver": "driver"}
        return code, {
            (places.get(check["where"].split()[0], check["where"]), check["what"]): check
            for check in told["checks"]
        }

    return run


def test_all_that_a_sweep_needs_is_tried_and_nothing_is_left_behind(
    preflight: Answers, tmp_path: Path
) -> None:
    code, checks = preflight()
    assert code == 0
    for place in ("driver", "node"):
        assert {what for where, what in checks if where == place} == {
            "packages", "cube", "table", "storage",
        }  # fmt: skip
        assert "of vv read at" in str(checks[place, "cube"]["said"])
    assert "a step of 8 chips takes" in str(checks["a trial", "training"]["said"])
    assert "17 of 17 configurations" in str(checks["sweep", "training"]["said"])
    assert "; 2 at once on the nodes that run" in str(checks["sweep", "training"]["said"])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_each_worker_of_a_dask_cluster_is_tried_too(preflight: Answers, processes: Any) -> None:
    code, checks = preflight("--dask", processes.scheduler.address)
    assert code == 0
    workers = {where for where, _ in checks if where.startswith("Dask ")}
    assert len(workers) == 2
    for worker in workers:
        assert {what for where, what in checks if where == worker} == {
            "packages", "cube", "table", "storage",
        }  # fmt: skip
        assert "of vv read at" in str(checks[worker, "cube"]["said"])
    assert ", 2 chunks at a time" in str(checks["sweep", "reading"]["said"])


def test_a_folder_that_cannot_be_written_fails_from_every_place(
    preflight: Answers, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    code, checks = preflight("--table", str(tmp_path / "file" / "table"))
    assert code == 1
    for place in ("driver", "node"):
        assert not checks[place, "table"]["passed"]
        assert not checks[place, "storage"]["passed"]
        assert checks[place, "cube"]["passed"]


def test_a_table_that_holds_what_is_no_row_fails_as_itself(
    preflight: Answers, tmp_path: Path
) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "notes.txt").write_text("mine")
    code, checks = preflight()
    assert code == 1
    assert [key for key, check in checks.items() if not check["passed"]] == [("sweep", "table")]
    assert "notes.txt is not a row of the table" in str(checks["sweep", "table"]["said"])
    assert "17 of 17 configurations" in str(checks["sweep", "training"]["said"])


def test_no_node_is_asked_for_before_the_driver_can_do_its_part(
    preflight: Answers, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    code, checks = preflight("--table", str(tmp_path / "file" / "table"), "--gpus-per-trial", "64")
    assert code == 1
    assert not checks["driver", "table"]["passed"]
    assert checks["driver", "cube"]["passed"]
    said = checks["a trial", "resources"]["said"]
    assert said == "no node is asked for before what failed on the driver is mended"
    assert not [place for place, _ in checks if place == "node"]


def test_the_table_of_checks_ends_with_what_failed(
    cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    storage = str(tmp_path / "file" / "runs")
    assert main([cube, *QUICK, "--table", str(tmp_path / "table"), "--storage", storage]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == f"2 of {len([x for x in lines if x[:6] in ('ok    ', 'FAILED')])} checks failed"
    assert all(line.startswith("FAILED  ") and "storage" in line for line in lines[-2:])
    assert lines[-3].startswith("ok ")


@pytest.mark.parametrize(
    ("why", "options", "what", "said"),
    [
        ("no cube", [], ("driver", "sweep"), "nowhere.zarr"),
        ("no table", ["--table", "gs://bucket"], ("driver", "sweep"), "is a whole bucket: name a"),
        ("no cluster", ["--address", "127.0.0.1:9"], ("Ray", "cluster"), "no Ray cluster answers"),
        (
            "no node",
            ["--gpus-per-trial", "64"],
            ("a trial", "resources"),
            "no node has CPU 1, GPU 64",
        ),
    ],
)
def test_what_stops_a_sweep_is_a_check_that_failed(
    why: str, options: list[str], what: tuple[str, str], said: str,
    cube: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    request.getfixturevalue("ray")
    if why == "no cluster":  # as a process that is not connected yet
        monkeypatch.setattr("cluster.ray.ray.is_initialized", lambda: False)
    address = str(tmp_path / "nowhere.zarr") if why == "no cube" else cube
    where = ["--table", str(tmp_path / "table")]
    assert main([address, *QUICK, *where, "--json", *options]) == 1
    *_, last = json.loads(capsys.readouterr().out)["checks"]
    assert (last["where"], last["what"], last["passed"]) == (*what, False)
    assert said in last["said"]


@pytest.fixture
def sweep(cube: str, tmp_path: Path) -> Sweep:
    return plan_sweep(
        SweepChoices(
            cube,
            table=str(tmp_path / "table"),
            base=training_config("quick"),
            chipping=Chipping(chip_size=64),
            inputs=("vv+vh+dem",),
            timesteps=(1, 2),
        )
    )


@pytest.fixture
def stream(sweep: Sweep) -> ChipStream:
    return sweep.stream


def test_chips_must_fit_where_they_are_to_live(
    stream: ChipStream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, runs = chip_bytes(stream), str(tmp_path / "runs")
    for room, passes in (
        (Room(3 * size, size), True),
        (Room(3 * size - 1, size), False),
        (Room(3 * size, size - 1), False),
    ):
        what, passed, said = fit(stream, "memory", room, runs)
        assert (what, passed) == ("chips", passes)
        assert ("give --chips store" in said) == (not passes)
        assert fit(stream, "auto", room, runs)[1]
    for free, passes in ((size, True), (size - 1, False)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        _, passed, said = fit(stream, "store", Room(1), runs)
        assert passed == passes
        assert ("or give --storage" in said) == (not passes)
        assert fit(stream, "store", Room(1), "s3://bucket/runs")[1]
    assert fit(stream, "stream", Room(1), runs)[1]


def test_a_trials_chips_lie_on_its_gpu_where_they_fit(stream: ChipStream) -> None:
    for itemsize in (2, 4):
        size = 6 * itemsize * stream.chips["label"].size
        for room, said in ((size, "lie on its GPU"), (size - 1, "stay in the node's memory")):
            step = Step("a GPU, simulated", "-", seconds=0.1, room=room, itemsize=itemsize)
            assert said in beside_network(stream, 6, step)[2]


@pytest.mark.parametrize(("more", "held"), [(-1, 1), (0, 2), (CONTEXT, 2)])
@pytest.mark.parametrize("peak", [1, 1e9])
def test_how_many_trials_a_gpu_holds_is_told(
    peak: float, more: float, held: int, stream: ChipStream
) -> None:
    size = 12 * stream.chips["label"].size
    # Chips may take half of what the trial may: a small network leaves some of that empty.
    one = max(2 * size, peak + size + size / 12) + CONTEXT
    whole = 2 * one + more
    step = Step(
        "a GPU, simulated", "-", seconds=0.1, room=size, itemsize=2, peak=peak, memory=whole
    )
    said = beside_network(stream, 6, step)[2]
    assert ("such trials" in said) is (held > 1)
    assert held == 1 or f"would hold {held} such trials: see --gpus-per-trial" in said


@pytest.mark.parametrize(("way", "told"), [("memory", True), ("store", False), ("stream", False)])
def test_chips_that_are_not_in_memory_lie_on_no_gpu(
    way: str, told: bool, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(sweep, choices=replace(sweep.choices, chips=way))
    monkeypatch.setattr(preflighting, "room_for_chips", lambda *_: Room(1e12))
    monkeypatch.setattr(preflighting, "trials_at_once", lambda _: 1)
    step = Step("a GPU, simulated", "float16", seconds=0.1, room=8e9, itemsize=2)
    said = estimates(asked, Resources(1, 1), step, rates=[1.0], threads=1)
    assert ("GPU memory" in [check.what for check in said]) is told


@pytest.mark.parametrize(("gpus", "precision"), [(0, "float32"), (0.5, "mixed")])
def test_a_trials_step_is_made_as_the_sweep_plans_it(
    gpus: float, precision: str, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def made(_: object, *order: Any, **__: Any) -> str:
        asked.append(order)
        return "lost"

    monkeypatch.setattr(preflighting, "on_a_trial", made)
    check_trial(sweep, Resources(1, gpus), deadline=1)
    ((config, size, given),) = asked
    assert (config.precision, size, given) == (precision, 64, gpus)


def test_the_estimates_are_of_what_is_read_and_trained(cube: str, stream: ChipStream) -> None:
    opened = open_cube(cube)
    chunks = {  # 512 pixels on a side: the scene is one chunk
        name: opened[name].shape[-2] * opened[name].shape[-1] * opened[name].dtype.itemsize
        for name in ("vv", "vh", "dem", "dem_slope_radians", "dem_aspect", "dem_curvature")
    }
    images = {"vv": 4, "vh": 4}
    assert decoded_bytes(stream) == sum(size * images.get(n, 1) for n, size in chunks.items())

    trained, validated = (int((stream.chips["part"] == p).sum()) for p in ("train", "validation"))
    config = training_config("quick", epochs=5, batch_size=2)
    seconds = training_seconds(stream, {"key": config}, step=0.5)
    assert seconds == pytest.approx([5 * 0.5 * (trained + validated / 3) / 2])

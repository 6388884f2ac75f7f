"""A cube built by the processes of a Dask cluster: the same as by this process's threads."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import LocalCluster

from cluster.dask import dask_client
from landslide import open_cube
from landslide.build.assemble import build_cube
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe
from landslide.cli import main as landslide_command
from sweeps.build import main

from .conftest import Refused


@pytest.fixture
def scheduler() -> Iterator[str]:
    """Address of a scheduler with two worker processes."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1",
        dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


def objects(cube: Path) -> dict[str, bytes]:
    """Return every object of a cube but its root, which says how the sources were found."""
    return {
        str(path.relative_to(cube)): path.read_bytes()
        for path in cube.rglob("*")
        if path.is_file() and path.name != "zarr.json"
    }


def test_processes_of_a_cluster_build_the_same_cube(
    cube: str,
    write_event: Callable[..., Path],
    scheduler: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = write_event(open_cube(cube), tmp_path)
    text = event.read_text().replace('source = "rtc"', 'source = "rtc", images = 1')
    event.write_text(text + "observed = {incidence_degrees = 36}\n")
    spread, here = tmp_path / "spread.zarr", tmp_path / "here.zarr"
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
    main([str(event), str(spread)])
    said = capsys.readouterr().out
    assert "Dask dashboard: http://127.0.0.1" in said
    assert "labels: is built" in said
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS")
    assert landslide_command(["build", str(event), str(here)]) == 0
    assert objects(spread) == objects(here)

    # What a worker meets is one line here, too.
    plan = plan_build(load_recipe(event))
    for file in (tmp_path / "rtc").glob("*_VV.tif"):
        file.unlink()
    with (
        dask_client(scheduler),
        pytest.raises(FileNotFoundError, match=r"no file at .*_VV\.tif") as raised,
    ):
        build_cube(plan, str(tmp_path / "broken.zarr"))
    assert "\n" not in str(raised.value)


def test_a_scheduler_that_does_not_answer_is_one_line(
    cube: str,
    write_event: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    refused: Refused,
) -> None:
    event, out = write_event(open_cube(cube), tmp_path), tmp_path / "built.zarr"
    monkeypatch.setattr("cluster.dask.TIMEOUT", 1)
    main([str(event), str(out), "--dry-run"])
    said = capsys.readouterr().out
    assert "to read: at most" in said
    assert landslide_command(["build", str(event), str(out), "--dry-run"]) == 0
    assert capsys.readouterr().out == said
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    line, _ = refused(main, [str(event), str(out), "--dask", address])
    assert line.startswith(f"error: no Dask scheduler answers at {address}")
    assert not out.exists()


def test_workers_that_may_come_are_given_work_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, Any] = {}

    @contextmanager
    def dask(address: str, *, adapt: Any, deadline: float) -> Iterator[Any]:
        seen["cluster"] = address, adapt, deadline
        yield SimpleNamespace(nthreads=lambda: {"only": 2}, get_executor=lambda **_: None)

    def build(plan: Any, out: str, *, blocks_at_once: int, **_: object) -> None:
        seen["at once"] = blocks_at_once

    monkeypatch.setattr("sweeps.workers.dask_client", dask)
    monkeypatch.setattr("landslide.build.asked.load_recipe", str)
    monkeypatch.setattr("landslide.build.asked.plan_build", lambda _: SimpleNamespace(text="plan"))
    monkeypatch.setattr("landslide.build.asked.build_cube", build)
    how = ("--dask", "kubernetes:a/b", "--dask-workers", "1", "8", "--deadline", "60")
    main(["event.toml", "out.zarr", *how])
    assert seen == {"cluster": ("kubernetes:a/b", (1, 8), 60), "at once": 32}
    assert capsys.readouterr().out.splitlines() == ["plan", "out.zarr"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dask", "kubernetes:a/b", "--dask-workers", "8", "1"), "give the fewest and the most"),
        (("--dask-workers", "1", "8"), "threads of this process cannot be scaled"),
        (("--dask", "tcp://scheduler"), "is no address of a Dask scheduler: give tcp://HOST:PORT"),
        (("--dask", "tls://scheduler:1"), "no way to tls://scheduler:1 without certificates"),
    ],
)
def test_workers_that_cannot_be_are_one_line(
    arguments: tuple[str, ...], said: str, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    assert said in refused(main, ["event.toml", "out.zarr", *arguments])[0]

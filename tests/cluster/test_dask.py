"""A Dask client for a while."""

import socket
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import pytest
from distributed import Client, LocalCluster
from distributed.scheduler import KilledWorker

from cluster.dask import dask_client, executor_of


def test_a_local_cluster_listens_on_loopback_alone_and_says_where(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with dask_client() as client:
        assert da.ones((30, 40), chunks=10).sum().compute() == 1200
        link = client.dashboard_link
        assert link.startswith("http://127.0.0.1:")
        assert link in capsys.readouterr().out
        assert client.scheduler.address.startswith("inproc://")
    assert client.status == "closed"


def test_a_scheduler_at_an_address_is_used_and_left_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
    ) as cluster:  # fmt: skip
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        with dask_client() as client:
            assert client.scheduler.address == cluster.scheduler_address
            assert client.submit(sum, [1, 2]).result() == 3
        assert cluster.status.name == "running"


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr("cluster.dask.TIMEOUT", 1)
    with pytest.raises(OSError, match=f"no Dask scheduler answers at {address}"):
        dask_client(address).__enter__()


def test_a_scheduler_without_workers_is_one_line_after_a_while(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address
        with pytest.raises(OSError, match=f"no Dask worker came to {address} within 0.1 s"):
            dask_client(address, deadline=0.1).__enter__()
        assert "waiting for one, 0.1 s at most" in capsys.readouterr().out
        cluster.scale(1)
        with dask_client(address) as client:
            assert client.nthreads()


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Stand for Dask's operator, with one cluster: there is no Kubernetes here."""
    clusters: dict[str, Any] = {}
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
    ) as cluster:  # fmt: skip
        clusters["landslide/dask"] = cluster

        def from_name(name: str, namespace: str | None) -> Connected:
            if f"{namespace}/{name}" not in clusters:
                raise LookupError(f"daskclusters {name} not found")
            return Connected(clusters[f"{namespace}/{name}"])

        module = types.ModuleType("dask_kubernetes.operator")
        module.KubeCluster = types.SimpleNamespace(from_name=from_name)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", module)
        yield clusters


class Connected:
    """A connection to a cluster that stays when it is closed."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster, name)

    def close(self) -> None:
        pass


def test_a_cluster_of_the_operator_grows_with_its_work_and_stays(operator: dict[str, Any]) -> None:
    with dask_client("kubernetes:landslide/dask", adapt=(0, 2)) as client:
        assert client.nthreads()  # which came for the work that asks for a worker
        executor, look_ahead = executor_of(client, 2)
        assert look_ahead == 4
        assert executor.submit(sum, [1, 2]).result() == 3
    assert operator["landslide/dask"].status.name == "running"


def test_a_cluster_that_the_operator_does_not_have_is_one_line(operator: dict[str, Any]) -> None:
    with pytest.raises(OSError, match=r"^no Dask cluster other/dask in Kubernetes \(daskclusters"):
        dask_client("kubernetes:other/dask").__enter__()


def test_threads_of_this_process_cannot_be_scaled() -> None:
    with pytest.raises(ValueError, match=r"^threads of this process cannot be scaled"):
        dask_client(adapt=(0, 2)).__enter__()


def test_workers_of_other_versions_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Client.get_versions

    def other(self: Client, **how: Any) -> Any:
        versions: Any = found(self, **how)
        for worker in versions["workers"].values():
            worker["packages"] |= {"python": "3.11.9.final.0", "zarr": None}
        return versions

    monkeypatch.setattr(Client, "get_versions", other)
    said = (
        r"of the Dask cluster has python 3\.11 \(here 3\.\d+\), zarr None \(here [\d.]+\): run it"
    )
    with pytest.raises(ValueError, match=said):
        dask_client().__enter__()


def test_a_block_that_kills_whoever_reads_it_is_one_line() -> None:
    said = r"^every Dask worker that tried cut_chips-1 died: give"
    with pytest.raises(OSError, match=said), dask_client():
        raise KilledWorker("cut_chips-1", None, 3)


def test_a_task_that_fails_once_is_tried_again(tmp_path: Path) -> None:
    def stumble() -> str:
        try:
            (tmp_path / "tried").touch(exist_ok=False)
        except FileExistsError:
            return "read"
        raise OSError("this disk is not mounted here")

    with dask_client() as client:
        executor, _ = executor_of(client)
        assert executor.submit(stumble).result() == "read"

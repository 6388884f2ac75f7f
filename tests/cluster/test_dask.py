"""A Dask client for a while."""

import socket

import dask.array as da
import pytest
from distributed import LocalCluster

from cluster.dask import dask_client


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

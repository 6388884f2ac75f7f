"""A Dask client for a while."""

import contextlib
import json
import socket
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import pytest
from distributed import Client, LocalCluster
from distributed.scheduler import KilledWorker
from distributed.security import Security

from cluster.dask import dask_client, executor_of
from cluster.dask_operator import scaling_of
from tests.serving import QuietHandler, local_cluster, serving


def test_a_local_cluster_listens_on_loopback_alone_and_says_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "")  # as where it is unset
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
    with local_cluster(1, protocol="tcp") as cluster:
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
    with local_cluster(0, protocol="tcp") as cluster:
        address = cluster.scheduler_address
        with pytest.raises(OSError, match=f"no Dask worker came to {address} within 0.1 s"):
            dask_client(address, deadline=0.1).__enter__()
        assert "waiting for one, 0.1 s at most" in capsys.readouterr().out
        cluster.scale(1)
        with dask_client(address) as client:
            assert client.nthreads()


@pytest.mark.parametrize(
    "address",
    [
        "foo:bar",
        "tcp://scheduler",
        "tcp://:8786",
        "teleport://scheduler:8786",
        "scheduler",
        "8786",
        "tcp://scheduler:99999",
        "inproc://x:1",
    ],
)
def test_other_addresses_are_one_line(address: str) -> None:
    with pytest.raises(ValueError, match=r"is no address of a Dask scheduler: give tcp://HOST:P"):
        dask_client(address).__enter__()


@pytest.mark.parametrize("scheme", ["tls", "wss"])
@pytest.mark.parametrize(
    ("file", "said"), [(None, "without certificates"), ("nowhere.pem", r"\(.*No such file.*\)")]
)
def test_a_scheduler_behind_tls_wants_certificates(
    scheme: str, file: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.dask.Client", None)  # none is begun, for it would stay half open
    address = f"{scheme}://127.0.0.1:1"
    with (
        dask.config.set(
            {f"distributed.comm.tls.{key}": file for key in ("ca-file", "client.cert")}
        ),
        pytest.raises(OSError, match=f"^no way to {address} {said}: set Dask's"),
    ):
        dask_client(address).__enter__()


def test_where_encryption_is_required_a_scheduler_without_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cluster.dask.Client", None)
    with (
        dask.config.set({"distributed.comm.require-encryption": True}),
        pytest.raises(OSError, match=r"^no way to tcp://127.0.0.1:1 by Dask's .*: give tls://HOST"),
    ):
        dask_client("tcp://127.0.0.1:1").__enter__()


def test_certificates_may_come_from_a_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def loader(about: dict[str, str]) -> Security:
        asked.append(about["address"])
        return secured

    monkeypatch.setitem(sys.modules, "loaders", types.SimpleNamespace(of_tests=loader))
    secured = Security.temporary()
    with (
        dask.config.set({"distributed.client.security-loader": "loaders.of_tests"}),
        local_cluster(1, protocol="tls", security=secured) as cluster,
        dask_client(cluster.scheduler_address) as client,
    ):
        assert client.submit(int).result() == 0
        assert asked[-1] == cluster.scheduler_address


@pytest.mark.parametrize("error", [TypeError("no such setting"), OSError("no socket is left")])
def test_what_else_goes_wrong_on_the_way_to_a_scheduler_is_said_as_it_is(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(target: Any, **_: Any) -> None:
        raise error

    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.dask.Client", failing)
    monkeypatch.setattr("cluster.dask._local", contextlib.nullcontext)
    address = "tcp://127.0.0.1:1" if isinstance(error, TypeError) else None
    with pytest.raises(type(error)) as raised:
        dask_client(address).__enter__()
    assert raised.value is error


def test_a_scheduler_that_goes_away_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cluster.dask.TIMEOUT", 5)
    patience = dask.config.set({"distributed.comm.timeouts.connect": "5s"})  # of its worker's end
    with patience, local_cluster(1, protocol="tcp") as cluster:
        address = cluster.scheduler_address

        def lose() -> None:
            with dask_client(address) as client:
                waiting = client.get_executor(resources={"absent": 1}).submit(int)
                cluster.sync(cluster.scheduler.close)
                waiting.result()

        with pytest.raises(OSError, match=f"^the Dask scheduler at {address} went away"):
            lose()
    assert not [record for record in caplog.records if record.name == "distributed.client"]


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, "Connected"]]:
    """Stand for Dask's operator, with one cluster: there is no Kubernetes here."""
    clusters: dict[str, Connected] = {}
    with local_cluster(0, threads_per_worker=1, protocol="tcp") as cluster:
        clusters["landslide/dask"] = Connected(cluster)

        def from_name(name: str, namespace: str | None, *, quiet: bool) -> Connected:
            assert quiet
            if f"{namespace}/{name}" not in clusters:
                raise LookupError(f"daskclusters {name} not found")
            return clusters[f"{namespace}/{name}"]

        module = types.ModuleType("dask_kubernetes.operator")
        module.KubeCluster = types.SimpleNamespace(from_name=from_name)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", module)
        yield clusters


class Connected:
    """A connection to a cluster that stays when it is closed."""

    name, namespace = "dask", "landslide"

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.told: list[tuple[int, ...]] = []

    def adapt(self, minimum: int, maximum: int) -> None:
        self.told.append((minimum, maximum))
        self.cluster.adapt(minimum=minimum, maximum=maximum)

    def scale(self, n: int) -> None:
        self.told.append((n,))
        self.cluster.scale(n)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster, name)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("before", "after"), [((1, 4), (1, 4)), (3, (3,))])
def test_a_cluster_of_the_operator_grows_with_its_work_and_stays_as_it_was(
    operator: dict[str, "Connected"],
    before: tuple[int, int] | int,
    after: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cluster.dask_operator.scaling_of", lambda *_: before)
    with dask_client("kubernetes:landslide/dask", adapt=(0, 2)) as client:
        assert client.nthreads()  # which came for the work that asks for a worker
        executor, look_ahead = executor_of(client, 2)
        assert look_ahead == 4
        assert executor.submit(sum, [1, 2]).result() == 3
    connected = operator["landslide/dask"]
    assert connected.cluster.status.name == "running"
    assert connected.told == [(0, 2), after]


@pytest.mark.parametrize(
    ("there", "most_workers", "at_once"),
    [({}, 0, 2), ({}, 8, 16), ({"a": 2}, 8, 32), ({"a": 2, "b": 2}, 2, 8), ({"a": 16}, 0, 32)],
)
def test_workers_to_come_are_given_work_for_as_many_threads_as_those_that_are_there(
    there: dict[str, int], most_workers: int, at_once: int
) -> None:
    client: Any = types.SimpleNamespace(nthreads=lambda: there, get_executor=lambda **_: None)
    assert executor_of(client, most_workers)[1] == at_once


def test_kubernetes_says_how_a_cluster_scales_or_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operator: dict[str, "Connected"]
) -> None:
    class Kubernetes(QuietHandler):
        """Has one autoscaler, and workers of a cluster without; elsewhere who asks is refused."""

        def do_GET(self) -> None:  # noqa: N802 - as http.server has it
            path, _, query = self.path.partition("?")
            kind, name, spec = (
                ("DaskAutoscaler", "dask", {"cluster": "dask", "minimum": 1, "maximum": 8})
                if path.endswith("autoscalers")
                else ("DaskWorkerGroup", "fixed-default", {"worker": {"replicas": 5}})
            )
            found = {
                "apiVersion": "kubernetes.dask.org/v1", "kind": kind,
                "metadata": {"name": name, "namespace": "landslide"}, "spec": spec,
            }  # fmt: skip
            status, answer = 200, {"gitVersion": "v1.31.0", "major": "1", "minor": "31"}
            if not path.startswith("/version"):
                allowed = "/namespaces/landslide/dask" in path
                status = 200 if allowed else 403
                answer = (
                    {"items": [found] if f"name%3D{name}" in query else []}
                    if allowed
                    else {"message": "forbidden: user may not list"}
                )
            text = json.dumps(answer).encode()
            # kr8s leaves connections open.
            headers = {"Content-Type": "application/json", "Connection": "close"}
            self.send(text, status, headers)

    with serving(Kubernetes) as address:
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": address}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        }  # fmt: skip
        (tmp_path / "config").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        assert scaling_of("dask", "landslide") == (1, 8)
        assert scaling_of("fixed", "landslide") == 5
        operator["landslide/dask"].namespace = "secret"
        said = r"^the Dask cluster secret/dask cannot be scaled \(forbidden: user may not list\): "
        with pytest.raises(OSError, match=said):
            dask_client("kubernetes:landslide/dask", adapt=(0, 2)).__enter__()


def test_a_cluster_that_the_operator_does_not_have_is_one_line(
    operator: dict[str, "Connected"],
) -> None:
    with pytest.raises(OSError, match=r"^no Dask cluster other/dask in Kubernetes \(daskclusters"):
        dask_client("kubernetes:other/dask").__enter__()
    with pytest.raises(ValueError, match=r"^kubernetes:landslide/ names no cluster: give kube"):
        dask_client("kubernetes:landslide/").__enter__()
    with pytest.raises(ValueError, match=r"^kubernetes:a/b/c names no cluster: give kube"):
        dask_client("kubernetes:a/b/c").__enter__()


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

"""A function at every worker of Dask, as the preflight runs it."""

import os
from typing import Any

import pytest
from distributed import Client, Event, wait

from cluster.preflight import places
from cluster.preflight.places import on_workers
from tests.serving import local_cluster


def test_each_worker_answers_and_what_it_raises_is_said() -> None:
    def refuse(what: str) -> None:
        raise PermissionError(what)

    with local_cluster(3) as cluster, Client(cluster) as client:
        workers = set(client.scheduler_info(n_workers=-1)["workers"])
        assert on_workers(client, os.getpid, seconds=60) == dict.fromkeys(workers, os.getpid())
        answers = on_workers(client, refuse, "no entry", seconds=60)
        assert set(answers) == workers
        assert all("no entry" in answer for answer in answers.values())


def test_a_worker_that_does_not_answer_is_waited_for_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []

    def wait_for_one(tasks: Any, timeout: float) -> Any:
        waited.append(timeout)
        wait(tasks, return_when="FIRST_COMPLETED")  # which the idle one is, however late
        return wait(tasks, timeout=0.01)

    monkeypatch.setattr(places, "wait", wait_for_one)
    with local_cluster(2, threads_per_worker=1) as cluster, Client(cluster) as client:
        busy, idle = client.scheduler_info(n_workers=-1)["workers"]
        held = client.submit(lambda: Event("released").wait(), workers=[busy])
        answers = on_workers(client, os.getpid, seconds=5)
        assert waited == [5]
        assert answers[idle] == os.getpid()
        assert answers[busy] == "no answer within 5 s: lost, or busy"
        Event("released", client=client).set()
        assert held.result()

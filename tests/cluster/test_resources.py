"""How many trials the nodes of a cluster hold, and what is said of them."""

from types import SimpleNamespace

import pytest

from cluster import resources as cluster
from cluster.resources import (
    Resources,
    node_for,
    offers_gpus,
    require_resources,
    smallest_node_bytes,
    trials_at_once,
)


@pytest.mark.parametrize(("gpus", "trials"), [(1, 2), (0.5, 4), (0.3, 6), (0.2, 10), (0.1, 20)])
def test_fractions_of_a_gpu_fill_it(
    monkeypatch: pytest.MonkeyPatch, gpus: float, trials: int
) -> None:
    nodes = [{"CPU": 32.0, "GPU": 1.0, "accelerator_type:V100": 1.0}] * 2
    monkeypatch.setattr(cluster, "_running", lambda: [*nodes, {"memory": 1.0}])
    assert trials_at_once(Resources(1, gpus, "V100")) == trials


def test_the_scarcest_resource_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_running", lambda: [{"CPU": 7.0, "GPU": 8.0}])
    assert trials_at_once(Resources(2, 0.5)) == 3


def test_a_head_that_runs_no_work_is_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_has_autoscaler", lambda: False)
    nodes = [{"memory": 1.0}, {"CPU": 8.0, "GPU": 1.0, "node:10.0.0.1": 1.0}]
    monkeypatch.setattr(cluster, "_running", lambda: nodes)
    said = "^no node has CPU 1, GPU 4, as .*; there are nodes of CPU 0; CPU 8, GPU 1, and no auto"
    with pytest.raises(ValueError, match=said):
        require_resources(Resources(1, 4))


def test_the_smallest_node_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [
        {"memory": 70e6, "object_store_memory": 30e6},
        {"memory": 60e6, "object_store_memory": 50e6},
    ]
    monkeypatch.setattr(cluster, "_running", lambda: nodes)
    assert smallest_node_bytes() == (100e6, 30e6)


def status(
    *, pending: bool, refused: bool, coming: bool, version: int, seen: int
) -> SimpleNamespace:
    """Return what a head says of a request, and of another that nothing can meet."""
    ours, other = (SimpleNamespace(details=f"{group}:PACK|PENDING") for group in ("ab12", "cd34"))
    return SimpleNamespace(
        cluster_resource_state=SimpleNamespace(
            pending_gang_resource_requests=[other, *([ours] if pending else [])],
            cluster_resource_state_version=version,
        ),
        autoscaling_state=SimpleNamespace(
            infeasible_gang_resource_requests=[other, *([ours] if refused else [])],
            pending_instance_requests=["a node"] if coming else [],
            pending_instances=[],
            last_seen_cluster_resource_state_version=seen,
        ),
    )


class Asked:
    """A placement group that never comes to be."""

    id = bytes.fromhex("ab12")

    def wait(self, _: float) -> bool:
        return False


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Stand for a Ray with an autoscaler; the placement groups that were given up."""
    given_up: list[Asked] = []
    monkeypatch.setattr(cluster, "_running", lambda: [{"memory": 1.0}])
    monkeypatch.setattr(cluster, "_has_autoscaler", lambda: True)
    monkeypatch.setattr(cluster, "_address", lambda: "")
    monkeypatch.setattr(cluster, "placement_group", lambda _: Asked())
    monkeypatch.setattr(cluster, "remove_placement_group", given_up.append)
    return given_up


UNKNOWN = status(pending=False, refused=False, coming=False, version=1, seen=0)
WAITS = status(pending=True, refused=False, coming=False, version=2, seen=1)
SEEN = status(pending=True, refused=False, coming=False, version=3, seen=2)
REFUSED = status(pending=True, refused=True, coming=False, version=3, seen=2)
LATER = status(pending=True, refused=False, coming=False, version=4, seen=3)
SPOKEN_FOR = status(pending=True, refused=True, coming=True, version=3, seen=2)


@pytest.mark.parametrize(
    ("said", "node_came", "offered"),
    [
        ([UNKNOWN, WAITS, SEEN], False, True),
        ([UNKNOWN, WAITS, REFUSED], False, False),
        ([SPOKEN_FOR, SPOKEN_FOR, REFUSED], False, False),
        ([SPOKEN_FOR, REFUSED], True, True),  # it came, and others' work was there first
        ([SPOKEN_FOR, LATER], False, True),
    ],
)
def test_what_an_autoscaler_says_to_a_request(
    said: list[SimpleNamespace],
    node_came: bool,
    offered: bool,
    removed: list[Asked],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(said)
    if node_came:
        running = iter([[{"memory": 1.0}], [{"CPU": 2.0, "GPU": 1.0}]])
        monkeypatch.setattr(cluster, "_running", lambda: next(running))
    monkeypatch.setattr(cluster, "cluster_status", lambda _: next(answers))
    assert offers_gpus() == offered
    assert len(removed) == 1
    assert not list(answers)


def test_an_autoscaler_that_says_nothing_may_yet_add_a_node(
    removed: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "VERDICT", 0)
    assert offers_gpus()
    assert len(removed) == 1


def test_a_node_is_asked_for_until_what_is_done_meanwhile_is_done(
    removed: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "VERDICT", 0)
    with node_for(Resources(1, 1), 600):
        assert not removed
        monkeypatch.setattr(cluster, "_running", lambda: [{"CPU": 2.0, "GPU": 1.0}])
    assert len(removed) == 1


def test_a_node_that_does_not_come_is_given_up(
    removed: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "VERDICT", 0)
    with (
        pytest.raises(TimeoutError, match=r"^no node with CPU 1, GPU 1 came within 600 s: "),
        node_for(Resources(1, 1), 600),
    ):
        assert not removed
    assert len(removed) == 1

"""How many trials the nodes of a cluster hold, and what is said of them."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from cluster import resources as cluster
from cluster.resources import (
    Resources,
    await_node,
    node_coming,
    smallest_node_bytes,
    trials_at_once,
    trials_on_a_node,
    usual_gpus,
)

Resource = dict[str, float]
Running = Callable[..., None]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    """Have Ray tell of nodes that run: at one time after another, the last for good."""

    def run(*times: list[Resource]) -> None:
        left = list(times)

        def nodes() -> list[dict[str, object]]:
            found = left.pop(0) if len(left) > 1 else left[0]
            gone = {"Alive": False, "Resources": {"CPU": 1e3, "GPU": 1e3}}
            return [gone, *({"Alive": True, "Resources": each} for each in found)]

        monkeypatch.setattr(cluster.ray, "nodes", nodes)

    return run


@pytest.mark.parametrize(("gpus", "trials"), [(1, 2), (0.5, 4), (0.3, 6), (0.2, 10), (0.1, 20)])
def test_fractions_of_a_gpu_fill_it(running: Running, gpus: float, trials: int) -> None:
    nodes = [{"CPU": 32.0, "GPU": 1.0, "accelerator_type:V100": 1.0}] * 2
    running([*nodes, {"memory": 1.0}])
    assert trials_at_once(Resources(1, gpus, "V100")) == trials


def test_the_scarcest_resource_counts(running: Running) -> None:
    running([{"CPU": 7.0, "GPU": 8.0}])
    assert trials_at_once(Resources(2, 0.5)) == 3


@pytest.mark.parametrize(("gpus", "trials"), [(0.4, 4), (0.5, 4), (0.6, 2), (2, 1)])
def test_a_trial_is_on_one_gpu_or_on_whole_ones(running: Running, gpus: float, trials: int) -> None:
    running([{"CPU": 32.0, "GPU": 2.0}])
    assert trials_at_once(Resources(1, gpus)) == trials


def test_a_head_that_runs_no_work_is_shown_as_such(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "is_autoscaler_v2", lambda **_: False)
    running([{"memory": 1.0}, {"CPU": 8.0, "GPU": 1.0, "node:10.0.0.1": 1.0}])
    said = "^no node has CPU 1, GPU 4, as .*; there are nodes of CPU 0; CPU 8, GPU 1, and no auto"
    with pytest.raises(ValueError, match=said), node_coming(Resources(1, 4)):
        pass


def test_the_smallest_node_counts(running: Running) -> None:
    running(
        [
            {"memory": 70e6, "object_store_memory": 30e6},
            {"memory": 60e6, "object_store_memory": 50e6},
        ]
    )
    assert smallest_node_bytes() == (100e6, 30e6)


def test_the_node_with_room_for_most_trials_counts(running: Running) -> None:
    running([{"CPU": 4.0}, {"CPU": 16.0, "GPU": 2.0}])
    found = [trials_on_a_node(Resources(2, gpus)) for gpus in (0, 0.25, 1, 4)]
    assert found == [8, 8, 2, 1]


HEAD_ALONE = [{"memory": 1.0}]
GPU_NODE = [{"CPU": 2.0, "GPU": 1.0}]


def status(
    *, pending: bool, refused: bool, coming: str = "", version: int, seen: int
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
            pending_instance_requests=["a node"] if coming == "asked for" else [],
            pending_instances=["a node"] if coming == "starting" else [],
            last_seen_cluster_resource_state_version=seen,
        ),
    )


class Asked:
    """A placement group that never comes to be."""

    id = bytes.fromhex("ab12")

    def wait(self, seconds: float) -> bool:
        assert seconds <= 1, "Ctrl-C would have to wait as long"
        return False


Saying = Callable[..., None]


@pytest.fixture
def removed(running: Running, monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Stand for a Ray with an autoscaler; the placement groups that were given up."""
    given_up: list[Asked] = []
    running(HEAD_ALONE)
    monkeypatch.setattr(cluster, "is_autoscaler_v2", lambda **_: True)
    monkeypatch.setattr(cluster, "placement_group", lambda _: Asked())
    monkeypatch.setattr(cluster, "remove_placement_group", given_up.append)
    runtime = SimpleNamespace(gcs_address="127.0.0.1:6379")
    monkeypatch.setattr(cluster.ray, "get_runtime_context", lambda: runtime)
    return given_up


@pytest.fixture
def saying(monkeypatch: pytest.MonkeyPatch) -> Saying:
    """Have the head say one thing after another, the last for good."""

    def say(*answers: SimpleNamespace | OSError) -> None:
        left = list(answers)

        def answer(_: str) -> SimpleNamespace:
            said = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(said, OSError):
                raise said
            return said

        monkeypatch.setattr(cluster, "cluster_status", answer)

    return say


UNKNOWN = status(pending=False, refused=False, version=1, seen=0)
WAITS = status(pending=True, refused=False, version=2, seen=1)
SEEN = status(pending=True, refused=False, version=3, seen=2)
REFUSED = status(pending=True, refused=True, version=3, seen=2)
SPOKEN_FOR = status(pending=True, refused=True, coming="asked for", version=3, seen=3)
STARTING = status(pending=True, refused=True, coming="starting", version=3, seen=3)
LATER = status(pending=True, refused=False, version=4, seen=3)
BUSY = OSError("no Ray cluster answers")


@pytest.mark.parametrize(
    ("said", "node_came", "offered"),
    [
        ([UNKNOWN, WAITS, SEEN], False, True),
        ([UNKNOWN, BUSY, WAITS, BUSY, SEEN], False, True),
        ([UNKNOWN, WAITS, REFUSED], False, False),
        ([SPOKEN_FOR, STARTING, REFUSED], False, False),
        ([SPOKEN_FOR, REFUSED], True, True),  # it came, and others' work was there first
        ([SPOKEN_FOR, STARTING, LATER], False, True),
    ],
)
def test_what_an_autoscaler_says_to_a_request(
    said: list[SimpleNamespace],
    node_came: bool,
    offered: bool,
    removed: list[Asked],
    saying: Saying,
    running: Running,
) -> None:
    saying(*said)
    if node_came:
        running(HEAD_ALONE, HEAD_ALONE, GPU_NODE)
    assert usual_gpus(1) == offered
    assert len(removed) == (1 if offered else 2)  # then any GPU is asked for


def test_a_node_is_asked_for_while_something_else_is_done(
    removed: list[Asked], saying: Saying
) -> None:
    saying(WAITS, SEEN)
    with node_coming(Resources(1, 1)):
        assert not removed
    assert len(removed) == 1


def test_what_is_refused_is_not_begun(removed: list[Asked], saying: Saying) -> None:
    saying(REFUSED)
    with pytest.raises(ValueError, match=r"^no node has CPU 1"), node_coming(Resources(1, 1)):
        pytest.fail("it was begun")
    assert len(removed) == 1


@pytest.mark.parametrize(
    ("said", "gpus", "questions"),
    [([WAITS, SEEN], 1, 1), ([REFUSED], 0, 2), ([REFUSED, WAITS, SEEN], None, 2)],
)
def test_a_trial_has_a_gpu_where_there_are_any_and_none_unsaid(
    said: list[SimpleNamespace],
    gpus: int | None,
    questions: int,
    removed: list[Asked],
    saying: Saying,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[dict[str, float]]] = []
    monkeypatch.setattr(
        cluster, "placement_group", lambda bundles: (asked.append(bundles), Asked())[1]
    )
    saying(*said)
    if gpus is None:  # there are, but not beside so many CPUs
        with pytest.raises(ValueError, match=r"^no node has CPU 6, GPU 1, "):
            usual_gpus(6)
    else:
        assert usual_gpus(6) == gpus
    assert asked == [[{"CPU": 6.0, "GPU": 1.0}], [{"GPU": 1.0}]][:questions]


def test_nothing_is_asked_where_a_gpu_runs(removed: list[Asked], running: Running) -> None:
    running(GPU_NODE)
    assert usual_gpus(64) == 1
    assert not removed


@pytest.mark.parametrize("said", [UNKNOWN, BUSY, SPOKEN_FOR])
def test_an_autoscaler_that_says_nothing_for_good_may_yet_add_what_was_asked_for(
    said: SimpleNamespace | OSError,
    removed: list[Asked],
    saying: Saying,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "VERDICT_SECONDS", 0.01)
    saying(said)
    with node_coming(Resources(1, 1)):
        assert not removed
    with pytest.raises(ValueError, match=r"^the autoscaler does not say .* by --gpus-per-trial"):
        usual_gpus(1)
    assert len(removed) == 2


def test_a_node_that_does_not_come_is_given_up(
    removed: list[Asked], saying: Saying, capsys: pytest.CaptureFixture[str]
) -> None:
    saying(WAITS, SEEN)
    with pytest.raises(TimeoutError, match=r"^no node with CPU 1, GPU 1 came within 0 s: "):
        await_node(Resources(1, 1), 0)
    assert len(removed) == 1
    assert "no node has CPU 1, GPU 1 yet: waiting for one, 0 s" in capsys.readouterr().out


def test_what_is_refused_once_others_nodes_have_come_is_not_waited_for(
    removed: list[Asked], saying: Saying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "VERDICT_SECONDS", 0)
    saying(SPOKEN_FOR, BUSY, STARTING, REFUSED)
    with pytest.raises(ValueError, match=r"^no node has CPU 1, GPU 1, .* or may add no more of"):
        await_node(Resources(1, 1), 600)
    assert len(removed) == 1


@pytest.mark.parametrize("nodes", [[[], [], GPU_NODE], [GPU_NODE]])
def test_a_node_that_is_busy_is_waited_for_no_more(
    nodes: list[list[Resource]], removed: list[Asked], saying: Saying, running: Running
) -> None:
    saying(WAITS, SEEN)
    running(*nodes)
    await_node(Resources(1, 1), 600)
    assert len(removed) == len(nodes) // 2

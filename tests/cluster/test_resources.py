"""How many trials the nodes of a cluster hold, and what is said of them."""

import pytest

from cluster import resources as cluster
from cluster.resources import Resources, require_resources, smallest_node_bytes, trials_at_once


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
    said = "needs CPU 1, GPU 4; the nodes have CPU 0; CPU 8, GPU 1, and no autoscaler"
    with pytest.raises(ValueError, match=said):
        require_resources(Resources(1, 4))


def test_the_smallest_node_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [
        {"memory": 70e6, "object_store_memory": 30e6},
        {"memory": 60e6, "object_store_memory": 50e6},
    ]
    monkeypatch.setattr(cluster, "_running", lambda: nodes)
    assert smallest_node_bytes() == (100e6, 30e6)

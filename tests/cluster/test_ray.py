"""How many trials the nodes of a cluster hold."""

import pytest

from cluster import ray as cluster
from cluster.ray import Resources, trials_at_once


@pytest.mark.parametrize(("gpus", "trials"), [(1, 2), (0.5, 4), (0.3, 6), (0.2, 10), (0.1, 20)])
def test_fractions_of_a_gpu_fill_it(
    monkeypatch: pytest.MonkeyPatch, gpus: float, trials: int
) -> None:
    nodes = [{"CPU": 32.0, "GPU": 1.0, "accelerator_type:V100": 1.0}] * 2
    monkeypatch.setattr(cluster, "_running", lambda: [*nodes, {"CPU": 0.0}])
    monkeypatch.setattr(cluster, "_groups", list)
    assert trials_at_once(Resources(1, gpus, "V100")) == (trials, trials)


def test_the_scarcest_resource_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_running", lambda: [{"CPU": 7.0, "GPU": 8.0}])
    monkeypatch.setattr(cluster, "_groups", list)
    assert trials_at_once(Resources(2, 0.5)) == (3, 3)

"""What a trial needs of a Ray cluster, and whether a node of it has that, or could be added."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from cluster.head import cluster_status

ROUNDING = 1e-6
VERDICT = 30
"""Seconds in which an autoscaler that works has looked at a request; it looks every five."""


@dataclass(frozen=True)
class Resources:
    """What one trial needs; all of it on one node."""

    cpus: float = 1
    gpus: float = 0
    """May be a fraction: trials then share a GPU."""
    accelerator: str | None = None
    """A Ray accelerator type such as V100."""

    def options(self) -> dict[str, Any]:
        """Return the request as the options of a Ray task or actor."""
        return {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            "accelerator_type": self.accelerator,
        }

    def request(self) -> dict[str, float]:
        """Return the request under Ray's names."""
        request = {"CPU": float(self.cpus), "GPU": float(self.gpus)}
        if self.accelerator:
            request[f"accelerator_type:{self.accelerator}"] = 0.001
        return {name: amount for name, amount in request.items() if amount}

    def __str__(self) -> str:
        return _said(self.request())


def require_resources(resources: Resources) -> None:
    """Raise at once where no node of the cluster, now or after scaling, could run one trial.

    Raises
    ------
    ValueError
        Says what was asked for and what there is.
    """
    with _asked_for(resources):
        pass


def offers_gpus() -> bool:
    """Return whether a node with a GPU runs, or the autoscaler may add one."""
    try:
        require_resources(Resources(cpus=0, gpus=1))
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def node_for(resources: Resources, seconds: float) -> Iterator[None]:
    """Have a node come while what is done inside goes on; on leaving, wait for it, aloud.

    Where one runs that has what a trial needs, others' work may go on there before the trial.

    Parameters
    ----------
    resources : Resources
    seconds : float
        After which no node is expected any more, from leaving on.

    Raises
    ------
    ValueError
        On entering, as `require_resources`.
    TimeoutError
        On leaving, where none has come.
    """
    with _asked_for(resources) as asked:
        yield
        if asked is None or _runs(resources.request()):
            return
        print(f"no node has {resources} yet: waiting for one, {seconds:g} s at most", flush=True)
        if not asked.wait(seconds):
            raise TimeoutError(
                f"no node with {resources} came within {seconds:g} s: `ray status` says what the "
                "autoscaler tries; mend its quota, or wait longer with --deadline"
            )


@contextlib.contextmanager
def _asked_for(resources: Resources) -> Iterator[PlacementGroup | None]:
    """Ask for what one trial needs where no node has it; keep a node that comes for a while.

    Only version 2 of Ray's autoscaler, which KubeRay runs, says what it could not do.
    """
    request = resources.request()
    if _runs(request):
        yield None
        return
    if not _has_autoscaler():
        raise _refusal(resources, "no autoscaler of version 2 could be asked for more")
    # A task would ask for as much, but Ray warns of one that no node could run.
    asked = placement_group([request])
    try:
        if not _granted(asked, request):
            raise _refusal(resources, "the autoscaler has no kind of node for it")
        yield asked
    finally:
        remove_placement_group(asked)


def _refusal(resources: Resources, more: str) -> ValueError:
    kinds = "; ".join(sorted({_said(_shown(node)) for node in _running()}))
    return ValueError(
        f"no node has {resources}, as one trial or actor is to have; there are nodes of "
        f"{kinds}, and {more}: ask for fewer CPUs or GPUs, or another accelerator"
    )


def _granted(asked: PlacementGroup, request: dict[str, float]) -> bool:
    """Wait for what the autoscaler says to a request; one that says nothing may yet fulfil it."""
    waits_since = None
    end = time.monotonic() + VERDICT
    while time.monotonic() < end:
        if asked.wait(1):
            return True
        status = cluster_status(_address())
        scaling, cluster = status.autoscaling_state, status.cluster_resource_state
        refused = _among(asked, scaling.infeasible_gang_resource_requests)
        coming = scaling.pending_instance_requests or scaling.pending_instances
        if refused and not coming:  # else it may be refused only while those are spoken for
            return _runs(request)  # by now one may, and be busy with others' work
        if waits_since is None and _among(asked, cluster.pending_gang_resource_requests):
            waits_since = cluster.cluster_resource_state_version
        seen = scaling.last_seen_cluster_resource_state_version
        if waits_since is not None and seen >= waits_since and not refused:
            return True
    return True


def _among(asked: PlacementGroup, requests: Iterable[Any]) -> bool:
    return any(request.details.startswith(asked.id.hex()) for request in requests)


def smallest_node_bytes() -> tuple[float, float]:
    """Return the least memory that Ray may use on a node, and the least object store of one."""
    stores = [node.get("object_store_memory", 0) for node in _running()]
    rest = [node.get("memory", 0) for node in _running()]
    return min(map(sum, zip(rest, stores, strict=True))), min(stores)


def trials_at_once(resources: Resources) -> int:
    """Return how many trials fit on the nodes that run."""
    return sum(_fitting(resources, node) for node in _running())


def _fitting(resources: Resources, node: dict[str, float]) -> int:
    """Return how many trials fit on a node; ten of 0.1 GPU on one, where 1 // 0.1 is 9."""
    request = resources.request()
    return min(int(node.get(name, 0) / amount + ROUNDING) for name, amount in request.items())


def _running() -> list[dict[str, float]]:
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def _runs(request: dict[str, float]) -> bool:
    """Return whether a node runs that has so much in all."""
    return any(_fits(request, node) for node in _running())


def _fits(request: dict[str, float], node: dict[str, float]) -> bool:
    return all(node.get(name, 0) >= amount for name, amount in request.items())


def _said(request: dict[str, float]) -> str:
    return ", ".join(f"{name} {amount:g}" for name, amount in request.items())


def _shown(node: dict[str, float]) -> dict[str, float]:
    kept = {k: v for k, v in node.items() if k == "GPU" or k.startswith("accelerator")}
    return {"CPU": node.get("CPU", 0), **kept}


def _has_autoscaler() -> bool:
    """Return whether the cluster was started with version 2 of Ray's autoscaler."""
    return bool(is_autoscaler_v2(fetch_from_server=True))


def _address() -> str:
    return str(ray.get_runtime_context().gcs_address)

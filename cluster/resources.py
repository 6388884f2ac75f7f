"""What a trial needs of a Ray cluster, and whether a node of it has that, or could be added."""

import time
from dataclasses import dataclass
from typing import Any

import ray
from ray import ObjectRef
from ray.autoscaler.v2.utils import is_autoscaler_v2

from cluster.head import cluster_status

ROUNDING = 1e-6
DECIMALS = 4
"""That Ray keeps of an amount."""
VERDICT = 60
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
    if not offers(resources):
        kinds = "; ".join(sorted({_said(_shown(node)) for node in _running()}))
        more = (
            "the autoscaler has no kind of node for it"
            if _has_autoscaler()
            else "no autoscaler of version 2 could be asked for more"
        )
        raise ValueError(
            f"no node can run a trial that needs {resources}; the nodes have {kinds}, and {more}: "
            "ask for less with --gpus-per-trial, --cpus-per-trial or --accelerator"
        )


def offers(resources: Resources) -> bool:
    """Return whether a node runs that has these resources in all, or the autoscaler may add one.

    Only version 2 of Ray's autoscaler, which KubeRay runs, says what it could not do: it is given
    the request, and begins to start a node where it can.
    """
    request = resources.request()
    if any(_fits(request, node) for node in _running()):
        return True
    if not _has_autoscaler():
        return False
    asked = ask_for_node(resources)
    try:
        return not _refused(asked, request)
    finally:
        ray.cancel(asked)


def _refused(asked: ObjectRef[None], request: dict[str, float]) -> bool:
    """Wait for what the autoscaler says to a request; one that says nothing may yet fulfil it."""
    waits_since = None
    end = time.monotonic() + VERDICT
    while time.monotonic() < end:
        ready, _ = ray.wait([asked], timeout=1)
        if ready:
            return False
        status = cluster_status(_address())
        scaling, cluster = status.autoscaling_state, status.cluster_resource_state
        coming = scaling.pending_instance_requests or scaling.pending_instances
        infeasible = scaling.infeasible_resource_requests
        refused = any(_same(each.resources_bundle, request) for each in infeasible)
        if refused and not coming:  # else it may be refused only while those are spoken for
            return True
        if waits_since is None and any(
            _same(each.request.resources_bundle, request)
            for each in cluster.pending_resource_requests
        ):
            waits_since = cluster.cluster_resource_state_version
        seen = scaling.last_seen_cluster_resource_state_version
        if waits_since is not None and seen >= waits_since and not refused:
            return False
    return False


def _same(bundle: Any, request: dict[str, float]) -> bool:
    return {k: round(v, DECIMALS) for k, v in bundle.items()} == {
        k: round(v, DECIMALS) for k, v in request.items()
    }


def ask_for_node(resources: Resources) -> ObjectRef[None]:
    """Ask for what one trial needs, so that an autoscaler adds a node for it; do not wait."""
    return ray.remote(lambda: None).options(**resources.options()).remote()


def await_node(asked: ObjectRef[None], resources: Resources, seconds: float) -> None:
    """Wait until a node runs that can run a trial; others' work there may go on before it.

    Parameters
    ----------
    asked : ObjectRef
        What `ask_for_node` gave.
    resources : Resources
    seconds : float
        After which no node is expected any more.

    Raises
    ------
    TimeoutError
        Where none has come.
    """
    request = resources.request()
    if any(_fits(request, node) for node in _running()):
        return
    ready, _ = ray.wait([asked], timeout=seconds)
    if not ready:
        ray.cancel(asked)
        raise TimeoutError(
            f"no node that can run a trial ({resources}) came within {seconds:g} s: "
            "`ray status` says what the autoscaler tries; mend its quota, or wait longer with "
            "--deadline"
        )


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

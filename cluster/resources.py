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
VERDICT_SECONDS = 30
"""In which an autoscaler that works has looked at a request; it looks every five."""


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


def usual_gpus(cpus: float, accelerator: str | None = None) -> float:
    """Return the GPUs of a trial or actor of so many CPUs where nobody says how many.

    That is 1 where an accelerator is named or there are any, else 0.

    Raises
    ------
    ValueError
        Where the cluster has GPUs, but not beside so many CPUs, or does not say so: none would
        train on CPUs unasked.
    """
    if accelerator or _runs({"GPU": 1}) or _surely_offers(Resources(cpus, 1)):
        return 1
    if _surely_offers(Resources(0, 1)):
        raise _refusal(Resources(cpus, 1))
    return 0


def _surely_offers(resources: Resources) -> bool:
    with _asked_for(resources) as (offered, _):
        if offered is None:
            raise ValueError(
                "the autoscaler does not say yet whether it adds GPUs: say how many a trial or "
                "actor is to have, by --gpus-per-trial or --gpus-per-actor"
            )
        return offered


@contextlib.contextmanager
def node_coming(resources: Resources) -> Iterator[None]:
    """Have a node come that could run a trial, where none runs, while what is inside is done.

    Raises
    ------
    ValueError
        On entering, where no node could, now or after scaling: says what was asked for, and what
        there is.
    """
    with _asked_for(resources) as (offered, _):
        if offered is False:
            raise _refusal(resources)
        yield


def await_node(resources: Resources, seconds: float) -> None:
    """Wait, aloud, until a node runs that could run a trial; it may be busy with others' work.

    Raises
    ------
    ValueError
        Where none could, as in `node_coming`.
    TimeoutError
        Where none has come within so many seconds.
    """
    with _asked_for(resources) as (offered, asked):
        if offered is False:
            raise _refusal(resources)
        request = resources.request()
        if asked is None or _runs(request):
            return
        print(f"no node has {resources} yet: waiting for one, {seconds:g} s at most", flush=True)
        end = time.monotonic() + seconds
        # In short waits, which Ctrl-C ends; and what was refused while others' nodes came may be so
        # for good.
        while not (asked.wait(1) or _runs(request)):
            if _refuses(_status(), asked) and not _runs(request):
                raise _refusal(resources)
            if time.monotonic() >= end:
                raise TimeoutError(
                    f"no node with {resources} came within {seconds:g} s: `ray status` says what "
                    "the autoscaler tries; mend its quota, or wait longer with --deadline"
                )


@contextlib.contextmanager
def _asked_for(resources: Resources) -> Iterator[tuple[bool | None, PlacementGroup | None]]:
    """Ask for what one trial needs where no node has it; the answer, and what asks for so long.

    Only version 2 of Ray's autoscaler says what it could not do. A node that it adds stays for a
    while after it is asked for no more.
    """
    request = resources.request()
    if _runs(request):
        yield True, None
        return
    if not _has_autoscaler():
        yield False, None
        return
    # A task would ask for as much, but Ray warns of one that no node could run.
    asked = placement_group([request])
    try:
        yield _answer(asked, request), asked
    finally:
        remove_placement_group(asked)


def _answer(asked: PlacementGroup, request: dict[str, float]) -> bool | None:
    """Wait for what the autoscaler says to a request; None where it says nothing for good."""
    waits_since = None
    end = time.monotonic() + VERDICT_SECONDS
    while time.monotonic() < end:
        if asked.wait(1):
            return True
        status = _status()
        if status is None:
            continue
        if _refuses(status, asked):
            return _runs(request)  # by now one may, and be busy with others' work
        cluster = status.cluster_resource_state
        if waits_since is None and _among(asked, cluster.pending_gang_resource_requests):
            waits_since = cluster.cluster_resource_state_version
        seen = status.autoscaling_state.last_seen_cluster_resource_state_version
        if not _lists(status, asked) and waits_since is not None and seen >= waits_since:
            return True
    return None


def _status() -> Any:
    """Return what the head says of the cluster; None where it is too busy to say it."""
    try:
        return cluster_status(str(ray.get_runtime_context().gcs_address))
    except OSError:
        return None


def _refuses(status: Any, asked: PlacementGroup) -> bool:
    """Return whether the autoscaler cannot meet a request, and no nodes come that others wait for.

    While some do, it may be refused only because they are spoken for.
    """
    if status is None:
        return False
    scaling = status.autoscaling_state
    coming = scaling.pending_instance_requests or scaling.pending_instances
    return _lists(status, asked) and not coming


def _lists(status: Any, asked: PlacementGroup) -> bool:
    """Return whether a request is among those that the autoscaler cannot meet."""
    return _among(asked, status.autoscaling_state.infeasible_gang_resource_requests)


def _among(asked: PlacementGroup, requests: Iterable[Any]) -> bool:
    return any(request.details.startswith(asked.id.hex()) for request in requests)


def _refusal(resources: Resources) -> ValueError:
    kinds = "; ".join(sorted({_said(_shown(node)) for node in _running()}))
    more = (
        "the autoscaler has no kind of node for it, or may add no more of them"
        if _has_autoscaler()
        else "no autoscaler of version 2 could be asked for more"
    )
    return ValueError(
        f"no node has {resources}, as one trial or actor is to have; there are nodes of "
        f"{kinds}, and {more}: ask for fewer CPUs or GPUs, or another accelerator"
    )


def smallest_node_bytes() -> tuple[float, float]:
    """Return the least memory that Ray may use on a node, and the least object store of one."""
    nodes = _running()
    stores = [node.get("object_store_memory", 0) for node in nodes]
    rest = [node.get("memory", 0) for node in nodes]
    return min(map(sum, zip(rest, stores, strict=True))), min(stores)


def trials_at_once(resources: Resources) -> int:
    """Return how many trials fit on the nodes that run."""
    return sum(_fitting(resources, node) for node in _running())


def trials_on_a_node(resources: Resources) -> int:
    """Return how many trials the node has room for that has room for most; 1 where none runs."""
    return max((_fitting(resources, node) for node in _running()), default=0) or 1


def _fitting(resources: Resources, node: dict[str, float]) -> int:
    """Return how many trials fit on a node.

    Ten of 0.1 GPU are on one, where 1 // 0.1 is 9; and of 0.4 four on two: no trial is on both.
    """
    request = resources.request()
    fitting = {name: _times(node.get(name, 0), amount) for name, amount in request.items()}
    if 0 < resources.gpus < 1:
        fitting["GPU"] = int(node.get("GPU", 0)) * _times(1, resources.gpus)
    return min(fitting.values())


def _times(whole: float, amount: float) -> int:
    return int(whole / amount + ROUNDING)


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

"""A Ray cluster for a while: the one a job was submitted to, one at an address, or a local one."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray import ObjectRef
from ray.exceptions import RayError

from cluster import in_job

ROUNDING = 1e-6


@dataclass(frozen=True)
class Resources:
    """What one trial needs; all of it on one node."""

    cpus: float = 1
    gpus: float = 0
    """May be a fraction: trials then share a GPU."""
    accelerator: str | None = None
    """A Ray accelerator type such as V100."""

    def request(self) -> dict[str, float]:
        """Return the request under Ray's names."""
        request = {"CPU": float(self.cpus), "GPU": float(self.gpus)}
        if self.accelerator:
            request[f"accelerator_type:{self.accelerator}"] = 0.001
        return {name: amount for name, amount in request.items() if amount}


@contextlib.contextmanager
def ray_cluster(address: str | None = None, cpus: int | None = None) -> Iterator[None]:
    """Connect to Ray and print where its dashboard is; what was opened here is closed.

    Parameters
    ----------
    address : str, optional
        A running cluster. By default the one that this process is connected to already, that of
        the submitted job, or else a local one of our own: never one that happens to run here.
    cpus : int, optional
        CPUs of a local Ray; by default the machine's.

    Raises
    ------
    OSError
        Where no Ray answers.
    """
    if ray.is_initialized():
        yield
        return
    ours = address is None and not in_job()
    try:
        if ours:
            context = ray.init(
                address="local",
                num_cpus=cpus,
                dashboard_host="127.0.0.1",
                include_dashboard=None,  # wanted, but no reason to fail
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
        else:
            context = ray.init(address=address or "auto", logging_level=logging.WARNING)
    except (RayError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OSError(f"no Ray cluster at {address or 'this machine'}: {reason}") from None
    try:
        at = f"http://{context.dashboard_url} (its token: `ray get-auth-token`)"
        print(
            f"Ray dashboard:  {at if context.dashboard_url else 'none, it did not start in time'}"
        )
        yield
    finally:
        ray.shutdown()


def require_resources(resources: Resources) -> None:
    """Raise at once where no node of the cluster, now or after scaling, could run one trial.

    Raises
    ------
    ValueError
        Says what was asked for and what there is.
    """
    request, nodes = resources.request(), _nodes()
    if not any(_fits(request, node) for node in nodes):
        kinds = {_said(_shown(node)) for node in nodes}
        raise ValueError(
            f"no node can run a trial that needs {_said(request)}; the nodes have "
            f"{'; '.join(sorted(kinds))}: ask for less with --gpus-per-trial, --cpus-per-trial "
            "or --accelerator"
        )


def ask_for_node(resources: Resources) -> ObjectRef[None]:
    """Ask for what one trial needs, so that an autoscaler adds a node for it; do not wait."""
    request = resources.request()
    rest = {name: amount for name, amount in request.items() if name not in {"CPU", "GPU"}}
    nothing = ray.remote(lambda: None)
    return nothing.options(
        num_cpus=resources.cpus, num_gpus=resources.gpus, resources=rest
    ).remote()


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
            f"no node that can run a trial ({_said(request)}) came within {seconds:g} s: "
            "`ray status` says what the autoscaler tries; mend its quota, or wait longer with "
            "--deadline"
        )


def _fits(request: dict[str, float], node: dict[str, float]) -> bool:
    return all(node.get(name, 0) >= amount for name, amount in request.items())


def _said(request: dict[str, float]) -> str:
    return ", ".join(f"{name} {amount:g}" for name, amount in request.items())


def _shown(node: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in node.items() if k in {"CPU", "GPU"} or k.startswith("accelerator")}


def cluster_has_gpus() -> bool:
    """Return whether a node, now or after scaling, offers a GPU."""
    return any(node.get("GPU", 0) for node in _nodes())


def trials_at_once(resources: Resources) -> tuple[int, int]:
    """Return how many trials fit on the nodes that run, and on all that the autoscaler may add."""
    now = sum(_fitting(resources, node) for node in _running())
    added = sum(group.max_count * _fitting(resources, dict(group.resources)) for group in _groups())
    return now, max(now, added)


def _fitting(resources: Resources, node: dict[str, float]) -> int:
    """Return how many trials fit on a node; ten of 0.1 GPU on one, where 1 // 0.1 is 9."""
    request = resources.request()
    return min(int(node.get(name, 0) / amount + ROUNDING) for name, amount in request.items())


def _nodes() -> list[dict[str, float]]:
    """Return the resources of each node that runs, and of one of each kind that could be added."""
    return _running() + [dict(group.resources) for group in _groups()]


def _running() -> list[dict[str, float]]:
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def _groups() -> list[Any]:
    """Return the autoscaler's groups of nodes, where there is one and they may have any."""
    config = ray._private.state.state.get_cluster_config()  # noqa: SLF001 - no public way
    return [group for group in (config.node_group_configs if config else ()) if group.max_count]


def smallest_node_bytes() -> int:
    """Return the memory of the smallest node, of what Ray may hold there."""
    return int(
        min(
            sum(node["Resources"].get(name, 0) for name in ("memory", "object_store_memory"))
            for node in ray.nodes()
            if node["Alive"]
        )
    )

"""Run a function at every place of a sweep: each node of Ray, each worker of Dask."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from distributed import Client, wait
from ray.exceptions import GetTimeoutError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.resources import Resources
from landslide.errors import one_line


@dataclass(frozen=True)
class Node:
    """A running node of Ray."""

    name: str
    """For people."""
    gpus: float
    """How many it offers."""


def nodes() -> dict[str, Node]:
    """Return the running nodes by their ids."""
    return {
        node["NodeID"]: Node(
            f"{node['NodeManagerHostname']} ({node['NodeID'][:6]})",
            node["Resources"].get("GPU", 0),
        )
        for node in ray.nodes()
        if node["Alive"]
    }


def on_nodes[Result](
    function: Callable[..., Result],
    arguments: Mapping[str, tuple[Any, ...]],
    *,
    seconds: float,
    gpus: Mapping[str, float] | None = None,
) -> dict[str, Result | str]:
    """Run a function on some nodes, once on each; a string says why there is no result.

    Parameters
    ----------
    function : callable
    arguments : mapping
        Of the function, by the node's id.
    seconds : float
        After which a node counts as lost, or as too busy.
    gpus : mapping, optional
        How many to ask for on each node; none by default.
    """
    tasks = {}
    for node, args in arguments.items():
        where = NodeAffinitySchedulingStrategy(node, soft=False)
        task = ray.remote(num_cpus=0, num_gpus=(gpus or {}).get(node, 0), max_retries=0)(function)
        tasks[node] = task.options(scheduling_strategy=where).remote(*args)
    end = time.monotonic() + seconds
    return {
        node: _result(task, seconds, max(end - time.monotonic(), 0)) for node, task in tasks.items()
    }


def on_a_trial[Result](
    function: Callable[..., Result], *args: Any, resources: Resources, seconds: float
) -> Result | str:
    """Run a function with what a trial is given; an autoscaler may add a node for it."""
    task = ray.remote(**resources.options(), max_retries=0)(function)
    return _result(task.remote(*args), seconds, seconds)


def _result(task: Any, seconds: float, left: float) -> Any:
    try:
        return ray.get(task, timeout=left)
    except GetTimeoutError:
        ray.cancel(task)
        return f"no answer within {seconds:g} s: lost, busy, or not added by the autoscaler"
    except Exception as error:  # noqa: BLE001 - what it raised there, or that it died
        return one_line(getattr(error, "cause", None) or error, 300)


def on_workers[Result](
    client: Client, function: Callable[..., Result], *args: Any, seconds: float
) -> dict[str, Result | str]:
    """Run a function on every worker of Dask; a string says why there is no result.

    A worker that has not answered after so many seconds counts as lost, or as too busy.
    """
    tasks = {
        worker: client.submit(function, *args, workers=[worker], pure=False)
        for worker in client.scheduler_info(n_workers=-1)["workers"]
    }
    with contextlib.suppress(TimeoutError):
        wait(list(tasks.values()), timeout=seconds)
    return {worker: _answer(task, seconds) for worker, task in tasks.items()}


def _answer(task: Any, seconds: float) -> Any:
    if not task.done():
        task.cancel()
        return f"no answer within {seconds:g} s: lost, or busy"
    return task.result() if task.status == "finished" else one_line(task.exception(), 300)

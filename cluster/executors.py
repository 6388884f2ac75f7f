"""Ray actors as an executor of `concurrent.futures`."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from cluster.ray import last_line
from cluster.resources import Resources

AGAIN = 3
"""How often a task is begun again whose actor died at it."""

log = logging.getLogger(__name__)


class RayActors(ThreadPoolExecutor):
    """Runs tasks on a number of actors, each one task after another, on whichever is free.

    An actor keeps its process, and what it has loaded, such as a model, from task to task. It is
    given tasks once it runs: where there is room for some of them alone, those do the work. For one
    that is killed, or whose node goes, another is asked for, and its task is begun again by
    whichever is free: tasks must bear to be run again.

    Parameters
    ----------
    actors : int
        As many as are asked for.
    resources : Resources
        Of each actor.
    begin : callable
        What each actor does before it is given tasks. What it raises is an `OSError` of the tasks.
    """

    def __init__(self, actors: int, resources: Resources, begin: Callable[[], object]) -> None:
        super().__init__(max_workers=actors)  # a thread waits for each
        self._kind: Any = ray.remote(_Worker).options(**resources.options())
        self._begin = begin
        self._actors = set[Any]()
        self._free = SimpleQueue[Any]()
        self._starting, self._ended = threading.Lock(), False
        for _ in range(actors):
            self._start()

    def submit[**Parameters, Result](
        self,
        function: Callable[Parameters, Result],
        /,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Future[Result]:
        """Give a task to the next actor that is free; what it raises there is raised here.

        Where actors die at it again and again, that is an `OSError`.
        """
        return super().submit(self._run, function, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the actors, and what they are at; what waits for one is cancelled."""
        super().shutdown(wait=False, cancel_futures=True)
        with self._starting:
            self._ended = True
        for actor in self._actors:
            ray.kill(actor)
            self._free.put(actor)  # whoever waits for one finds it dead
        super().shutdown(wait=wait)

    def _run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        for _ in range(1 + AGAIN):
            actor = self._answering()
            try:
                found = ray.get(actor.run.remote(function, *args, **kwargs))
            except RayTaskError as error:  # wraps what a task has raised, its traceback as text
                self._free.put(actor)
                raise (error.cause or error) from None
            except RayError as error:
                self._replace(actor, error)
            except BaseException:
                self._free.put(actor)
                raise
            else:
                self._free.put(actor)
                return found
        raise OSError(
            "the process of a Ray actor died at one task again and again: run again to go on, "
            "with more memory or fewer actors on a node, or see Ray's logs"
        )

    def _answering(self) -> Any:
        """Wait for a free actor, and see that it has not died while it had nothing to do."""
        reason = (
            "Ray's actors die before they are given a task: see Ray's logs, and run again to go on"
        )
        for _ in range(self._max_workers + 1 + AGAIN):
            actor = self._free.get()
            try:
                ray.get(actor.run.remote(bool))
            except RayError as error:
                if getattr(error, "actor_init_failed", False):
                    reason = f"a Ray actor cannot begin: {last_line(error)}"
                self._replace(actor, error)  # elsewhere another may
            else:
                return actor
        raise OSError(reason)

    def _replace(self, actor: Any, error: RayError) -> None:
        """Ask for another actor in the place of one that died, or is out of reach."""
        with self._starting:
            if self._ended:
                raise OSError("the Ray actors were ended before this task was done")
            log.warning("a Ray actor died, another is asked for: %s", last_line(error))
            self._actors.discard(actor)
            ray.kill(actor)  # if it lives, it would keep its place
            self._start()

    def _start(self) -> None:
        """Ask for an actor, which is free as soon as it runs, or has died before it did."""
        actor = self._kind.remote(self._begin)
        self._actors.add(actor)
        actor.run.remote(bool).future().add_done_callback(lambda _: self._free.put(actor))


class _Worker:
    """What each actor is."""

    def __init__(self, begin: Callable[[], object]) -> None:
        begin()

    def run[Result](self, function: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Result:
        return function(*args, **kwargs)

"""Ray actors as an executor of `concurrent.futures`."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from cluster.resources import Resources

AGAIN = 3
"""How often a task is given again to an actor that died at it."""


class RayActors(ThreadPoolExecutor):
    """Runs tasks on a fixed number of actors, each one task after another, on whichever is free.

    An actor keeps its process, and what it has loaded, such as a model, from task to task. One that
    is killed, or whose node goes, is started again, elsewhere if need be, with the task that it was
    at: tasks must bear to be run again.

    Parameters
    ----------
    actors : int
    resources : Resources
        Of each actor.
    """

    def __init__(self, actors: int, resources: Resources) -> None:
        super().__init__(max_workers=actors)  # a thread waits for each
        kind = ray.remote(_Worker).options(
            **resources.options(),
            max_restarts=-1,  # any number in its life
            max_task_retries=AGAIN,
        )
        self._actors: list[Any] = [kind.remote() for _ in range(actors)]
        self._free = SimpleQueue[Any]()
        for actor in self._actors:
            self._free.put(actor)

    def submit[**Parameters, Result](
        self,
        function: Callable[Parameters, Result],
        /,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Future[Result]:
        """Give a task to the next actor that is free; what it raises there is raised here.

        Where its process dies again and again, that is an `OSError`.
        """
        return super().submit(self._run, function, *args, **kwargs)

    def _run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        actor = self._free.get()
        try:
            return ray.get(actor.run.remote(function, *args, **kwargs))
        except RayTaskError as error:  # which wraps what a task has raised, its traceback as text
            raise (error.cause or error) from None
        except RayActorError:
            raise OSError(
                "the process of a Ray actor died at one task again and again: run again to go on, "
                "with more memory or fewer actors on a node, or see Ray's logs"
            ) from None
        finally:
            self._free.put(actor)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the actors, and what they are at; what waits for one is cancelled."""
        super().shutdown(wait=False, cancel_futures=True)
        for actor in self._actors:
            ray.kill(actor)
        super().shutdown(wait=wait)


class _Worker:
    """What each actor is."""

    def run[Result](self, function: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Result:
        return function(*args, **kwargs)

"""Ray actors as an executor of `concurrent.futures`."""

import itertools
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import ray
from ray.exceptions import RayActorError

from cluster.resources import Resources

AGAIN = 3
"""How often a task is given again to an actor that died at it."""


class RayActors(Executor):
    """Runs tasks on a fixed number of actors, each one task after another.

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
        kind = ray.remote(_Worker).options(
            **resources.options(),
            max_restarts=-1,  # any number in its life
            max_task_retries=AGAIN,
        )
        self._actors: list[Any] = [kind.remote() for _ in range(actors)]
        self._turns = itertools.cycle(self._actors)

    def submit[Result](
        self, function: Callable[..., Result], /, *args: Any, **kwargs: Any
    ) -> Future[Result]:
        """Give a task to the actor whose turn it is; what it raises there is raised here.

        Where its process dies again and again, that is an `OSError`.
        """
        answer: Future[Result] = Future()
        answer.set_running_or_notify_cancel()  # what an actor has been given cannot be called back
        given = next(self._turns).run.remote(function, *args, **kwargs).future()
        given.add_done_callback(lambda done: _pass_on(done, answer))
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the actors, and what they are at."""
        for actor in self._actors:
            ray.kill(actor)


def _pass_on[Result](done: Future[Result], answer: Future[Result]) -> None:
    error = done.exception()
    if error is None:
        answer.set_result(done.result())
    elif isinstance(error, RayActorError):
        answer.set_exception(
            OSError(
                "the process of a Ray actor died at one task again and again: run again to go on, "
                "with more memory or fewer actors on a node, or see Ray's logs"
            )
        )
    else:  # Ray wraps what a task has raised, with a traceback as its text
        answer.set_exception(getattr(error, "cause", None) or error)


class _Worker:
    """What each actor is."""

    def run[Result](self, function: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Result:
        return function(*args, **kwargs)

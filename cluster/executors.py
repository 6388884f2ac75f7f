"""Ray actors as an executor of `concurrent.futures`."""

import itertools
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import ray

from cluster.ray import Resources


class RayActors(Executor):
    """Runs tasks on a fixed number of actors, each one task after another.

    An actor keeps its process, and what it has loaded, such as a model, from task to task.

    Parameters
    ----------
    actors : int
    resources : Resources
        Of each actor.
    """

    def __init__(self, actors: int, resources: Resources) -> None:
        kind = ray.remote(_Worker).options(
            num_cpus=resources.cpus, num_gpus=resources.gpus, accelerator_type=resources.accelerator
        )
        self._actors: list[Any] = [kind.remote() for _ in range(actors)]
        self._turns = itertools.cycle(self._actors)

    def submit[Result](
        self, function: Callable[..., Result], /, *args: Any, **kwargs: Any
    ) -> Future[Result]:
        """Give a task to the actor whose turn it is; what it raises there is raised here."""
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
    else:  # Ray wraps what a task has raised, with a traceback as its text
        answer.set_exception(getattr(error, "cause", None) or error)


class _Worker:
    """What each actor is."""

    def run[Result](self, function: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Result:
        return function(*args, **kwargs)

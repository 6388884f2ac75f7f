"""The ablation, as far as its first training step, noting when it comes to what.

It is what `sweeps/ablation.py` runs, in a process that has imported nothing else; `first_step.py`
starts it.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

PLANNING = ("opened_cube", "plan_experiment", "stream_of", "require_network")
RUNNING = ("gather_chips", "run_trials")
LAST = "first step done"


def note(notes: str, what: str) -> None:
    """Write down that a moment has come; the driver and its workers share the file."""
    with Path(notes).open("a") as file:
        file.write(json.dumps([what, time.time()]) + "\n")


def noting(function: Callable[..., Any], notes: str) -> Callable[..., Any]:
    """Return a function that notes when it is called and when it returns."""
    name = function.__name__

    def noted(*args: Any, **how: Any) -> Any:
        note(notes, f"{name} called")
        result = function(*args, **how)
        note(notes, f"{name} done")
        return result

    return noted


def watched_trial(trial: Callable[..., None], notes: str) -> Callable[..., None]:
    """Return a trial that notes its first optimiser step, in the worker that runs it."""

    def watched(parameters: dict[str, Any], **share: Any) -> None:
        note(notes, "trial called")
        from torch.optim.optimizer import register_optimizer_step_post_hook  # noqa: PLC0415

        from landslide.training.run import Run  # noqa: PLC0415 - which the trial has imported

        def stepped(*_: Any) -> None:
            handle.remove()
            note(notes, LAST)

        handle = register_optimizer_step_post_hook(stepped)
        Run.advance = noting(Run.advance, notes)  # type: ignore[method-assign]
        trial(parameters, **share)

    return watched


def watch(notes: str, arguments: list[str]) -> None:
    """Run the sweep until a trial has made its first step."""
    # Importing is part of the time; and ours set how Ray is to be before they import it.
    from cluster.ray import ray_cluster  # noqa: PLC0415
    from sweeps import ablation, planning, progress, trial  # noqa: PLC0415

    note(notes, "imports done")
    for module, names in ((planning, PLANNING), (ablation, RUNNING)):
        for name in names:
            setattr(module, name, noting(getattr(module, name), notes))
    tune = trial.tune  # type: ignore[attr-defined]
    with_parameters = tune.with_parameters

    @contextmanager
    def noted_cluster(*args: Any, **how: Any) -> Iterator[None]:
        note(notes, "ray_cluster called")
        with ray_cluster(*args, **how):
            note(notes, "ray_cluster done")
            yield

    def watched(function: Callable[..., None], **share: Any) -> Any:
        # The worker still imports the trial itself, as it would unwatched.
        return with_parameters(watched_trial(function, notes), **share)

    def stop(*_: Any, **__: Any) -> None:
        if LAST in Path(notes).read_text():
            raise KeyboardInterrupt  # what it was for is noted

    with (
        patch.object(ablation, "ray_cluster", noted_cluster),
        patch.object(tune, "with_parameters", watched),
        patch.object(progress.Progress, "setup", noting(progress.Progress.setup, notes)),
        patch.object(progress.Progress, "on_step_begin", stop),
        suppress(KeyboardInterrupt),
    ):
        ablation.main(arguments)


if __name__ == "__main__":
    watch(sys.argv[1], sys.argv[2:])

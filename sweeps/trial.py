"""One Ray Tune trial, and a sweep of them."""

import logging
import math
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.execution import class_cache
from ray.tune.logger import JsonLoggerCallback

from cluster.ray import last_line
from cluster.resources import Resources, await_node
from landslide.chips.survey import Chips
from landslide.experiment.plan import Experiment
from landslide.experiment.rows import failed_row
from landslide.experiment.run import run_trial
from landslide.results.row import Row
from landslide.results.table import is_scored, write_row
from landslide.storage import remove
from landslide.training.config import TrainingConfig
from landslide.training.device import begin_as_planned, of_device
from landslide.training.run import Report
from sweeps.planning import Sweep
from sweeps.progress import PAUSE, Progress
from sweeps.thread import in_one_thread

log = logging.getLogger(__name__)

# Tune would hand the driver's AWS keys to trials in a runtime environment, which Ray writes into
# its logs. Every node has its own from its environment or platform.
class_cache.ENV_VARS_TO_PROPAGATE = {
    name for name in class_cache.ENV_VARS_TO_PROPAGATE if not name.startswith("AWS_")
}

MAX_FAILURES = 2  # restarts of a trial whose worker died, or whose device failed it


def trial(
    parameters: dict[str, Any],
    *,
    experiment: Experiment,
    chips: Chips,
    table: str,
    runs: str,
    keep: bool = False,
    gpus: float = 0,
) -> None:
    """Train one configuration on the shared chips and write its row.

    A worker that dies is started again by Tune, and goes on from the checkpoint that the row's
    key names; so does one whose device failed or has no memory left just now, and a sweep that was
    stopped and is started again.

    Parameters
    ----------
    parameters : dict
        `trial` holds the `config`, a TrainingConfig, and its row's `key`.
    experiment : Experiment
    chips : Dataset or ChipStream
        In Ray's object store, read without a copy.
    table, runs : str
        Addresses of the table and of the checkpoints.
    keep : bool
        Leave the trained weights beside the checkpoints, see `weights_of`.
    gpus : float
        How many it was given, or what share of one. Where it was given any, one that the machine
        has and torch does not see is an error; where none, one that torch sees is its failed row.

    Raises
    ------
    RuntimeError
        Of the device, which ends the process: no other trial could use it from there.
    """
    key: str = parameters["trial"]["key"]
    config: TrainingConfig = parameters["trial"]["config"]
    checkpoint = f"{runs}/{key}.checkpoint"
    try:
        begin_as_planned(config.precision, gpus)
        trained = in_one_thread(
            partial(
                run_trial,
                experiment,
                config,
                chips,
                key=key,
                table=table,
                checkpoint=checkpoint,
                weights=weights_of(runs, key) if keep else None,
                report=seldom(tune.report),
            )
        )
    except Exception as error:  # whatever it is, the table says so and the others go on
        if of_device(error):
            raise
        log.exception("%s with %d timesteps failed", config.inputs, config.timesteps)
        reason = f"{type(error).__name__}: {error}"
        write_failure(table, failed_row(experiment, config, key, reason))
        tune.report({"error": reason})
        return
    remove(checkpoint)
    tune.report({"epoch": config.epochs, "auprc": trained.auprc})


def seldom(report: Report) -> Report:
    """Return a report that passes on the first record, and then one every `PAUSE` at most.

    Tune's holds a trial, and its device, until the driver has taken the record before.
    """
    due = -math.inf

    def told(record: dict[str, float]) -> None:
        nonlocal due
        if time.monotonic() >= due:
            report(record)
            due = time.monotonic() + PAUSE

    return told


def weights_of(runs: str, key: str) -> str:
    """Return the address of the weights that a trial keeps."""
    return f"{runs}/{key}.safetensors"


def write_failure(table: str, row: Row) -> None:
    """Write a failed trial's row, but not over a score that an earlier run earned."""
    if not is_scored(table, row.key):
        write_row(table, row)


def run_trials(
    sweep: Sweep,
    configs: dict[str, TrainingConfig],
    chips: Chips,
    resources: Resources,
    *,
    deadline: float,
    keep: bool = False,
    body: Callable[..., None] = trial,
) -> int:
    """Run a sweep's trials over the cluster that this process is connected to.

    Parameters
    ----------
    sweep : Sweep
        What trials share, and where they write.
    configs : dict
        What to train, by row key.
    chips : Dataset or ChipStream
        As `gather_chips` gives them; put once into Ray's object store.
    resources : Resources
        What one trial needs.
    deadline : float
        Seconds after which no node for a trial is expected any more.
    keep : bool
        As for `trial`.
    body : callable
        What a trial does, with the parameters of `trial`.

    Returns
    -------
    int
        How many trials failed for good; each has a row that says why, and the others' rows stand.

    Raises
    ------
    ValueError, TimeoutError
        Where no node could run a trial, or none comes.
    """
    await_node(resources, deadline)
    # Tune's newer report prints a table of its own settings whatever `verbose` says.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    # Tune would end the run, and let us go on as if it were complete.
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    experiment, table, runs = sweep.experiment, sweep.choices.table, sweep.choices.runs
    share = {
        "experiment": experiment, "chips": chips, "table": table, "runs": runs, "keep": keep,
        "gpus": resources.gpus,
    }  # fmt: skip
    # Tune reads its own records once, at the end: a sweep goes on from the table and checkpoints.
    with tempfile.TemporaryDirectory(prefix="sweep-") as records:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(body, **share), resources.request()),
            param_space={
                "trial": tune.grid_search([{"key": k, "config": c} for k, c in configs.items()])
            },
            # By its folder a trial is known even where it never began, and nothing else is.
            tune_config=tune.TuneConfig(reuse_actors=True, trial_dirname_creator=_key_of),
            run_config=tune.RunConfig(
                storage_path=records,
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                callbacks=[Progress(list(configs.values())), JsonLoggerCallback()],
                verbose=0,
            ),
        )
        try:
            results = tuner.fit()
        except KeyboardInterrupt:
            log.warning("rows and checkpoints stand: the same command goes on from them")
            raise
        ended = [results[i] for i in range(len(results))]
    dead = {Path(result.path).name: result.error for result in ended if result.error is not None}
    for key, error in dead.items():
        write_failure(table, failed_row(experiment, configs[key], key, last_line(error)))
    return len(dead) + sum("error" in (result.metrics or {}) for result in ended)


def _key_of(tuned: Any) -> str:
    """Return the key of a Tune trial's row."""
    return str(tuned.config["trial"]["key"])

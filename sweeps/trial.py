"""One Ray Tune trial, and the lines that tell how a sweep goes."""

import sys
import time
from typing import Any

import fsspec
import xarray as xr
from pyarrow.fs import FSSpecHandler, PyFileSystem
from ray import tune
from tqdm import tqdm

from cluster.ray import Resources
from landslide.experiment import Experiment, failed_row, run_trial
from landslide.results.table import row_keys, write_row
from landslide.storage import remove
from landslide.training.config import TrainingConfig

MAX_FAILURES = 2  # restarts of a trial whose worker died


def trial(
    parameters: dict[str, Any], *, experiment: Experiment, chips: xr.Dataset, table: str, runs: str
) -> None:
    """Train one configuration on the shared chips and write its row.

    A worker that dies is started again by Tune, and goes on from the checkpoint that the row's
    key names; so does a sweep that was stopped and is started again.

    Parameters
    ----------
    parameters : dict
        `trial` holds the `config`, a TrainingConfig, and its row's `key`.
    experiment : Experiment
    chips : Dataset
        In Ray's object store, read without a copy.
    table, runs : str
        Addresses of the table and of the checkpoints.
    """
    key: str = parameters["trial"]["key"]
    config: TrainingConfig = parameters["trial"]["config"]
    checkpoint = f"{runs}/{key}.checkpoint"
    trained = run_trial(
        experiment,
        config,
        chips,
        key=key,
        table=table,
        checkpoint=checkpoint,
        report=tune.report,
    )
    remove(checkpoint)
    tune.report({"epoch": config.epochs, "auprc": trained.auprc})


class Progress(tune.Callback):
    """A bar over all epochs of a sweep, and a line for each trial that ends."""

    def __init__(self, configs: list[TrainingConfig]) -> None:
        self.trials, self.ended = len(configs), 0
        self.epochs: dict[str, int] = {}
        self.bar = tqdm(
            total=sum(config.epochs for config in configs), unit="epoch", mininterval=5, smoothing=0
        )
        self.started = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Advance the bar to what the trial reports."""
        epoch = int(result.get("epoch", 0))
        self.bar.update(max(epoch - self.epochs.get(trial.trial_id, 0), 0))
        self.epochs[trial.trial_id] = epoch

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say what a trial scored."""
        self._line(trial, f"AUPRC {trial.last_result.get('auprc', float('nan')):.3f}")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say that a trial failed for good."""
        self._line(trial, "FAILED")

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Close the bar."""
        self.bar.close()

    def _line(self, trial: Any, outcome: str) -> None:
        self.ended += 1
        config: TrainingConfig = trial.config["trial"]["config"]
        minutes = (time.monotonic() - self.started) / 60
        self.bar.write(
            f"[{self.ended:2d}/{self.trials}] {config.inputs:10s} timesteps {config.timesteps} "
            f"seed {config.seed}: {outcome}  ({minutes:.1f} min)",
            file=sys.stderr,
        )


def run_trials(
    experiment: Experiment,
    configs: dict[str, TrainingConfig],
    chips: xr.Dataset,
    resources: Resources,
    *,
    table: str,
    runs: str,
) -> int:
    """Run a sweep's trials over the cluster that this process is connected to.

    Parameters
    ----------
    experiment : Experiment
    configs : dict
        What to train, by row key.
    chips : Dataset
        As `load_chips` gives them; put once into Ray's object store.
    resources : Resources
        What one trial needs.
    table, runs : str
        Addresses of the table and of the checkpoints.

    Returns
    -------
    int
        How many trials failed for good; each has a row that says why, and the others' rows stand.
    """
    share = {"experiment": experiment, "chips": chips, "table": table, "runs": runs}
    filesystem, path = fsspec.core.url_to_fs(runs)
    results = tune.Tuner(
        tune.with_resources(tune.with_parameters(trial, **share), resources.request()),
        param_space={
            "trial": tune.grid_search([{"key": k, "config": c} for k, c in configs.items()])
        },
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(
            name=time.strftime("sweep-%Y%m%dT%H%M%S", time.gmtime()),
            storage_path=path,
            storage_filesystem=PyFileSystem(FSSpecHandler(filesystem)),  # type: ignore[abstract]
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            callbacks=[Progress(list(configs.values()))],
            verbose=0,
        ),
    ).fit()
    failed = [results[i] for i in range(len(results)) if results[i].error is not None]
    scored = row_keys(table)
    for result in failed:
        key = (result.config or {})["trial"]["key"]
        if key not in scored:
            reason = str(result.error).strip().splitlines()[-1]
            write_row(table, failed_row(experiment, configs[key], key, reason))
    return len(failed)

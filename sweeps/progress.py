"""The bar and the lines that tell how a sweep goes."""

import sys
import time
from typing import Any

from ray import tune
from tqdm import tqdm

from landslide.training.config import TrainingConfig

PAUSE = 5
"""Seconds between two reports of a trial: as often as the bar is drawn anew."""


class Progress(tune.Callback):
    """A bar over all epochs of a sweep, and a line for each trial that ends."""

    def __init__(self, configs: list[TrainingConfig]) -> None:
        self.trials, self.total = len(configs), sum(config.epochs for config in configs)
        self.ended, self.epochs = 0, dict[str, int]()
        self.started = time.monotonic()

    def setup(self, *args: Any, **info: Any) -> None:
        """Open the bar; Tune has pickled this callback by now, which a bar does not survive."""
        self.bar = tqdm(total=self.total, unit="epoch", mininterval=PAUSE, smoothing=0)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Advance the bar to what the trial reports."""
        before = self.epochs.get(trial.trial_id, 0)
        # A trial that goes on from a checkpoint reports some epochs again.
        epoch = max(int(result.get("epoch", 0)), before)
        self.bar.update(epoch - before)
        self.epochs[trial.trial_id] = epoch

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say what a trial scored."""
        result = trial.last_result
        self._line(trial, f"AUPRC {result['auprc']:.3f}" if "auprc" in result else "FAILED")

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
        began = f", {config.origin}" if config.origin else ""
        few = config.labelled_chips
        labels = "" if few is None else f", {few} labelled chip{'s' if few != 1 else ''}"
        self.bar.write(
            f"[{self.ended:2d}/{self.trials}] {config.inputs:10s} timesteps {config.timesteps} "
            f"seed {config.seed}{began}{labels}: {outcome}  ({minutes:.1f} min)",
            file=sys.stderr,
        )

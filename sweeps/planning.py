"""The plan that follows from what is chosen of a sweep: no image is read yet."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import xarray as xr

from cluster.resources import Resources
from landslide.chips.passing import ChipStream
from landslide.cube.events import find_event
from landslide.cube.labels import keep_labels
from landslide.cube.store import open_cube
from landslide.experiment.configurations import configurations, with_baseline
from landslide.experiment.keys import row_key
from landslide.experiment.plan import Experiment, plan_experiment, stream_of
from landslide.results.table import check_writable, results_table, row_keys
from landslide.retries import patiently
from landslide.storage import require_writable
from landslide.training.config import TrainingConfig
from landslide.training.device import resolved_precision
from landslide.training.labelled import chips_trained
from landslide.training.network import require_network
from landslide.training.start import start_digest
from sweeps.choices import SweepChoices


@dataclass(frozen=True)
class Sweep:
    """What all of a sweep follows from."""

    choices: SweepChoices
    """As asked for, with the baseline among the inputs."""
    experiment: Experiment
    stream: ChipStream

    @property
    def configs(self) -> list[TrainingConfig]:
        """The configurations: inputs x timesteps x seeds."""
        asked = self.choices
        return configurations(asked.base, asked.inputs, asked.timesteps, asked.seeds)

    def keyed(
        self,
        resources: Resources,
        configs: Sequence[TrainingConfig] | None = None,
    ) -> dict[str, TrainingConfig]:
        """Return configurations by the keys of their rows, as trials with these resources."""
        configs = self.configs if configs is None else configs
        precision = resolved_precision(self.choices.base.precision, gpu=resources.gpus > 0)
        chosen = [replace(each, precision=precision) for each in configs]
        # Once for all that begin with the same weights.
        starts = {start: start_digest(start) for start in {c.start for c in chosen} - {"none"}}
        return {
            row_key(self.experiment, c, precision, start=starts.get(c.start)): c for c in chosen
        }

    def lacking(self, keyed: dict[str, TrainingConfig]) -> dict[str, TrainingConfig]:
        """Return those of `keyed` that the table holds no score of; all, if they are forced."""
        done = set() if self.choices.force else self._done()
        return {key: config for key, config in keyed.items() if key not in done}

    def _done(self) -> Collection[str]:
        return patiently(lambda: row_keys(self.choices.table))

    def rows(self, keys: Collection[str]) -> pd.DataFrame:
        """Return the rows of the table under these keys: others' may stand beside them."""
        rows = patiently(lambda: results_table(self.choices.table))
        return rows[rows["key"].isin(keys)]

    def require_writable(self) -> None:
        """Probe what trials write to, before anything is read for them.

        Raises
        ------
        OSError
            Where the table's folder, or that of the checkpoints, cannot be written.
        """
        check_writable(self.choices.table)
        require_writable(
            self.choices.runs,
            f"checkpoints to {self.choices.runs}",
            "name a folder that every worker may write to (--storage)",
        )

    def scored_in_mixed(self, waiting: Sequence[TrainingConfig], resources: Resources) -> int:
        """Return how many of these, which float32 is to train, the table has in mixed precision."""
        gpu = resources.gpus > 0
        wanted = self.choices.base.precision
        if wanted == "float32" or resolved_precision(wanted, gpu=gpu) == "mixed":
            return 0
        mixed, done = self.keyed(replace(resources, gpus=1), waiting), self._done()
        return sum(key in done for key in mixed)


def plan_sweep(choices: SweepChoices) -> Sweep:
    """Open the cube and plan: what is wrong with either shows here.

    Raises
    ------
    ValueError, OSError
        Where the cube or the event is wrong, or what is chosen of them cannot be.
    """
    cube = opened_cube(choices)
    event = find_event(cube, choices.event)
    choices = replace(choices, inputs=tuple(with_baseline(choices.inputs)))
    experiment = plan_experiment(
        cube,
        event,
        choices.chipping,
        choices.inputs,
        choices.timesteps,
        orbit=choices.orbit,
        split=choices.split,
        skip_damaged=choices.skip_damaged,
    )
    stream = stream_of(cube, experiment)
    trained = chips_trained(stream.chips)
    require_network(choices.base, choices.inputs, choices.chipping.chip_size, trained)
    return Sweep(choices, experiment, stream)


def opened_cube(choices: SweepChoices) -> xr.Dataset:
    """Open the cube that is chosen, its labels in memory.

    Raises
    ------
    ValueError, OSError
        As `open_cube` and `keep_labels` do.
    """
    return keep_labels(open_cube(choices.cube, reader=choices.reader, missing=choices.missing))

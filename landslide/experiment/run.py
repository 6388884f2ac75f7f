"""One trial: a configuration trained, scored, and written as a row."""

from landslide.chips.survey import Chips
from landslide.experiment.plan import Experiment
from landslide.experiment.rows import earned_row
from landslide.results.table import write_row
from landslide.training.config import TrainingConfig
from landslide.training.run import Report
from landslide.training.start import keep_weights
from landslide.training.train import Trained, train


def run_trial(
    experiment: Experiment,
    config: TrainingConfig,
    chips: Chips,
    *,
    key: str,
    table: str | None,
    checkpoint: str | None = None,
    weights: str | None = None,
    report: Report | None = None,
) -> Trained:
    """Train a configuration, score it and write its row.

    Parameters
    ----------
    experiment : Experiment
    config : TrainingConfig
    chips : Dataset or ChipStream
        The experiment's chips, as `gather_chips` gives them.
    key : str
        As `row_key` gives it.
    table : str or None
        Address of the table's folder, if the row is wanted.
    checkpoint, report
        As for `train`.
    weights : str, optional
        Address to keep the trained weights at, for other configurations to begin with.
    """
    trained = train(chips, config, checkpoint=checkpoint, report=report)
    if weights is not None:
        keep_weights(trained.network, weights)
    if table is not None:
        write_row(table, earned_row(experiment, trained, chips, key))
    return trained

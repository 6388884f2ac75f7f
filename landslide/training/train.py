"""Train one configuration on chips and score it: the paper's experiment, top to bottom."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from landslide.chips.loading import load_chips, require_landslides
from landslide.chips.split import TEST, TRAIN, VALIDATION
from landslide.chips.survey import Chips, known_of, survey
from landslide.cube.labels import NO_DATA
from landslide.training.calibration import Calibration, calibrate
from landslide.training.compiling import compiled_for
from landslide.training.config import TrainingConfig
from landslide.training.device import (
    device_name,
    fastest_convolutions,
    this_device,
    threads_of,
    working_precision,
)
from landslide.training.metrics import average_precision
from landslide.training.network import count_parameters, network_on
from landslide.training.normalization import Normalization
from landslide.training.run import Report, Run
from landslide.training.sources import feed_parts


@dataclass(frozen=True)
class Trained:
    """A trained model and what it scored."""

    config: TrainingConfig
    network: torch.nn.Module
    """On the CPU, in evaluation mode."""
    normalization: Normalization
    auprc: float
    """Average precision over all test pixels."""
    prevalence: float
    """Share of landslide among them: what a random score reaches."""
    test_scores: np.ndarray
    """float32 (test chip, y, x): logit of landslide over none."""
    test_labels: np.ndarray
    """uint8 (test chip, y, x)."""
    history: tuple[dict[str, float], ...]
    """For each epoch its training loss, learning rate and, where there are, validation scores."""
    best_epoch: int
    """The epoch whose weights these are, from 1: the last one, or the best on validation."""
    parameters: int
    precision: str
    """float32, float16 or bfloat16, as it was."""
    compiled: bool
    """Whether its steps were compiled: where the machine cannot, they are not. It is said of the
    process that ended the training; one that was gone on from may have begun otherwise."""
    device: str
    seconds: float
    """Time spent in training, over all resumptions."""
    calibration: Calibration | None
    """Fitted on the validation part after training; None where there is no such part."""


def train(
    chips: Chips,
    config: TrainingConfig,
    *,
    checkpoint: str | None = None,
    report: Report | None = None,
) -> Trained:
    """Train on the training chips, score on the test chips.

    Adam on cross-entropy; the learning rate falls on a plateau of the validation loss, or of the
    training loss where no chip validates (the paper protocol), and the weights are those of the
    epoch with the best validation AUPRC, or of the last.

    Parameters
    ----------
    chips : Dataset or ChipStream
        As `stream_chips` or `load_chips` gives them, which live on the device, or in host memory
        where they take more than half of what it has free; as `open_chip_store` does, which are
        read from the store as they are wanted; or the stream itself, to pass over the cube in
        every epoch. On a CPU all train to the same result where the last is small
        enough to be shuffled whole.
    config : TrainingConfig
    checkpoint : str, optional
        An address that holds the run's state from time to time; where it exists, training goes on
        from it, to the same result; on a GPU to about the same, whose sums come in no order.
    report : callable, optional
        Told each epoch's record.

    Raises
    ------
    ValueError
        Where the chips lack what the configuration needs, or training diverges.
    """
    chips = load_chips(chips) if isinstance(chips, xr.Dataset) else survey(chips)
    known = known_of(chips)
    require_landslides(known)
    device = this_device()
    precision = working_precision(config.precision, device)
    with threads_of(config.threads):
        torch.manual_seed(config.seed)
        network = network_on(device, config, known["label"].shape[-2:])
        normalization, parts = feed_parts(chips, config, device, precision)
        forward = compiled_for(parts[TRAIN], network, config, precision)
        run = Run(network, config, precision, device, forward)
        with fastest_convolutions():
            run.complete(parts[TRAIN], parts[VALIDATION], checkpoint=checkpoint, report=report)
            run.restore_best()
            validated = run.score(parts[VALIDATION]), parts[VALIDATION].labels
            scores, labels = run.score(parts[TEST]), parts[TEST].labels
        return Trained(
            config=config,
            network=network.cpu().eval(),
            normalization=normalization,
            auprc=average_precision(scores, labels),
            prevalence=float((labels[labels != NO_DATA] == 1).double().mean()),
            test_scores=scores.cpu().numpy(),
            test_labels=labels.cpu().numpy(),
            history=tuple(run.history),
            best_epoch=run.best_epoch or config.epochs,
            parameters=count_parameters(network),
            precision=str(precision).removeprefix("torch."),
            compiled=forward is not network,
            device=device_name(device),
            seconds=run.seconds,
            calibration=calibrate(validated, (scores, labels)),
        )

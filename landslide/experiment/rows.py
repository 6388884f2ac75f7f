"""The row that a trial earns, or leaves where it fails."""

import json
from typing import Any

from landslide.chips.split import TEST, VALIDATION, spatial_blocks
from landslide.chips.survey import Chips, known_of
from landslide.chips.windows import corners_of
from landslide.cube.labels import NO_DATA
from landslide.experiment.keys import setup_digest
from landslide.experiment.plan import Experiment
from landslide.experiment.versions import versions
from landslide.results.histograms import class_histograms
from landslide.results.row import Row
from landslide.training.config import TrainingConfig, weights_digest
from landslide.training.labelled import training_chips
from landslide.training.metrics import change_baselines
from landslide.training.train import Trained


def earned_row(experiment: Experiment, trained: Trained, chips: Chips, key: str) -> Row:
    """Return the row that a trained model earned."""
    config = trained.config
    known = known_of(chips)
    parts = known["part"].to_numpy()
    pixels = (known["label"].to_numpy() != NO_DATA).sum(axis=(1, 2))
    edges, negative, positive = class_histograms(trained.test_scores, trained.test_labels)
    untrained = (
        change_baselines(chips, config.timesteps, threads=config.threads)
        if config.timesteps
        else {}
    )
    trained_on = training_chips(known, config)
    # With few labels nothing validates.
    validated = int((parts == VALIDATION).sum()) if config.labelled_chips is None else 0
    chips_trained = config.epochs * len(trained_on)
    return Row(
        **_identity(experiment, config, key),
        auprc=trained.auprc,
        prevalence=trained.prevalence,
        change_auprc=untrained.get("change_auprc"),
        smoothed_difference_auprc=untrained.get("smoothed_difference_auprc"),
        parameters=trained.parameters,
        best_epoch=trained.best_epoch,
        precision=trained.precision,
        compiled=trained.compiled,
        train_chips=len(trained_on),
        validation_chips=validated,
        test_chips=int((parts == TEST).sum()),
        train_pixels=int(pixels[trained_on].sum()),
        test_pixels=int(pixels[parts == TEST].sum()),
        seconds=trained.seconds,
        chips_per_second=chips_trained / trained.seconds if trained.seconds else None,
        device=trained.device,
        versions=json.dumps(versions()),
        histogram_edges=edges,
        histogram_negative=negative.ravel(),
        histogram_positive=positive.ravel(),
        test_blocks=spatial_blocks(corners_of(known)[parts == TEST], experiment.chipping),
    )


def failed_row(experiment: Experiment, config: TrainingConfig, key: str, error: str) -> Row:
    """Return the row that keeps a failed trial visible."""
    return Row(**_identity(experiment, config, key), error=" ".join(error.split())[:500])


def _identity(experiment: Experiment, config: TrainingConfig, key: str) -> dict[str, Any]:
    return {
        "key": key,
        "event": experiment.event.name,
        "cube": experiment.cube,
        "cube_digest": experiment.cube_digest,
        "simulated": experiment.simulated,
        "protocol": experiment.chipping.protocol,
        "split_digest": experiment.split_digest,
        "mask": experiment.mask,
        "inputs": config.inputs,
        "timesteps": config.timesteps,
        "seed": config.seed,
        "preset": config.preset,
        "network": config.network,
        "encoder_weights": named_weights(config.encoder_weights),
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "learning_rate": config.learning_rate,
        "threads": config.threads,
        "origin": config.origin or None,
        # Of this cube's labels none is used where other cubes' chips take their place.
        "labelled_chips": 0 if experiment.without_own else config.labelled_chips,
        "orbit": experiment.orbit,
        "setup": setup_digest(experiment, config),
    }


def named_weights(encoder_weights: str) -> str:
    """Name encoder weights as a row does: those in a file by its digest.

    What a file is called, and where it lies, tells rows apart by nothing.
    """
    digest = weights_digest(encoder_weights)
    return encoder_weights if digest is None else digest[:12]

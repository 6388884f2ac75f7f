"""Training on fewer chips or more: which they are, and for how many epochs."""

import math
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.chips.split import TRAIN
from landslide.training.config import TrainingConfig


def chips_trained(chips: xr.Dataset) -> int:
    """Return how many chips of the training part there are."""
    return int((chips["part"] == TRAIN).sum())


def training_chips(chips: xr.Dataset, config: TrainingConfig) -> NDArray[np.int64]:
    """Return the positions of the chips that a configuration trains on, ascending.

    A few are drawn by the seed, at random but for the first, which holds a landslide: the chips
    of a smaller number are among those of a larger one.

    Parameters
    ----------
    chips : Dataset
        With `label` and `part`.
    config : TrainingConfig

    Raises
    ------
    ValueError
        Where more are asked for than there are.
    """
    train = np.flatnonzero(chips["part"].to_numpy() == TRAIN)
    count = config.labelled_chips
    if count is None:
        return train
    if not 0 <= count <= len(train):
        raise ValueError(
            f"{count} labelled chips were asked for, and the training part has {len(train)}: "
            "ask for fewer"
        )
    drawn = np.random.default_rng(config.seed).permutation(train)
    holds = (chips["label"].to_numpy()[drawn] == 1).any(axis=(1, 2))
    first = int(np.argmax(holds))
    return np.sort(np.concatenate([drawn[first : first + 1], np.delete(drawn, first)])[:count])


def with_labels(config: TrainingConfig, labelled: int | None, chips: int) -> TrainingConfig:
    """Return a configuration that trains on some of `chips` labels, in as many optimiser steps.

    As many as whole epochs allow, see `with_steps_of`. Without any label nothing is trained.
    """
    if labelled is None:
        return config
    if labelled == 0:
        return replace(config, labelled_chips=0, epochs=0)
    return replace(with_steps_of(config, chips, labelled), labelled_chips=labelled)


def with_steps_of(config: TrainingConfig, others: int, chips: int) -> TrainingConfig:
    """Return a configuration that makes as many optimiser steps on `chips` as it does on `others`.

    As many as whole epochs allow, so that two sets of chips are trained on alike: where a pass is
    more steps there are fewer epochs, and where it is fewer steps, more.

    Parameters
    ----------
    config : TrainingConfig
        As it is for `others`.
    others, chips : int
        How many training chips there are in either set.
    """
    return _lengthened(config, _steps(config, others) / _steps(config, chips))


def with_more_steps(config: TrainingConfig, epochs: int, others: int, chips: int) -> TrainingConfig:
    """Return a configuration that makes, besides its own steps, those of some epochs on others.

    As many as whole epochs allow, and an epoch more at least: what begins at random is so trained
    as long in all as what was pretrained, or is tuned.

    Parameters
    ----------
    config : TrainingConfig
        As it is for `chips`.
    epochs : int
        Passes over the others.
    others, chips : int
        How many other chips there are, and how many to train on.
    """
    more = epochs * _steps(config, others) / (config.epochs * _steps(config, chips))
    return _lengthened(config, 1 + max(more, 1 / config.epochs))


def _steps(config: TrainingConfig, chips: int) -> int:
    """Return the optimiser steps of a pass over some chips."""
    return math.ceil(chips / config.batch_size)


def _lengthened(config: TrainingConfig, factor: float) -> TrainingConfig:
    """Return a configuration of a multiple of epochs, whose learning rate waits as much longer."""
    return replace(
        config,
        epochs=max(1, round(config.epochs * factor)),
        plateau_patience=max(1, round((config.plateau_patience + 1) * factor)) - 1,
        checkpoint_every=max(1, round(config.checkpoint_every * factor)),
    )

"""Pretraining without labels: hidden squares of a chip, guessed from what is left of it.

Masked image modelling as SimMIM does it (Xie et al., 2022, "SimMIM: a simple framework for masked
image modeling"): squares drawn at random are hidden, the network says the channels there, and the
loss is the mean absolute error over the hidden pixels. SimMIM found it to serve convolutional
encoders as well as transformers. The libraries of such methods mask the tokens of transformers;
this is the same in a few lines for the network that is trained afterwards, encoder and decoder.
"""

import numpy as np
import torch
import xarray as xr

from landslide.chips.inputs import parse_inputs
from landslide.chips.split import TRAIN, UNUSED, VALIDATION
from landslide.cube.labels import NO_DATA
from landslide.training.compiling import compiled_for
from landslide.training.config import TrainingConfig
from landslide.training.device import (
    fastest_convolutions,
    this_device,
    threads_of,
    working_precision,
)
from landslide.training.network import network_on
from landslide.training.run import Report, Run
from landslide.training.sources import feed_parts
from landslide.training.start import keep_weights

SQUARE = 16
"""Side of a hidden square [pixels]."""
HIDDEN = 0.6
"""Share of the squares that are hidden."""


class Reconstruction(Run):
    """A run whose network says what the hidden squares of its chips hold."""

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the summed error over a batch's hidden pixels that have data, and their number.

        The error of a pixel is the mean over its channels.
        """
        hidden = hidden_squares(x)
        shown = x.clone().masked_fill_(hidden[:, None], 0)  # 0 is the mean; still channels last
        with torch.autocast(x.device.type, self.precision, self.precision != torch.float32):
            guess = self.forward(shown)
        error = (guess.float() - x).abs().mean(dim=1)
        counted = hidden & (y != NO_DATA)
        return (error * counted).sum(), torch.count_nonzero(counted)


def hidden_squares(x: torch.Tensor) -> torch.Tensor:
    """Draw which pixels (chip, y, x) of chips (chip, channel, y, x) are hidden, all channels.

    Of each chip's squares the same share, those at the far edges cut off.
    """
    chips, _, *shape = x.shape
    rows, columns = (-(-side // SQUARE) for side in shape)
    order = torch.rand(chips, rows * columns, device=x.device).argsort(dim=1)
    squares = (order < round(HIDDEN * rows * columns)).view(chips, rows, columns)
    pixels = squares.repeat_interleave(SQUARE, dim=1).repeat_interleave(SQUARE, dim=2)
    return pixels[:, : shape[0], : shape[1]]


def pretrain(
    chips: xr.Dataset,
    config: TrainingConfig,
    address: str,
    *,
    checkpoint: str | None = None,
    report: Report | None = None,
) -> float:
    """Pretrain a network on a set's training chips, and keep its weights without the last layer.

    Parameters
    ----------
    chips : Dataset
        In memory, as `load_chips` gives them. Of their labels only no-data is used.
    config : TrainingConfig
        The configuration that will begin with the weights; epochs and rates are of this run.
    address : str
        Where the weights go, for `TrainingConfig.start`.
    checkpoint, report
        As for `train`.

    Returns
    -------
    float
        The last epoch's mean error, in standard deviations of the channels.

    Raises
    ------
    ValueError
        Where the chips lack what the configuration needs, or training diverges.
    """
    chips = without_labels(chips)
    channels = len(parse_inputs(config.inputs).channels)
    device = this_device()
    precision = working_precision(config.precision, device)
    with threads_of(config.threads):
        torch.manual_seed(config.seed)
        network = network_on(device, config, chips["label"].shape[-2:], classes=channels)
        _, parts = feed_parts(chips, config, device)  # in float32: they are what is guessed
        forward = compiled_for(parts[TRAIN], network, config, precision)
        run = Reconstruction(network, config, precision, device, forward)
        with fastest_convolutions():
            run.complete(parts[TRAIN], parts[VALIDATION], checkpoint=checkpoint, report=report)
    keep_weights(network, address, head=False)
    return run.history[-1]["train_loss"]


def without_labels(chips: xr.Dataset) -> xr.Dataset:
    """Return chips that say where there are data, and nothing of what is there.

    None of them validates, which takes labels.
    """
    label = chips["label"].to_numpy()
    parts = np.where(chips["part"] == VALIDATION, UNUSED, chips["part"])
    return chips.assign(
        label=(chips["label"].dims, np.where(label == NO_DATA, label, 0))
    ).assign_coords(part=("chip", parts))

"""A network compiled for its device, where that can be done."""

import copy
import logging
from collections.abc import Callable, Iterable

import torch

from landslide.chips.inputs import parse_inputs
from landslide.errors import one_line
from landslide.training.config import TrainingConfig
from landslide.training.device import fastest_convolutions, of_device, whole_float32
from landslide.training.feeding import Feed

log = logging.getLogger(__name__)

Forward = Callable[[torch.Tensor], torch.Tensor]


def compiled_for(
    chips: Feed,
    network: torch.nn.Module,
    config: TrainingConfig,
    precision: torch.dtype,
) -> Forward:
    """Return what the steps of a run over some chips compute with: compiled, if that is asked for.

    Parameters
    ----------
    chips : Feed
        Of the training part; their labels lie on the device.
    network, precision
        As for `compiled`.
    config : TrainingConfig
    """
    channels = len(parse_inputs(config.inputs).channels)
    count = len(chips.labels)
    # The last batch of an epoch is compiled for itself where it is smaller.
    sizes = {min(config.batch_size, count), count % config.batch_size} - {0}
    if not config.compile or not sizes:
        return network
    samples = (
        torch.empty(
            (size, channels, *chips.labels.shape[1:]),
            device=chips.labels.device,
            dtype=chips.dtype,
            memory_format=torch.channels_last,
        ).zero_()
        for size in sorted(sizes, reverse=True)
    )
    return compiled(network, samples, precision)


def compiled(
    network: torch.nn.Module, samples: Iterable[torch.Tensor], precision: torch.dtype
) -> Forward:
    """Return what computes as a network does and shares its weights, compiled if possible.

    A copy of the network is tried first, forward and backward: what is found wrong then (no
    compiler on the machine, a device that the compiler does not know, a network that it cannot
    follow) leaves the network as it is, with a warning. Scores may differ in their last digits. An
    error of the device is raised.

    Parameters
    ----------
    network : Module
        On its device, in the memory format that it is trained in.
    samples : (chip, channel, y, x) each
        A batch of every shape to come, on the same device.
    precision : dtype
        Of the autocast that it will run under; float32 for none.
    """
    device = next(network.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            # Of one function only so many versions are kept compiled in a process, which trials
            # share: later ones would silently not be.
            torch.compiler.reset()
            tried = torch.compile(copy.deepcopy(network).train(), dynamic=False)
            for sample in samples:
                # As in training: the compiler asks for it, and cuDNN keeps what it chooses.
                with whole_float32(precision), fastest_convolutions():
                    with torch.autocast(device.type, precision, precision != torch.float32):
                        logits = tried(sample)
                    logits.float().sum().backward()
        except Exception as error:  # compilers have errors of many kinds
            if of_device(error):
                raise
            log.warning(
                "the network is not compiled, and trains as it is: %s", one_line(error, 200)
            )
            return network
    whole: Forward = torch.compile(network, dynamic=False)
    return whole

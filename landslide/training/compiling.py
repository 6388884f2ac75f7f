"""A network compiled for its device, where that can be done."""

import copy
import logging
from collections.abc import Callable

import torch

log = logging.getLogger(__name__)

Forward = Callable[[torch.Tensor], torch.Tensor]


def compiled(network: torch.nn.Module, sample: torch.Tensor, precision: torch.dtype) -> Forward:
    """Return what computes as a network does and shares its weights, compiled if possible.

    A copy of the network is tried first, forward and backward: what is found wrong then (no
    compiler on the machine, a device that the compiler does not know, a network that it cannot
    follow) leaves the network as it is, with a warning. Scores may differ in their last digits.

    Parameters
    ----------
    network : Module
        On its device, in the memory format that it is trained in.
    sample : float32 (chip, channel, y, x)
        A batch of the shape of those to come, on the same device.
    precision : dtype
        Of the autocast that it will run under; float32 for none.
    """
    with torch.random.fork_rng(devices=[sample.device] if sample.is_cuda else []):
        try:
            tried = torch.compile(copy.deepcopy(network).train(), dynamic=False)
            with torch.autocast(sample.device.type, precision, precision != torch.float32):
                logits = tried(sample)
            logits.float().sum().backward()
        except Exception as error:  # noqa: BLE001 - compilers have errors of many kinds
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            log.warning("the network is not compiled, and trains as it is: %s", reason)
            return network
    whole: Forward = torch.compile(network, dynamic=False)
    return whole

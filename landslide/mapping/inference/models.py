"""Trained models on the device, and the logits that they give chips."""

import functools
from dataclasses import dataclass, replace

import torch

from landslide.training.bundle import Bundle, load_bundle
from landslide.training.device import this_device, working_precision
from landslide.training.run import predict


@dataclass(frozen=True)
class Model:
    """One member of a map, ready to be run."""

    network: torch.nn.Module
    """On the device, in evaluation mode."""
    mean: torch.Tensor
    """float32 (channel, 1, 1)"""
    std: torch.Tensor
    """float32 (channel, 1, 1)"""
    temperature: float
    """What its logits are divided by to be calibrated; 1 where it knows none."""
    precision: torch.dtype

    @torch.no_grad()
    def logits(self, chips: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Return the logits of landslide over none: (chip, channel, y, x) to (chip, y, x).

        Channels come as composites; what has no data becomes the mean, as in training.
        """
        # In training's order of operations: the same bits as `normalize` gives.
        x = (chips - self.mean).div_(self.std)
        torch.nan_to_num_(x, nan=0.0, posinf=0.0, neginf=0.0)
        x = x.contiguous(memory_format=torch.channels_last)
        return predict(self.network, x, batch_size, self.precision)


def model_of(bundle: Bundle, device: torch.device) -> Model:
    """Return a bundle as a model on a device."""
    network = bundle.network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as documented
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]
        for values in (bundle.normalization.mean, bundle.normalization.std)
    )
    precision = working_precision(bundle.config.precision, device)
    return Model(network.eval(), mean, std, bundle.temperature, precision)


@functools.lru_cache(maxsize=2)
def models_at(
    members: tuple[tuple[str, str], ...], precision: str | None = None
) -> tuple[Model, ...]:
    """Load models once in each process that maps, by address and digest of the weights.

    They compute in the precision that is named, or each in its own.

    Raises
    ------
    ValueError, OSError
        As `load_bundle` does; or where another model lies there by now.
    """
    models, device = [], this_device()
    for address, digest in members:
        bundle = load_bundle(address)
        if bundle.digest != digest:
            raise ValueError(
                f"the model at {address} was replaced while the map was made: map anew"
            )
        config = bundle.config
        wanted = replace(config, precision=precision or config.precision)
        models.append(model_of(replace(bundle, config=wanted), device))
    return tuple(models)

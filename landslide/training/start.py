"""Weights that a training run leaves for another to begin with."""

import hashlib

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from landslide.retries import patiently
from landslide.storage import read_bytes, write_whole

NEW = "segmentation_head."
"""The layer that may be another in the run that begins: what it is to say is new."""


def keep_weights(network: torch.nn.Module, address: str, *, head: bool = True) -> None:
    """Write a network's weights to an address, in one piece; those of its last layer if wanted."""
    state = network.state_dict()
    kept = {k: v.cpu().contiguous() for k, v in state.items() if head or not k.startswith(NEW)}
    write_whole(address, save(kept))


def begin_with(network: torch.nn.Module, address: str) -> None:
    """Give a network the weights that an address holds; its last layer may stay as it is.

    They are read patiently: a store that is away for a minute ends no trial.

    Raises
    ------
    FileNotFoundError
        Where nothing lies there.
    ValueError
        Where the weights are not those of such a network.
    """
    try:
        kept = load(patiently(lambda: read_bytes(address)))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no weights to begin with at {address}: train them first"
        ) from None
    except SafetensorError as error:
        raise ValueError(f"weights {address} do not fit this network: {error}") from None
    state = network.state_dict()
    new = {name for name in state if name.startswith(NEW)} - kept.keys()
    shapes, wanted = (
        {name: tuple(value.shape) for name, value in each.items() if name not in new}
        for each in (kept, state)
    )
    if odd := sorted(set(shapes.items()) ^ set(wanted.items())):
        raise ValueError(
            f"weights {address} do not fit this network: {odd[0][0]} differs, one of {len(odd)}: "
            "begin with those of the same --network and --inputs"
        )
    network.load_state_dict(state | kept)


def start_digest(address: str) -> str:
    """Return the digest of weights to begin with, or their address where there are none."""
    try:
        return hashlib.sha256(patiently(lambda: read_bytes(address))).hexdigest()
    except FileNotFoundError:
        return address

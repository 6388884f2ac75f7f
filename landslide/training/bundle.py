"""A trained model as files: weights, and all that a map needs beside them."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import torch
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights

from landslide.chips.inputs import parse_inputs
from landslide.chips.survey import Chips, known_of
from landslide.storage import read_bytes, write_whole
from landslide.training.config import TrainingConfig
from landslide.training.network import build_network
from landslide.training.normalization import Normalization
from landslide.training.train import Trained

WEIGHTS, DESCRIPTION, SPLIT = "weights.safetensors", "bundle.json", "split.json"


@dataclass(frozen=True)
class Bundle:
    """A model as it is read back."""

    network: torch.nn.Module
    """On the CPU, in evaluation mode."""
    config: TrainingConfig
    normalization: Normalization
    description: dict[str, Any]
    """All of `bundle.json`: event, protocol, chip size, orbit, scores, what it was trained on."""


def save_bundle(folder: str, trained: Trained, chips: Chips, split: str, **record: Any) -> None:
    """Write a bundle to a folder on any filesystem.

    The description comes last and names the weights' digest: a folder without it, or with other
    weights, is no bundle.

    Parameters
    ----------
    folder : str
    trained : Trained
    chips : Dataset or ChipStream
        The chips it was trained on.
    split : str
        Their split, as `split_to_json` writes it.
    record
        More to keep: the cube's address and digest, versions.
    """
    state = {k: v.contiguous() for k, v in trained.network.state_dict().items()}
    weights = save_weights(state)
    facts = known_of(chips).attrs
    description = {
        "config": asdict(trained.config),
        "channels": list(parse_inputs(trained.config.inputs).channels),
        "normalization": asdict(trained.normalization),
        "chip_size": int(facts["chip_size"]),
        "protocol": facts["protocol"],
        "event": json.loads(facts["event"]),
        "orbit": facts.get("orbit"),
        "simulated": bool(facts.get("simulated", False)),
        "scores": {"auprc": trained.auprc, "prevalence": trained.prevalence},
        "parameters": trained.parameters,
        "precision": trained.precision,
        "best_epoch": trained.best_epoch,
        "history": list(trained.history),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **record,
    }
    folder = folder.rstrip("/")
    write_whole(f"{folder}/{WEIGHTS}", weights)
    write_whole(f"{folder}/{SPLIT}", split.encode())
    write_whole(f"{folder}/{DESCRIPTION}", (json.dumps(description, indent=1) + "\n").encode())


def load_bundle(folder: str) -> Bundle:
    """Read a bundle back.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        Where the description is none, or the weights are not those that it names.
    """
    folder = folder.rstrip("/")
    try:
        written = read_bytes(f"{folder}/{DESCRIPTION}")
        weights = read_bytes(f"{folder}/{WEIGHTS}")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no trained model at {folder}: name the folder that `landslide train --out` wrote"
        ) from None
    try:
        description = json.loads(written)
        digest, kept = description["weights_sha256"], description["normalization"]
        config = TrainingConfig(**description["config"])
        normalization = Normalization(**{name: tuple(values) for name, values in kept.items()})
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{folder}/{DESCRIPTION} is not a description that this version wrote: train again"
        ) from None
    if hashlib.sha256(weights).hexdigest() != digest:
        raise ValueError(f"the weights at {folder} are not those of its bundle.json: train again")
    network = build_network(config.network, len(normalization.channels))
    network.load_state_dict(load_weights(weights))
    return Bundle(network.eval(), config, normalization, description)

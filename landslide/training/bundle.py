"""A trained model as files: weights, and all that a map needs beside them."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights

from landslide.chips.inputs import parse_inputs
from landslide.chips.split import TRAIN
from landslide.chips.survey import Chips, known_of
from landslide.storage import absolute, read_bytes, write_whole
from landslide.training.calibration import Calibration, from_description
from landslide.training.config import TrainingConfig
from landslide.training.network import build_network
from landslide.training.normalization import Normalization
from landslide.training.train import Trained

WEIGHTS, DESCRIPTION, SPLIT = "weights.safetensors", "bundle.json", "split.json"
VERSION = 2
"""Of what a bundle holds; 1 had no calibration and no pixel size."""


@dataclass(frozen=True)
class Bundle:
    """A model as it is read back."""

    address: str
    """Its folder, absolute."""
    network: torch.nn.Module
    """On the CPU, in evaluation mode."""
    config: TrainingConfig
    normalization: Normalization
    chip_size: int
    """Pixels on a side of the chips that it was trained on."""
    pixel_size: tuple[float, float] | None
    """Height and width of a pixel there, in the units of that cube's coordinates; None: unknown."""
    pixel_unit: str | None
    """Those units, such as `metre`; None where that cube named no coordinate reference system."""
    calibration: Calibration | None
    """None where there was no validation part to fit it on."""
    positive_only: bool
    """Whether each training chip held a landslide: then it never saw ground without any."""
    description: dict[str, Any]
    """All of `bundle.json`: event, protocol, orbit, scores, what it was trained on."""

    @property
    def digest(self) -> str:
        """Digest of the weights."""
        return str(self.description["weights_sha256"])

    @property
    def temperature(self) -> float:
        """What its logits are divided by to be calibrated; 1 where nothing was fitted."""
        return self.calibration.temperature if self.calibration else 1.0


def save_bundle(
    folder: str,
    trained: Trained,
    chips: Chips,
    split: str,
    *,
    pixel_size: tuple[float, float] | None = None,
    pixel_unit: str | None = None,
    **record: Any,
) -> None:
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
    pixel_size : (float, float), optional
        Height and width of a pixel of the cube, in the units of its coordinates.
    pixel_unit : str, optional
        Those units, where the cube names a coordinate reference system.
    record
        More to keep: the cube's address and digest, versions.
    """
    state = {k: v.contiguous() for k, v in trained.network.state_dict().items()}
    weights = save_weights(state)
    known = known_of(chips)
    facts = known.attrs
    label = known["label"].to_numpy()[known["part"].to_numpy() == TRAIN]
    description = {
        "version": VERSION,
        "config": asdict(trained.config),
        "channels": list(parse_inputs(trained.config.inputs).channels),
        "normalization": asdict(trained.normalization),
        "chip_size": int(facts["chip_size"]),
        "pixel_size": pixel_size,
        "pixel_unit": pixel_unit,
        "protocol": facts["protocol"],
        "positive_only": bool((label == 1).any(axis=(1, 2)).all()),
        "event": json.loads(facts["event"]),
        "orbit": facts.get("orbit"),
        "simulated": bool(facts.get("simulated", False)),
        "scores": {"auprc": trained.auprc, "prevalence": trained.prevalence},
        "calibration": asdict(trained.calibration) if trained.calibration else None,
        "parameters": trained.parameters,
        "precision": trained.precision,
        "compiled": trained.compiled,
        "best_epoch": trained.best_epoch,
        # JSON knows no infinity, the loss of an epoch whose scores overflowed.
        "history": [
            {name: value if math.isfinite(value) else None for name, value in epoch.items()}
            for epoch in trained.history
        ],
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **record,
    }
    folder = folder.rstrip("/")
    write_whole(f"{folder}/{WEIGHTS}", weights)
    write_whole(f"{folder}/{SPLIT}", split.encode())
    write_whole(f"{folder}/{DESCRIPTION}", (json.dumps(description, indent=1) + "\n").encode())


def load_bundle(folder: str) -> Bundle:
    """Read a bundle back. Nothing in it is code: JSON, and weights as safetensors alone.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        Where the description is none or of another version, or the weights are not those that it
        names, no safetensors, or none of its network; or as `absolute` does.
    OSError
        Where the folder cannot be read.
    """
    folder = absolute(folder)
    try:
        written = read_bytes(f"{folder}/{DESCRIPTION}")
        weights = read_bytes(f"{folder}/{WEIGHTS}")
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f"no trained model at {folder}: name the folder that `landslide train --out` wrote"
        ) from None
    described = _described(folder, written)
    try:
        digest = described["weights_sha256"]
        bundle = _bundle(folder, described)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ValueError(
            f"{folder}/{DESCRIPTION} is not a description that this version wrote ({reason}): "
            "train again"
        ) from None
    if hashlib.sha256(weights).hexdigest() != digest:
        raise ValueError(f"the weights at {folder} are not those of its bundle.json: train again")
    try:
        bundle.network.load_state_dict(load_weights(weights))
    except SafetensorError as error:
        raise ValueError(
            f"{folder}/{WEIGHTS} holds no safetensors ({error}), and nothing else is safe to load: "
            "train again, or fetch the model from whom you trust"
        ) from None
    except RuntimeError:
        raise ValueError(
            f"the weights at {folder} do not fit its network {bundle.config.network!r} with "
            f"{len(bundle.normalization.channels)} channels: train again"
        ) from None
    bundle.network.eval()
    return bundle


def _described(folder: str, written: bytes) -> dict[str, Any]:
    """Return what the description says, if it is of this version."""
    try:
        described = json.loads(written)
        version = described.get("version", 1) if "weights_sha256" in described else None
    except (ValueError, TypeError, AttributeError):
        version = None
    if version is None:
        raise ValueError(
            f"{folder}/{DESCRIPTION} is not a description that this version wrote: train again"
        )
    if version != VERSION:
        other = " ".join(str(version).split())[:20]
        raise ValueError(
            f"the model at {folder} is a bundle of version {other}, and this is for version "
            f"{VERSION}: train again, or install the release that wrote it"
        )
    return dict(described)


def _bundle(folder: str, described: Mapping[str, Any]) -> Bundle:
    """Return a bundle whose network has no weights yet; any error means that it is none."""
    config = TrainingConfig(**described["config"])
    kept = described["normalization"]
    normalization = Normalization(**{name: tuple(values) for name, values in kept.items()})
    channels = parse_inputs(config.inputs).channels
    moments = (*normalization.mean, *normalization.std)
    if normalization.channels != channels or len(moments) != 2 * len(channels):
        raise ValueError("a normalisation of other channels")
    if not all(map(math.isfinite, moments)) or not all(normalization.std):
        raise ValueError("a normalisation that cannot be")
    calibration, size = described["calibration"], described["pixel_size"]
    if size is not None and not (len(size) == 2 and all(0 < s < math.inf for s in size)):
        raise ValueError("a pixel size that cannot be")
    if int(described["chip_size"]) < 1:
        raise ValueError("a chip size that cannot be")
    return Bundle(
        address=folder,
        network=build_network(config.network, len(channels)),
        config=config,
        normalization=normalization,
        chip_size=int(described["chip_size"]),
        pixel_size=None if size is None else (float(size[0]), float(size[1])),
        pixel_unit=described["pixel_unit"],
        calibration=None if calibration is None else from_description(calibration),
        positive_only=bool(described["positive_only"]),
        description=dict(described),
    )

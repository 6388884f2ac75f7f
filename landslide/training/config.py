"""What determines a training run."""

import hashlib
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

PRECISIONS = ("auto", "float32", "mixed")


def _require_count(name: str, count: int, least: int) -> None:
    if not least <= count < 2**31:  # a row holds no more
        raise ValueError(f"{name.replace('_', ' ')} of {count}: give {least} to {2**31 - 1}")


def require_precision(name: str) -> None:
    """Raise a ValueError for a precision that is none."""
    if name not in PRECISIONS:
        raise ValueError(f"unknown precision {name!r}: choose one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class TrainingConfig:
    """One configuration of the ablation, and how it is trained; the defaults are the paper's."""

    inputs: str = "vv+vh"
    """Channels by name, see `landslide.chips.inputs`."""
    timesteps: int = 4
    """Images averaged on each side; 0 for inputs without backscatter."""
    seed: int = 0
    """Draws the initial weights and the shuffling."""
    preset: str = "paper"
    """Where the rest comes from, for the record."""
    network: str = "paper"
    """See `landslide.training.network.build_network`."""
    encoder_weights: str = "none"
    """`none`, `imagenet` or a path."""
    start: str = "none"
    """Address of the weights to begin with, as `landslide.training.start` keeps them, or `none`."""
    origin: str = ""
    """How a model began, where not plainly at random: from what weights, or how else it was trained
    longer; for the record."""
    begun_on: str = ""
    """Digest of what trained them, the same for all seeds, for the record."""
    labelled_chips: int | None = None
    """Training chips whose labels are used, drawn by the seed, and then nothing validates; None
    for all."""
    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 0.01
    """Initial rate of Adam."""
    weight_decay: float = 1e-4
    plateau_factor: float = 0.1
    """The rate is multiplied by it where the watched loss no longer falls."""
    plateau_patience: int = 10
    """Epochs to wait before that."""
    plateau_threshold: float = 1e-4
    """Relative fall of the loss that counts."""
    precision: str = "auto"
    """`float32`; `mixed`, which is bfloat16 or float16 by the device; `auto`: mixed on a GPU."""
    compile: bool = False
    """Whether the network's training steps are compiled, where the machine can."""
    threads: int = 2
    """CPU threads; they change the last bits of a CPU run."""
    checkpoint_every: int = 10
    """Epochs between checkpoints, at least; changes no result."""

    def __post_init__(self) -> None:
        """Raise a ValueError for a value that cannot be."""
        # Without labels there are no epochs.
        for name, least in {"epochs": 0, "batch_size": 1, "threads": 1}.items():
            _require_count(name, getattr(self, name), least)
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"a learning rate of {self.learning_rate} trains nothing: give e.g. 0.01"
            )
        require_precision(self.precision)


PRESETS: dict[str, TrainingConfig] = {
    "paper": TrainingConfig(),
    "quick": TrainingConfig(
        preset="quick",
        network="quick",
        epochs=25,
        batch_size=8,
        weight_decay=1e-3,
        # In so few epochs the rate must fall early: as soon as the loss falls by less than 5 %.
        plateau_factor=0.5,
        plateau_patience=0,
        plateau_threshold=0.05,
        threads=1,
    ),
}


def training_config(preset: str, **changes: Any) -> TrainingConfig:
    """Return a preset with changes; those that are None leave the preset's value.

    Raises
    ------
    ValueError
        For an unknown preset or a value that cannot be.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}: choose {' or '.join(PRESETS)}")
    config = replace(PRESETS[preset], **{k: v for k, v in changes.items() if v is not None})
    _require_count("epochs", config.epochs, 1)
    return config


def determining(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings that determine a score: all but names and the checkpoints' rhythm.

    Encoder weights in a file count by its content, wherever it lies. What did not exist once is
    left out at its default, so that earlier keys stay.
    """
    settings = asdict(config)
    for name in ("checkpoint_every", "preset", "origin", "begun_on"):
        del settings[name]
    settings["encoder_weights"] = weights_digest(config.encoder_weights) or config.encoder_weights
    for name in ("start", "labelled_chips", "compile"):
        if settings[name] == getattr(TrainingConfig, name):
            del settings[name]
    return settings


def weights_digest(encoder_weights: str) -> str | None:
    """Return the digest of a file of encoder weights; None of what is no file."""
    path = Path(encoder_weights)
    if encoder_weights == "none" or not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()

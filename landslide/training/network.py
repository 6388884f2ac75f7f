"""The networks: the paper's, a small one for a laptop, and any of segmentation-models-pytorch."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file

from landslide.chips.inputs import parse_inputs
from landslide.errors import one_line
from landslide.storage import absolute
from landslide.training.config import TrainingConfig
from landslide.training.scoring import score_in_float32
from landslide.training.start import begin_with
from landslide.training.upsampling import keep_type_upsampling

CLASSES = 2

# 48,982,754 parameters with two channels, as the paper states: U-Net++, not the plain U-Net.
PAPER: dict[str, Any] = {"arch": "UnetPlusPlus", "encoder_name": "resnet50"}
# Trains at tens of chips per second on one core.
QUICK: dict[str, Any] = {
    "arch": "Unet",
    "encoder_name": "tu-tf_mobilenetv3_small_minimal_100",
    "encoder_depth": 3,
    "decoder_channels": (32, 16, 16),
}


def build_network(
    name: str, channels: int, encoder_weights: str = "none", *, classes: int = CLASSES
) -> torch.nn.Module:
    """Build a segmentation network, by default with two classes, no landslide and landslide.

    Parameters
    ----------
    name : str
        `paper`, `quick`, or `ARCHITECTURE/ENCODER` as segmentation-models-pytorch names them,
        such as `Unet/resnet34`.
    channels : int
        Input channels.
    encoder_weights : str
        `none` to start at random; a name such as `imagenet`, which downloads; or the path of a
        state dictionary for the encoder (safetensors or torch).
    classes : int
        Output channels.

    Returns
    -------
    Module
        From (chip, channels, y, x) to logits (chip, classes, y, x); y and x multiples of 32 (a
        U-Net takes any).

    Raises
    ------
    ValueError
        For a name or weights that are not known or do not fit.
    FileNotFoundError
        Where the path of the weights leads to no file.
    """
    known = {"paper": PAPER, "quick": QUICK}
    if name in known:
        options = dict(known[name])
    elif name.count("/") == 1:
        architecture, encoder = name.split("/")
        options = {"arch": architecture, "encoder_name": encoder}
    else:
        raise ValueError(
            f"unknown network {name!r}: choose paper, quick, or ARCHITECTURE/ENCODER "
            "such as Unet/resnet34"
        )
    path = Path(encoder_weights)
    from_file = encoder_weights != "none" and path.is_file()
    if not from_file and (path.suffix or "/" in encoder_weights):
        absolute(encoder_weights)  # refuses what is not to be told
        raise FileNotFoundError(
            f"no encoder weights at {encoder_weights}: give the path of a file, imagenet or none"
        )
    named = None if encoder_weights == "none" or from_file else encoder_weights
    try:
        network: torch.nn.Module = smp.create_model(
            **options,
            encoder_weights=_as_smp_asks(options["encoder_name"], named),
            in_channels=channels,
            classes=classes,
        )
        score_in_float32(network)
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        raise ValueError(
            f"cannot build network {name!r} with encoder weights {encoder_weights!r}: "
            f"{one_line(error, 200)}"
        ) from None
    if from_file:
        _load_encoder(network, path)
    keep_type_upsampling(network)
    return network


def network_on(
    device: torch.device, config: TrainingConfig, shape: Sequence[int], *, classes: int = CLASSES
) -> torch.nn.Module:
    """Build a configuration's network as it begins, on its device and laid out channels last.

    Parameters
    ----------
    device : device
    config : TrainingConfig
    shape : (int, int)
        Of its chips, y and x [pixels].
    classes : int
        As for `build_network`.

    Raises
    ------
    ValueError, FileNotFoundError
        As `build_network`, `begin_with` and `require_fit` do.
    """
    channels = len(parse_inputs(config.inputs).channels)
    network = build_network(config.network, channels, config.encoder_weights, classes=classes)
    if config.start != "none":
        begin_with(network, config.start)
    require_fit(network, config.network, shape)
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as documented
    return network


def _as_smp_asks(encoder: str, weights: str | None) -> str | bool | None:
    """Return the weights' name, or True for timm's encoders, which would download for any name."""
    if weights is None or not encoder.startswith("tu-"):
        return weights
    if weights != "imagenet":
        raise ValueError("encoders of timm know imagenet alone: choose it, none or a path")
    return True


def _load_encoder(network: torch.nn.Module, path: Path) -> None:
    encoder = network.encoder
    assert isinstance(encoder, torch.nn.Module)
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        encoder.load_state_dict(state)
    except Exception as error:  # of what is cut off, torch raises errors of many kinds
        raise ValueError(
            f"encoder weights {path} do not fit this network: {one_line(error, 200)}"
        ) from error


def require_fit(network: torch.nn.Module, name: str, shape: Sequence[int]) -> None:
    """Raise a ValueError where chips of a shape (y, x) do not pass through a network."""
    stride: int = network.encoder.output_stride  # type: ignore[assignment, union-attr]
    if network.requires_divisible_input_shape and any(side % stride for side in shape):
        raise ValueError(
            f"chips of {shape[0]} x {shape[1]} pixels do not fit network {name!r}: "
            f"choose a --chip-size that is a multiple of {stride}"
        )


def require_network(
    config: TrainingConfig, inputs: Iterable[str], chip_size: int, training_chips: int
) -> None:
    """Build the network once, so that what is wrong with it is known before a chip is read.

    Parameters
    ----------
    config : TrainingConfig
    inputs : iterable of str
        All that it will be trained on.
    chip_size : int
        Of all chips [pixels].
    training_chips : int
        How many are planned: a last batch may have a single one.

    Raises
    ------
    ValueError, FileNotFoundError
        Where the network or its weights are not known, or chips of this size do not pass through.
    """
    counts = sorted({len(parse_inputs(name).channels) for name in inputs})
    if not Path(config.encoder_weights).is_file():  # else they fit one count of channels
        counts = counts[-1:]
    for channels in counts:
        network = build_network(config.network, channels, config.encoder_weights)
        require_fit(network, config.network, (chip_size, chip_size))
        chip = torch.zeros(1, channels, chip_size, chip_size)
        _require_passes(network.eval(), chip, config.network, "another --network or --chip-size")
    if training_chips % config.batch_size == 1 % config.batch_size:
        way_out = "another --batch-size, for one of its batches has a single chip, or --chip-size"
        _require_passes(network.train(), chip, config.network, way_out)


def _require_passes(network: torch.nn.Module, chip: torch.Tensor, name: str, way_out: str) -> None:
    try:
        with torch.no_grad():
            network(chip)
    except Exception as error:  # each architecture has refusals of its own
        raise ValueError(
            f"network {name!r} takes no chips of {chip.shape[-1]} pixels ({one_line(error, 200)}): "
            f"choose {way_out}"
        ) from error


def count_parameters(network: torch.nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)

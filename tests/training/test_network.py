"""The paper's network to the last parameter, the small one, and any other by name."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from landslide.training.config import training_config
from landslide.training.network import (
    build_network,
    count_parameters,
    require_fit,
    require_network,
)

TIMM = "Unet/tu-resnet10t"


def encoder_state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    encoder = network.encoder
    assert isinstance(encoder, torch.nn.Module)
    return encoder.state_dict()


def refused(kind: type[Exception], *arguments: object) -> str:
    with pytest.raises(kind) as caught:
        build_network(*arguments)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("channels", "parameters"), [(2, 48_982_754), (4, 48_989_026), (8, 49_001_570)]
)
def test_the_papers_network_has_the_papers_parameters(channels: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count_parameters(build_network("paper", channels)) == parameters


@pytest.mark.parametrize("name", ["quick", "FPN/resnet18", TIMM])
def test_a_network_gives_two_classes_for_each_pixel(name: str) -> None:
    network = build_network(name, 4).eval()
    with torch.no_grad():
        assert network(torch.zeros(3, 4, 32, 64)).shape == (3, 2, 32, 64)


def test_the_quick_network_is_small() -> None:
    assert count_parameters(build_network("quick", 8)) < 1_000_000


def test_frozen_parameters_are_not_counted() -> None:
    network = build_network("quick", 2)
    before = count_parameters(network)
    first = next(network.parameters())
    first.requires_grad_(False)
    assert count_parameters(network) == before - first.numel()


@pytest.mark.parametrize("name", ["small", "Unet/resnet18/2", ""])
def test_a_name_of_another_form_is_told_the_forms(name: str) -> None:
    assert "ARCHITECTURE/ENCODER" in refused(ValueError, name, 2)


@pytest.mark.parametrize(
    ("name", "named"),
    [("Unot/resnet18", "Unot"), ("Unet/resnot18", "resnot18"), ("Unet/tu-resnot", "resnot")],
)
def test_an_unknown_architecture_or_encoder_is_named(name: str, named: str) -> None:
    assert named in refused(ValueError, name, 2)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_an_encoders_weights_load_from_a_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"encoder{suffix}"
    torch.manual_seed(1)
    donor = encoder_state(build_network("quick", 2))
    if suffix == ".pt":
        torch.save(donor, path)
    else:
        save_file(donor, path)
    torch.manual_seed(2)
    blank = encoder_state(build_network("quick", 2))
    torch.manual_seed(2)
    loaded = encoder_state(build_network("quick", 2, str(path)))
    assert not all(torch.equal(blank[name], donor[name]) for name in donor)
    assert all(torch.equal(loaded[name], donor[name]) for name in donor)


@pytest.mark.parametrize("network", ["quick", "FPN/resnet18"])
@pytest.mark.parametrize("weights", ["encoder.safetensors", "folder/encoder", "gs://b/encoder.pt"])
def test_a_missing_file_of_weights_downloads_nothing(network: str, weights: str) -> None:
    assert weights in refused(FileNotFoundError, network, 2, weights)


@pytest.mark.parametrize("network", [TIMM, "FPN/resnet18"])
def test_an_unknown_name_of_weights_downloads_nothing(network: str) -> None:
    message = refused(ValueError, network, 2, "imagenot")
    assert "imagenot" in message
    assert network in message


def test_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet.safetensors"
    save_file(encoder_state(build_network("FPN/resnet18", 2)), path)
    assert "do not fit" in refused(ValueError, "quick", 2, str(path))


def test_weights_for_another_number_of_channels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.pt"
    torch.save(encoder_state(build_network("quick", 3)), path)
    assert "do not fit" in refused(ValueError, "quick", 2, str(path))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("content", [b"", b"no weights at all"])
def test_a_file_that_holds_no_weights_is_refused(
    content: bytes, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"encoder{suffix}"
    path.write_bytes(content)
    assert str(path) in refused(ValueError, "quick", 2, str(path))


def test_weights_of_a_file_have_to_fit_the_channels_of_all_inputs(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    save_file(encoder_state(build_network(TIMM, 2)), path)
    config = training_config("quick", network=TIMM, encoder_weights=str(path))
    require_network(config, ["vv", "vh"], 32, 10)
    for inputs in (["vv", "vv+dem"], ["vv", "elevation"]):
        with pytest.raises(ValueError, match="do not fit this network"):
            require_network(config, inputs, 32, 10)


@pytest.mark.parametrize(
    ("chips", "batch_size", "fits"), [(9, 4, False), (3, 1, False), (8, 4, True)]
)
def test_a_batch_of_one_chip_has_to_be_one_that_the_network_can_normalise(
    chips: int, batch_size: int, fits: bool
) -> None:
    config = training_config("quick", network="Unet/resnet18", batch_size=batch_size)
    require_network(config, ["vv"], 64, chips)
    if fits:
        require_network(config, ["vv"], 32, chips)
        return
    with pytest.raises(ValueError, match="another --batch-size, for one of its batches has a si"):
        require_network(config, ["vv"], 32, chips)


def test_chips_that_do_not_pass_through_a_network_are_told_which_would() -> None:
    with pytest.raises(ValueError, match=r"40 x 64 pixels .* multiple of 32"):
        require_fit(build_network("FPN/resnet18", 2), "FPN/resnet18", (40, 64))
    require_fit(build_network("FPN/resnet18", 2), "FPN/resnet18", (32, 64))
    # A plain U-Net pads for itself.
    require_fit(build_network("quick", 2), "quick", (37, 51))
    with torch.no_grad():
        assert build_network("quick", 2).eval()(torch.zeros(1, 2, 37, 51)).shape == (1, 2, 37, 51)

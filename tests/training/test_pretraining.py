"""Pretraining without labels: what is hidden, what is learned, and that no label is used."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file

from landslide.cube.labels import NO_DATA
from landslide.training import pretraining
from landslide.training.config import TrainingConfig
from landslide.training.pretraining import (
    HIDDEN,
    SQUARE,
    Reconstruction,
    hidden_squares,
    pretrain,
)
from landslide.training.train import train

Make = Callable[..., xr.Dataset]
Small = Callable[..., TrainingConfig]


@pytest.mark.parametrize("shape", [(32, 64), (40, 56), (128, 128)])
def test_the_same_share_of_every_chips_squares_is_hidden(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    hidden = hidden_squares(torch.zeros(5, 3, *shape))
    assert hidden.shape == (5, *shape)
    squares = hidden[:, ::SQUARE, ::SQUARE]
    full = squares.repeat_interleave(SQUARE, 1).repeat_interleave(SQUARE, 2)
    assert torch.equal(hidden, full[:, : shape[0], : shape[1]])
    share = squares.float().mean(dim=(1, 2))
    assert torch.allclose(share, torch.full((5,), HIDDEN), atol=1 / squares[0].numel())
    assert not torch.equal(hidden[0], hidden[1])


def test_the_network_is_shown_nothing_of_the_hidden_pixels_and_those_alone_are_its_loss(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden, seen = torch.zeros(2, 32, 64, dtype=torch.bool), []
    hidden[0, :16, 16:48], hidden[1, 16:, :16] = True, True
    x = torch.randn(2, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=torch.channels_last)
    given = x.clone()
    y = torch.zeros(2, 32, 64, dtype=torch.uint8)
    y[:, 8:24, 8:24] = NO_DATA

    def forward(given: torch.Tensor) -> torch.Tensor:
        seen.append(given)
        return torch.zeros_like(given)

    monkeypatch.setattr(pretraining, "hidden_squares", lambda _: hidden)
    network, cpu = torch.nn.Conv2d(3, 3, 1), torch.device("cpu")
    loss, pixels = Reconstruction(network, small(), torch.float32, cpu, forward).loss(x, y)
    (shown,) = seen
    assert torch.equal(x, given)
    assert torch.equal(shown, torch.where(hidden[:, None], 0, x))
    assert shown.is_contiguous(memory_format=torch.channels_last)  # what steps are compiled for
    counted = hidden & (y != NO_DATA)
    assert float(loss) == pytest.approx(float(x.abs().mean(dim=1)[counted].sum()), rel=1e-5)
    assert int(pixels) == int(counted.sum())


def smooth(chips: xr.Dataset) -> xr.Dataset:
    """Return chips whose backscatter is a slope, to be guessed from what is around."""
    y, x = (np.linspace(0, 2, chips.sizes[d], dtype=np.float32) for d in "yx")
    plane = np.broadcast_to(y[:, None] + 3 * x, chips["sar"].shape[-2:])
    return chips.assign(sar=(chips["sar"].dims, np.broadcast_to(plane, chips["sar"].shape).copy()))


def test_the_network_learns_to_say_what_is_hidden_and_a_training_begins_with_it(
    make_chips: Make, small: Small, tmp_path: Path
) -> None:
    chips, errors = smooth(make_chips(train=8)), []
    address = str(tmp_path / "pretrained.safetensors")
    last = pretrain(
        chips, small(epochs=12), address, report=lambda record: errors.append(record["train_loss"])
    )
    assert last == errors[-1] < 0.7 * errors[0]
    assert len(errors) == 12
    assert not any(name.startswith("segmentation_head") for name in load_file(address))
    trained = train(make_chips(train=8), small(epochs=1, start=address))
    assert 0 < trained.auprc < 1


def test_no_label_is_used(make_chips: Make, small: Small, tmp_path: Path) -> None:
    chips = make_chips(train=4)
    label = chips["label"].to_numpy()
    other = chips.assign(label=(chips["label"].dims, np.where(label == 255, label, 1 - label)))
    kept = []
    for number, each in enumerate((chips, other)):
        pretrain(each, small(epochs=2), str(tmp_path / f"{number}"))
        kept.append((tmp_path / f"{number}").read_bytes())
    assert kept[0] == kept[1]


def test_what_is_guessed_is_not_rounded(
    make_chips: Make, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    loss = Reconstruction.loss

    def noted(run: Reconstruction, x: torch.Tensor, y: torch.Tensor) -> Any:
        seen.append(x.dtype)
        return loss(run, x, y)

    monkeypatch.setattr(Reconstruction, "loss", noted)
    monkeypatch.setattr(pretraining, "working_precision", lambda *_: torch.bfloat16)
    pretrain(make_chips(train=4), small(epochs=1), str(tmp_path / "weights"))
    assert set(seen) == {torch.float32}


def test_a_stopped_run_goes_on_to_the_same_weights(
    make_chips: Make, small: Small, tmp_path: Path
) -> None:
    chips, checkpoint = make_chips(train=4), str(tmp_path / "checkpoint")
    pretrain(chips, small(epochs=4), str(tmp_path / "whole"))

    class StopError(Exception):
        pass

    def stop(record: dict[str, float]) -> None:
        if record["epoch"] == 3:
            raise StopError

    with pytest.raises(StopError):
        pretrain(chips, small(epochs=4), str(tmp_path / "w"), checkpoint=checkpoint, report=stop)
    assert not (tmp_path / "w").exists()
    pretrain(chips, small(epochs=4), str(tmp_path / "w"), checkpoint=checkpoint)
    assert (tmp_path / "w").read_bytes() == (tmp_path / "whole").read_bytes()


def test_chips_that_would_validate_are_left_out(
    make_chips: Make, small: Small, tmp_path: Path
) -> None:
    chips = make_chips(train=4, validation=2)
    alone = chips.isel(chip=(chips["part"] == "train").to_numpy())
    for name, each in (("both", chips), ("alone", alone)):
        pretrain(each, small(epochs=1), str(tmp_path / name))
    assert (tmp_path / "both").read_bytes() == (tmp_path / "alone").read_bytes()


def test_chips_that_do_not_fit_the_network_are_refused_as_in_training(
    make_chips: Make, small: Small, tmp_path: Path
) -> None:
    chips, config = make_chips().isel(y=slice(30)), small(network="FPN/resnet18")
    with pytest.raises(ValueError, match=r"^chips of 30 x 64 pixels do not fit network") as caught:
        pretrain(chips, config, f"{tmp_path}/w")
    assert "--chip-size" in str(caught.value)

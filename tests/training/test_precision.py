"""The arithmetic of training: which type a device computes in, and what the loss counts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from landslide.cube.labels import NO_DATA
from landslide.training import device
from landslide.training import network as networks
from landslide.training import train as training
from landslide.training.config import TrainingConfig
from landslide.training.device import (
    begin_as_planned,
    resolved_precision,
    whole_float32,
    working_precision,
)
from landslide.training.feeding import Feed, Resident
from landslide.training.network import build_network
from landslide.training.run import Run, predict
from landslide.training.train import train

MakeChips = Callable[..., xr.Dataset]
Small = Callable[..., TrainingConfig]

CPU, GPU = torch.device("cpu"), torch.device("cuda")
V100, T4, A100, H200 = (7, 0), (7, 5), (8, 0), (9, 0)


def run_in(precision: torch.dtype, config: TrainingConfig) -> Run:
    torch.manual_seed(0)
    return Run(build_network("quick", 2), config, precision, CPU)


@pytest.mark.parametrize("units", [True, False])
@pytest.mark.parametrize("wanted", ["auto", "mixed", "float32"])
def test_a_cpu_computes_in_float32_unless_mixed_is_asked_for_and_it_has_the_units(
    wanted: str, units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda: units)
    mixed = wanted == "mixed" and units
    assert working_precision(wanted, CPU) == (torch.bfloat16 if mixed else torch.float32)
    assert resolved_precision(wanted, gpu=False) == ("mixed" if mixed else "float32")


def test_a_trial_planned_as_mixed_is_not_trained_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "DRIVER", tmp_path / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda: False)
    begin_as_planned("float32", 0)
    begin_as_planned("mixed", 1)
    with pytest.raises(ValueError, match="and here is neither: give --precision float32"):
        begin_as_planned("mixed", 0)


def test_this_cpu_says_whether_it_multiplies_bfloat16() -> None:
    information = Path("/proc/cpuinfo")
    if not information.exists():
        pytest.skip("only Linux lists what a CPU can do")
    flags = set(information.read_text().split())
    assert device.multiplies_bfloat16() == bool(flags & {"amx_bf16", "avx512_bf16"})


@pytest.mark.parametrize("wanted", ["auto", "mixed"])
@pytest.mark.parametrize(
    ("capability", "expected"),
    [(V100, torch.float16), (T4, torch.float16), (A100, torch.bfloat16), (H200, torch.bfloat16)],
)
def test_a_gpu_computes_in_the_half_precision_that_it_has(
    wanted: str,
    capability: tuple[int, int],
    expected: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert working_precision(wanted, GPU) == expected
    assert working_precision("float32", GPU) == torch.float32


@pytest.mark.parametrize(
    ("precision", "scaled"),
    [(torch.float16, True), (torch.bfloat16, False), (torch.float32, False)],
)
def test_only_float16_scales_its_gradients(
    precision: torch.dtype, scaled: bool, small: Small
) -> None:
    assert run_in(precision, small()).scaler.is_enabled() == scaled


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_half_precision_learns_as_float32_does(
    precision: torch.dtype,
    make_chips: MakeChips,
    small: Small,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = train(make_chips(validation=2), small(epochs=4))
    monkeypatch.setattr(training, "working_precision", lambda *_: precision)
    half = train(make_chips(validation=2), small(epochs=4))
    assert half.precision == str(precision).removeprefix("torch.")
    assert half.test_scores.dtype == np.float32
    losses = [[record["train_loss"] for record in t.history] for t in (half, full)]
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.2)


def test_the_loss_is_the_cross_entropy_of_the_pixels_with_data(small: Small) -> None:
    run = run_in(torch.float32, small())
    run.network.eval()
    random = np.random.default_rng(0)
    x = torch.tensor(random.normal(size=(3, 2, 32, 64)), dtype=torch.float32)
    y = torch.tensor(random.choice([0, 1, NO_DATA], (3, 32, 64)))
    loss, pixels = run.loss(x, y)
    probabilities = torch.softmax(run.network(x).detach(), dim=1).numpy()
    expected = 0.0
    for chip, row, column in np.argwhere(y.numpy() != NO_DATA):
        expected -= np.log(probabilities[chip, int(y[chip, row, column]), row, column])
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)
    assert int(pixels) == int((y != NO_DATA).sum())


def test_pixels_without_data_pull_no_weight(small: Small) -> None:
    run = run_in(torch.float32, small())
    y = torch.full((2, 32, 64), NO_DATA)
    loss, pixels = run.loss(torch.randn(2, 2, 32, 64), y)
    torch.autograd.backward(loss / pixels.clamp(min=1))
    assert (float(loss.detach()), int(pixels)) == (0, 0)
    assert all((p.grad == 0).all() for p in run.network.parameters() if p.grad is not None)


def test_the_steps_are_adams_on_the_mean_loss_and_weight_decay(small: Small) -> None:
    random, rate, decay = np.random.default_rng(0), 0.01, 0.1
    torch.manual_seed(0)
    network = torch.nn.Conv2d(2, 2, 1)
    run = Run(network, small(learning_rate=rate, weight_decay=decay), torch.float32, CPU)

    def weights() -> np.ndarray:
        parts = network.weight.flatten(1), network.bias[:, None]
        return torch.cat(parts, dim=1).detach().double().numpy()

    expected, mean, square = weights(), np.zeros((2, 3)), np.zeros((2, 3))
    for step in range(1, 4):
        x = random.normal(size=(3, 2, 5, 7)).astype(np.float32)
        y = random.choice([0, 1, NO_DATA], (3, 5, 7))
        run.step(torch.from_numpy(x), torch.from_numpy(y))
        counted = y != NO_DATA
        pixels = np.column_stack([np.moveaxis(x, 1, -1)[counted], np.ones(counted.sum())])
        odds = np.exp(pixels @ expected.T)
        wrong = odds / odds.sum(axis=1, keepdims=True) - np.eye(2)[y[counted]]
        slope = wrong.T @ pixels / len(pixels) + decay * expected
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        deviation = np.sqrt(square / (1 - 0.999**step))
        expected -= rate * mean / (1 - 0.9**step) / (deviation + 1e-8)
    np.testing.assert_allclose(weights(), expected, atol=1e-6)


def test_the_validation_loss_is_the_mean_cross_entropy(small: Small) -> None:
    run = run_in(torch.float32, small(batch_size=2))
    x = torch.randn(5, 2, 32, 64, generator=torch.Generator().manual_seed(0))
    y = torch.tensor(np.random.default_rng(0).choice([0, 1, NO_DATA], (5, 32, 64)))
    found, _ = run.validate(Resident(x, y, 2))
    run.network.eval()
    loss, pixels = run.loss(x, y)
    assert found == pytest.approx(float((loss / pixels).detach()), rel=1e-5)


def test_a_score_is_the_logit_of_landslide_over_none_whatever_the_batch() -> None:
    torch.manual_seed(0)
    network = build_network("quick", 2)
    x = torch.randn(5, 2, 32, 64)
    scores = predict(network, x, 2, torch.float32)
    with torch.no_grad():
        probability = torch.softmax(network(x), dim=1)[:, 1]
    np.testing.assert_allclose(torch.sigmoid(scores), probability, atol=1e-5)
    np.testing.assert_allclose(predict(network, x, 64, torch.float32), scores, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("quick", torch.float16),
        ("quick", torch.bfloat16),
        ("UnetPlusPlus/resnet18", torch.bfloat16),
    ],
)
def test_scores_are_not_rounded_to_half_precision(name: str, precision: torch.dtype) -> None:
    """Rounded, a thousand pixels would share a few hundred values, whose ties are no ranking."""
    torch.manual_seed(0)
    network = build_network(name, 2)
    x = torch.randn(2, 2, 32, 64)
    scores = predict(network, x, 2, precision)
    assert scores.dtype == torch.float32
    assert len(scores.unique()) > 0.9 * scores.numel()
    assert len(scores.to(precision).unique()) < 0.9 * scores.numel()
    whole = predict(network, x, 2, torch.float32)
    assert (scores - whole).abs().mean() < 0.05 * whole.std()
    assert not torch.equal(scores, whole)  # what comes before the last layer is in half precision


@pytest.mark.parametrize(
    ("precision", "expected"), [(torch.float32, {"ieee"}), (torch.bfloat16, {"tf32"})]
)
def test_a_run_in_float32_convolves_in_nothing_less(
    precision: torch.dtype,
    expected: set[str],
    make_chips: MakeChips,
    small: Small,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The setting is of GPUs, and is asked forward and backward, in training and in scoring."""
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    seen: list[tuple[str, str]] = []
    built = networks.build_network

    def watched(*arguments: Any, **options: Any) -> torch.nn.Module:
        network = built(*arguments, **options)

        def forward(module: torch.nn.Module, _: Any, out: torch.Tensor) -> None:
            seen.append((f"forward {module.training}", convolutions.fp32_precision))
            if out.requires_grad:
                out.register_hook(lambda _: seen.append(("backward", convolutions.fp32_precision)))

        network.register_forward_hook(forward)
        return network

    monkeypatch.setattr(training, "working_precision", lambda *_: precision)
    monkeypatch.setattr(networks, "build_network", watched)
    train(make_chips(train=4, validation=1), small(epochs=1))
    assert {when for when, _ in seen} == {"forward True", "forward False", "backward"}
    assert {setting for _, setting in seen} == expected
    assert convolutions.fp32_precision == "tf32"  # as torch has it


def test_threads_that_score_with_one_network_do_not_hear_each_other() -> None:
    torch.manual_seed(0)
    network = build_network("quick", 2)
    batches = torch.randn(8, 3, 2, 32, 64)
    alone = [predict(network, x, 1, torch.bfloat16) for x in batches]
    with ThreadPoolExecutor(4) as threads:
        together = threads.map(lambda x: predict(network, x, 1, torch.bfloat16), [*batches] * 4)
        for found, expected in zip(together, alone * 4, strict=True):
            assert torch.equal(found, expected)


def test_of_threads_that_convolve_at_once_the_last_gives_back_what_the_first_found() -> None:
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    first, second = whole_float32(torch.float32), whole_float32(torch.float32)
    before = convolutions.fp32_precision
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert convolutions.fp32_precision == "ieee"  # for the second, which goes on
    second.__exit__(None, None, None)
    assert convolutions.fp32_precision == before != "ieee"


def test_an_epoch_whose_scores_overflow_is_the_worst_and_not_the_last(
    make_chips: MakeChips, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = Run.score

    def overflowing(run: Run, chips: Feed) -> torch.Tensor:
        return score(run, chips) * (np.inf if run.epoch == 1 else 1)

    monkeypatch.setattr(Run, "score", overflowing)
    trained = train(make_chips(validation=2), small(epochs=3))
    assert [record["validation_auprc"] == 0 for record in trained.history] == [True, False, False]
    assert trained.history[0]["validation_loss"] == np.inf
    assert trained.best_epoch > 1

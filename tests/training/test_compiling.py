"""Compiled steps: the same weights and numbers, and the network as it is where that cannot be."""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import xarray as xr

from landslide.training import compiling
from landslide.training import train as training
from landslide.training.compiling import compiled
from landslide.training.config import TrainingConfig, training_config
from landslide.training.pretraining import pretrain
from landslide.training.train import train

SAMPLE = torch.zeros(2, 2, 8, 12)
Make = Callable[..., xr.Dataset]
Small = Callable[..., TrainingConfig]


def tiny() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU(), torch.nn.BatchNorm2d(3))


@pytest.mark.parametrize("unusable", [RuntimeError("no compiler\nhere"), NotImplementedError()])
def test_what_cannot_be_compiled_trains_as_it_is_with_one_line(
    unusable: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise unusable

    monkeypatch.setattr(torch, "compile", fail)
    network = tiny()
    with caplog.at_level(logging.WARNING):
        assert compiled(network, [SAMPLE], torch.float32) is network
    (record,) = caplog.records
    assert "not compiled, and trains as it is" in record.message
    assert "\n" not in record.message


def test_what_the_device_fails_with_is_no_matter_of_compiling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(torch.OutOfMemoryError):
        compiled(tiny(), [SAMPLE], torch.float32)


def test_the_trial_leaves_weights_statistics_and_random_numbers_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "compile", lambda network, **_: network)
    network = tiny()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    assert compiled(network, [SAMPLE + 1], torch.float32) is network
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_what_cudnn_keeps_from_the_trial_it_has_searched_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched = []

    def noted(network: torch.nn.Module, **_: Any) -> Any:
        def forward(x: torch.Tensor) -> torch.Tensor:
            searched.append(torch.backends.cudnn.benchmark)
            y: torch.Tensor = network(x)
            y.register_hook(lambda _: searched.append(torch.backends.cudnn.benchmark))
            return y

        return forward

    monkeypatch.setattr(torch, "compile", noted)
    compiled(tiny(), [SAMPLE], torch.float32)
    assert searched == [True, True]
    assert not torch.backends.cudnn.benchmark


def test_only_who_asks_for_it_compiles_and_scores_are_as_they_are(
    make_chips: Make, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not training_config("paper").compile
    asked, kinds = [], list[torch.dtype]()

    class Whole:
        """Called as a network is, and like a compiled one has no truth value."""

        def __init__(self, network: torch.nn.Module) -> None:
            self.network = network

        def __call__(self, x: torch.Tensor) -> Any:
            return self.network(x)

        def __len__(self) -> int:
            raise TypeError("no len()")

    def noted(network: torch.nn.Module, samples: Iterable[torch.Tensor], _: torch.dtype) -> Whole:
        whole = list(samples)
        asked.append([tuple(sample.shape) for sample in whole])
        kinds.extend(sample.dtype for sample in whole)
        return Whole(network)

    monkeypatch.setattr(compiling, "compiled", noted)
    chips = make_chips(train=6)
    plain = train(chips, small(epochs=1))
    assert asked == []
    assert not plain.compiled
    whole = train(chips, small(epochs=1, compile=True))
    assert whole.auprc == plain.auprc
    assert whole.compiled
    assert asked == [[(4, 2, 32, 64), (2, 2, 32, 64)]]  # the last batch of an epoch has two chips
    # It is tried on chips as the device holds them.
    monkeypatch.setattr(training, "working_precision", lambda *_: torch.bfloat16)
    train(chips, small(epochs=1, compile=True))
    assert kinds == [torch.float32] * 2 + [torch.bfloat16] * 2


def test_a_model_knows_that_its_steps_were_not_compiled_after_all(
    make_chips: Make, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", fail)
    assert not train(make_chips(), small(epochs=1, compile=True)).compiled


def test_so_does_a_pretraining(
    make_chips: Make, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []

    def noted(network: torch.nn.Module, *_: Any) -> Any:
        def forward(x: torch.Tensor) -> Any:
            shapes.append(tuple(x.shape))
            return network(x)

        return forward

    monkeypatch.setattr(compiling, "compiled", noted)
    for wanted in (False, True):
        config = small(epochs=1, compile=wanted)
        pretrain(make_chips(train=6), config, str(tmp_path / f"{wanted}"))
    assert shapes == [(4, 2, 32, 64), (2, 2, 32, 64)]
    assert (tmp_path / "True").read_bytes() == (tmp_path / "False").read_bytes()


def test_every_batch_to_come_is_tried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def compile_(network: torch.nn.Module, **_: Any) -> Any:
        def whole(x: torch.Tensor) -> Any:
            if len(x) == 1:
                raise RuntimeError("no kernel for one chip")
            return network(x)

        return whole

    monkeypatch.setattr(torch, "compile", compile_)
    network = tiny()
    with caplog.at_level(logging.WARNING):
        assert compiled(network, [SAMPLE, SAMPLE[:1]], torch.float32) is network
    assert "no kernel for one chip" in caplog.text


def test_every_trial_of_a_process_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    for channels in range(1, 7):  # of as many inputs, each trained on after the other
        network = torch.nn.Sequential(torch.nn.Conv2d(channels, 3, 3), torch.nn.ReLU())
        samples = [torch.zeros(chips, channels, 8, 12) for chips in (2, 1)]
        forward = compiled(network, samples, torch.float32)
        for sample in samples:
            forward(sample)
        assert len(graphs) == 2 * channels  # for full batches and the last


@pytest.mark.long  # a compiler of C++ is at work
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
def test_what_is_compiled_computes_the_same() -> None:
    network = tiny()
    x = torch.randn(2, 2, 8, 12)
    forward = compiled(network, [x], torch.float32)
    network.train()
    expected = tiny().train()(x)
    torch.testing.assert_close(forward(x), expected, rtol=1e-4, atol=1e-5)

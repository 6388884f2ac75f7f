"""A run that was interrupted goes on to the result of one that was not."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import save_file

from landslide.storage import read_bytes
from landslide.training import run
from landslide.training.config import TrainingConfig
from landslide.training.network import build_network
from landslide.training.run import Run
from landslide.training.train import train

from .conftest import assert_same

MakeChips = Callable[..., xr.Dataset]
Small = Callable[..., TrainingConfig]


class InterruptedRunError(Exception):
    pass


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    """Address of a checkpoint that is not there yet."""
    return f"{tmp_path}/runs/abc.checkpoint"


def interrupt(chips: xr.Dataset, config: TrainingConfig, checkpoint: str, epoch: int) -> None:
    """Train until an epoch ends, and no further."""

    def report(record: dict[str, float]) -> None:
        if record["epoch"] == epoch:
            raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        train(chips, config, checkpoint=checkpoint, report=report)


@pytest.mark.parametrize("validation", [0, 3])
@pytest.mark.parametrize(("epoch", "goes_on_at"), [(2, 1), (3, 3), (5, 5)])
def test_an_interrupted_run_goes_on_to_the_same_result(
    epoch: int,
    goes_on_at: int,
    validation: int,
    checkpoint: str,
    make_chips: MakeChips,
    small: Small,
) -> None:
    chips = make_chips(validation=validation)
    # A learning rate that falls on the way, so that the schedule must be taken up, too.
    config = small(epochs=5, plateau_patience=0, plateau_threshold=0.5, checkpoint_every=2)
    interrupt(chips, config, checkpoint, epoch)
    torch.rand(5)  # another process would have drawn other numbers
    heard: list[dict[str, float]] = []
    resumed = train(chips, config, checkpoint=checkpoint, report=heard.append)
    assert [record["epoch"] for record in heard] == list(range(goes_on_at, 6))
    assert_same(resumed, train(chips, config))


@pytest.mark.parametrize(
    ("first", "expected"),
    [(0.0, [2, 8, 14, 20]), (0.25, [6, 12, 18])],  # 0.25 s are 0.05 of 5 s
)
def test_checkpoints_that_take_long_are_fewer(
    first: float,
    expected: list[int],
    checkpoint: str,
    make_chips: MakeChips,
    small: Small,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first counts as its bytes do: weights, and two moments of each."""
    clock, saved = [0.0], []

    def advance(training: Run, *_: object) -> dict[str, float]:
        training.epoch += 1
        clock[0] += 1  # second
        return {"epoch": float(training.epoch)}

    def save(training: Run, _: str) -> None:
        saved.append(training.epoch)
        clock[0] += 0.25

    weights = sum(p.numel() for p in build_network("quick", 2).parameters())
    monkeypatch.setattr(run, "SAVING", 3 * 4 * weights / first if first else np.inf)
    monkeypatch.setattr(run, "CHECKPOINT_SHARE", 0.05)
    monkeypatch.setattr(run.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(Run, "advance", advance)
    monkeypatch.setattr(Run, "save", save)
    train(make_chips(), small(epochs=20, checkpoint_every=2), checkpoint=checkpoint)
    assert saved == expected


def test_the_best_epochs_weights_outlive_an_interruption(
    checkpoint: str, make_chips: MakeChips, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    chips, config = make_chips(validation=1), small(epochs=4, checkpoint_every=2)
    # Validation finds each epoch worse than the one before.
    monkeypatch.setattr(Run, "validate", lambda run, *_: (1.0, 1 / run.epoch))
    interrupt(chips, config, checkpoint, 3)
    resumed = train(chips, config, checkpoint=checkpoint)
    assert resumed.best_epoch == 1
    assert_same(resumed, train(chips, config))


def test_so_does_a_network_that_draws_numbers_as_it_trains(
    checkpoint: str, make_chips: MakeChips, small: Small
) -> None:
    chips = make_chips(train=4, test=1)
    config = small(network="FPN/tu-resnet10t", checkpoint_every=1)
    interrupt(chips, config, checkpoint, 2)
    torch.rand(5)
    resumed = train(chips, config, checkpoint=checkpoint)
    assert_same(resumed, train(chips, config))


def test_a_run_interrupted_twice_adds_its_seconds(
    make_chips: MakeChips, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a store that has no folders of its own."""
    checkpoint = "memory://runs/abc.checkpoint"
    clock, step = [0.0], Run.step

    def timed(training: Run, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        clock[0] += 1  # second; an epoch is one step
        return step(training, x, y)

    def seconds() -> float:
        data = io.BytesIO(read_bytes(checkpoint))
        return float(torch.load(data, weights_only=True)["progress"]["seconds"])

    monkeypatch.setattr(run.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(Run, "step", timed)
    chips, config = make_chips(train=4, test=1), small(epochs=4, checkpoint_every=1)
    interrupt(chips, config, checkpoint, 2)  # before the second checkpoint
    assert seconds() == 1
    interrupt(chips, config, checkpoint, 3)
    assert seconds() == 2
    resumed = train(chips, config, checkpoint=checkpoint)
    assert resumed.seconds == 4
    assert_same(resumed, train(chips, config))


def test_a_run_that_ended_is_scored_again_without_training(
    checkpoint: str, make_chips: MakeChips, small: Small
) -> None:
    config = small(epochs=2)
    first = train(make_chips(validation=2), config, checkpoint=checkpoint)
    heard: list[object] = []
    again = train(make_chips(validation=2), config, checkpoint=checkpoint, report=heard.append)
    assert not heard
    assert_same(first, again)


def test_checkpoints_change_no_result(checkpoint: str, make_chips: MakeChips, small: Small) -> None:
    config = small(epochs=3, checkpoint_every=1)
    assert_same(train(make_chips(), config, checkpoint=checkpoint), train(make_chips(), config))


def test_a_run_goes_on_with_as_many_threads_as_the_next_machine_has(
    checkpoint: str, make_chips: MakeChips, small: Small
) -> None:
    config = small(epochs=2, threads=1)
    first = train(make_chips(), config, checkpoint=checkpoint)
    again = train(make_chips(), replace(config, threads=2), checkpoint=checkpoint)
    assert again.history == first.history


@pytest.mark.parametrize("changes", [{"seed": 1}, {"timesteps": 1}, {"epochs": 9}])
def test_a_checkpoint_of_another_configuration_is_refused(
    changes: dict[str, int], checkpoint: str, make_chips: MakeChips, small: Small
) -> None:
    train(make_chips(), small(epochs=2), checkpoint=checkpoint)
    (other,) = changes
    said = rf"of another configuration \(in {other}\): remove it"
    with pytest.raises(ValueError, match=said) as caught:
        train(make_chips(), small(**{"epochs": 2} | changes), checkpoint=checkpoint)
    assert checkpoint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_beside_a_checkpoint_of_an_earlier_version_training_begins_anew(
    checkpoint: str, make_chips: MakeChips, small: Small, caplog: pytest.LogCaptureFixture
) -> None:
    trained = train(make_chips(), small(epochs=2), checkpoint=checkpoint)
    state = torch.load(checkpoint, weights_only=True)
    state["config"] = state.pop("determined")
    torch.save(state, checkpoint)
    assert_same(train(make_chips(), small(epochs=2), checkpoint=checkpoint), trained)
    assert f"{checkpoint} is a checkpoint of an earlier version" in caplog.text


@pytest.mark.parametrize("left", [b"", b"nothing of torch's", 1000, 5000, 1 << 16])
def test_beside_half_a_checkpoint_training_begins_anew(
    left: bytes | int,
    checkpoint: str,
    make_chips: MakeChips,
    small: Small,
    caplog: pytest.LogCaptureFixture,
) -> None:
    trained = train(make_chips(), small(epochs=2), checkpoint=checkpoint)
    whole = Path(checkpoint).read_bytes()
    Path(checkpoint).write_bytes(whole[:left] if isinstance(left, int) else left)
    assert_same(train(make_chips(), small(epochs=2), checkpoint=checkpoint), trained)
    assert f"{checkpoint} is no whole checkpoint: training begins anew" in caplog.text


@pytest.mark.parametrize("setting", ["encoder_weights", "start"])
def test_a_run_goes_on_with_the_same_weights_from_another_place(
    setting: str, tmp_path: Path, checkpoint: str, make_chips: MakeChips, small: Small
) -> None:
    network = build_network("quick", 2)
    kept = network.encoder if setting == "encoder_weights" else network
    assert isinstance(kept, torch.nn.Module)
    for place in ("first", "then", "other"):
        (tmp_path / place).mkdir()
        save_file(kept.state_dict(), tmp_path / place / "weights.safetensors")
        if place == "then":  # and other weights, of the same name
            torch.nn.init.ones_(next(kept.parameters()))
    first, then, other = (
        small(epochs=2, **{setting: str(tmp_path / place / "weights.safetensors")})
        for place in ("first", "then", "other")
    )
    trained = train(make_chips(), first, checkpoint=checkpoint)
    assert_same(train(make_chips(), then, checkpoint=checkpoint), trained)
    with pytest.raises(ValueError, match=rf"another configuration \(in {setting}\): remove it"):
        train(make_chips(), other, checkpoint=checkpoint)


def test_a_run_goes_on_in_its_precision_however_that_was_asked_for(
    checkpoint: str, make_chips: MakeChips, small: Small
) -> None:
    auto, float32 = (small(epochs=2, precision=wanted) for wanted in ("auto", "float32"))
    trained = train(make_chips(), auto, checkpoint=checkpoint)
    assert_same(train(make_chips(), float32, checkpoint=checkpoint), trained)


def test_a_checkpoint_serves_another_rhythm_of_checkpoints(
    checkpoint: str, make_chips: MakeChips, small: Small
) -> None:
    interrupt(make_chips(), small(checkpoint_every=2), checkpoint, 3)
    heard: list[dict[str, float]] = []
    train(
        make_chips(),
        small(checkpoint_every=5, preset="quick"),
        checkpoint=checkpoint,
        report=heard.append,
    )
    assert [record["epoch"] for record in heard] == [3]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((torch.bfloat16, "cpu"), (torch.float16, "cpu")),
        ((torch.float16, "cpu"), (torch.bfloat16, "cpu")),
        ((torch.float32, "cpu"), (torch.float32, "cuda")),
        ((torch.float32, "cuda"), (torch.float32, "cpu")),
        ((torch.float32, "cuda"), (torch.float32, "cuda")),
    ],
)
def test_a_device_goes_on_in_its_own_way_with_what_another_or_its_like_left(
    first: tuple[torch.dtype, str],
    then: tuple[torch.dtype, str],
    checkpoint: str,
    small: Small,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What differs by device is the scaler, the optimiser and what draws numbers.

    All that they are given lies here.
    """
    drawn, taken_up = torch.tensor([3, 1, 4], dtype=torch.uint8), list[torch.Tensor]()
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: drawn)
    monkeypatch.setattr(torch.cuda, "set_rng_state", taken_up.append)
    batch = torch.randn(2, 2, 8, 16), torch.randint(2, (2, 8, 16))

    def on(precision: torch.dtype, device: str) -> Run:
        return Run(build_network("quick", 2), small(), precision, torch.device(device))

    def moments(run: Run) -> list[torch.Tensor]:
        return [state["exp_avg"] for state in run.optimizer.state.values()]

    before = on(*first)
    before.step(*batch)
    before.save(checkpoint)
    after, fresh = on(*then), on(*then)
    after.resume(checkpoint)
    assert len(moments(after)) == len(moments(before))
    assert all(map(torch.equal, moments(after), moments(before)))
    assert after.optimizer.param_groups[0]["fused"] == fresh.optimizer.param_groups[0]["fused"]
    assert after.scaler.is_enabled() == fresh.scaler.is_enabled()
    assert len(taken_up) == (first[1] == then[1] == "cuda")
    assert all(torch.equal(state, drawn) for state in taken_up)
    loss, _ = after.step(*batch)
    assert np.isfinite(float(loss))

"""Few labels, weights to begin with, and what neither may touch."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tenacity
import torch
import xarray as xr
from fsspec.implementations.memory import MemoryFileSystem
from safetensors.torch import save_file

from landslide import retries
from landslide.chips.split import TRAIN
from landslide.training.config import PRESETS, TrainingConfig, determining
from landslide.training.labelled import (
    training_chips,
    with_labels,
    with_more_steps,
    with_steps_of,
)
from landslide.training.network import build_network
from landslide.training.sources import feed_parts
from landslide.training.start import begin_with, keep_weights
from landslide.training.train import train

Make = Callable[..., xr.Dataset]
Small = Callable[..., TrainingConfig]
CPU = torch.device("cpu")
LENGTHS = ("epochs", "plateau_patience", "checkpoint_every")


def test_the_chips_of_fewer_labels_are_among_those_of_more(make_chips: Make, small: Small) -> None:
    chips = make_chips(train=9)
    drawn = [set(training_chips(chips, small(labelled_chips=k)).tolist()) for k in range(10)]
    assert [len(each) for each in drawn] == list(range(10))
    assert all(fewer < more for fewer, more in pairwise(drawn))
    assert drawn[9] == set(training_chips(chips, small()).tolist())
    assert (chips["part"].to_numpy()[sorted(drawn[9])] == TRAIN).all()


def test_another_seed_draws_other_chips_and_the_first_holds_a_landslide(
    make_chips: Make, small: Small
) -> None:
    chips = make_chips(train=30)
    bare = chips["label"].copy(data=np.where(chips["label"] == 1, 0, chips["label"]))
    (train_part,) = np.nonzero(chips["part"].to_numpy() == TRAIN)
    bare[train_part[::6]] = chips["label"][train_part[::6]]  # a sixth of them
    firsts = set()
    for seed in range(12):
        (first,) = training_chips(chips.assign(label=bare), small(labelled_chips=1, seed=seed))
        assert (bare[first] == 1).any()
        firsts.add(int(first))
    assert len(firsts) > 1


def test_more_labels_than_there_are_is_one_line(make_chips: Make, small: Small) -> None:
    with pytest.raises(
        ValueError, match=r"10 labelled chips were asked for, .* has 8: ask for few"
    ):
        training_chips(make_chips(train=8), small(labelled_chips=10))


def test_few_labels_leave_statistics_and_test_part_alone_and_validate_nothing(
    make_chips: Make, small: Small
) -> None:
    chips = make_chips(train=8, validation=4)
    whole, parts = feed_parts(chips, small(), CPU)
    few, fewer_parts = feed_parts(chips, small(labelled_chips=2), CPU)
    assert few == whole
    assert [len(fewer_parts[p].labels) for p in ("train", "validation", "test")] == [2, 0, 4]
    assert torch.equal(fewer_parts["test"].labels, parts["test"].labels)


@pytest.mark.parametrize("labelled", [1, 2, 10, 40, 50, 64, 68])
@pytest.mark.parametrize("base", PRESETS.values(), ids=PRESETS)
def test_few_labels_are_trained_on_in_as_many_steps(base: TrainingConfig, labelled: int) -> None:
    def steps(config: TrainingConfig, count: int) -> int:
        return config.epochs * -(-count // config.batch_size)

    few = with_labels(base, labelled, 68)
    assert few.labelled_chips == labelled
    half_an_epoch = -(-labelled // base.batch_size) / 2
    assert abs(steps(few, labelled) - steps(base, 68)) <= half_an_epoch
    stays = few.epochs / base.epochs  # of a rate that waits as many steps before it falls
    assert few.plateau_patience + 1 == pytest.approx((base.plateau_patience + 1) * stays, abs=1)


def test_without_any_label_nothing_is_trained(
    make_chips: Make, small: Small, tmp_path: Path
) -> None:
    assert with_labels(small(), None, 8) == small()
    chips = make_chips(train=6)
    trained = train(chips, small(epochs=2))
    address = str(tmp_path / "w.safetensors")
    keep_weights(trained.network, address)
    begun = train(chips, with_labels(small(epochs=2, start=address), 0, 6))
    assert begun.auprc == trained.auprc
    np.testing.assert_array_equal(begun.test_scores, trained.test_scores)
    assert begun.seconds == begun.best_epoch == 0


def test_a_run_begins_with_the_weights_of_another(
    make_chips: Make, small: Small, tmp_path: Path
) -> None:
    chips = make_chips(train=6)
    address = str(tmp_path / "w.safetensors")
    keep_weights(train(chips, small(epochs=4)).network, address)
    first_losses = [
        train(chips, small(epochs=1, start=start, learning_rate=1e-5)).history[0]["train_loss"]
        for start in ("none", address)
    ]
    assert first_losses[1] < first_losses[0]


def test_the_last_layer_may_be_another_and_no_other(tmp_path: Path) -> None:
    address = str(tmp_path / "w.safetensors")
    pretrained = build_network("quick", 2, classes=5)
    keep_weights(pretrained, address, head=False)
    network = build_network("quick", 2)
    head = {k: v.clone() for k, v in network.state_dict().items() if "segmentation_head" in k}
    begin_with(network, address)
    for name, value in network.state_dict().items():
        expected = head[name] if name in head else pretrained.state_dict()[name]
        assert torch.equal(value, expected)
    with pytest.raises(ValueError, match="do not fit this network"):
        begin_with(build_network("quick", 4), address)
    with pytest.raises(ValueError, match="do not fit this network"):
        begin_with(build_network("Unet/resnet18", 2), address)


@pytest.mark.parametrize("content", [b"", b"no weights", None])
def test_what_holds_no_weights_is_one_line(content: bytes | None, tmp_path: Path) -> None:
    address = tmp_path / "w.safetensors"
    if content is None:
        save_file({"conv.weight": torch.zeros(2, 3)}, address)
    else:
        address.write_bytes(content)
    with pytest.raises(ValueError, match="do not fit this network") as caught:
        begin_with(build_network("quick", 2), str(address))
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="no weights to begin with at"):
        begin_with(build_network("quick", 2), str(tmp_path / "nothing"))


def test_weights_to_begin_with_outlast_a_store_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retries, "WAIT", tenacity.wait_none())
    pretrained, network = build_network("quick", 2), build_network("quick", 2)
    keep_weights(pretrained, "memory://away/w.safetensors")
    outage, read = [TimeoutError("too late")] * 2, MemoryFileSystem.cat_file

    def stumbling(self: MemoryFileSystem, *args: Any, **how: Any) -> Any:
        if outage:
            raise outage.pop()
        return read(self, *args, **how)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", stumbling)
    begin_with(network, "memory://away/w.safetensors")
    state = pretrained.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_keys_of_what_starts_as_ever_are_what_they_were(small: Small) -> None:
    settings = determining(small())
    assert not {"start", "origin", "labelled_chips"} & set(settings)
    assert determining(replace(small(), origin="elsewhere")) == settings
    few = determining(replace(small(), start="w", labelled_chips=0))
    assert (few["start"], few["labelled_chips"]) == ("w", 0)


@pytest.mark.parametrize("others", [1, 68, 216])
@pytest.mark.parametrize("chips", [1, 72, 216, 994])
def test_two_sets_of_chips_are_trained_on_in_as_many_steps_as_whole_epochs_allow(
    small: Small, others: int, chips: int
) -> None:
    config = small(batch_size=8, epochs=100, plateau_patience=10)
    steps, there = -(-chips // 8), -(-others // 8) * 100
    changed = with_steps_of(config, others, chips)
    assert abs(changed.epochs * steps - there) <= steps / 2 or changed.epochs == 1
    waited = (changed.plateau_patience + 1) * steps
    assert abs(waited - 11 * there / 100) <= steps / 2 or changed.plateau_patience == 0
    assert changed.checkpoint_every >= 1
    assert with_steps_of(config, others, others) == config


@pytest.mark.parametrize("epochs", [1, 7, 300])
@pytest.mark.parametrize("chips", [1, 68, 216])
def test_what_is_trained_as_long_makes_the_steps_of_other_epochs_besides_its_own(
    small: Small, epochs: int, chips: int
) -> None:
    config = small(batch_size=8, epochs=25, plateau_patience=0)
    steps = -(-chips // 8)
    wanted = 25 * steps + epochs * 13  # 101 chips without labels are 13 batches
    changed = with_more_steps(config, epochs, 101, chips)
    assert changed.epochs > 25
    assert abs(changed.epochs * steps - wanted) <= steps / 2 or changed.epochs == 26
    waited = (changed.plateau_patience + 1) * steps
    assert abs(waited - wanted / 25) <= steps / 2
    assert replace(changed, **{n: getattr(config, n) for n in LENGTHS}) == config


def test_the_papers_experiment_has_a_quarter_of_the_epochs_under_the_blocked_protocol() -> None:
    config = with_steps_of(TrainingConfig(), 216, 994)
    assert (config.epochs, config.plateau_patience) == (25, 2)

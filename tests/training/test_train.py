"""Training learns, repeats itself to the bit, and uses of each part only what it may."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from landslide.chips.inputs import parse_inputs
from landslide.chips.split import TEST, TRAIN, UNUSED, VALIDATION
from landslide.cube.labels import NO_DATA
from landslide.training.config import TrainingConfig
from landslide.training.metrics import average_precision
from landslide.training.network import count_parameters
from landslide.training.normalization import normalize, select_channels
from landslide.training.run import predict
from landslide.training.train import Trained, train

from .conftest import same_weights

MakeChips = Callable[..., xr.Dataset]
Small = Callable[..., TrainingConfig]


def scores_of(trained: Trained, chips: xr.Dataset, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Score a part's chips again, from what `train` gave back."""
    config = trained.config
    planes = select_channels(chips, parse_inputs(config.inputs), config.timesteps)
    normalize(planes, trained.normalization)
    chosen = chips["part"].values == part
    x = torch.from_numpy(planes[chosen]).contiguous(memory_format=torch.channels_last)
    scores = predict(trained.network, x, config.batch_size, torch.float32)
    return scores, torch.tensor(chips["label"].values[chosen])


@pytest.mark.parametrize("validation", [0, 3])
def test_it_learns_what_darkens(validation: int, make_chips: MakeChips, small: Small) -> None:
    trained = train(make_chips(validation=validation), small(epochs=10))
    losses = [record["train_loss"] for record in trained.history]
    assert losses[-1] < losses[0] / 3
    assert trained.prevalence < 0.1
    assert trained.auprc > 0.8


def test_it_finds_nothing_where_nothing_changes(make_chips: MakeChips, small: Small) -> None:
    trained = train(make_chips(change=0), small(epochs=6))
    assert trained.auprc < 0.3


def test_the_result_says_what_was_trained_and_scored(make_chips: MakeChips, small: Small) -> None:
    chips, config = make_chips(), small(inputs="vv+vh+dem", timesteps=1)
    trained = train(chips, config)
    labels = chips["label"].values[chips["part"].values == TEST]
    np.testing.assert_array_equal(trained.test_labels, labels)
    assert trained.test_scores.shape == labels.shape
    assert trained.test_scores.dtype == np.float32
    assert trained.prevalence == (labels == 1).sum() / (labels != NO_DATA).sum()
    scores = torch.tensor(trained.test_scores), torch.tensor(labels)
    assert trained.auprc == average_precision(*scores)
    assert trained.parameters == count_parameters(trained.network)
    assert trained.normalization.channels == parse_inputs("vv+vh+dem").channels
    assert [record["epoch"] for record in trained.history] == [1, 2, 3]
    assert (trained.precision, trained.device) == ("float32", "cpu")
    assert not trained.network.training
    again, _ = scores_of(trained, chips, TEST)
    np.testing.assert_allclose(again, trained.test_scores, rtol=1e-4, atol=1e-4)


def test_the_report_hears_each_epoch(make_chips: MakeChips, small: Small) -> None:
    heard: list[dict[str, float]] = []
    trained = train(make_chips(validation=2), small(), report=heard.append)
    assert tuple(heard) == trained.history
    assert set(heard[0]) == {
        "epoch",
        "train_loss",
        "learning_rate",
        "validation_loss",
        "validation_auprc",
    }


@pytest.mark.parametrize("threads", [1, 2])
def test_two_runs_are_equal_to_the_bit(threads: int, make_chips: MakeChips, small: Small) -> None:
    config = small(threads=threads, epochs=6 // threads**2, inputs="vv+vh")
    one = train(make_chips(train=4, test=1), config)
    torch.rand(7)  # what others draw in between does not matter
    other = train(make_chips(train=4, test=1), config)
    assert one.history == other.history
    assert same_weights(one, other)
    assert one.auprc == other.auprc
    np.testing.assert_array_equal(one.test_scores, other.test_scores)


def test_another_seed_is_another_run(make_chips: MakeChips, small: Small) -> None:
    one, other = train(make_chips(), small(seed=0)), train(make_chips(), small(seed=1))
    assert one.history[0]["train_loss"] != other.history[0]["train_loss"]
    assert not same_weights(one, other)


def test_chips_in_shared_memory_stay_as_they_are(
    make_chips: MakeChips, read_only: Callable[[xr.Dataset], xr.Dataset], small: Small
) -> None:
    chips = read_only(make_chips(validation=2))
    trained = train(chips, small(inputs="vv+vh+dem"))
    xr.testing.assert_identical(chips, make_chips(validation=2))
    assert same_weights(trained, train(make_chips(validation=2), small(inputs="vv+vh+dem")))


def test_lazy_chips_train_as_loaded_ones_do(make_chips: MakeChips, small: Small) -> None:
    lazy = make_chips().chunk({"chip": 5})
    del lazy.attrs["masked"]
    assert same_weights(train(lazy, small()), train(make_chips(), small()))


@pytest.mark.parametrize("part", [TEST, UNUSED])
@pytest.mark.parametrize("validation", [0, 2])
def test_held_out_chips_influence_no_weight(
    part: str, validation: int, make_chips: MakeChips, small: Small
) -> None:
    chips = make_chips(validation=validation)
    other = chips.copy(deep=True)
    held_out = np.flatnonzero(chips["part"].values == part)
    other["sar"].values[held_out] *= -3
    other["static"].values[held_out] = 7
    other["label"].values[held_out] = 1
    one, two = (train(each, small(inputs="vv+dem", epochs=2)) for each in (chips, other))
    assert one.normalization == two.normalization
    assert one.history == two.history
    assert one.best_epoch == two.best_epoch
    assert same_weights(one, two)
    assert (one.auprc != two.auprc) == (part == TEST)


def test_the_paper_protocol_keeps_the_last_epoch(
    make_chips: MakeChips, small: Small, tmp_path: Path
) -> None:
    address = f"{tmp_path}/checkpoint"
    trained = train(make_chips(), small(epochs=4, checkpoint_every=4), checkpoint=address)
    assert trained.best_epoch == 4
    assert not any("validation_loss" in record for record in trained.history)
    last = torch.load(address, weights_only=True)["network"]
    kept = trained.network.state_dict()
    assert all(torch.equal(kept[name], last[name]) for name in last)


def test_the_blocked_protocol_keeps_the_best_epoch_on_validation(
    make_chips: MakeChips, small: Small
) -> None:
    chips = make_chips(validation=3)
    # Validation that training works against: its landslides brighten.
    chips["sar"].values[chips["part"].values == VALIDATION, :, 1] += 4
    trained = train(chips, small(epochs=6))
    scores = [record["validation_auprc"] for record in trained.history]
    assert trained.best_epoch == 1 + int(np.argmax(scores))
    assert trained.best_epoch < 6
    again = average_precision(*scores_of(trained, chips, VALIDATION))
    assert again == pytest.approx(max(scores), abs=1e-4)
    assert abs(scores[-1] - max(scores)) > 1e-3


def plateau(losses: list[float], config: TrainingConfig) -> list[float]:
    """Return each epoch's learning rate by a plain loop."""
    rate, best, waited = config.learning_rate, np.inf, 0
    rates = []
    for loss in losses:
        rates.append(rate)
        waited = 0 if loss < best * (1 - config.plateau_threshold) else waited + 1
        best = loss if waited == 0 else best
        if waited > config.plateau_patience:
            rate, waited = rate * config.plateau_factor, 0
    return rates


@pytest.mark.parametrize(("validation", "watched"), [(0, "train_loss"), (3, "validation_loss")])
def test_the_learning_rate_falls_on_a_plateau(
    validation: int, watched: str, make_chips: MakeChips, small: Small
) -> None:
    chips = make_chips(validation=validation)
    # Validation whose loss soon rises, while that of training falls.
    chips["sar"].values[chips["part"].values == VALIDATION, :, 1] += 4
    config = small(epochs=8, plateau_patience=0, plateau_factor=0.5, plateau_threshold=0.5)
    trained = train(chips, config)
    rates = [record["learning_rate"] for record in trained.history]
    assert rates == pytest.approx(plateau([r[watched] for r in trained.history], config))
    assert rates[-1] < rates[0] == 0.01
    if validation:
        assert rates != pytest.approx(plateau([r["train_loss"] for r in trained.history], config))


def test_a_training_chip_without_data_does_no_harm(make_chips: MakeChips, small: Small) -> None:
    chips = make_chips(validation=2)
    for part in (TRAIN, VALIDATION, TEST):
        first = np.flatnonzero(chips["part"].values == part)[0]
        chips["label"].values[first] = NO_DATA
        chips["sar"].values[first] = np.nan
    trained = train(chips, small(batch_size=1))  # so a whole batch has no pixel to count
    assert np.isfinite([record["train_loss"] for record in trained.history]).all()
    assert all(torch.isfinite(value).all() for value in trained.network.state_dict().values())
    assert np.isfinite(trained.test_scores).all()


def test_what_stands_for_no_data_does_not_matter(make_chips: MakeChips, small: Small) -> None:
    other = make_chips()
    other["sar"].values[np.isnan(other["sar"].values)] = np.inf
    one, two = train(make_chips(), small()), train(other, small())
    assert one.history == two.history
    assert same_weights(one, two)
    assert one.auprc == two.auprc


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("validation", [0, 2])
def test_training_that_diverges_says_so(
    epochs: int, validation: int, make_chips: MakeChips, small: Small
) -> None:
    config = small(learning_rate=1e30, epochs=epochs)
    with pytest.raises(ValueError, match="training diverged") as caught:
        train(make_chips(validation=validation), config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [TRAIN, VALIDATION, TEST])
def test_a_part_without_a_landslide_is_an_error_before_the_first_epoch(
    part: str, make_chips: MakeChips, small: Small
) -> None:
    chips = make_chips(validation=2)
    chosen = (chips["part"].values == part)[:, None, None]
    labels = chips["label"].values
    labels[chosen & (labels == 1)] = 0 if part == TRAIN else NO_DATA
    heard: list[object] = []
    with pytest.raises(ValueError, match=f"no landslide .* in the {part} part"):
        train(chips, small(), report=heard.append)
    assert not heard


def test_chips_that_the_network_cannot_take_are_an_error_before_the_first_epoch(
    make_chips: MakeChips, small: Small
) -> None:
    chips, heard = make_chips().isel(x=slice(40)), list[object]()
    with pytest.raises(ValueError, match=r"32 x 40 pixels .* --chip-size"):
        train(chips, small(network="FPN/tu-resnet10t"), report=heard.append)
    assert not heard


@pytest.mark.parametrize("fails", [False, True])
def test_the_threads_are_the_configurations_and_restored(
    fails: bool, make_chips: MakeChips, small: Small
) -> None:
    before = torch.get_num_threads()
    during: list[int] = []

    def report(_: object) -> None:
        during.append(torch.get_num_threads())
        if fails:
            raise InterruptedError

    torch.set_num_threads(2)
    try:
        if fails:
            with pytest.raises(InterruptedError):
                train(make_chips(), small(threads=3), report=report)
        else:
            train(make_chips(), small(threads=3, epochs=1), report=report)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert during == [3]

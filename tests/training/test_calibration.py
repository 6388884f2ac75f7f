"""A temperature, a threshold and a reliability table, against closed forms and slow loops."""

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from landslide.training.calibration import (
    BINS,
    best_threshold,
    calibrate,
    fit_temperature,
    from_description,
    in_words,
    probability,
    reliability_of,
)
from landslide.training.config import TrainingConfig
from landslide.training.train import train


def _draw(pixels: int, temperature: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw logits whose truth is that of logits / temperature, and 255 here and there."""
    random = np.random.default_rng(seed)
    logits = random.normal(-2, 3, (4, pixels // 40, 10)).astype(np.float32)
    logits[1] -= 40  # a chip without landslides
    labels = (random.random(logits.shape) < 1 / (1 + np.exp(-logits / temperature))).astype("u1")
    labels[0, ::3] = 255
    return torch.from_numpy(logits), torch.from_numpy(labels)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(200_000, generator=random, dtype=torch.float64)
    truth = (torch.rand(200_000, generator=random) < torch.sigmoid(logits / temperature)).double()
    assert fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.03)


def test_the_temperature_has_the_least_cross_entropy() -> None:
    logits, labels = _draw(8000, 2.0)
    z, y = logits[labels != 255].double(), (labels[labels != 255] == 1).double()
    fitted = fit_temperature(z, y)

    def loss(t: float) -> float:
        return float(torch.nn.functional.binary_cross_entropy_with_logits(z / t, y))

    assert all(loss(fitted) <= loss(fitted * factor) for factor in (0.5, 0.97, 1.03, 2))


def test_scores_without_a_best_temperature_get_a_bound() -> None:
    z = torch.tensor([-1.0, -2.0, 3.0], dtype=torch.float64)
    truth = (z > 0).double()
    assert fit_temperature(z, truth) == 0.01  # they separate the classes
    assert fit_temperature(z, 1 - truth) == 100  # the wrong way round


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.sampled_from([0, 1, 255])),
        min_size=1,
    )
)
def test_the_threshold_is_the_best_of_all(pixels: list[tuple[float, int]]) -> None:
    scores, labels = (np.array(each) for each in zip(*pixels, strict=True))
    args = torch.from_numpy(scores), torch.from_numpy(labels)
    if not (labels == 1).any():
        with pytest.raises(ValueError, match="no landslide pixel to choose a threshold by"):
            best_threshold(*args)
        return
    threshold, f1 = best_threshold(*args)
    known = labels != 255
    truth = labels[known] == 1
    tried = {t: f1_score(truth, scores[known] >= t) for t in np.unique(scores[known])}
    assert f1 == pytest.approx(max(tried.values()))
    assert tried[threshold] == pytest.approx(f1)


def test_reliability_against_a_slow_loop() -> None:
    logits, labels = _draw(4000, 2.0)
    p = probability(logits, 1.0)
    table = reliability_of(p, labels)
    gap = 0.0
    for b in range(BINS):
        inside = [
            (float(q), int(y))
            for q, y in zip(p.flatten(), labels.flatten(), strict=True)
            if y != 255 and min(int(float(q) * BINS), BINS - 1) == b
        ]
        assert table.pixels[b] == len(inside)
        if not inside:
            assert table.predicted[b] is None
            continue
        predicted, observed = np.mean(inside, axis=0)
        assert table.predicted[b] == pytest.approx(predicted)
        assert table.observed[b] == pytest.approx(observed)
        gap += len(inside) * abs(predicted - observed)
    assert table.expected_calibration_error == pytest.approx(gap / sum(table.pixels))


def test_scaling_makes_overconfident_scores_reliable_on_pixels_it_never_saw() -> None:
    calibration = calibrate(_draw(40_000, 3.0, seed=1), _draw(40_000, 3.0, seed=2))
    assert calibration is not None
    errors = {k: t.expected_calibration_error for k, t in calibration.reliability.items()}
    assert errors["validation_after"] < errors["validation_before"] / 2
    assert errors["test_after"] < errors["test_before"] / 2
    assert (calibration.chips, calibration.empty_chips) == (4, 1)
    assert from_description(json.loads(json.dumps(asdict(calibration)))) == calibration
    assert "1 without landslides: temperature" in in_words(calibration)


def test_without_a_validation_part_nothing_is_fitted() -> None:
    nothing = torch.zeros(0, 3, 4), torch.zeros(0, 3, 4, dtype=torch.uint8)
    assert calibrate(nothing, _draw(4000, 1.0)) is None
    assert "not calibrated: no part validates" in in_words(None)


def test_training_calibrates_and_scores_what_it_scored_before(
    make_chips: Callable[..., xr.Dataset], small: Callable[..., TrainingConfig]
) -> None:
    trained = train(make_chips(train=4, validation=2, test=2), small(epochs=2))
    assert trained.calibration is not None
    counted = trained.test_labels != 255
    assert sum(trained.calibration.reliability["test_after"].pixels) == counted.sum()
    assert train(make_chips(train=4, test=2), small(epochs=1)).calibration is None

"""Average precision against scikit-learn and closed forms; the baselines against plain loops."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score, precision_recall_curve

from landslide.chips import survey
from landslide.chips.split import TEST, TRAIN
from landslide.cube.labels import NO_DATA
from landslide.training.metrics import average_precision, change_baselines

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)


@st.composite
def scored(draw: st.DrawFn, values: Any = FLOATS) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores and labels of as many pixels, one of them a landslide at least."""
    n = draw(st.integers(1, 60))
    scores = np.array(draw(st.lists(values, min_size=n, max_size=n)), np.float32)
    labels = np.array(draw(st.lists(st.sampled_from([0, 1]), min_size=n, max_size=n)), np.uint8)
    labels[draw(st.integers(0, n - 1))] = 1
    return scores, labels


def ap(scores: Any, labels: Any) -> float:
    return average_precision(torch.tensor(scores), torch.tensor(labels))


@given(scored())
def test_it_equals_scikit_learn(pixels: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = pixels
    assert ap(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@given(scored(st.sampled_from([0.0, -0.0, 1.0, 2.0])))
def test_it_equals_scikit_learn_where_most_scores_tie(
    pixels: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, labels = pixels
    assert ap(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("prevalence", [0.0005, 0.09, 0.9])
def test_it_equals_scikit_learn_over_skewed_classes(prevalence: float) -> None:
    random = np.random.default_rng(0)
    labels = (random.random((3, 100, 140)) < prevalence).astype(np.uint8)
    scores = np.round(random.normal(labels, 1.5), 2).astype(np.float32)
    expected = average_precision_score(labels.ravel(), scores.ravel())
    assert ap(scores, labels) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_score_gives_one() -> None:
    labels = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)
    assert ap(labels.astype(np.float32), labels) == 1


@pytest.mark.parametrize("value", [-3.0, 0.0, 0.7])
def test_a_constant_score_gives_the_prevalence(value: float) -> None:
    labels = np.array([[0, 1, 0, 0], [0, 0, 1, 0]], np.uint8)
    assert ap(np.full(labels.shape, value, np.float32), labels) == 0.25


def test_the_worst_score_gives_the_closed_form() -> None:
    negatives, positives = 30, 12
    labels = np.repeat(np.array([0, 1], np.uint8), [negatives, positives])
    expected = np.mean([k / (negatives + k) for k in range(1, positives + 1)])
    worst = np.arange(0, -labels.size, -1, dtype=np.float32)
    assert ap(worst, labels) == pytest.approx(expected, rel=1e-14)


def test_the_trapezoid_would_be_another_number() -> None:
    labels = np.repeat(np.array([0, 1], np.uint8), [90, 10])
    precision, recall, _ = precision_recall_curve(labels, np.zeros(100))
    assert auc(recall, precision) > 5 * ap(np.zeros(100, np.float32), labels)


@given(scored(st.integers(-50, 50)), st.sampled_from(["scale", "cube", "exp", "rank"]))
def test_only_the_order_of_the_scores_counts(
    pixels: tuple[np.ndarray, np.ndarray], name: str
) -> None:
    scores, labels = pixels
    maps: dict[str, Any] = {
        "scale": lambda s: 0.25 * s - 7,
        "cube": lambda s: s**3,
        "exp": lambda s: np.exp(s.astype(np.float64)),
        "rank": lambda s: np.unique(s, return_inverse=True)[1],
    }
    assert ap(maps[name](scores), labels) == ap(scores, labels)


@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_the_pixels_does_not_count(
    pixels: tuple[np.ndarray, np.ndarray], random: Any
) -> None:
    scores, labels = pixels
    order = list(range(len(scores)))
    random.shuffle(order)
    assert ap(scores[order], labels[order]) == ap(scores, labels)


@given(scored(), st.lists(st.sampled_from([np.nan, np.inf, -1e30, 0.0, 1e30]), max_size=20))
def test_pixels_without_data_count_for_nothing(
    pixels: tuple[np.ndarray, np.ndarray], others: list[float]
) -> None:
    scores, labels = pixels
    more = np.concatenate([np.array(others, np.float32), scores])
    marked = np.concatenate([np.full(len(others), NO_DATA, np.uint8), labels])
    assert ap(more, marked) == ap(scores, labels)


@pytest.mark.parametrize("labels", [[0, 0], [NO_DATA, 0], [NO_DATA, NO_DATA]])
def test_without_a_landslide_there_is_no_score(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="no landslide pixel"):
        ap(np.zeros(2, np.float32), np.array(labels, np.uint8))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_an_error(wrong: float) -> None:
    with pytest.raises(ValueError, match="training diverged"):
        ap(np.array([wrong, 0], np.float32), np.array([0, 1], np.uint8))


def test_more_pixels_than_float32_can_count_stay_exact() -> None:
    tied = 2**24 + 2  # float32 has no whole number between it and the next even one
    scores = torch.zeros(tied + 1, dtype=torch.float32)
    labels = torch.zeros(tied + 1, dtype=torch.uint8)
    scores[-1], labels[-1] = -1, 1  # found after all others: one landslide in tied + 1 pixels
    assert average_precision(scores, labels) == 1 / (tied + 1)


@pytest.fixture
def chips(monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    """Five chips of 9 x 14 pixels, some without data, of which two are read together."""
    monkeypatch.setattr(survey, "AT_ONCE", 2)
    random = np.random.default_rng(3)
    sar = random.normal(-2, 1, (5, 2, 4, 9, 14)).astype(np.float32)
    sar[:, :, :, 0, :3] = np.nan
    label = random.choice(np.array([0, 0, 1], np.uint8), (5, 9, 14))
    label[:, 0, :3] = NO_DATA
    return xr.Dataset(
        {
            "sar": (("chip", "timesteps", "sar_channel", "y", "x"), sar),
            "label": (("chip", "y", "x"), label),
        },
        coords={
            "timesteps": [1, 3],
            "sar_channel": ["vv_before", "vv_after", "vh_before", "vh_after"],
            "part": ("chip", [TEST, TRAIN, TEST, TEST, TRAIN]),
        },
    )


def increases(chips: xr.Dataset, timesteps: int) -> np.ndarray:
    """Return after minus before of each polarisation: (polarisation, chip, y, x)."""
    chosen = chips.isel(chip=[0, 2, 3])["sar"].sel(timesteps=timesteps)
    pairs = [
        chosen.sel(sar_channel=f"{p}_after").to_numpy()
        - chosen.sel(sar_channel=f"{p}_before").to_numpy()
        for p in ("vv", "vh")
    ]
    return np.array(np.nan_to_num(pairs))


@pytest.mark.parametrize("timesteps", [1, 3])
def test_the_change_baseline_is_the_absolute_log_ratio(chips: xr.Dataset, timesteps: int) -> None:
    labels = chips["label"].to_numpy()[[0, 2, 3]]
    valid = labels != NO_DATA
    scores = np.abs(increases(chips, timesteps)).sum(axis=0)
    expected = average_precision_score(labels[valid], scores[valid])
    assert change_baselines(chips, timesteps)["change_auprc"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("timesteps", [1, 3])
def test_the_smoothed_baseline_is_before_minus_after_over_five_by_five_pixels(
    chips: xr.Dataset, timesteps: int
) -> None:
    decrease = -increases(chips, timesteps).sum(axis=0)
    smooth = np.empty_like(decrease)
    for chip, plane in enumerate(decrease):
        mirrored = np.pad(plane, 2, mode="symmetric")
        for y in range(plane.shape[0]):
            for x in range(plane.shape[1]):
                smooth[chip, y, x] = mirrored[y : y + 5, x : x + 5].mean(dtype=np.float64)
    labels = chips["label"].to_numpy()[[0, 2, 3]]
    valid = labels != NO_DATA
    expected = average_precision_score(labels[valid], smooth[valid])
    found = change_baselines(chips, timesteps)["smoothed_difference_auprc"]
    assert found == pytest.approx(expected, abs=1e-4)  # neighbours may tie in the last bit


def test_the_baselines_find_what_darkens(chips: xr.Dataset) -> None:
    clear = chips.copy(deep=True)
    clear["label"][:] = 0
    clear["label"][:, 2:8, 4:11] = 1
    clear["sar"][:] = 0.0
    clear["sar"][:, :, 1::2] = -(clear["label"] == 1).astype(np.float32)
    found = change_baselines(clear, 3)
    assert found["change_auprc"] == 1
    assert 0.9 < found["smoothed_difference_auprc"] <= 1


def test_the_baselines_score_the_test_chips_alone(chips: xr.Dataset) -> None:
    other = chips.copy(deep=True)
    other["sar"][[1, 4]] += 1
    assert change_baselines(other, 1) == change_baselines(chips, 1)
    other["sar"][0, :, ::2] += 1
    assert change_baselines(other, 1) != change_baselines(chips, 1)


def test_chips_without_backscatter_have_no_change_baseline(chips: xr.Dataset) -> None:
    assert change_baselines(chips.isel(sar_channel=[]), 1) == {}


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_baselines_leave_shared_chips_as_they_are(seed: int) -> None:
    random = np.random.default_rng(seed)
    sar = random.normal(size=(2, 1, 2, 6, 7)).astype(np.float32)
    label = np.ones((2, 6, 7), np.uint8)
    sar.flags.writeable = label.flags.writeable = False
    chips = xr.Dataset(
        {
            "sar": (("chip", "timesteps", "sar_channel", "y", "x"), sar),
            "label": (("chip", "y", "x"), label),
        },
        coords={"timesteps": [2], "part": ("chip", [TEST, TEST])},
    )
    assert change_baselines(chips, 2) == {"change_auprc": 1, "smoothed_difference_auprc": 1}

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from landslide.results.histograms import BINS, binned_average_precision, class_histograms


def scene(seed, separation, prevalence=0.09, shape=(5, 40, 56)):
    random = np.random.default_rng(seed)
    labels = (random.random(shape) < prevalence).astype(np.uint8)
    labels[0, 0, :2] = 0, 1
    logits = random.normal(size=shape) + separation * labels
    scores = (1 / (1 + np.exp(-4 * logits + 6))).astype(np.float32)  # crowded at both ends
    labels[random.random(shape) < 0.1] = 255
    labels[0, 0, :2] = 0, 1
    return scores, labels


def pooled(negative, positive):
    return float(binned_average_precision(negative.sum(axis=0), positive.sum(axis=0)))


@given(st.integers(0, 10**6), st.floats(0, 4), st.floats(0.05, 0.5))
def test_average_precision_survives_the_binning(seed, separation, prevalence):
    scores, labels = scene(seed, separation, prevalence)
    _, negative, positive = class_histograms(scores, labels)
    valid = labels != 255
    exact = average_precision_score(labels[valid], scores[valid])
    assert abs(pooled(negative, positive) - exact) < 0.005


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_average_precision_is_exact_where_all_scores_are_tied_in_few_groups(seed, groups):
    scores, labels = scene(seed, 1)
    scores = np.round(scores * groups) / groups
    _, negative, positive = class_histograms(scores, labels)
    valid = labels != 255
    exact = average_precision_score(labels[valid], scores[valid])
    assert pooled(negative, positive) == pytest.approx(exact, abs=1e-9)


def test_a_constant_score_gives_the_prevalence():
    _, labels = scene(0, 0)
    _, negative, positive = class_histograms(np.full(labels.shape, 0.3, np.float32), labels)
    assert pooled(negative, positive) == pytest.approx(np.mean(labels[labels != 255]))


def test_the_histograms_count_each_chips_valid_pixels_between_the_edges():
    scores, labels = scene(1, 2)
    edges, negative, positive = class_histograms(scores, labels)
    assert edges.shape == (BINS + 1,)
    assert edges.dtype == np.float32
    assert negative.shape == positive.shape == (5, BINS)
    assert np.all(np.diff(edges) >= 0)
    np.testing.assert_array_equal(negative.sum(1), (labels == 0).sum((1, 2)))
    np.testing.assert_array_equal(positive.sum(1), (labels == 1).sum((1, 2)))
    for chip in range(5):
        expected, _ = np.histogram(scores[chip][labels[chip] == 1], bins=edges.astype(float))
        np.testing.assert_array_equal(positive[chip], expected)


def test_without_landslides_or_without_valid_pixels_there_is_no_score():
    scores = np.random.default_rng(0).random((2, 3, 4), dtype=np.float32)
    for value in (0, 255):
        labels = np.full(scores.shape, value, np.uint8)
        edges, negative, positive = class_histograms(scores, labels)
        assert edges.shape == (BINS + 1,)
        assert negative.sum() == (24 if value == 0 else 0)
        assert np.isnan(pooled(negative, positive))


def test_a_score_of_no_data_may_be_anything_but_a_counted_one_is_finite():
    scores, labels = np.zeros((1, 3, 4), np.float32), np.zeros((1, 3, 4), np.uint8)
    scores[0, 0, 0], labels[0, 0, 0] = np.nan, 255
    class_histograms(scores, labels)
    labels[0, 0, 0] = 1
    with pytest.raises(ValueError, match="finite"):
        class_histograms(scores, labels)
    with pytest.raises(ValueError, match="share one shape"):
        class_histograms(scores[0], labels[0])

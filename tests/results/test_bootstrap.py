"""Intervals of scores: against brute force, closed forms, and for what they promise to cover."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from landslide.results.bootstrap import (
    Resampled,
    draw,
    mean_interval,
    resample,
    unit_count,
)
from landslide.results.histograms import binned_average_precision, class_histograms

CHIPS, BLOCKS = 7, (0, 0, 1, 1, 2, 3, 3)


def raw(seed, separation=1.5, chips=CHIPS, levels=20, shape=(8, 12)):
    """Draw labels, the same whatever the seed, and scores in so few levels that bins are exact."""
    labels = (np.random.default_rng(99).random((chips, *shape)) < 0.2).astype(np.uint8)
    random = np.random.default_rng(seed)
    scores = random.normal(size=labels.shape) + separation * labels
    scores += random.normal(0, 0.7, (chips, 1, 1))  # chips differ
    return np.round(scores * levels / 5).astype(np.float32), labels


def row_of(scores, labels, make_row, blocks=BLOCKS, **changes):
    edges, negative, positive = class_histograms(scores, labels)
    counted = labels != 255
    return make_row(
        auprc=float(average_precision_score(labels[counted], scores[counted])),
        test_chips=len(labels),
        histogram_edges=edges,
        histogram_negative=negative.ravel(),
        histogram_positive=positive.ravel(),
        test_blocks=None if blocks is None else np.array(blocks, np.int32),
        **changes,
    )


def frame(rows):
    return pd.DataFrame([row.record() for row in rows])


@pytest.mark.parametrize("blocks", [BLOCKS, None])
def test_a_resample_scores_as_the_raw_pixels_of_the_drawn_blocks_do(make_row, blocks):
    raws = [raw(seed) for seed in (0, 1)]
    rows = frame([row_of(*each, make_row, blocks, seed=s) for s, each in enumerate(raws)])
    found = resample(rows, 20)
    units = np.arange(CHIPS) if blocks is None else np.array(blocks)
    assert unit_count(rows) == len(set(units.tolist()))
    weights = draw(units.max() + 1, 20, np.random.default_rng(0))
    for seed, (scores, labels) in enumerate(raws):
        for drawn, weight in zip(found.drawn[:, seed], weights, strict=True):
            times = np.repeat(weight[units], labels[0].size)  # a block twice counts twice
            expected = average_precision_score(labels.ravel(), scores.ravel(), sample_weight=times)
            assert drawn == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(found.binned, found.exact, atol=1e-9)


def test_scores_of_many_rows_are_those_of_each_alone():
    random = np.random.default_rng(0)
    negative, positive = random.integers(0, 5, (2, 3, 4, 16))
    positive[1, 2] = 0
    together = binned_average_precision(negative, positive)
    assert together.shape == (3, 4)
    assert np.isnan(together[1, 2])
    alone = binned_average_precision(negative[2, 1], positive[2, 1])
    assert together[2, 1] == pytest.approx(float(alone))


def test_one_less_than_all_are_drawn_so_that_the_spread_is_that_of_the_mean():
    values = np.array([0.3, 0.5, 0.9])
    weights = draw(3, 200_000, np.random.default_rng(0))
    assert (weights.sum(axis=1) == 2).all()
    means = weights @ values / 2
    assert means.mean() == pytest.approx(values.mean(), abs=1e-3)
    assert means.var() == pytest.approx(values.var(ddof=1) / 3, rel=0.02)


def test_one_block_and_one_seed_leave_no_interval_but_seeds_alone_do(make_row):
    rows = [row_of(*raw(seed), make_row, [0] * CHIPS, seed=seed) for seed in range(5)]
    alone = mean_interval(resample(frame(rows[:1])))
    assert alone.mean == rows[0].auprc
    assert np.isnan([alone.low, alone.high]).all()
    scores = [row.auprc for row in rows]
    several = mean_interval(resample(frame(rows)))
    assert min(scores) <= several.low < several.mean < several.high <= max(scores)


def test_the_mean_is_that_of_the_rows_and_the_binning_moves_no_bound(make_row):
    rows = frame([row_of(*raw(seed), make_row, seed=seed) for seed in range(3)])
    exact = resample(rows)
    shifted = Resampled(exact.seeds, exact.exact + 0.01, exact.binned, exact.drawn)
    one, other = mean_interval(exact), mean_interval(shifted)
    assert one.mean == pytest.approx(rows["auprc"].mean())
    assert [other.mean, other.low, other.high] == pytest.approx(
        [one.mean + 0.01, one.low + 0.01, one.high + 0.01]
    )


def test_an_input_against_itself_differs_by_nothing_and_pairing_narrows(make_row):
    one = resample(frame([row_of(*raw(s), make_row, seed=s) for s in range(4)]))
    same = mean_interval([(one, one)])
    assert same.mean == 0
    assert np.isnan(same.low)  # nothing was seen to vary
    moved = []
    for seed in range(4):
        scores, labels = raw(seed)
        moved.append(row_of(scores + 2 * labels, labels, make_row, seed=seed))
    better = resample(frame(moved))
    paired = mean_interval([(better, one)])
    assert paired.low > 0
    apart = [mean_interval(each) for each in (better, one)]
    assert paired.high - paired.low < sum(each.high - each.low for each in apart)


def test_only_shared_seeds_are_paired_and_none_is_an_error(make_row):
    rows = [row_of(*raw(seed), make_row, seed=seed) for seed in range(4)]
    first, second = resample(frame(rows[:3])), resample(frame(rows[1:]))
    assert mean_interval([(first, second)]).mean == pytest.approx(0)
    with pytest.raises(ValueError, match="share no seed"):
        mean_interval([(first, resample(frame(rows[3:])))])


def test_rows_of_other_test_chips_are_refused(make_row):
    rows = [row_of(*raw(0), make_row), row_of(*raw(1), make_row, BLOCKS[::-1], seed=1)]
    with pytest.raises(ValueError, match="of other test chips"):
        resample(frame(rows))


def test_the_interval_covers_the_truth_as_often_as_it_says(make_row):
    """Blocks and seeds differ by effects of their own; the truth is the mean over both."""
    blocks, seeds, chips_a_block = 20, 6, 2

    def experiment(random, n_blocks, n_seeds):
        """Return the histograms (seed, block, bin) of scores that vary by block and by seed."""
        shape = (n_blocks, chips_a_block * 40)
        labels = random.random(shape) < np.clip(random.normal(0.2, 0.05, (n_blocks, 1)), 0.05, 1)
        hardness = random.normal(0, 0.4, (n_blocks, 1))
        counts = []
        for skill in random.normal(1.5, 0.15, n_seeds):
            scores = random.normal(size=shape) + (skill + hardness) * labels
            bins = np.digitize(scores, np.linspace(-3, 5, 63))
            both = [
                np.stack([np.bincount(b[m], minlength=64) for b, m in zip(bins, mask, strict=True)])
                for mask in (~labels, labels)
            ]
            counts.append(both)
        return np.array(counts)  # (seed, class, block, bin)

    random = np.random.default_rng(5)
    many = experiment(random, 3000, 40).sum(axis=2)
    truth = binned_average_precision(many[:, 0], many[:, 1]).mean()
    covered, trials = 0, 200
    for _ in range(trials):
        counts = experiment(random, blocks, seeds)
        weights = draw(blocks, 300, random)
        drawn = np.stack([binned_average_precision(weights @ n, weights @ p) for n, p in counts], 1)
        exact = binned_average_precision(counts[:, 0].sum(axis=1), counts[:, 1].sum(axis=1))
        found = mean_interval(Resampled(tuple(range(seeds)), exact, exact, drawn))
        covered += found.low <= truth <= found.high
    # 95 % is promised; 200 trials of it are within 3 standard errors of 0.046, and a percentile
    # interval from 20 blocks is known to be a little short.
    assert 0.89 <= covered / trials <= 0.985

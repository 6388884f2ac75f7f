"""Intervals of scores: against brute force, closed forms, and for what they promise to cover."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t, ttest_1samp
from sklearn.metrics import average_precision_score

from landslide.results.bootstrap import (
    RESAMPLES,
    Resampled,
    combination,
    draw,
    for_seeds,
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
        test_blocks=np.array(blocks, np.int32),
        **changes,
    )


def students(values):
    """Return the bounds of Student's interval of the mean of independent values."""
    found = ttest_1samp(values, 0).confidence_interval(0.95)
    return found.low, found.high


def frame(rows):
    return pd.DataFrame([vars(row) for row in rows])


@pytest.mark.parametrize("blocks", [BLOCKS, range(CHIPS)])
def test_a_resample_scores_as_the_raw_pixels_of_the_drawn_blocks_do(make_row, blocks):
    raws = [raw(seed) for seed in (0, 1)]
    rows = frame([row_of(*each, make_row, blocks, seed=s) for s, each in enumerate(raws)])
    found = resample(rows)
    units = np.array(blocks)
    assert unit_count(rows) == len(set(units.tolist()))
    weights = draw(units.max() + 1, RESAMPLES, np.random.default_rng(0))[:20]
    for seed, (scores, labels) in enumerate(raws):
        for drawn, weight in zip(found.drawn[:20, seed], weights, strict=True):
            times = np.repeat(weight[units], labels[0].size)  # a block twice counts twice
            expected = average_precision_score(labels.ravel(), scores.ravel(), sample_weight=times)
            assert drawn == pytest.approx(expected, abs=1e-9)


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


def test_one_block_and_one_seed_leave_no_interval(make_row):
    row = row_of(*raw(0), make_row, [0] * CHIPS)
    alone = mean_interval(resample(frame([row])))
    assert alone.mean == row.auprc
    assert np.isnan([alone.low, alone.high]).all()


def of_seeds_alone(scores):
    """Scores of seeds whose rows kept no histograms."""
    seeds = tuple(range(len(scores)))
    return Resampled(seeds, np.array(scores), np.empty((0, len(scores))), 0)


def test_the_interval_of_seeds_alone_is_students():
    found = mean_interval(of_seeds_alone([0.1, 0.3, 0.2, 0.45]))
    assert (found.low, found.high) == pytest.approx(students([0.1, 0.3, 0.2, 0.45]))
    one = mean_interval(of_seeds_alone([0.1]))
    assert np.isnan([one.low, one.high]).all()


def test_two_seeds_have_the_interval_of_the_closed_form():
    # n = 2: s / sqrt(2) is half the distance, and t is 12.706.
    found = mean_interval(of_seeds_alone([0.5, 0.502]))
    assert (found.low, found.high) == pytest.approx((0.501 - 0.012706, 0.501 + 0.012706), abs=1e-6)


def test_one_block_leaves_the_seeds_alone(make_row):
    rows = [row_of(*raw(seed), make_row, [0] * CHIPS, seed=seed) for seed in range(3)]
    found = mean_interval(resample(frame(rows)))
    scores = np.array([row.auprc for row in rows])
    assert (found.low, found.high) == pytest.approx(students(scores))


def test_blocks_alone_have_the_interval_of_their_mean():
    values = np.random.default_rng(0).normal(0.5, 0.05, 8)
    weights = draw(8, 100_000, np.random.default_rng(1))
    one = Resampled((0,), np.array([values.mean()]), weights @ values[:, None] / 7, 8)
    found = mean_interval(one)
    expected = students(values)  # Student's, of n independent values
    assert (found.low, found.high) == pytest.approx(expected, rel=0.005)


def difference(first, second):
    return mean_interval(combination([(1, first), (-1, second)]))


def of_three_seeds(seeds, means):
    """Three seeds on six blocks, whose draws have the given means."""
    return Resampled((0, 1, 2), seeds, np.repeat(means[:, None], 3, axis=1), 6)


def test_both_together_are_welchs_and_a_score_ends_at_one():
    seeds, means = np.array([0.92, 0.96, 0.97]), np.array([0.90, 0.97, 0.99])
    v, w = seeds.var(ddof=1) / 3, means.var(ddof=1)
    freedom = (v + w) ** 2 / (v**2 / 2 + w**2 / 5)
    half = t.ppf(0.975, freedom) * np.sqrt(v + w)
    assert half > max(t.ppf(0.975, 2) * np.sqrt(v), t.ppf(0.975, 5) * np.sqrt(w))
    assert seeds.mean() + half > 1
    one = of_three_seeds(seeds, means)
    found = mean_interval(one)
    assert (found.low, found.high) == pytest.approx((seeds.mean() - half, 1))
    nothing = Resampled((0, 1, 2), np.zeros(3), np.zeros((3, 3)), 6)
    assert difference(one, nothing).high == pytest.approx(seeds.mean() + half)


@pytest.mark.parametrize(
    ("by_seed", "by_draw", "freedom"), [(0.05, 0.015, 2), (0.005, 0.06, 5)], ids=["seeds", "blocks"]
)
def test_what_varies_beside_it_narrows_no_interval(by_seed, by_draw, freedom):
    seeds, means = 0.5 + by_seed * np.array([-1, 0, 1]), 0.5 + by_draw * np.array([-1, 0, 1])
    v, w = by_seed**2 / 3, by_draw**2
    larger = max(v, w)
    welch = (v + w) ** 2 / (v**2 / 2 + w**2 / 5)
    alone = t.ppf(0.975, freedom) * np.sqrt(larger)
    found = mean_interval(of_three_seeds(seeds, means))
    assert found.high - found.mean == pytest.approx(
        max(alone, t.ppf(0.975, welch) * np.sqrt(v + w))
    )
    assert found.high - found.mean >= alone


def test_more_confidence_is_a_wider_interval():
    one = of_three_seeds(np.array([0.5, 0.52, 0.53]), np.array([0.49, 0.5, 0.54]))
    usual, strict = mean_interval(one), mean_interval(one, 0.99)
    assert strict.low < usual.low < usual.mean < usual.high < strict.high


def test_blocks_count_by_the_landslides_in_them(make_row):
    scores, labels = raw(0)
    alike = np.zeros_like(labels)
    alike[:, 0, :5] = 1
    even = resample(frame([row_of(scores, alike, make_row, range(CHIPS))]))
    assert even.blocks == pytest.approx(CHIPS)
    alike[1:, 0, 1:5] = 0  # one chip with five landslide pixels, six with one
    uneven = resample(frame([row_of(scores, alike, make_row, range(CHIPS))]))
    assert uneven.blocks == pytest.approx(11**2 / (25 + 6))
    assert resample(frame([row_of(scores, alike, make_row, [0] * CHIPS)])).blocks == 1


def test_landslides_that_lie_in_one_of_several_blocks_leave_the_seeds_alone(make_row):
    rows = []
    for seed in range(3):
        scores, labels = raw(seed)
        labels[1:] = 0
        labels[1, 0, 0] = 1
        rows.append(row_of(scores, labels, make_row, range(CHIPS), seed=seed))
    found = mean_interval(resample(frame(rows)))
    low, high = students(np.array([row.auprc for row in rows]))
    assert (found.low, found.high) == pytest.approx((max(low, 0), min(high, 1)))


def test_rows_without_histograms_have_the_interval_of_their_seeds(make_row):
    scores = np.array([0.5, 0.55, 0.7])
    bare = resample(frame([make_row(seed=s, auprc=a) for s, a in enumerate(scores)]))
    found = mean_interval(bare)
    assert (found.low, found.high) == pytest.approx(students(scores))
    drawn = resample(frame([row_of(*raw(s), make_row, seed=s) for s in range(3)]))
    mixed = difference(drawn, bare)
    assert (mixed.low, mixed.high) == pytest.approx(students(drawn.exact - scores))


def test_of_other_test_chips_no_draw_is_shared(make_row):
    one = resample(frame([row_of(*raw(s), make_row, seed=s) for s in range(3)]))
    other = resample(frame([row_of(*raw(s), make_row, BLOCKS[::-1], seed=s) for s in range(3)]))
    found = combination([(1, one), (-0.5, other)])
    assert len(found.drawn) == 0
    assert mean_interval(found).high == pytest.approx(students(found.exact)[1])


def test_a_sum_is_of_the_means_and_of_each_draw():
    random = np.random.default_rng(3)
    a, b = (Resampled((0, 1), random.random(2), random.random((4, 2)), n) for n in (6, 5))
    found = combination([(2, a), (-0.5, b)])
    assert found.exact == pytest.approx(2 * a.exact - 0.5 * b.exact)
    assert found.drawn == pytest.approx(2 * a.drawn - 0.5 * b.drawn)
    assert found.blocks == 5


def test_what_has_no_seed_stands_beside_each(make_row):
    alone = resample(frame([row_of(*raw(9), make_row)]))
    three = for_seeds(alone, (4, 5, 6))
    assert three.seeds == (4, 5, 6)
    assert three.exact == pytest.approx(np.repeat(alone.exact, 3))
    assert three.drawn == pytest.approx(np.repeat(alone.drawn, 3, axis=1))
    assert mean_interval(three).high == pytest.approx(mean_interval(alone).high)


def test_an_input_against_itself_differs_by_nothing_and_pairing_narrows(make_row):
    one = resample(frame([row_of(*raw(s), make_row, seed=s) for s in range(4)]))
    same = difference(one, one)
    assert same.mean == 0
    assert np.isnan(same.low)  # nothing was seen to vary
    moved = []
    for seed in range(4):
        scores, labels = raw(seed)
        moved.append(row_of(scores + 2 * labels, labels, make_row, seed=seed))
    better = resample(frame(moved))
    paired = difference(better, one)
    assert paired.low > 0
    apart = [mean_interval(each) for each in (better, one)]
    assert paired.high - paired.low < sum(each.high - each.low for each in apart)


def test_only_shared_seeds_are_paired_and_none_is_an_error(make_row):
    rows = [row_of(*raw(seed), make_row, seed=seed) for seed in range(4)]
    first, second = resample(frame(rows[:3])), resample(frame(rows[1:]))
    assert combination([(1, first), (-1, second)]).seeds == (1, 2)
    assert difference(first, second).mean == pytest.approx(0)
    with pytest.raises(ValueError, match="share no seed"):
        difference(first, resample(frame(rows[3:])))


def test_rows_of_other_test_chips_are_refused(make_row):
    rows = [row_of(*raw(0), make_row), row_of(*raw(1), make_row, BLOCKS[::-1], seed=1)]
    with pytest.raises(ValueError, match="of other test chips"):
        resample(frame(rows))


EDGES = np.array([-np.inf, *np.linspace(-3, 6, 63), np.inf])
PIXELS, SHARE = 2000, 0.2  # of a block, and of landslides in it


def bins(mean, sd=1.0):
    """Return the probability (..., bin) of scores that are normal about a mean (...)."""
    return np.diff(norm.cdf(EDGES, np.asarray(mean)[..., None], sd))


def experiment(random, seeds, blocks, by_seed, by_block):
    """Score landslides that stand out by a skill (seed) and a hardness (block), both normal."""
    skill = random.normal(1.5, by_seed, (seeds, 1))
    hardness = random.normal(0, by_block, blocks)
    counts = random.multinomial(PIXELS - int(PIXELS * SHARE), bins(0.0), (seeds, blocks))
    return counts, random.multinomial(int(PIXELS * SHARE), bins(skill + hardness))


@pytest.mark.parametrize(
    ("seeds", "blocks", "by_seed", "by_block"),
    [
        *product((3,), (6, 20), (0.15,), (0.4, 0.0)),
        *product((6,), (20,), (0.15,), (0.4, 0.0)),
        *((seeds, blocks, 0.0, 0.4) for seeds, blocks in ((3, 6), (3, 20), (6, 20), (1, 20))),
    ],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(seeds, blocks, by_seed, by_block):
    nodes, share = np.polynomial.hermite_e.hermegauss(20)
    skills = bins(1.5 + by_seed * nodes, np.hypot(1, by_block))
    every = binned_average_precision((1 - SHARE) * bins(np.zeros(20)), SHARE * skills)
    truth = every @ share / share.sum()
    random = np.random.default_rng([seeds, blocks, int(100 * by_seed), int(100 * by_block)])
    covered, trials = 0, 200
    for _ in range(trials):
        both = experiment(random, seeds, blocks, by_seed, by_block)
        weights = draw(blocks, 200, random)
        drawn = binned_average_precision(*(weights @ counts for counts in both)).T
        exact = binned_average_precision(*(counts.sum(axis=1) for counts in both))
        found = mean_interval(Resampled(tuple(range(seeds)), exact, drawn, blocks))
        covered += found.low <= truth <= found.high
    # 95 % is promised; 200 trials of it are within 3 standard errors of 0.046. Above, an interval
    # may be: what a seed and a block do together counts twice.
    assert covered / trials >= 0.904

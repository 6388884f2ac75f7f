from dataclasses import replace

import numpy as np
import pytest

from landslide.results.bootstrap import Resampled, combination, mean_interval, resample
from landslide.results.claims import Claim, Comparison, paper_claims
from landslide.results.sections import sections


def claims_of(table):
    [section] = sections(table)
    return paper_claims(section.scored)


def values_of(comparison):
    """Return the number of each seed of the only thing compared."""
    (scores,) = comparison.family
    return scores.exact


def compared(label, values, **bounds):
    alone = Resampled(tuple(range(len(values))), np.array(values), np.empty((0, len(values))), 0)
    return Comparison(label, [combination([(1, alone)])], **bounds)


def differences(make_row, gaps, timesteps=(1,)):
    """Rows of vv and vh whose difference in seed k is gaps[k], on scores that scatter widely."""
    for seed, gap in enumerate(gaps):
        for n in timesteps:
            common = 0.3 + 0.1 * seed + 0.02 * n
            yield make_row(inputs="vh", seed=seed, timesteps=n, auprc=common)
            yield make_row(inputs="vv", seed=seed, timesteps=n, auprc=common + gap)


def test_rows_like_the_papers_hold_all_its_claims(table_of, paper_rows):
    assert [claim.verdict for claim in claims_of(table_of(paper_rows(5)))] == ["held"] * 7


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ((0.02, 0.021, 0.019), "held"),
        ((-0.02, -0.021, -0.019), "against"),
        ((0.02, -0.02, 0.01), "undecided"),
        ((0.02,), "undecided (one seed: for it)"),
        ((-0.02,), "undecided (one seed: against it)"),
    ],
)
def test_an_ordering_is_decided_by_differences_paired_by_seed(table_of, make_row, gaps, verdict):
    claim = claims_of(table_of(differences(make_row, gaps, (1, 2))))[2]
    assert claim.outcome == verdict
    assert values_of(claim.comparisons[0]) == pytest.approx(gaps)


def test_a_seed_that_lacks_a_row_does_not_enter_a_comparison(table_of, make_row):
    rows = [*differences(make_row, (0.1, 0.2, 0.3)), make_row(seed=7, auprc=0.9)]
    assert values_of(claims_of(table_of(rows))[2].comparisons[0]) == pytest.approx([0.1, 0.2, 0.3])


def test_growth_is_the_slope_over_timesteps_of_each_seed(table_of, make_row):
    rows = [
        make_row(
            inputs=inputs,
            timesteps=n,
            seed=seed,
            auprc=0.3 + (slope + 1e-6 * seed) * n + 0.1 * seed,
        )
        for inputs, slope in (("vv", 0.03), ("vh", 0.02), ("vv+vh", 0.01), ("vv+vh+dem", -0.01))
        for n in (1, 2, 3, 4)
        for seed in (0, 1)
    ]
    growth = claims_of(table_of(rows))[1]
    slopes = [values_of(each).mean() for each in growth.comparisons]
    assert slopes == pytest.approx([0.03, 0.02, 0.01, -0.01], abs=1e-5)
    assert growth.verdict == "against"


def test_the_best_model_is_taken_from_configurations_with_the_most_seeds(table_of, make_row):
    lucky = make_row(inputs="vh", timesteps=3, auprc=0.99)
    rows = [make_row(seed=s, auprc=0.75 + 0.001 * s) for s in range(3)]
    best = claims_of(table_of([*rows, lucky]))[0]
    assert best.verdict == "held"
    assert best.comparisons[0].label == "vv at 1"


def test_dem_alone_is_held_to_the_papers_number_beside_the_prevalence(table_of, make_row):
    rows = [make_row(inputs="dem", timesteps=0, seed=s, auprc=0.3 + s / 1000) for s in range(3)]
    last = claims_of(table_of(rows))[-1]
    assert last.verdict == "against"
    assert "prevalence here 0.090, the paper's 0.09)" in last.text
    assert claims_of(table_of(rows))[0].verdict == "no data"


@pytest.mark.parametrize(("prevalence", "hardly"), [(0.02, True), (0.08, False)])
def test_a_bound_far_above_a_random_score_is_said_to_be_hardly_a_test(
    table_of, make_row, prevalence, hardly
):
    rows = [make_row(inputs="dem", timesteps=0, seed=s, prevalence=prevalence) for s in range(3)]
    assert ("hardly a test so far below" in claims_of(table_of(rows))[-1].text) == hardly


def with_the_dem(gain):
    """Return scores at 3 and 4 timesteps, to which the DEM adds as much."""
    return {(f"vv+vh{dem}", n): 0.6 + gain * bool(dem) for n in (3, 4) for dem in ("", "+dem")}


@pytest.mark.parametrize(
    ("claim", "scores", "verdict"),
    [
        ("The best AUPRC", {("vv", 1): 0.71}, "held"),
        ("The best AUPRC", {("vv", 1): 0.69}, "against"),
        ("The DEM adds no more", with_the_dem(0.005), "held"),
        ("The DEM adds no more", with_the_dem(0.02), "against"),
        ("DEM alone", {("dem", 0): 0.16}, "held"),
        ("DEM alone", {("dem", 0): 0.18}, "against"),
    ],
)
def test_a_score_on_either_side_of_a_bound_decides(table_of, make_row, claim, scores, verdict):
    rows = [
        make_row(inputs=inputs, timesteps=n, seed=seed, auprc=score + 1e-5 * seed * len(inputs))
        for (inputs, n), score in scores.items()
        for seed in range(3)
    ]
    (found,) = [each for each in claims_of(table_of(rows)) if each.text.startswith(claim)]
    assert found.verdict == verdict


def test_missing_rows_are_no_data(table_of, make_row):
    outcomes = [claim.outcome for claim in claims_of(table_of([make_row()]))]
    assert outcomes == ["undecided (one seed: against it)"] + ["no data"] * 6


def test_a_claim_of_several_comparisons_is_as_strong_as_its_weakest():
    against = compared("b", [-1.0, -1.01])
    open_, none = compared("c", [-1.0, 1.1]), Comparison("d", [])
    sure = compared("e", [1.0, 1.01])
    assert Claim("", [sure, sure]).verdict == "held"
    assert Claim("", [sure, open_]).verdict == "undecided"
    assert Claim("", [sure, open_, none]).verdict == "no data"
    assert Claim("", [sure, none, against]).verdict == "against"


def test_any_of_several_that_fails_must_fail_more_surely():
    sure, barely = compared("a", [1.0, 1.01, 1.02]), compared("b", [-0.10, -0.12, -0.05])
    assert barely.verdict() == "against"
    assert barely.verdict(1 - 0.05 / 4) == "undecided"
    assert Claim("", [barely]).verdict == "against"
    assert Claim("", [barely, sure, sure, sure]).verdict == "undecided"


def test_equal_scores_decide_nothing():
    for equal in (0.0, 0.1, 0.3):  # the mean of three of which is not always that number
        assert compared("a", [equal] * 3).verdict() == "undecided"
    assert Claim("", [compared("a", [0.0])]).outcome.endswith("(one seed: neither way)")


def test_none_is_surely_best_where_one_that_scored_more_lost_its_seeds(table_of, make_row):
    rows = [make_row(seed=s, auprc=0.6 + 1e-4 * s) for s in range(3)]
    assert claims_of(table_of(rows))[0].verdict == "against"
    better = [*rows, make_row(inputs="vh", auprc=0.9)]
    best = claims_of(table_of(better))[0]
    assert best.comparisons[0].label == "vv at 1"
    assert best.verdict == "undecided"


def test_test_blocks_may_undo_what_the_seeds_agree_on(table_of, rows):
    """Twelve chips in six blocks: what differs by chip is in the verdict, not the seeds alone."""
    table = table_of([*rows("vv", 1.6, seeds=range(6)), *rows("vh", 1.5, seeds=range(6))])
    ours = claims_of(table)[2].comparisons[0]
    pairs = [resample(table[table["inputs"] == name].sort_values("seed")) for name in ("vv", "vh")]
    expected = mean_interval(combination([(1, pairs[0]), (-1, pairs[1])]))
    found = ours.interval()
    assert (found.low, found.mean, found.high) == pytest.approx(
        (expected.low, expected.mean, expected.high)
    )
    seeds = replace(ours, family=[replace(ours.family[0], drawn=np.empty((0, 6)))])
    assert found.high - found.low > seeds.interval().high - seeds.interval().low


def test_one_seed_decides_nothing_on_however_many_blocks(table_of, rows):
    table = table_of([*rows("vv", 4.0, seeds=(0,)), *rows("vh", 0.5, seeds=(0,))])
    assert claims_of(table)[2].outcome == "undecided (one seed: for it)"


def test_the_best_of_many_is_judged_with_all_of_them_in_view(table_of, make_row):
    one = [make_row(seed=s, auprc=0.71 + 0.001 * s) for s in range(3)]
    assert claims_of(table_of(one))[0].verdict == "held"
    others = [
        make_row(inputs=inputs, timesteps=n, seed=s, auprc=0.55 + 0.04 * s)
        for inputs, n in (("vv", 2), ("vv", 3), ("vh", 1), ("vh", 2))
        for s in range(3)
    ]
    best = claims_of(table_of([*one, *others]))[0]
    found, k = best.comparisons[0].interval(), 5
    alone = Resampled((0, 1, 2), np.array([0.71, 0.711, 0.712]), np.empty((0, 3)), 0)
    assert found.mean == pytest.approx(0.711)
    assert found.low == pytest.approx(mean_interval(alone, 1 - 0.05 / k).low)
    assert found.high > mean_interval(alone, 1 - 0.05 / k).high  # another may be the best in truth
    assert str(best.comparisons[0]) == f"vv at 1 0.711, the best of 5 at least {found.low:.3f}"


def test_that_none_is_the_best_is_said_with_what_all_reach_at_most(table_of, make_row):
    rows = [
        make_row(inputs=inputs, seed=s, auprc=0.6 + 1e-4 * s)
        for inputs in ("vv", "vh")
        for s in range(3)
    ]
    (best,) = claims_of(table_of(rows))[0].comparisons
    assert best.verdict() == "against"
    assert str(best).endswith(f"the best of 2 at most {best.interval().high:.3f}")


def test_a_bound_that_rounds_to_the_claims_own_is_shown_finer():
    barely = compared("gain", [0.0102, 0.0104, 0.0103], bound=0.01)
    assert str(barely) == "gain +0.0103 [+0.0101, +0.011]"

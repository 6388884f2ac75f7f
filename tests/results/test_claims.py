import numpy as np
import pytest
from scipy import stats

from landslide.results.claims import Claim, Comparison, paper_claims, seeds_interval
from landslide.results.sections import sections


def claims_of(table):
    [section] = sections(table)
    return paper_claims(section.scored)


def differences(make_row, gaps, timesteps=(1,)):
    """Rows of vv and vh whose difference in seed k is gaps[k], on scores that scatter widely."""
    for seed, gap in enumerate(gaps):
        for n in timesteps:
            common = 0.3 + 0.1 * seed + 0.02 * n
            yield make_row(inputs="vh", seed=seed, timesteps=n, auprc=common)
            yield make_row(inputs="vv", seed=seed, timesteps=n, auprc=common + gap)


def test_the_interval_is_students():
    values = np.array([0.1, 0.3, 0.2, 0.45])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert seeds_interval(values) == pytest.approx((expected.low, expected.high))
    assert np.isnan(seeds_interval(values[:1])).all()


def test_two_seeds_have_the_interval_of_the_closed_form():
    # n = 2: s / sqrt(2) is half the distance, and t is 12.706.
    low, high = seeds_interval(np.array([0.0, 0.02]))
    assert (low, high) == pytest.approx((0.01 - 0.12706, 0.01 + 0.12706), abs=1e-5)


def test_rows_like_the_papers_hold_all_its_claims(table_of, paper_rows):
    assert [claim.verdict for claim in claims_of(table_of(paper_rows(5)))] == ["held"] * 7


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ((0.02, 0.021, 0.019), "held"),
        ((-0.02, -0.021, -0.019), "against"),
        ((0.02, -0.02, 0.01), "undecided"),
        ((0.02,), "undecided (one seed; points to held)"),
        ((-0.02,), "undecided (one seed; points to against)"),
    ],
)
def test_an_ordering_is_decided_by_differences_paired_by_seed(table_of, make_row, gaps, verdict):
    claim = claims_of(table_of(differences(make_row, gaps, (1, 2))))[2]
    assert claim.outcome == verdict
    assert claim.comparisons[0].values == pytest.approx(gaps)


def test_a_seed_that_lacks_a_row_does_not_enter_a_comparison(table_of, make_row):
    rows = [*differences(make_row, (0.1, 0.2, 0.3)), make_row(seed=7, auprc=0.9)]
    assert claims_of(table_of(rows))[2].comparisons[0].values == pytest.approx([0.1, 0.2, 0.3])


def test_growth_is_the_slope_over_timesteps_of_each_seed(table_of, make_row):
    rows = [
        make_row(inputs=inputs, timesteps=n, seed=seed, auprc=0.3 + slope * n + 0.1 * seed)
        for inputs, slope in (("vv", 0.03), ("vh", 0.02), ("vv+vh", 0.01), ("vv+vh+dem", -0.01))
        for n in (1, 2, 3, 4)
        for seed in (0, 1)
    ]
    growth = claims_of(table_of(rows))[1]
    slopes = [each.values.mean() for each in growth.comparisons]
    assert slopes == pytest.approx([0.03, 0.02, 0.01, -0.01])
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
    assert "prevalence here 0.090" in last.text
    assert claims_of(table_of(rows))[0].verdict == "no data"


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
        make_row(inputs=inputs, timesteps=n, seed=seed, auprc=score + 1e-4 * seed)
        for (inputs, n), score in scores.items()
        for seed in range(3)
    ]
    (found,) = [each for each in claims_of(table_of(rows)) if each.text.startswith(claim)]
    assert found.verdict == verdict


def test_missing_rows_are_no_data(table_of, make_row):
    outcomes = [claim.outcome for claim in claims_of(table_of([make_row()]))]
    assert outcomes == ["undecided (one seed; points to against)"] + ["no data"] * 6


def test_a_claim_of_several_comparisons_is_as_strong_as_its_weakest():
    against = Comparison("b", np.array([-1.0, -1.01]))
    open_, none = Comparison("c", np.array([-1.0, 1.1])), Comparison("d", np.empty(0))
    sure = Comparison("e", np.array([1.0, 1.01]))
    assert Claim("", [sure, sure]).verdict == "held"
    assert Claim("", [sure, open_]).verdict == "undecided"
    assert Claim("", [sure, open_, none]).verdict == "no data"
    assert Claim("", [sure, none, against]).verdict == "against"


def test_equal_scores_decide_nothing():
    assert Comparison("a", np.zeros(3)).verdict == "undecided"
    assert Claim("", [Comparison("a", np.zeros(1))]).outcome.endswith("points to neither)")

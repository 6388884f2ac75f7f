"""`landslide table --compare`: whether one input beats another, and how it is said."""

import io

import pandas as pd
import pytest

from landslide.results.comparing import compare
from landslide.results.pivot import pivot
from landslide.results.sections import sections
from landslide.results.summary import report


def test_the_better_input_beats_the_other_whichever_is_named_first(table_of, rows):
    table = table_of([*rows("vv", 2.0), *rows("vh", 1.0)])
    for pair in (("vv", "vh"), ("vh", "vv")):
        assert "vv beats vh" in compare(table, *pair)
    assert "vv beats vv" not in compare(table, "vv", "vh")


def test_equal_inputs_are_undecided(table_of, rows):
    table = table_of([*rows("vv", 1.5), *rows("vh", 1.5)])
    assert compare(table, "vv", "vh").splitlines()[-1].endswith("undecided")


@pytest.mark.parametrize("second", ["vv", "vv@1"])
def test_the_same_inputs_are_compared_at_two_timestep_counts_or_not_at_all(table_of, rows, second):
    table = table_of([*rows("vv", 1, 1), *rows("vv", 2, 2)])
    with pytest.raises(ValueError, match="are the same inputs: name two timestep counts"):
        compare(table, "vv", second)


def test_every_shared_timestep_count_and_all_together_stand_in_the_table(table_of, rows):
    made = [row for n in (1, 2, 3) for row in rows("vv", 1 + n / 2, n)]
    made += [row for n in (2, 3, 4) for row in rows("vh", 1, n)]
    csv = pd.read_csv(io.StringIO(compare(table_of(made), "vv", "vh", "csv")))
    assert csv["timesteps"].tolist() == ["2", "3", "2 to 3"]
    assert csv["difference"].iloc[2] == pytest.approx(csv["difference"].iloc[:2].mean())
    assert (csv["low"] < csv["difference"]).all()
    assert (csv["verdict"] == "vv beats vh").all()


def test_a_timestep_count_may_be_named_and_inputs_without_any_meet_each(table_of, rows):
    made = [row for n in (1, 2) for row in rows("vv", n, n)]
    table = table_of([*made, *rows("dem", 0.3, 0)])
    assert "1 - 2" in compare(table, "vv@1", "vv@2")
    assert "vv@2 beats vv@1" in compare(table, "vv@1", "vv@2")
    csv = pd.read_csv(io.StringIO(compare(table, "vv", "dem", "csv")))
    assert csv["timesteps"].tolist() == ["1", "2", "1 to 2"]
    only = pd.read_csv(io.StringIO(compare(table, "dem", "vv@2", "csv")))
    assert only["verdict"].tolist() == ["vv beats dem"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": "blocked"}, "6 spatial blocks of test chips and 3 seeds"),
        ({"protocol": "paper"}, "have neighbours in training"),
        ({"seeds": (4,)}, "One seed decides nothing: what another would give"),
        ({"simulated": True}, "SIMULATED DATA"),
    ],
)
def test_what_was_drawn_and_what_cannot_be_said_is_said(table_of, rows, changes, said):
    table = table_of([*rows("vv", 2.0, **changes), *rows("vh", 1.0, **changes)])
    for form in ("text", "markdown"):
        assert said in compare(table, "vv", "vh", form)


def test_one_seed_decides_nothing(table_of, rows):
    table = table_of([*rows("vv", 2.0, seeds=(4,)), *rows("vh", 1.0, seeds=(4,))])
    (one,) = pd.read_csv(io.StringIO(compare(table, "vv", "vh", "csv"))).to_dict("records")
    assert one["low"] > 0  # of the test blocks alone
    assert one["verdict"] == "undecided"


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_several_looks_are_said_to_be_uncorrected_and_one_is_not(table_of, rows, form):
    table = table_of([*rows("vv", 2.0), *rows("vh", 1.0)])
    assert "not corrected" not in compare(table, "vv", "vh", form)
    more = table_of([*rows("vv", 2.0, 2), *rows("vh", 1.0, 2)])
    # Of each count, and of their mean.
    assert "; 3 looks, not corrected for their number" in compare(more, "vv", "vh", form)


@pytest.fixture
def seeds_apart(rows):
    """Rows of vv and vh that share seed 0 at one timestep, 5 at three, and none at four."""
    shared = {1: (0,), 3: (5,)}
    pairs = [(inputs, n, seeds) for n, seeds in shared.items() for inputs in ("vv", "vh")]
    lone = [*rows("vv", 2.0, 4, (0,)), *rows("vh", 1.0, 4, (5,))]
    return [*(row for name, n, seeds in pairs for row in rows(name, 1.5, n, seeds)), *lone]


def test_of_counts_that_share_no_seed_each_stands_and_the_mean_alone_is_left_out(
    table_of, seeds_apart
):
    text = compare(table_of(seeds_apart), "vv", "vh")
    table = text.partition("timesteps  difference")[2]
    assert [line[0] for line in table.splitlines()[1:3]] == ["1", "3"]
    assert "\n1 to 3 " not in text
    assert "no mean over 1 to 3 timesteps, whose differences share no seed" in text
    assert "not compared at 4, the inputs to compare share no seed" in text


def test_what_csv_has_no_place_for_is_said_in_the_log(table_of, seeds_apart, caplog):
    csv = pd.read_csv(io.StringIO(compare(table_of(seeds_apart), "vv", "vh", "csv")))
    assert csv["timesteps"].tolist() == [1, 3]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "hokkaido, paper protocol: no mean over 1 to 3 timesteps" in caplog.text


def test_rows_of_two_splits_are_never_paired(table_of, rows):
    made = [*rows("vv", 2.0, split_digest="one"), *rows("vh", 1.0, split_digest="two")]
    with pytest.raises(ValueError, match="no part of the table has scores of both vv and vh"):
        compare(table_of(made), "vv", "vh")


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("vv", "hh"), "unknown input 'hh'"),
        (("vv", "vh@x"), "is not INPUTS or INPUTS@TIMESTEPS"),
        (("vv", "vh"), "no part of the table has scores of both"),
        (("vv", "vv"), "are the same inputs"),
    ],
)
def test_what_cannot_be_compared_is_one_line(table_of, rows, pair, said):
    with pytest.raises(ValueError, match=said) as caught:
        compare(table_of(rows("vv", 1.0)), *pair)
    assert "\n" not in str(caught.value)


def test_rows_without_histograms_say_what_to_do(table_of, make_row):
    table = table_of([make_row(), make_row(inputs="vh")])
    with pytest.raises(ValueError, match=r"kept no histograms of its scores.*--force"):
        compare(table, "vv", "vh")


def test_the_table_shows_the_interval_instead_of_the_spread_where_it_can(table_of, rows):
    text = report(table_of(rows("vv", 2.0)))
    assert "mean over seeds 0, 1, 2 [95 % interval over 6 test chips and seeds]" in text
    (cell,) = [line for line in text.splitlines() if line.startswith("vv  ")]
    mean, low, high = (float(word.strip("[],")) for word in cell.split()[1:])
    assert low < mean < high


def test_rows_that_do_not_say_their_blocks_have_no_interval(table_of, rows):
    old, new = rows("vv", 2.0, test_blocks=None), rows("vh", 1.0)
    with pytest.raises(ValueError, match="kept no histograms of its scores by test blocks"):
        compare(table_of([*old, *new]), "vv", "vh")
    by_inputs = pivot(sections(table_of([*old, *new]))[0]).set_index("inputs")
    assert by_inputs["low"].isna().to_dict() == {"vv": True, "vh": False}
    assert by_inputs["spread"].notna().all()

"""`landslide table --compare`: whether one input beats another, and how it is said."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from landslide.results.bootstrap import combination, mean_interval, resample
from landslide.results.comparing import compare, comparison
from landslide.results.labels import AS_LONG
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
    found = comparison(table_of(made), "vv", "vh")
    assert found["timesteps"].tolist() == ["2", "3", "2 to 3"]
    assert found["difference"].iloc[2] == pytest.approx(found["difference"].iloc[:2].mean())
    assert (found["low"] < found["difference"]).all()
    assert (found["verdict"] == "vv beats vh").all()


def test_a_timestep_count_may_be_named_and_inputs_without_any_meet_each(table_of, rows):
    made = [row for n in (1, 2) for row in rows("vv", n, n)]
    table = table_of([*made, *rows("dem", 0.3, 0)])
    assert "1 - 2" in compare(table, "vv@1", "vv@2")
    assert "vv@2 beats vv@1" in compare(table, "vv@1", "vv@2")
    found = comparison(table, "vv", "dem")
    assert found["timesteps"].tolist() == ["1", "2", "1 to 2"]
    only = comparison(table, "dem", "vv@2")
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


def test_csv_is_the_same_rows_as_the_frame(table_of, rows):
    table = table_of([row for name in ("vv", "vh") for n in (1, 2) for row in rows(name, 1.5, n)])
    found = comparison(table, "vv", "vh")
    csv = pd.read_csv(io.StringIO(compare(table, "vv", "vh", "csv")))
    names = ["first", "second", "timesteps", "difference", "low", "high", "seeds", "blocks"]
    names += ["verdict", "event", "simulated", "protocol"]
    pd.testing.assert_frame_equal(csv[names], found[names])
    assert list(csv) == list(found)
    assert list(found)[: len(names)] == names
    text = compare(table, "vv", "vh")
    for row in found.to_dict("records"):
        assert f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]" in text


@pytest.mark.parametrize(
    ("changes", "blocks"),
    [
        ({"protocol": "blocked"}, 6),
        ({"test_blocks": np.arange(12, dtype=np.int32)}, 12),
        ({"test_blocks": np.zeros(12, dtype=np.int32)}, 0),  # too few to draw from
    ],
)
def test_a_row_says_over_how_many_seeds_and_blocks_its_interval_is(table_of, rows, changes, blocks):
    table = table_of([*rows("vv", 2.0, **changes), *rows("vh", 1.0, **changes)])
    (row,) = comparison(table, "vv", "vh").to_dict("records")
    assert (row["seeds"], row["blocks"]) == (3, blocks)


def test_one_seed_decides_nothing(table_of, rows):
    table = table_of([*rows("vv", 2.0, seeds=(4,)), *rows("vh", 1.0, seeds=(4,))])
    (one,) = comparison(table, "vv", "vh").to_dict("records")
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
    assert "no mean over 1, 3 timesteps, whose differences share no seed" in text
    assert "not compared at 4, the inputs to compare share no seed" in text


def test_what_csv_has_no_place_for_is_said_in_the_log(table_of, seeds_apart, caplog):
    csv = pd.read_csv(io.StringIO(compare(table_of(seeds_apart), "vv", "vh", "csv")))
    assert csv["timesteps"].tolist() == [1, 3]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "hokkaido, paper protocol: no mean over 1, 3 timesteps" in caplog.text


def test_the_mean_says_which_counts_it_is_over(table_of, rows):
    made = [row for n in (1, 4) for name in ("vv", "vh") for row in rows(name, 1.5, n)]
    lone = [*rows("vv", 2.0, 2, (0,)), *rows("vh", 1.0, 2, (5,))]
    found = comparison(table_of([*made, *lone]), "vv", "vh")
    assert found["timesteps"].tolist() == ["1", "4", "1, 4"]


def test_rows_of_two_splits_are_never_paired(table_of, rows):
    made = [*rows("vv", 2.0, split_digest="one"), *rows("vh", 1.0, split_digest="two")]
    with pytest.raises(ValueError, match="no part of the table has scores of both vv and vh"):
        compare(table_of(made), "vv", "vh")


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("vv", "hh"), "unknown input 'hh'"),
        (("vv", "vh@x"), "is not INPUTS or INPUTS@TIMESTEPS"),
        (("vv on 16", "vv@1 on 16"), "are the same inputs: .* 'vv at random on all'"),
        (("vv from a", "vv"), "are the same inputs"),
        (("vv on 16", "vv on all"), "no part of the table has scores of both"),
        (("vv", "vh"), "no part of the table has scores of both"),
        (("vv", "vv"), "are the same inputs"),
    ],
)
def test_what_cannot_be_compared_is_one_line(table_of, rows, pair, said):
    with pytest.raises(ValueError, match=said) as caught:
        compare(table_of(rows("vv", 1.0)), *pair)
    assert "\n" not in str(caught.value)


@pytest.fixture
def curves(rows):
    """Rows of one test set: at random on 2 and all, from kaikoura on 0, 2 and 10, longer on 2."""

    def make(**changes):
        begun = [
            (None, 2, 1.0, 90),
            (None, None, 1.6, 10),
            ("from kaikoura", 0, 1.3, 0),
            ("from kaikoura", 2, 1.8, 3),
            ("from kaikoura", 10, 2.0, 3),
            (AS_LONG, 2, 1.1, 100),
            (AS_LONG, 2, 1.2, 200),
        ]
        made = [
            row
            for origin, labelled, apart, epochs in begun
            for row in rows(
                "vv", apart, 2, protocol="blocked", epochs=epochs,
                **{"origin": origin, "labelled_chips": labelled} | changes.get(str(origin), {}),
            )
        ]  # fmt: skip
        return [replace(row, key=f"{number:04x}") for number, row in enumerate(made)]

    return make


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        (
            "vv from kaikoura on 2", "vv at random on all",
            (("from kaikoura", 2), (None, None)),
        ),
        (
            "vv@2 from kaikoura on 10", "vv on 0",
            (("from kaikoura", 10), ("from kaikoura", 0)),
        ),
        (
            "vv at random on 2", "vv from kaikoura",
            ((None, 2), ("from kaikoura", 2)),
        ),
    ],
)  # fmt: skip
def test_how_models_began_and_their_labels_may_be_named_and_unsaid_are_as_of_the_other(
    table_of, curves, first, second, chosen
):
    table = table_of(curves())
    (found,) = comparison(table, first, second).to_dict("records")
    drawn = []
    for origin, labelled in chosen:
        begun = table["origin"].fillna("") == (origin or "")
        few = table["labelled_chips"].fillna(-1) == (-1 if labelled is None else labelled)
        drawn.append(resample(table[begun & few]))
    wanted = mean_interval(combination([(1, drawn[0]), (-1, drawn[1])]))
    assert (found["difference"], found["low"], found["high"]) == pytest.approx(
        (wanted.mean, wanted.low, wanted.high)
    )


def test_the_text_names_the_two_as_they_are_named_and_says_what_else_differs(table_of, curves):
    text = compare(table_of(curves()), "vv from kaikoura on 10", "vv at random on all")
    lines = text.splitlines()
    assert "vv from kaikoura on 10: epochs 3" in lines
    assert "vv at random on all: epochs 10" in lines
    assert "origin" not in text
    assert "6 spatial blocks of test chips and 3 seeds, the same for both]" in text
    assert lines[-1].endswith("vv from kaikoura on 10 beats vv at random on all")


def test_where_no_number_of_labels_is_named_each_that_both_have_stands(table_of, curves):
    table = table_of(curves())
    few = comparison(table, "vv from kaikoura", "vv at random")
    assert few[["first", "second"]].to_numpy().tolist() == [
        ["vv from kaikoura on 2", "vv at random on 2"]
    ]
    assert "2 looks" in compare(table, "vv from kaikoura", f"vv {AS_LONG}")


def test_runs_of_one_name_stand_apart_and_say_in_what_they_differ(table_of, curves):
    found = comparison(table_of(curves()), "vv from kaikoura on 2", f"vv {AS_LONG}")
    assert found["epochs"].tolist() == ["3 - 100", "3 - 200"]
    assert set(found["origin"]) == {f"from kaikoura - {AS_LONG}"}
    assert set(found["labelled_chips"].astype(str)) == {"2"}


@pytest.mark.parametrize("changed", [{"split_digest": "other"}, {"cube_digest": "beef"}])
def test_models_that_began_elsewhere_meet_on_the_same_test_chips_alone(table_of, curves, changed):
    table = table_of(curves(**{"from kaikoura": changed}))
    with pytest.raises(ValueError, match="on the same test chips to compare; it has vv; ") as said:
        compare(table, "vv from kaikoura on 2", "vv at random on 2")
    assert "; at random on 2, all; " in str(said.value)
    assert "; from kaikoura on 0, 2, 10; " in str(said.value)
    assert "\n" not in str(said.value)


def test_models_scored_in_other_blocks_are_not_compared(table_of, curves):
    blocks = {"test_blocks": np.arange(12, dtype=np.int32) // 3, "setup": "0dd"}
    table = table_of(curves(**{"from kaikoura": blocks}))
    with pytest.raises(ValueError, match="of other blocks of test chips"):
        compare(table, "vv from kaikoura on 2", "vv at random on 2")


@pytest.mark.parametrize("changed", [{"test_pixels": 999}, {"prevalence": 0.5}])
def test_models_scored_on_other_pixels_are_not_compared(table_of, curves, changed):
    made = [
        replace(row, **changed) if row.origin is None and row.labelled_chips is None else row
        for row in curves()
    ]
    with pytest.raises(ValueError, match="scored on other pixels"):
        compare(table_of(made), "vv from kaikoura on 10", "vv at random on all")


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

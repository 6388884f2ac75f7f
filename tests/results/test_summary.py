import datetime as dt
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from landslide.results.comparing import compare
from landslide.results.pivot import baselines, pivot
from landslide.results.sections import sections
from landslide.results.summary import report

THEN = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)


def test_the_pivot_holds_mean_sample_spread_and_number_of_seeds(table_of, make_row):
    rows = [make_row(seed=s, auprc=a) for s, a in enumerate((0.5, 0.6, 0.7))]
    [section] = sections(table_of([*rows, make_row(inputs="vh", auprc=0.4)]))
    vv, vh = pivot(section).to_dict("records")
    assert (vv["mean"], vv["spread"], vv["seeds"]) == pytest.approx((0.6, 0.1, 3))
    assert vh["seeds"] == 1
    assert pd.isna(vh["spread"])


def test_the_text_has_the_papers_table_and_its_baselines_in_one_layout(table_of, paper_rows):
    text = report(table_of(paper_rows(2, spread=0)))
    lines = [line.split("  ") for line in text.splitlines()]
    cells = {line[0]: [cell.strip() for cell in line[1:] if cell.strip()] for line in lines}
    assert cells["inputs / timesteps"] == ["1", "2", "3", "4"]
    assert cells["vv"] == [f"{a:.3f} ± 0.000" for a in (0.610, 0.655, 0.678, 0.690)]
    assert cells["dem only"] == ["0.150 ± 0.000"] * 4
    assert cells["random"] == ["0.090"] * 4
    assert cells["change only"] == ["0.280", "0.310", "0.340", "0.370"]
    order = [line[0] for line in lines if line[0] in cells and len(line) > 1]
    assert order.index("vv") < order.index("vv+vh+dem") < order.index("dem only")


def test_the_smoothed_difference_stands_where_rows_have_it(table_of, make_row):
    assert "smoothed difference" not in report(table_of([make_row()]))
    [section] = sections(table_of([make_row(smoothed_difference_auprc=0.51)]))
    assert baselines(section).set_index("inputs").loc["smoothed difference", "mean"] == 0.51


def test_change_only_is_named_with_its_inputs_where_it_differs_between_them(table_of, make_row):
    rows = [make_row(change_auprc=0.3), make_row(inputs="vh", change_auprc=0.2)]
    [section] = sections(table_of(rows))
    found = baselines(section).set_index("inputs")["mean"]
    assert found["change only (vv)"] == pytest.approx(0.3)
    assert found["change only (vh)"] == pytest.approx(0.2)


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_failed_trials_are_listed_and_marked_in_the_pivot(table_of, make_row, form):
    rows = [
        make_row(),
        make_row(seed=1, error="out of\nmemory", precision=None),
        make_row(inputs="vh", seed=1, error="node lost"),
    ]
    text = report(table_of(rows), form)
    assert "FAILED vv, timesteps 1, seed 1: out of memory" in text
    assert "FAILED vh, timesteps 1, seed 1: node lost" in text
    assert "0.610 (1 failed)" in text
    assert text.count("paper protocol") == 1


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_a_cell_of_fewer_seeds_than_its_section_says_so(table_of, make_row, form):
    rows = [make_row(seed=seed) for seed in (0, 1, 2)]
    rows += [make_row(timesteps=2, seed=seed, auprc=0.8) for seed in (0, 1)]
    rows += [make_row(timesteps=2, seed=2, error="lost"), make_row(timesteps=3, seed=1, auprc=0.9)]
    text = report(table_of(rows), form)
    assert "0.610 ± 0.000  " in text or "0.610 ± 0.000 |" in text
    assert "0.800 ± 0.000 (2 of 3 seeds, 1 failed)" in text
    assert "0.900 (1 of 3 seeds)" in text
    assert text.count("of 3 seeds") == 2  # baselines have none


def test_a_table_of_failed_trials_alone_is_reported_too(table_of, make_row):
    text = report(table_of([make_row(error="lost")]))
    assert "FAILED vv" in text
    assert text.rstrip().endswith("No rows for 7 of the 7 claims: 1, 2, 3, 4, 5, 6, 7")
    assert "failed" in report(table_of([make_row(error="lost")]), "csv")


@pytest.mark.parametrize("form", ["text", "markdown"])
@pytest.mark.parametrize("other", [{"labelled_chips": 4}, {"origin": "zero-shot from kaikoura"}])
def test_the_paper_claims_nothing_of_few_labels_or_what_began_elsewhere(
    table_of, make_row, other, form
):
    text = report(table_of([make_row(seed=seed, **other) for seed in range(3)]), form)
    assert "0.610" in text
    assert "claim" not in text


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_claims_that_no_row_speaks_of_are_one_line(table_of, make_row, form):
    text = report(table_of([make_row(seed=seed, inputs="vv+vh") for seed in range(3)]), form)
    assert "The best AUPRC exceeds 0.7" in text
    assert "VV beats VH" not in text
    assert text.rstrip().endswith("No rows for 6 of the 7 claims: 2, 3, 4, 5, 6, 7")


@pytest.mark.parametrize(
    "other",
    [
        {"event": "kaikoura"},
        {"protocol": "blocked"},
        {"network": "unet-resnet18"},
        {"epochs": 5},
        {"split_digest": "0dd"},
        {"cube_digest": "beef", "key": "ab"},
        {"orbit": "descending", "key": "ab"},
        {"setup": "c0ffee", "key": "ab"},
    ],
)
def test_rows_that_differ_in_what_matters_are_never_averaged(table_of, make_row, other):
    table = table_of([make_row(auprc=0.2), make_row(auprc=0.8, **other)])
    assert sorted(s.scored["auprc"].tolist() for s in sections(table)) == [[0.2], [0.8]]
    text = report(table)
    assert "0.200" in text
    assert "0.800" in text
    assert "0.500" not in text


def test_the_half_precisions_are_one_section_which_names_them(table_of, make_row):
    rows = [make_row(seed=s, precision=p) for s, p in enumerate(("float16", "bfloat16", "float16"))]
    whole = make_row(seed=3, auprc=0.8, precision="float32")
    mixed, apart = sorted(sections(table_of([*rows, whole])), key=lambda s: -len(s.scored))
    assert mixed.seeds == [0, 1, 2]
    assert mixed.identity["precision"] == "mixed"
    assert apart.scored["auprc"].tolist() == [0.8]
    text = report(table_of([]))
    assert text.count("Mixed precision: bfloat16, float16") == 1
    assert ", precision mixed," in text
    assert ", precision float32," in text


def test_of_two_rows_of_one_seed_the_newest_counts(table_of, make_row):
    # The key, by which rows are read, says the other order.
    first = make_row(auprc=0.2, threads=1, key="ab", written_at=THEN)
    again = make_row(auprc=0.8, threads=2, key="aa", written_at=THEN + dt.timedelta(hours=1))
    [section] = sections(table_of([again, first]))
    assert section.scored["auprc"].tolist() == [0.8]


def test_rows_scored_on_different_pixels_are_reported_with_a_caution(table_of, make_row):
    rows = [make_row(test_pixels=1000), make_row(seed=1, test_pixels=2500)]
    assert "1,000 to 2,500 test pixels" in report(table_of(rows))


def test_simulated_data_are_said_to_be_so_in_every_form(table_of, make_row):
    simulated = table_of([make_row(simulated=True)])
    assert "SIMULATED" in report(simulated).splitlines()[0]
    assert "SIMULATED" in report(simulated, "markdown").splitlines()[0]
    assert pd.read_csv(io.StringIO(report(simulated, "csv")))["simulated"].all()
    assert "SIMULATED" not in report(simulated.assign(simulated=False))


def test_csv_is_one_tidy_table(table_of, paper_rows):
    tidy = pd.read_csv(io.StringIO(report(table_of(paper_rows(2)), "csv")))
    numbers = ["inputs", "timesteps", "mean", "spread", "low", "high", "seeds", "failed"]
    assert list(tidy.columns[:8]) == numbers
    assert len(tidy) == 16 + 1 + 4 + 4
    trained = tidy[tidy["seeds"] > 0]
    assert (trained["seeds"] == 2).all()
    assert trained["spread"].notna().all()


def test_markdown_has_the_pivot_and_the_claims_as_two_tables(table_of, paper_rows):
    lines = report(table_of(paper_rows(3)), "markdown").splitlines()
    rules = [line for line in lines if line.startswith("| --- ")]
    assert [rule.count("---") for rule in rules] == [5, 3]
    assert any(line.startswith("| VV beats VH | held | vv - vh +0.06") for line in lines)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "95 % intervals over 6 test chips and seeds, differences paired"),
        ({"protocol": "blocked"}, "95 % intervals over 6 spatial blocks of test chips and seeds, "),
        ({"test_blocks": np.zeros(12, np.int32)}, "95 % intervals over seeds, differences paired"),
        ({"seeds": (0,)}, "one seed decides nothing"),
    ],
)
def test_what_the_claims_are_judged_by_is_said(table_of, rows, changes, said):
    assert f"The paper's claims here ({said}" in report(table_of(rows("vv", 2.0, **changes)))


@pytest.mark.parametrize("protocol", ["paper", "blocked"])
def test_landslides_in_one_place_are_said_to_be(table_of, rows, protocol):
    blocks = np.arange(12, dtype=np.int32) // 2
    made = []
    for row in rows("vv", 2.0, protocol=protocol, test_blocks=blocks):
        slid = row.histogram_positive.reshape(12, -1).copy()
        slid[2:] = 0
        made.append(replace(row, histogram_positive=slid.ravel()))
    text = report(table_of(made))
    what = "spatial blocks of test chips" if protocol == "blocked" else "test chips"
    assert f"Of 6 {what} the landslides lie in 1.0, counted by their pixels" in text
    assert "95 % intervals over seeds, differences paired" in text
    other = [replace(row, inputs="vh", key=f"a{row.key}") for row in made]
    paired = compare(table_of([*made, *other]), "vv", "vh")
    assert "[95 % interval over 3 seeds, the same for both]" in paired
    assert f"Of 6 {what} the landslides lie in 1.0" in paired
    assert "the landslides lie in" not in report(table_of(rows("vv", 2.0, protocol=protocol)))


def test_claims_are_printed_with_their_numbers(table_of, paper_rows):
    one = report(table_of(paper_rows(1, spread=0)))
    assert "undecided (one seed: for it)  VV beats VH" in one
    assert "vv - vh +0.06" in one


def test_what_failed_on_all_labels_is_lost_in_no_section_of_few(table_of, make_row):
    lost = make_row(seed=1, error="lost", precision=None, setup="5e7", written_at=THEN, key="ab")
    few = [make_row(seed=seed, labelled_chips=50, setup="5e7", key=f"a{seed}") for seed in (0, 1)]
    assert "FAILED vv, timesteps 1, seed 1: lost" in report(table_of([lost, *few]))


def test_what_failed_and_has_scored_since_under_another_key_is_no_failure(table_of, make_row):
    times = [THEN + dt.timedelta(hours=hour) for hour in range(3)]
    lost = make_row(error="lost", key="ac", written_at=times[0])
    [section] = sections(table_of([lost, make_row(key="ab", written_at=times[1])]))
    assert section.failed.empty
    again = make_row(error="lost again", key="aa", written_at=times[2])
    [section] = sections(table_of([again]))
    assert section.failed["error"].tolist() == ["lost again"]

"""Curves over labelled chips, from a table that holds other rows, too."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from landslide.cli import main
from landslide.results.curve_rows import curve_rows
from landslide.results.labels import AT_RANDOM, label_efficiency, label_report

THEN = datetime(2026, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def curved(make_row):
    """Rows of two origins on 2 and all 40 labelled chips."""
    return [
        make_row(
            origin=origin,
            labelled_chips=labelled,
            train_chips=labelled or 40,
            epochs=100 if labelled is None else 2000,
            auprc=0.4 + 0.1 * (origin is not None),
            key=f"{number}{labelled or 40}",
        )
        for number, origin in enumerate((None, "from kaikoura"))
        for labelled in (2, None)
    ]


def test_rows_are_those_of_few_labels_and_what_they_are_held_against(table_of, curved, make_row):
    others = [make_row(inputs="vh", key="ab"), make_row(event="elsewhere", key="cd")]
    rows = curve_rows(table_of([*curved, *others]))
    assert sorted(rows["key"]) == sorted(row.key for row in curved)


def test_of_two_rows_of_one_seed_the_newest_counts_as_in_the_table(table_of, curved, make_row):
    later = [
        replace(row, threads=2, auprc=row.auprc + 0.2, written_at=THEN + timedelta(hours=1))
        for row in curved
    ]
    later = [replace(row, key=f"a{row.key}") for row in later]
    lost = replace(later[0], auprc=None, error="lost", precision=None, written_at=THEN, key="ef")
    rows = curve_rows(table_of([lost, *(replace(row, written_at=THEN) for row in curved), *later]))
    assert sorted(rows["key"]) == sorted(row.key for row in later)
    (curves,) = label_efficiency(rows)
    assert (curves.points["seeds"] == 1).all()
    assert not curves.points["failed"].any()


def test_a_table_without_few_labels_has_no_curves(table_of, make_row):
    with pytest.raises(ValueError, match=r"had few labels: sweeps/transfer\.py and .* write such"):
        curve_rows(table_of([make_row()]))


def test_two_sweeps_of_other_settings_are_not_one_curve(table_of, curved, make_row):
    longer = make_row(epochs=300, train_chips=40, key="ef")
    with pytest.raises(ValueError, match=f"several sweeps .* of vv at 1 timesteps, .* {AT_RANDOM}"):
        curve_rows(table_of([*curved, longer]))
    other_seed = make_row(epochs=300, seed=7, train_chips=40, key="ef")
    with pytest.raises(ValueError, match=f"several sweeps .*, seed 7, {AT_RANDOM}"):
        curve_rows(table_of([*curved, other_seed]))
    failed = make_row(epochs=300, error="out of memory", key="ef")
    assert len(curve_rows(table_of([*curved, failed]))) == len(curved) + 1


def test_the_curves_are_drawn_from_the_table(table_of, curved, make_row, tmp_path, capsys):
    table_of([*curved, make_row(inputs="vh", key="ab")])
    out = tmp_path / "labels.png"
    assert main(["curves", str(tmp_path / "table"), str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.stat().st_size > 10_000


def test_the_table_is_printed_with_its_curves(table_of, curved, make_row, tmp_path, capsys):
    table = table_of(curved)
    assert main(["table", str(tmp_path / "table")]) == 0
    assert capsys.readouterr().out.endswith(f"\n\n{label_report(table)}")
    table_of([make_row(epochs=300, train_chips=40, key="ef")])
    assert main(["table", str(tmp_path / "table")]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("no curves over labelled chips: the table holds several sweeps")

"""Label efficiency: curves over labelled chips, as text and as a figure."""

from dataclasses import replace

import numpy as np
import pytest

from landslide.results import labels_figure
from landslide.results.bootstrap import combination, mean_interval, resample
from landslide.results.labels import AS_LONG, AT_RANDOM, label_efficiency, label_report
from landslide.results.labels_figure import label_figure


@pytest.fixture
def sweep(make_row):
    """Rows of a made-up sweep: two origins, 0 to all 40 labelled chips, two seeds."""

    def make(**changes):
        rows = []
        for seed in (0, 1):
            for origin, few in ((None, (2, 10)), ("from kaikoura", (0, 2, 10))):
                for labelled in (*few, None):
                    trained = 40 if labelled is None else labelled
                    values = {
                        "seed": seed,
                        "origin": origin,
                        "labelled_chips": labelled,
                        "train_chips": trained,
                        "epochs": 100 if labelled is None else 100 * (41 - labelled),
                        "auprc": 0.2 + 0.01 * trained + 0.02 * seed + 0.1 * (origin is not None),
                    }
                    values["key"] = f"{len(rows):04x}{sum(map(ord, str(changes))):04x}"
                    rows.append(make_row(**values | changes))
        return rows

    return make


def test_each_origin_has_a_point_for_each_number_of_labels(table_of, sweep):
    (curves,) = label_efficiency(table_of(sweep()))
    assert curves.origins == [AT_RANDOM, "from kaikoura"]
    assert curves.labelled == [0, 2, 10, 40]
    points = curves.points.set_index(["origin", "labelled"])
    assert points.loc[("from kaikoura", 0), "mean"] == pytest.approx(0.31)
    assert points.loc[(AT_RANDOM, 10), "spread"] == pytest.approx(0.02 / np.sqrt(2))
    assert (points["seeds"] == 2).all()
    assert points["all"].groupby("labelled").all().to_dict() == {
        0: False, 2: False, 10: False, 40: True,
    }  # fmt: skip


def test_a_point_of_several_seeds_has_the_interval_of_its_rows(table_of, rows):
    several = table_of(rows("vv", 2.0, labelled_chips=2))
    whole = table_of(rows("vv", 2.0, seeds=(0,), train_chips=40, epochs=50))
    (curves,) = label_efficiency(whole)
    of_several, of_one = curves.points.to_dict("records")
    interval = mean_interval(resample(several))
    assert (of_several["low"], of_several["high"]) == (interval.low, interval.high)
    assert np.isnan([of_one["low"], of_one["high"]]).all()
    assert f" [{interval.low:.3f}, {interval.high:.3f}]" in label_report(whole)


def test_what_began_elsewhere_is_compared_with_what_began_at_random(table_of, rows):
    made = [
        *rows("vv", 1.0, labelled_chips=2),
        *rows("vv", 1.2, train_chips=40, epochs=50),
        *rows("vv", 2.0, labelled_chips=2, origin="elsewhere"),
        *rows("vv", 1.5, labelled_chips=0, origin="elsewhere", epochs=0),
        *rows("vv", 1.5, labelled_chips=2, origin="once", seeds=(0,)),
        *rows("vv", 1.3, labelled_chips=2, origin=AS_LONG, epochs=70),
    ]
    table = table_of(replace(row, key=f"{number:04x}") for number, row in enumerate(made))
    (curves,) = label_efficiency(table)
    found = curves.differences.set_index(["origin", "labelled", "reference"])

    def drawn(origin: str | None, labelled: int | None):
        mine = table["origin"].isna() if origin is None else table["origin"] == origin
        few = table["labelled_chips"]
        return resample(table[mine & (few.isna() if labelled is None else few == labelled)])

    pairs = [
        ("elsewhere", 2, AT_RANDOM, 2),
        ("elsewhere", 0, AT_RANDOM, None),  # without labels: beside all of them
        ("elsewhere", 2, AS_LONG, 2),
        (AS_LONG, 2, AT_RANDOM, 2),
    ]
    assert set(found.index) == {pair[:3] for pair in pairs}
    for origin, labelled, reference, as_many in pairs:
        of_reference = drawn(None if reference == AT_RANDOM else reference, as_many)
        paired = combination([(1, drawn(origin, labelled)), (-1, of_reference)])
        wanted = mean_interval(paired)
        assert tuple(found.loc[(origin, labelled, reference)]) == (
            wanted.mean, wanted.low, wanted.high,
        )  # fmt: skip
    text = label_report(table).partition("Difference on as many labels (without labels: ")[2]
    assert "; 4 looks, not corrected for their number" in text.splitlines()[0]
    random, as_long = text.split(f"more than {AT_RANDOM} ")[1].split(f"more than {AS_LONG}")
    for said, reference in ((random, AT_RANDOM), (as_long, AS_LONG)):
        assert f"{found.loc[('elsewhere', 2, reference), 'mean']:+.3f} [" in said
    assert AS_LONG in random
    assert "once" not in text


def test_what_trained_on_other_cubes_too_stands_at_all_labels_of_its_own(table_of, sweep, make_row):
    joint = make_row(origin="with kaikoura", train_chips=140, auprc=0.8, key="ab")
    (curves,) = label_efficiency(table_of([*sweep(), joint]))
    assert curves.labelled == [0, 2, 10, 40]
    (point,) = curves.points[curves.points["origin"] == "with kaikoura"].to_dict("records")
    assert (point["labelled"], point["all"], point["mean"]) == (40, True, 0.8)


@pytest.fixture
def all_lost(sweep, make_row):
    """Rows of a made-up sweep whose trials at random on all labels failed, zero-shot rows among."""
    lost = [
        make_row(seed=seed, error="out of memory", epochs=None, precision=None, key=f"fa{seed}")
        for seed in (0, 1)
    ]
    return [*(row for row in sweep() if row.labelled_chips is not None), *lost]


def test_failed_trials_on_all_labels_stand_apart_from_those_without_labels(table_of, all_lost):
    (curves,) = label_efficiency(table_of(all_lost))
    assert curves.labelled[:-1] == [0, 2, 10]
    assert np.isnan(curves.labelled[-1])
    lines = label_report(table_of(all_lost)).splitlines()
    (header,) = [line for line in lines if line.startswith("model began")]
    assert header.split()[-4:] == ["0", "2", "10", "all"]
    (random,) = [line for line in lines if line.startswith(AT_RANDOM)]
    assert random.split()[2] == "-"
    assert random.endswith("failed")
    (begun,) = [line for line in lines if line.startswith("from kaikoura")]
    assert begun.split()[2] == "0.310"
    assert begun.endswith("-")


def test_chips_of_other_cubes_are_never_counted_as_all_of_this(table_of, all_lost, make_row):
    joint = make_row(origin="with kaikoura", train_chips=140, auprc=0.8, key="ab")
    (curves,) = label_efficiency(table_of([*all_lost, joint]))
    assert 140 not in curves.labelled
    (line,) = [each for each in label_report(table_of([])).splitlines() if "with kai" in each]
    assert line.split()[2:6] == ["-", "-", "-", "0.800"]


def test_the_figure_has_a_place_for_all_labels_of_an_unknown_number(
    tmp_path, table_of, all_lost, make_row, monkeypatch
):
    drawn = []
    monkeypatch.setattr(labels_figure, "save_figure", lambda figure, _: drawn.append(figure))
    joint = make_row(origin="with kaikoura", train_chips=140, auprc=0.8, key="ab")
    label_figure(table_of([*all_lost, joint]), str(tmp_path / "labels.png"))
    (axis,) = drawn[0].axes
    assert [text.get_text() for text in axis.get_xticklabels()] == ["0", "2", "10", "all"]
    (line,) = [one for one in axis.lines if 0.8 in one.get_ydata()]
    assert line.get_xdata() == axis.get_xticks()[-1]


def test_inputs_and_timesteps_have_curves_of_their_own(table_of, sweep):
    rows = [*sweep(inputs="vv", timesteps=4), *sweep(inputs="dem", timesteps=0)]
    found = label_efficiency(table_of(rows))
    assert [(c.identity["inputs"], c.identity["timesteps"]) for c in found] == [
        ("vv", 4), ("dem", 0),
    ]  # fmt: skip


def test_the_text_says_what_is_simulated_what_failed_and_what_is_missing(table_of, sweep, make_row):
    lost = make_row(
        seed=2, labelled_chips=10, error="lost", train_chips=None, epochs=9, precision=None,
        prevalence=None, simulated=True, key="ff",
    )  # fmt: skip
    text = label_report(table_of([*sweep(simulated=True), lost]))
    assert "hokkaido, paper protocol, vv at 1 timestep, SIMULATED DATA" in text
    (random_line,) = [line for line in text.splitlines() if line.startswith(AT_RANDOM)]
    assert random_line.split()[2] == "-"
    assert "(1 failed)" in random_line
    assert "all 40" in text
    assert "0.090" in text


def test_a_point_of_fewer_seeds_than_others_says_so(table_of, sweep):
    rows = [row for row in sweep() if (row.seed, row.labelled_chips) != (1, 10)]
    lines = label_report(table_of(rows)).splitlines()
    for began in (AT_RANDOM, "from kaikoura"):
        (line,) = [line for line in lines if line.startswith(began)]
        assert line.count("(1 of 2 seeds)") == 1


def test_the_figure_is_drawn_whole_or_the_reason_is_one_line(tmp_path, table_of, sweep, make_row):
    rows = [*sweep(), *sweep(inputs="vh"), *sweep(inputs="dem", timesteps=0)]
    path = tmp_path / "labels.png"
    label_figure(table_of(rows), str(path))
    assert path.stat().st_size > 10_000
    failed = tmp_path / "failed"
    failed.mkdir()
    from landslide.results.table import results_table, write_row

    write_row(str(failed), make_row(error="lost"))
    with pytest.raises(ValueError, match="no row has a score to draw over labelled chips"):
        label_figure(results_table(str(failed)), str(path))

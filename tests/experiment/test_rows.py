"""The row that a trial earns."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.metrics import average_precision_score

from landslide.chips import passing
from landslide.chips.split import TEST, TRAIN, VALIDATION, Chipping
from landslide.chips.survey import survey
from landslide.cube.labels import NO_DATA
from landslide.experiment.configurations import configurations
from landslide.experiment.keys import row_key
from landslide.experiment.plan import Experiment, stream_of
from landslide.experiment.rows import earned_row, failed_row
from landslide.experiment.run import run_trial
from landslide.experiment.versions import versions
from landslide.results.histograms import binned_average_precision
from landslide.results.table import results_table, row_keys, write_row
from landslide.training.train import Trained
from tests.quake import SMALL

# Trained results by inputs; their table, Any for pandas' sake; its address.
Sweep = tuple[dict[str, Trained], Any, str]


@pytest.fixture(scope="module")
def sweep(
    experiment: Experiment, chips: xr.Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Sweep:
    """Run three trials, one of which fails: what they gave by inputs, and their table."""
    table = str(tmp_path_factory.mktemp("sweep") / "table")
    given: dict[str, Any] = {}
    for config in configurations(SMALL, ["vv", "dem"], [2], [0]):
        key = row_key(experiment, config, "float32")
        given[config.inputs] = run_trial(experiment, config, chips, key=key, table=table)
    failing = replace(SMALL, inputs="vv+vh", learning_rate=1e30)
    key = row_key(experiment, failing, "float32")
    try:
        run_trial(experiment, failing, chips, key=key, table=table)
    except ValueError as error:
        write_row(table, failed_row(experiment, failing, key, f"{error}\n  and more"))
    return given, results_table(table), table


def test_its_row_says_what_the_training_gave(sweep: Sweep, experiment: Experiment) -> None:
    given, rows, _ = sweep
    for inputs, trained in given.items():
        (row,) = rows[rows["inputs"] == inputs].to_dict("records")
        for name in ("auprc", "prevalence", "parameters", "best_epoch", "precision"):
            assert row[name] == getattr(trained, name), name
        assert row["device"] == "cpu"
        assert row["seconds"] == trained.seconds > 0
        assert row["chips_per_second"] == pytest.approx(4 * 10 / trained.seconds)
        for name in ("timesteps", "seed", "preset", "network", "epochs", "batch_size"):
            assert row[name] == getattr(trained.config, name), name
        assert (row["learning_rate"], row["threads"]) == (0.01, 1)
        assert row["encoder_weights"] == "none"
        assert (row["event"], row["protocol"]) == ("quake", "paper")
        assert row["cube"] == experiment.cube
        assert row["cube_digest"] == experiment.cube_digest
        assert row["key"] == row_key(experiment, trained.config, "float32")
        assert json.loads(row["versions"]) == versions()
        assert re.fullmatch(r"[0-9.]+\+[0-9a-f]{8}", versions()["landslide"])  # of the code


def test_its_row_counts_chips_and_pixels(sweep: Sweep, chips: xr.Dataset) -> None:
    _, rows, _ = sweep
    parts, valid = chips["part"].to_numpy(), chips["label"].to_numpy() != NO_DATA
    assert not valid.all()
    for row in rows[rows["error"].isna()].to_dict("records"):
        counts = (row["train_chips"], row["validation_chips"], row["test_chips"])
        assert counts == tuple((parts == p).sum() for p in (TRAIN, VALIDATION, TEST))
        assert row["train_pixels"] == valid[parts == TRAIN].sum()
        assert row["test_pixels"] == valid[parts == TEST].sum()


def test_whether_its_steps_ran_compiled_is_what_they_did(
    experiment: Experiment, chips: xr.Dataset, sweep: Sweep
) -> None:
    trained, rows, _ = sweep
    assert rows[rows["error"].isna()]["compiled"].tolist() == [False] * len(trained)
    asked = replace(trained["vv"].config, compile=True)
    for did in (False, True):  # what was asked for is another matter
        model = replace(trained["vv"], config=asked, compiled=did)
        assert earned_row(experiment, model, chips, "ab").compiled is did


def test_its_histograms_give_the_score_again(sweep: Sweep, chips: xr.Dataset) -> None:
    _, rows, _ = sweep
    for row in rows[rows["error"].isna()].to_dict("records"):
        shape = (row["test_chips"], len(row["histogram_edges"]) - 1)
        negative = row["histogram_negative"].reshape(shape)
        positive = row["histogram_positive"].reshape(shape)
        again = float(binned_average_precision(negative.sum(axis=0), positive.sum(axis=0)))
        assert again == pytest.approx(row["auprc"], abs=0.005)
        test = chips["label"].to_numpy()[chips["part"].to_numpy() == TEST]
        np.testing.assert_array_equal(positive.sum(axis=1), (test == 1).sum(axis=(1, 2)))
        np.testing.assert_array_equal(negative.sum(axis=1), (test == 0).sum(axis=(1, 2)))


def test_each_test_chip_has_its_block(
    experiment: Experiment, chips: xr.Dataset, sweep: Sweep
) -> None:
    trained, rows, _ = sweep
    alone = rows.set_index("inputs")["test_blocks"]["vv"]  # paper: each chip its own
    assert alone.tolist() == list(range(int((chips["part"] == TEST).sum())))
    # Two blocks side by side, whose border is at x = 80: the middle chip's centre is on it.
    blocked = replace(experiment, chipping=Chipping("blocked", chip_size=32, block_size=80))
    row = earned_row(blocked, trained["vv"], chips, "ab")
    test = chips.isel(chip=np.flatnonzero(chips["part"] == TEST))
    east = (test["corner_x"] + 16 >= 80).to_numpy() + 2 * (test["corner_y"] + 16 >= 80)
    np.testing.assert_array_equal(row.test_blocks, np.unique(east, return_inverse=True)[1])


def test_untrained_change_stands_beside_what_has_timesteps(sweep: Sweep, chips: xr.Dataset) -> None:
    _, rows, _ = sweep
    by_inputs = rows.set_index("inputs")
    sar = chips["sar"].sel(timesteps=2).to_numpy()[chips["part"].to_numpy() == TEST]
    labels = chips["label"].to_numpy()[chips["part"].to_numpy() == TEST]
    ratio = np.abs(sar[:, 1::2] - sar[:, ::2]).sum(axis=1)
    valid = labels != NO_DATA
    expected = average_precision_score(labels[valid], ratio[valid])
    assert by_inputs.loc["vv", "change_auprc"] == pytest.approx(expected, abs=1e-6)
    assert by_inputs.loc["vv", "smoothed_difference_auprc"] > by_inputs.loc["vv", "prevalence"]
    assert pd.isna(by_inputs.loc["dem", "change_auprc"])
    assert by_inputs.loc["dem", "timesteps"] == 0


def test_encoder_weights_in_a_file_are_told_by_their_content_and_not_by_its_name(
    experiment: Experiment, tmp_path: Path
) -> None:
    said = []
    for name, content in (("first.pt", b"one"), ("then.pth", b"one"), ("other.pt", b"two")):
        (tmp_path / name).write_bytes(content)
        config = replace(SMALL, encoder_weights=f"{tmp_path}/{name}")
        said.append(failed_row(experiment, config, "ab", "an error").encoder_weights)
    assert said[0] == said[1] != said[2]
    assert re.fullmatch(r"[0-9a-f]{12}", str(said[0]))
    for name in ("none", "imagenet"):
        config = replace(SMALL, encoder_weights=name)
        assert failed_row(experiment, config, "ab", "an error").encoder_weights == name


def test_a_trial_on_a_stream_reads_with_its_own_threads_alone(
    cube: xr.Dataset, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chips = survey(stream_of(cube, experiment))
    threads: list[int] = []

    class Counted(ThreadPoolExecutor):
        def __init__(self, count: int, name: str) -> None:
            threads.append(count)
            super().__init__(count, name)

    monkeypatch.setattr(passing, "CPU_COUNT", 3)  # of the node
    monkeypatch.setattr(passing, "ThreadPoolExecutor", Counted)
    config = replace(SMALL, epochs=1, threads=1)
    run_trial(experiment, config, chips, key="abc", table=f"{tmp_path}/table")
    assert set(threads) == {1}


def test_the_trials_of_a_sweep_share_their_split_and_their_pixels(
    sweep: Sweep, experiment: Experiment
) -> None:
    _, rows, _ = sweep
    assert set(rows["split_digest"]) == {experiment.split_digest}
    assert len(set(rows["test_pixels"].dropna())) == 1
    assert len(set(rows["prevalence"].dropna())) == 1


def test_a_failed_trial_stays_visible_and_is_run_again(sweep: Sweep) -> None:
    given, rows, table = sweep
    (failed,) = rows[rows["error"].notna()].to_dict("records")
    assert failed["inputs"] == "vv+vh"
    assert failed["error"].startswith("training diverged")
    assert failed["error"].endswith("and more")
    assert "\n" not in failed["error"]
    assert pd.isna(failed["auprc"])
    assert len(row_keys(table)) == len(given)
    assert failed["key"] not in row_keys(table)


def test_a_repeated_trial_takes_the_place_of_its_own_row(
    experiment: Experiment, chips: xr.Dataset, tmp_path: Path
) -> None:
    config, table = replace(SMALL, epochs=1), f"{tmp_path}/table"
    one, two = (run_trial(experiment, config, chips, key="abc", table=table) for _ in range(2))
    rows = results_table(table)
    assert one.auprc == two.auprc
    assert rows["auprc"].tolist() == [one.auprc]


def test_without_a_table_no_row_is_written(
    experiment: Experiment, chips: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landslide.experiment.run.write_row", lambda *_: pytest.fail("a row"))
    run_trial(experiment, replace(SMALL, epochs=1), chips, key="abc", table=None)

"""The sweep, end to end on a small simulated cube."""

import contextlib
import gc
import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from landslide import open_cube, results_table
from landslide.chips.inputs import PAPER_INPUTS
from landslide.chips.split import Chipping
from landslide.cli import main as landslide_command
from landslide.command import INTERRUPTED, run_command
from landslide.cube.events import find_event
from landslide.experiment.configurations import with_baseline
from landslide.experiment.keys import row_key
from landslide.experiment.plan import plan_experiment
from landslide.training.config import training_config
from sweeps.ablation import main, run
from sweeps.choices import SweepChoices
from sweeps.planning import plan_sweep
from sweeps.progress import Progress
from sweeps.workers import Cluster

from .conftest import Refused

QUICK = ["--preset", "quick", "--chip-size", "64", "--epochs", "1"]


@pytest.fixture(scope="module")
def swept(cube: str, ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished sweep of 4 inputs x 2 timestep counts and the baseline."""
    folder = tmp_path_factory.mktemp("sweep")
    code = main([cube, "--table", str(folder / "table"), "--timesteps", "1", "2", *QUICK])
    assert code == 0
    return folder


def test_every_configuration_and_the_baseline_has_one_row(swept: Path) -> None:
    rows = results_table(str(swept / "table"))
    expected = {(i, t) for i in ("vv", "vh", "vv+vh", "vv+vh+dem") for t in (1, 2)} | {("dem", 0)}
    assert set(zip(rows["inputs"], rows["timesteps"], strict=True)) == expected
    assert len(rows) == len(expected)
    assert rows["auprc"].between(0, 1).all()
    assert rows["error"].isna().all()


def test_all_rows_are_scored_on_the_same_pixels_of_one_split(swept: Path) -> None:
    rows = results_table(str(swept / "table"))
    for column in ("test_pixels", "train_pixels", "prevalence", "split_digest", "cube_digest"):
        assert (rows[column] == rows[column].iloc[0]).all()
    assert rows.loc[rows["timesteps"] > 0, "change_auprc"].notna().all()
    assert rows.loc[rows["timesteps"] == 0, "change_auprc"].isna().all()


def test_the_folder_holds_rows_alone_with_split_and_figure_beside_it(swept: Path) -> None:
    assert {file.suffix for file in (swept / "table").iterdir()} == {".parquet"}
    assert (swept / "figure4.png").stat().st_size > 10_000
    (split,) = swept.glob("split-*.json")
    parts = [chip["part"] for chip in json.loads(split.read_text())["chips"]]
    rows = results_table(str(swept / "table"))
    assert parts.count("train") == rows["train_chips"].iloc[0]
    assert parts.count("test") == rows["test_chips"].iloc[0]
    assert pd.read_parquet(swept / "table").shape == rows.shape


def test_nothing_is_trained_twice(
    swept: Path, cube: str, ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {f: f.stat().st_mtime_ns for f in (swept / "table").iterdir()}
    arguments = [cube, "--table", str(swept / "table"), "--timesteps", "1", "2", *QUICK]
    assert main(arguments) == 0
    assert "9 configurations, 9 in the table already" in capsys.readouterr().out
    assert {f: f.stat().st_mtime_ns for f in (swept / "table").iterdir()} == before


def test_checkpoints_are_gone_once_rows_stand(swept: Path) -> None:
    assert not list((swept / "runs").glob("*.checkpoint"))


def keys_of(cube: str, split: str, inputs: list[str]) -> dict[str, str]:
    """Return the row keys of a sweep over these inputs with one timestep, by input."""
    opened = open_cube(cube)
    chipping = Chipping(chip_size=64)
    experiment = plan_experiment(opened, find_event(opened), chipping, inputs, [1], split=split)
    config = training_config("quick", epochs=1, timesteps=1)
    return {name: row_key(experiment, replace(config, inputs=name), "float32") for name in inputs}


def test_a_failed_trial_stays_visible_and_the_others_rows_are_safe(
    swept: Path, cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (saved,) = swept.glob("split-*.json")
    chosen = json.loads(saved.read_text())
    chosen["chips"] = chosen["chips"][2:]  # a split of one's own, too
    split = tmp_path / "mine.json"
    split.write_text(json.dumps(chosen))
    # A folder where one trial's checkpoint should lie makes that trial fail, and no other.
    key = keys_of(cube, split.read_text(), ["vv", "vh"])["vh"]
    (tmp_path / "runs" / f"{key}.checkpoint").mkdir(parents=True)

    arguments = [cube, "--table", str(tmp_path / "table"), "--inputs", "vv", "vh", *QUICK]
    assert main([*arguments, "--timesteps", "1", "--split", str(split)]) == 1
    rows = results_table(str(tmp_path / "table")).set_index("inputs")
    assert rows.loc["vh", "key"] == key
    assert rows.loc["vh", "error"].startswith("IsADirectoryError")
    assert pd.isna(rows.loc["vh", "auprc"])
    assert 0 < rows.loc["vv", "auprc"] < 1
    parts = [chip["part"] for chip in chosen["chips"]]
    assert rows.loc["vv", "train_chips"] == parts.count("train")
    assert "IsADirectoryError" in capsys.readouterr().out


def test_a_sweep_is_run_from_python_too(
    swept: Path, cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = SweepChoices(
        cube,
        table=str(tmp_path / "table"),
        base=training_config("quick", epochs=1),
        chipping=Chipping(chip_size=64),
        inputs=("vv",),
        timesteps=(1,),
    )
    assert run(plan_sweep(choices), Cluster()) == 0
    (row,) = results_table(choices.table).itertuples()
    (saved,) = swept.glob("split-*.json")
    assert row.key == keys_of(cube, saved.read_text(), ["vv"])["vv"]
    assert 0 < row.auprc < 1
    assert f"table:  {choices.table}" in capsys.readouterr().out


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Heed Ctrl-C, which a process that was started in the background may have been told not to."""
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, heeded)


# Tune, interrupted, leaves its records' files open.
@pytest.mark.filterwarnings(r"ignore:.*result\.json:pytest.PytestUnraisableExceptionWarning")
def test_a_sweep_that_is_interrupted_says_so_and_goes_on(
    cube: str, ray: None, ctrl_c: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """By Ctrl-C as its first trial ends: it must not go on as if that were all of it."""
    table = str(tmp_path / "table")
    arguments = [cube, "--table", table, "--inputs", "vv", "--timesteps", "1", "2", *QUICK]
    arguments += ["--cpus-per-trial", "2"]  # all there are: the other has not begun
    ended = Progress.on_trial_complete

    def interrupt(self: Progress, *args: Any, **info: Any) -> None:
        ended(self, *args, **info)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "on_trial_complete", interrupt)
        assert run_command(lambda: main(arguments), verbose=True) == INTERRUPTED
    said = capsys.readouterr()
    assert said.err.endswith("interrupted\n")
    assert "The paper's claims" not in said.out
    assert "the same command goes on" in caplog.text
    assert len(results_table(table)) == 1
    gc.collect()  # Tune's actors are let go, which else end with the process
    assert main(arguments) == 0
    assert len(results_table(table)) == 2


@pytest.mark.long  # on a cluster of several nodes it is among the faults
def test_a_killed_worker_goes_on_from_its_checkpoint_to_the_same_score(
    cube: str, ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, runs = tmp_path / "table", tmp_path / "runs-of-the-killed"
    arguments = [cube, "--inputs", "vv", "--timesteps", "1", *QUICK, "--epochs", "40"]
    arguments += ["--table", str(table)]
    assert main(arguments) == 0
    (whole,) = results_table(str(table)).itertuples()

    killed, finished = threading.Event(), threading.Event()

    def kill_after_first_checkpoint() -> None:
        while not finished.wait(0.01):
            if list(runs.glob("*.checkpoint")):
                for process in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.Error):  # it may end meanwhile
                        if "ImplicitFunc" in " ".join(process.cmdline()):
                            process.kill()
                            killed.set()
                return

    epochs: list[float] = []

    class Noted(Progress):
        def on_trial_result(self, **info: Any) -> None:
            epochs.append(info["result"]["epoch"])
            super().on_trial_result(**info)

    monkeypatch.setattr("sweeps.trial.Progress", Noted)
    killer = threading.Thread(target=kill_after_first_checkpoint)
    killer.start()
    try:
        assert main([*arguments, "--storage", str(runs), "--force"]) == 0
    finally:
        finished.set()
        killer.join()
    assert killed.is_set()
    (row,) = results_table(str(table)).itertuples()
    assert row.key == whole.key
    assert row.written_at > whole.written_at
    assert row.auprc == whole.auprc
    assert epochs.count(1.0) == 1
    assert max(epochs) == 40


def test_impossible_resources_are_an_error_at_once(
    cube: str, ray: None, refused: Refused, tmp_path: Path
) -> None:
    arguments = [cube, "--table", str(tmp_path / "table"), *QUICK, "--gpus-per-trial", "4"]
    error, _ = refused(main, arguments)
    assert error.startswith("error: no node has CPU 1, GPU 4, as one trial or actor is to have")
    assert not list((tmp_path / "table").glob("*.parquet"))


def test_a_node_that_never_comes_is_an_error_after_a_deadline(
    cube: str, ray: None, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.resources.is_autoscaler_v2", lambda **_: True)
    monkeypatch.setattr("cluster.resources.VERDICT_SECONDS", 0)
    arguments = [cube, "--table", str(tmp_path / "table"), *QUICK, "--deadline", "0.1"]
    arguments += ["--gpus-per-trial", "1"]
    arguments += ["--inputs", "vv", "--timesteps", "1"]
    error, said = refused(main, arguments)
    assert "no node has CPU 1, GPU 1 yet: waiting for one, 0.1 s at most" in said
    assert error.startswith("error: no node with CPU 1, GPU 1 came within 0.1 s:")
    assert not list((tmp_path / "table").glob("*.parquet"))


def test_one_machine_without_a_cluster_fills_the_same_row(
    cube: str, ray: None, tmp_path: Path
) -> None:
    table, bundle = str(tmp_path / "table"), str(tmp_path / "model")
    alone = ["train", cube, "--protocol", "paper", "--table", table, "--out", bundle, *QUICK]
    assert landslide_command([*alone, "--inputs", "vv", "--timesteps", "1"]) == 0
    (row,) = results_table(table).itertuples()
    opened = open_cube(cube)
    experiment = plan_experiment(
        opened,
        find_event(opened),
        Chipping(chip_size=64),
        with_baseline(PAPER_INPUTS),
        [1, 2, 3, 4],
    )
    config = training_config("quick", epochs=1, inputs="vv", timesteps=1)
    assert row.key == row_key(experiment, config, "float32")

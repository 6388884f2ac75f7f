"""One trial: what it tells Tune and how often, and what of its failures ends its process."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cluster.resources import Resources
from landslide import open_cube, results_table
from landslide.chips.split import Chipping
from landslide.cube.events import find_event
from landslide.experiment.keys import row_key
from landslide.experiment.plan import Experiment, plan_experiment
from landslide.experiment.rows import failed_row
from landslide.results.table import write_row
from landslide.training.config import TrainingConfig, training_config
from sweeps import trial
from sweeps.choices import SweepChoices
from sweeps.planning import Sweep
from sweeps.progress import Progress

CONFIG = training_config("quick", epochs=1, inputs="vv", timesteps=1)


@pytest.fixture
def experiment(cube: str) -> Experiment:
    opened = open_cube(cube)
    return plan_experiment(opened, find_event(opened), Chipping(chip_size=64), ["vv"], [1])


@pytest.fixture
def shared(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What all trials of a sweep have, without a GPU; no chips, where nothing is trained."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return {
        "experiment": experiment,
        "chips": None,
        "table": str(tmp_path / "table"),
        "runs": str(tmp_path / "runs"),
    }


def raising(error: Exception) -> Any:
    def run_trial(*_: Any, **__: Any) -> None:
        raise error

    return run_trial


def test_trials_train_in_one_thread_whichever_begin_them(
    shared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def run_trial(*_: Any, **__: Any) -> SimpleNamespace:
        used.append(threading.current_thread())
        return SimpleNamespace(auprc=0.5)

    monkeypatch.setattr(trial.tune, "report", lambda _: None)
    monkeypatch.setattr(trial, "run_trial", run_trial)
    for key in ("ab", "cd"):  # as Tune does, a thread for each
        with ThreadPoolExecutor(1) as thread:
            thread.submit(trial.trial, {"trial": {"key": key, "config": CONFIG}}, **shared).result()
    assert len(used) == 2
    assert used[0] is used[1] is not threading.current_thread()


def test_what_is_wrong_with_a_trial_is_its_row(
    shared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(trial.tune, "report", told.append)
    monkeypatch.setattr(trial, "run_trial", raising(ValueError("no such input")))
    trial.trial({"trial": {"key": "ab", "config": CONFIG}}, **shared)
    assert told == [{"error": "ValueError: no such input"}]
    assert results_table(shared["table"])["error"].tolist() == ["ValueError: no such input"]


def test_a_trial_planned_in_mixed_precision_fails_where_it_would_be_float32(
    shared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landslide.training.device.multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(trial.tune, "report", lambda _: None)
    monkeypatch.setattr(trial, "run_trial", raising(AssertionError("it trained")))
    planned = replace(CONFIG, precision="mixed")
    trial.trial({"trial": {"key": "ab", "config": planned}}, **shared)
    (error,) = results_table(shared["table"])["error"]
    assert error.startswith("ValueError: planned in mixed precision")


def test_what_goes_wrong_in_a_rerun_leaves_the_score_that_was_earned(
    shared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failed_row(shared["experiment"], CONFIG, "ab", "lost")
    write_row(shared["table"], replace(failed, error=None, auprc=0.5))
    monkeypatch.setattr(trial.tune, "report", lambda _: None)
    monkeypatch.setattr(trial, "run_trial", raising(ValueError("diverged")))
    trial.trial({"trial": {"key": "ab", "config": CONFIG}}, **shared)
    assert results_table(shared["table"])["auprc"].tolist() == [0.5]


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error"),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("FIND was unable to find an engine to execute this computation"),
    ],
    ids=str,
)
def test_what_is_wrong_with_its_device_is_left_to_tune(
    error: Exception, shared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "run_trial", raising(error))
    with pytest.raises(type(error), match=str(error)):
        trial.trial({"trial": {"key": "ab", "config": CONFIG}}, **shared)
    assert not Path(shared["table"]).exists()


@pytest.mark.parametrize("gpus", [0, 0.5, 1])
def test_a_trial_that_was_given_a_gpu_does_not_go_on_without(
    gpus: float, shared: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landslide.training.device.DRIVER", tmp_path)
    monkeypatch.setattr(trial.tune, "report", lambda _: None)
    ran = []
    monkeypatch.setattr(
        trial, "run_trial", lambda *_, **__: ran.append(1) or SimpleNamespace(auprc=0.5)
    )
    parameters = {"trial": {"key": "ab", "config": CONFIG}}
    if gpus:
        with pytest.raises(RuntimeError, match="torch sees none"):
            trial.trial(parameters, gpus=gpus, **shared)
    else:
        trial.trial(parameters, **shared)
    assert bool(ran) is not bool(gpus)


def test_epochs_are_told_seldom_but_the_first_and_the_last(
    shared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, told = [0.0], list[dict[str, Any]]()

    def run_trial(*_: Any, report: Any, **__: Any) -> Any:
        for epoch in range(1, 101):
            clock[0] += 0.125  # seconds
            report({"epoch": float(epoch)})
        return SimpleNamespace(auprc=0.5)

    monkeypatch.setattr(trial.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(trial.tune, "report", told.append)
    monkeypatch.setattr(trial, "run_trial", run_trial)
    config = replace(CONFIG, epochs=100)
    trial.trial({"trial": {"key": "ab", "config": config}}, **shared)
    assert [record["epoch"] for record in told] == [1, 41, 81, 100]
    assert told[-1]["auprc"] == 0.5


class Ending:
    """Ends the process that it is sent to: a node that cannot begin a trial."""

    def __reduce__(self) -> Any:
        return _end_elsewhere, (os.getpid(),)


def _end_elsewhere(here: int) -> Ending:
    if os.getpid() != here:
        os._exit(3)
    return Ending()


def run(
    configs: dict[str, TrainingConfig], body: Any, experiment: Experiment, chips: Any,
    table: str, runs: str,
) -> int:  # fmt: skip
    """Run trials of a sweep without a GPU."""
    nothing: Any = None
    sweep = Sweep(SweepChoices(experiment.cube, table, storage=runs), experiment, nothing)
    return trial.run_trials(sweep, configs, chips, Resources(1), deadline=60, body=body)


def test_a_trial_that_never_begins_has_its_row(
    ray: None, shared: dict[str, Any], tmp_path: Path
) -> None:
    ending = Ending()

    def body(parameters: dict[str, Any], **given: Any) -> None:
        raise AssertionError(f"{ending} was here")

    key = row_key(shared["experiment"], CONFIG, "float32")
    failed = run({key: CONFIG}, body, **shared)
    assert failed == 1
    (row,) = results_table(shared["table"]).itertuples()
    assert row.key == key
    assert "was here" not in row.error


@pytest.mark.long  # four processes begin, one after another
def test_a_device_that_fails_costs_its_own_process_and_no_other_trial(
    ray: None, shared: dict[str, Any], tmp_path: Path
) -> None:
    tried = tmp_path / "tried"
    tried.mkdir()

    def body(parameters: dict[str, Any], **given: Any) -> None:
        def run_trial(experiment: Any, config: TrainingConfig, *_: Any, **__: Any) -> Any:
            (tried / f"{config.seed}-{os.getpid()}").touch()
            if config.seed == 0:
                raise torch.AcceleratorError("CUDA error: unspecified launch failure")
            return SimpleNamespace(auprc=0.5)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trial, "run_trial", run_trial)
            trial.trial(parameters, **given)

    configs = {}
    for seed in (0, 1):
        config = TrainingConfig(inputs="vv", timesteps=1, seed=seed)
        configs[row_key(shared["experiment"], config, "float32")] = config
    failed = run(configs, body, **shared)
    assert failed == 1
    (row,) = results_table(shared["table"]).itertuples()
    assert row.seed == 0
    assert row.error == "torch.AcceleratorError: CUDA error: unspecified launch failure"
    tries = [path.name.split("-") for path in tried.iterdir()]
    assert sorted(seed for seed, _ in tries) == ["0", "0", "0", "1"]
    assert len({process for seed, process in tries if seed == "0"}) == 1 + trial.MAX_FAILURES


def test_epochs_that_a_trial_repeats_are_counted_once() -> None:
    bar = Progress([replace(CONFIG, epochs=6)])
    bar.setup()
    counted = []
    for epoch in (2, 4, 3, 4, 6):  # its process died in the fifth
        bar.on_trial_result(1, [], SimpleNamespace(trial_id="a"), {"epoch": epoch})
        counted.append(bar.bar.n)
    bar.on_experiment_end([])
    assert counted == [2, 4, 4, 4, 6]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "seed 0: AUPRC 0.500"),
        ({"origin": "from there", "labelled_chips": 1}, "seed 0, from there, 1 labelled chip: AU"),
        ({"labelled_chips": 4}, "seed 0, 4 labelled chips: AUPRC"),
    ],
)
def test_the_line_of_a_trial_says_which_it_was(
    changes: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(CONFIG, **changes)
    bar = Progress([config])
    bar.setup()
    known = {"config": {"trial": {"config": config}}, "last_result": {"auprc": 0.5}}
    bar.on_trial_complete(1, [], SimpleNamespace(**known))
    bar.on_experiment_end([])
    assert said in capsys.readouterr().err


def test_what_asks_for_no_gpu_sees_none(ray: None) -> None:
    import ray as running

    seen = running.remote(num_cpus=1)(os.getenv).remote("CUDA_VISIBLE_DEVICES")
    assert running.get(seen) == ""

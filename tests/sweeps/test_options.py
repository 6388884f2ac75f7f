"""A sweep's command line: what cannot be, and what follows from it."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster import JOB
from cluster.resources import Resources
from landslide.chips.split import Chipping
from landslide.experiment.rows import failed_row
from landslide.results.table import write_row
from landslide.training.config import TrainingConfig
from sweeps import experiment
from sweeps.ablation import options, run
from sweeps.build import options as build_options
from sweeps.choices import SweepChoices
from sweeps.map import options as map_options
from sweeps.options import chosen
from sweeps.planning import plan_sweep
from sweeps.workers import Cluster

from .conftest import Fill, plan_of


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ((), {}),
        (("--inputs", "vv", "coherence"), {"inputs": ("vv", "coherence")}),
        (("--timesteps", "1", "3"), {"timesteps": (1, 3)}),
        (("--seeds", "4", "5"), {"seeds": (4, 5)}),
        (("--event", "kaikoura"), {"event": "kaikoura"}),
        (("--orbit", "46"), {"orbit": "46"}),
        (("--reader", "plain"), {"reader": "plain"}),
        (("--missing", "no-data"), {"missing": "no-data"}),
        (("--chips", "store"), {"chips": "store"}),
        (("--skip-damaged",), {"skip_damaged": True}),
        (("--force",), {"force": True}),
        (("--storage", "/runs"), {"storage": "/runs"}),
        (("--chip-size", "64"), {"chipping": Chipping(chip_size=64)}),
        (("--cpus-per-trial", "3"), {"base": TrainingConfig(threads=3)}),
    ],
)
def test_an_option_of_a_sweep_changes_the_choices_in_that_alone(
    words: tuple[str, ...], changed: dict[str, Any]
) -> None:
    choices, cluster = chosen(options(["/cube.zarr", "--table", "/a/table", *words]))
    assert choices == replace(SweepChoices("/cube.zarr", "/a/table"), **changed)
    assert cluster == Cluster()
    assert choices.runs == changed.get("storage", "/a/runs")


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (("--address", "10.0.0.1:6379"), {"address": "10.0.0.1:6379"}),
        (("--gpus-per-trial", "0.5"), {"gpus": 0.5}),
        (("--accelerator", "V100"), {"accelerator": "V100"}),
        (("--deadline", "60"), {"deadline": 60}),
        (("--dask", "kubernetes:a/b"), {"dask": "kubernetes:a/b"}),
        (
            ("--dask", "kubernetes:a/b", "--dask-workers", "1", "8"),
            {"dask": "kubernetes:a/b", "dask_workers": (1, 8)},
        ),
    ],
)
def test_an_option_of_a_cluster_changes_it_in_that_alone(
    words: tuple[str, ...], changed: dict[str, Any]
) -> None:
    choices, cluster = chosen(options(["/cube.zarr", "--table", "/a/table", *words]))
    assert cluster == replace(Cluster(), **changed)
    assert choices == SweepChoices("/cube.zarr", "/a/table")


def test_a_saved_split_is_read_where_the_options_are(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{}")
    choices, _ = chosen(options(["/cube.zarr", "--split", str(tmp_path / "mine.json")]))
    assert choices.split == "{}"
    with pytest.raises(ValueError, match=r"^cannot read the split .*: give the file that a sweep"):
        chosen(options(["/cube.zarr", "--split", str(tmp_path / "another.json")]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--table", "gs://bucket"), "the table gs://bucket is a whole bucket"),
        (("--table", "s3://me:planted@bucket/table"), "the address s3://bucket/table came with"),
        (("--storage", ""), "an address is empty"),
        (("--chip-size", "0"), "chip size and block size are at least 1 pixel"),
        (("--epochs", "0"), "epochs"),
        (("--dask", "kubernetes:a/b", "--dask-workers", "8", "1"), "dask_workers 8 1 "),
    ],
)
def test_what_is_wrong_with_an_option_is_known_before_any_cube_is_opened(
    words: tuple[str, ...], said: str
) -> None:
    args = options(["no-such-cube.zarr", *words])
    with pytest.raises(ValueError, match=f"^{said}"):
        chosen(args)


def test_addresses_are_the_same_on_every_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    choices = SweepChoices("cube.zarr", storage="runs")
    assert (choices.cube, choices.table) == (f"{tmp_path}/cube.zarr", f"{tmp_path}/table")
    assert (choices.beside, choices.runs) == (str(tmp_path), f"{tmp_path}/runs")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--gpus-per-trial", "-1", "-1 GPUs cannot be"),
        ("--gpus-per-trial", "1.5", "1.5 GPUs cannot be"),
        ("--gpus-per-trial", "nan", "nan GPUs cannot be"),
        ("--deadline", "-1", "-1 cannot be"),
        ("--deadline", "inf", "inf cannot be"),
    ],
)
def test_a_number_that_cannot_be_is_one_line(
    option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options(["cube.zarr", option, value])
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_rows_in_mixed_precision_are_counted_where_float32_is_to_be_trained(
    cube: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = str(tmp_path / "table")
    line = [cube, "--table", table, "--preset", "quick", "--chip-size", "64"]
    sweep = plan_of(options([*line, "--inputs", "vv", "--timesteps", "1", "2"]))
    on_cpu, on_gpu = (sweep.keyed(Resources(1, gpus, None)) for gpus in (0, 1))
    key, config = next(iter(on_gpu.items()))
    write_row(table, replace(failed_row(sweep.experiment, config, key, "-"), error=None, auprc=0.5))
    waiting = list(on_cpu.values())
    assert sweep.scored_in_mixed(waiting, Resources(1, 0, None)) == 1
    assert sweep.scored_in_mixed(waiting[1:], Resources(1, 0, None)) == 0
    assert sweep.scored_in_mixed(waiting, Resources(1, 1, None)) == 0
    base = replace(sweep.choices.base, precision="mixed")
    asked = replace(sweep, choices=replace(sweep.choices, base=base))
    for units, count in ((True, 0), (False, 1)):
        monkeypatch.setattr("landslide.training.device.multiplies_bfloat16", lambda has=units: has)
        assert asked.scored_in_mixed(waiting, Resources(1, 0, None)) == count


def test_training_anew_what_the_table_has_in_mixed_precision_is_said(
    cube: str, ray: None, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    line = [cube, "--table", str(tmp_path / "table"), "--preset", "quick", "--chip-size", "64"]
    args = options([*line, "--inputs", "vv", "--timesteps", "1", "2"])
    choices, cluster = chosen(args)
    sweep = plan_sweep(choices)
    fill(sweep, gpus=1)
    monkeypatch.setattr("sweeps.ablation.gather_chips", lambda *_, **__: None)
    monkeypatch.setattr("sweeps.ablation.run_trials", lambda *_, **__: 0)
    assert run(sweep, cluster) == 0
    assert "2 of those to train are in the table in mixed precision, and are tra" in caplog.text


@pytest.mark.parametrize("bucket", ["gs://bucket", "s3://bucket/"])
def test_a_table_that_is_a_whole_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(ValueError, match=r"bucket is a whole bucket: name a folder in it$"):
        plan_of(options(["no-such-cube.zarr", "--table", bucket]))


@pytest.mark.parametrize(
    ("read", "words", "said"),
    [
        (options, "CUBE --table", "--table auprc/place would go with the job: give an address"),
        (options, "CUBE --table /t --storage", "--storage auprc/place would go with the job"),
        (experiment.options, "CUBE --table /t --results", "--results auprc/place would go with"),
        (build_options, "EVENT", "a submitted job needs an OUT that stays"),
        (map_options, "--actors 1 MODEL CUBE", "a submitted job needs an OUT that stays"),
        (map_options, "--actors 1 MODEL CUBE /out --work", "job needs a --work that stays"),
    ],
)
def test_a_submitted_job_writes_where_it_stays(
    read: Callable[[list[str]], argparse.Namespace], words: str, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    line = words.split()
    assert "auprc/place" in vars(read([*line, "auprc/place"])).values()  # by hand
    monkeypatch.setenv(JOB, "{}")
    for place in ("gs://bucket/place", "/shared/place"):
        assert place in vars(read([*line, place])).values()
    with pytest.raises(SystemExit):
        read([*line, "auprc/place"])
    (told,) = capsys.readouterr().err.splitlines()
    assert said in told


def test_a_submitted_job_downloads_where_every_worker_can_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(JOB, "{}")
    line = ["hokkaido", "--table", "/shared/table"]
    assert experiment.options([*line, "--download-to", "/shared"]).download_to == "/shared"
    named = experiment.options(["/shared/cube.zarr", *line[1:]])
    assert named.download_to == "data"  # and is not used
    with pytest.raises(SystemExit):
        experiment.options(line)
    (said,) = capsys.readouterr().err.splitlines()
    assert "--download-to data would go with the job: give a folder, from / on" in said


@pytest.mark.parametrize("option", ["table", "storage"])
def test_what_trials_cannot_write_to_is_one_line_before_anything_is_read(
    option: str, cube: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    line = [cube, "--preset", "quick", "--chip-size", "64", "--table", str(tmp_path / "table")]
    plan_of(options(line)).require_writable()
    sweep = plan_of(options([*line, f"--{option}", str(tmp_path / "file" / "folder")]))
    with pytest.raises(OSError, match=rf"cannot write .*\(--{option}\)$"):
        sweep.require_writable()


@pytest.mark.parametrize("told", ["option", "environment"])
def test_no_scheduler_at_an_address_is_known_before_anything_is_read(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "tcp://scheduler"  # without a port
    line = ["no-such-cube.zarr", *(["--dask", address] if told == "option" else [])]
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address if told == "environment" else "")
    with pytest.raises(ValueError, match=r"^'tcp://scheduler' is no address of a Dask scheduler: "):
        plan_of(options(line))


def test_a_seed_that_a_row_cannot_hold_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert options(["cube.zarr", "--seeds", str(2**31 - 1)]).seeds == [2**31 - 1]
    with pytest.raises(SystemExit):
        options(["cube.zarr", "--seeds", str(2**31)])
    assert "2147483648 is not a seed: give 0 to 2147483647" in capsys.readouterr().err


@pytest.mark.parametrize("gpus", ["0", "0.25", "1", "2"])
def test_gpus_are_a_share_or_whole(gpus: str) -> None:
    assert options(["cube.zarr", "--gpus-per-trial", gpus]).gpus == float(gpus)

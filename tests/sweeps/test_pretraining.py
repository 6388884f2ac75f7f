"""Pretraining and few labels, end to end on a small simulated cube."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from cluster.resources import Resources
from landslide import results_table
from landslide.chips.sizes import Room
from landslide.results.labels import AS_LONG
from landslide.results.summary import report
from sweeps import pretraining
from sweeps.pretraining import main, options
from sweeps.pretraining_plan import (
    ORIGIN,
    Pretraining,
    configs_of,
    plan_scene,
    weights_to_begin_with,
)

from .conftest import Refused, plan_of

QUICK = ["--preset", "quick", "--chip-size", "64", "--epochs", "1", "--timesteps", "1"]


@pytest.mark.parametrize("option", ["--labelled", "--pretraining-epochs"])
def test_a_number_that_trains_nothing_is_one_line(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["cube.zarr", option, "0"])
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{option}: 0 is too few" in line


def test_what_began_at_random_or_pretrained_is_trained_on_few_labels_and_all(
    cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = str(tmp_path / "table")
    how = ["--inputs", "vv", "--labelled", "2", "10", "500", "--table", table, *QUICK]
    assert main([cube, *how]) == 0
    said = capsys.readouterr().out
    rows = results_table(table)
    assert rows["error"].isna().all()
    found = set(
        zip(rows["origin"].fillna(""), rows["labelled_chips"].fillna(-1).astype(int), strict=True)
    )
    assert found == {(origin, k) for origin in ("", AS_LONG, ORIGIN) for k in (2, 10, -1)}
    few = rows[rows["labelled_chips"] == 2]
    assert (few["train_chips"] == 2).all()
    assert (few["validation_chips"] == 0).all()
    assert (few["epochs"] > 1).all()  # as many steps as all labels take
    assert rows["test_pixels"].nunique() == 1
    # Beside what is pretrained stands what made its steps, those of pretraining included.
    on_all = rows[rows["labelled_chips"].isna()].fillna({"origin": ""}).set_index("origin")
    a_pass = math.ceil(on_all.loc["", "train_chips"] / 8)
    unlabelled = int(said.partition("pretraining on ")[2].split()[0])
    assert unlabelled > on_all.loc["", "train_chips"]
    as_many = on_all.loc[ORIGIN, "epochs"] * a_pass + math.ceil(unlabelled / 8)
    assert abs(on_all.loc[AS_LONG, "epochs"] * a_pass - as_many) <= a_pass / 2
    assert "error of hidden pixels" in said
    assert "SIMULATED DATA" in said
    assert (tmp_path / "labels.png").stat().st_size > 10_000
    assert not list((tmp_path / "runs").glob("*.checkpoint"))

    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "table").iterdir()}
    assert main([cube, *how]) == 0
    said = capsys.readouterr().out
    assert "9 configurations, 9 in the table already" in said
    assert "error of hidden pixels" not in said
    assert "Dask dashboard" not in said  # nothing is read, and no node asked for
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "table").iterdir()} == before


def test_pretraining_may_make_passes_of_its_own(cube: str, tmp_path: Path) -> None:
    how = [cube, "--inputs", "vv", "--table", str(tmp_path / "table"), *QUICK]
    sweep, found = plan_of(options(how)), {}
    for asked in (Pretraining((2,)), Pretraining((2,), epochs=3)):
        scene = plan_scene(sweep)
        weights = weights_to_begin_with(asked, sweep, scene[0], Resources(1, 0))
        (pretrained,) = weights.values()
        configs = configs_of(asked, sweep, scene, weights, sweep.stream.chips)
        begun = {(each.origin, each.epochs) for each in configs if each.start in weights}
        (as_long,) = [e.epochs for e in configs if (e.origin, e.labelled_chips) == (AS_LONG, None)]
        found[pretrained.epochs] = (begun, as_long, *weights)
    assert [origin for (origin, _), *_ in (sorted(each[0]) for each in found.values())] == [
        ORIGIN, f"{ORIGIN} for 3 epochs",
    ]  # fmt: skip
    (usual, once, usual_address), (longer, thrice, address) = found[1], found[3]
    assert {epochs for _, epochs in usual} == {epochs for _, epochs in longer}
    assert thrice > once
    assert address != usual_address


def test_a_pretraining_that_fails_takes_down_no_other(
    cube: str, ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, made = str(tmp_path / "table"), pretraining.pretrain_one
    how = [cube, "--inputs", "vv", "--seeds", "0", "1", "--labelled", "500", "--table", table]

    failed = tmp_path / "failed"

    def one_diverges(chips: Any, config: Any, address: str, gpus: float) -> float:
        if config.seed == 1:
            raise ValueError("training diverged")
        if not failed.exists():  # the device has no memory left just now
            failed.touch()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return made(chips, config, address, gpus)

    with monkeypatch.context() as patch:
        patch.setattr(pretraining, "pretrain_one", one_diverges)
        assert main([*how, *QUICK]) == 1
    rows = results_table(table)
    assert len(rows) == 6
    assert failed.exists()
    (lost,) = rows[rows["error"].notna()].itertuples()
    assert (lost.origin, lost.seed) == (ORIGIN, 1)
    assert lost.error == "pretraining: ValueError: training diverged"
    assert "FAILED vv, timesteps 1, seed 1: pretraining" in report(rows)

    assert main([*how, *QUICK]) == 0
    rows = results_table(table)
    assert rows["auprc"].notna().sum() == 6
    assert "FAILED" not in report(rows)


def test_a_scene_that_does_not_fit_is_one_line_before_it_is_read(
    cube: str, ray: None, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "room_for_chips", lambda *_: Room(1e9, 1e6))
    table = str(tmp_path / "table")
    last, said = refused(main, [cube, "--inputs", "vv", "--table", table, *QUICK])
    assert last.startswith("error: the scene's chips, ")
    assert "the smallest node has 1 GB, 0.001 GB of it for Ray's object store; ask for" in last
    assert "Dask dashboard" not in said

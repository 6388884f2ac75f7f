"""InSAR's contribution: the ablation's sweep over inputs with coherence."""

from dataclasses import replace
from pathlib import Path

import pytest

from landslide import results_table
from landslide.experiment.rows import failed_row
from landslide.results.table import write_row
from sweeps.ablation import options
from sweeps.insar import INPUTS, main
from sweeps.planning import plan_sweep

QUICK = ["--preset", "quick", "--chip-size", "64", "--epochs", "1", "--timesteps", "1"]


def test_coherence_is_swept_alone_and_beside_the_others_and_compared(
    cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = str(tmp_path / "table")
    assert main([cube, "--table", table, *QUICK, "--seeds", "0", "1"]) == 0
    rows = results_table(table)
    found = set(zip(rows["inputs"], rows["timesteps"], strict=True))
    # Neither coherence alone nor the terrain alone knows timesteps.
    assert found == {(name, int("vv" in name)) for name in (*INPUTS, "dem")}
    assert rows["mask"].nunique() == rows["test_pixels"].nunique() == 1
    assert (rows.groupby("inputs")["parameters"].nunique() == 1).all()
    said = capsys.readouterr().out
    assert "coherence only" in said
    assert "Does coherence help vv+vh?" in said
    assert "Does coherence help vv+vh+dem?" in said
    assert (tmp_path / "figure4.png").stat().st_size > 10_000


def test_other_inputs_are_swept_without_a_comparison(
    cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = str(tmp_path / "table")
    assert main([cube, "--table", table, *QUICK, "--inputs", "vh+opposite", "coherence"]) == 0
    rows = results_table(table)
    assert set(rows["inputs"]) == {"vh+opposite", "coherence"}
    assert rows["mask"].iloc[0].startswith("vh+vh_opposite+coherence_before")
    assert "Does coherence help" not in capsys.readouterr().out


def test_rows_of_others_in_the_table_are_not_compared(
    cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = str(tmp_path / "table")
    others = options([cube, "--table", table, *QUICK])
    sweep = plan_sweep(others)
    for number, inputs in enumerate(("vv+vh", "vv+vh+coherence")):
        config = replace(sweep.base, inputs=inputs, timesteps=1)
        row = failed_row(sweep.experiment, config, f"{number:032x}", "-")
        write_row(table, replace(row, error=None, auprc=0.5))
    assert main([cube, "--table", table, *QUICK, "--inputs", "vh+opposite"]) == 0
    said = capsys.readouterr().out
    assert "vv+vh+coherence" in said
    assert "Does coherence help" not in said

"""InSAR's contribution: the ablation's sweep over inputs with coherence."""

from pathlib import Path

import pytest

from landslide import results_table
from sweeps.ablation import options
from sweeps.insar import INPUTS, main

from .conftest import Fill, plan_of

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
    cube: str, ray: None, fill: Fill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = str(tmp_path / "table")
    line = [cube, "--table", table, *QUICK, "--inputs", "vh+opposite", "coherence"]
    fill(plan_of(options(line)), "coherence")
    assert main(line) == 0
    assert "2 configurations, 1 in the table already" in (said := capsys.readouterr().out)
    rows = results_table(table)
    assert set(rows["inputs"]) == {"vh+opposite", "coherence"}
    assert rows["test_pixels"].notna().sum() == 1  # of what was trained
    assert (rows["mask"].str.startswith("vh+vh_opposite+coherence_before")).all()
    assert "Does coherence help" not in said


def test_rows_of_others_in_the_table_are_not_compared(
    cube: str, ray: None, fill: Fill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = str(tmp_path / "table")
    others = [cube, "--table", table, *QUICK, "--inputs", "vv+vh", "vv+vh+coherence"]
    mine = [cube, "--table", table, *QUICK, "--inputs", "vh+opposite"]
    for line in (others, mine):
        fill(plan_of(options(line)))
    assert main(mine) == 0
    said = capsys.readouterr().out
    assert "vv+vh+coherence" in said
    assert "Does coherence help" not in said


def test_rows_that_cannot_be_compared_say_why(
    cube: str, ray: None, fill: Fill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [cube, "--table", str(tmp_path / "table"), *QUICK]
    fill(plan_of(options(line, inputs=INPUTS)))
    assert main(line) == 0
    first, second = capsys.readouterr().out.split("\nDoes coherence help ")[1:]
    for said, than in ((first, "vv+vh"), (second, "vv+vh+dem")):
        assert said.startswith(f"{than}?\n\nnot compared: ")
        assert "kept no histograms of its scores" in said

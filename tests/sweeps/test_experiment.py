"""The paper's experiment as a whole, end to end on a small simulated cube."""

import functools
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cluster.dask import DEADLINE
from cluster.resources import Resources
from landslide import open_cube, results_table
from landslide.cube.fetch import fetch_cube
from landslide.results.setting import PAPER_EPOCHS
from landslide.training.bundle import DESCRIPTION
from sweeps.experiment import PROTOCOLS, main, options, plan_protocols
from sweeps.experiment_page import detector_scores, example_model, write_page
from sweeps.options import chosen
from sweeps.planning import Sweep

from .conftest import Fill, Refused

HOW = ["--preset", "quick", "--chip-size", "64", "--block-size", "128", "--epochs", "3"]
LEAST = ["--min-landslide-pixels", "0"]
WHAT = ["--inputs", "vv", "vv+vh", "--timesteps", "2", "--seeds", "0", "1"]


def line(cube: str, folder: Path, *more: str) -> list[str]:
    """Return a command line of two inputs and two seeds, with its table and page in `folder`."""
    return [cube, "--table", str(folder / "table"), *HOW, *WHAT, *more]


def planned(words: list[str]) -> dict[str, Sweep]:
    """Return the sweep of each protocol that a command line asks for."""
    args = options(words)
    choices, _ = chosen(args)
    return plan_protocols(choices, [args.protocol] if args.protocol else PROTOCOLS)


@pytest.fixture(scope="module")
def ran(cube: str, ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished experiment."""
    folder = tmp_path_factory.mktemp("experiment")
    assert main(line(cube, folder)) == 0
    return folder


def test_both_protocols_fill_one_table_with_as_many_optimiser_steps(ran: Path) -> None:
    rows = results_table(str(ran / "table"))
    assert rows["error"].isna().all()
    assert (rows.groupby(["protocol", "inputs", "timesteps"])["seed"].nunique() == 2).all()
    assert rows.groupby("protocol").size().to_dict() == {"paper": 4, "blocked": 4}
    first = rows.groupby("protocol")[["epochs", "train_chips", "batch_size"]].first()
    a_pass = -(-first["train_chips"] // first["batch_size"])
    assert a_pass["paper"] != a_pass["blocked"]
    steps = first["epochs"] * a_pass
    assert abs(steps["paper"] - steps["blocked"]) <= a_pass["blocked"] / 2


def test_the_page_says_what_was_run_and_what_was_found(ran: Path) -> None:
    page, rows = (ran / "RESULTS.md").read_text(), results_table(str(ran / "table"))
    assert "**The cube is simulated.**" in page
    assert "384 x 512 pixels, 10 images, simulated" in page
    assert "28 train, 8 test, 4 unused" in page
    assert f"3 epochs, not {PAPER_EPOCHS}" in page
    assert "fewer than three seeds" in page
    for (protocol, inputs), mine in rows.groupby(["protocol", "inputs"]):
        section = page.split(f"## simulated, {protocol} protocol")[1]
        assert f"| {inputs} | {mine['auprc'].mean():.3f} [" in section.split("## ")[0]
    assert "| The best AUPRC exceeds 0.7 |" in page
    assert "## Each pixel alone: the exact detector, blocked protocol" in page
    for section in page.split("## Each pixel alone: the exact detector, ")[1:]:
        tables = section.split("## ")[0].split("Told the land cover of each pixel:")
        alone, told = (float(table.split("| vv+vh | ")[1].split(" ")[0]) for table in tables)
        assert told > alone
    assert f"sweeps/experiment.py {rows['cube'].iloc[0]}" in page
    for figure in ("docs/results-figure4.png", "docs/results-figure5.png"):
        assert f"]({figure})" in page
        assert (ran / figure).stat().st_size > 10_000


def test_figure_5_shows_the_best_configuration_of_the_first_protocol(ran: Path) -> None:
    rows = results_table(str(ran / "table"))
    means = rows[rows["protocol"] == "paper"].groupby("inputs")["auprc"].mean()
    (description,) = (ran / "runs").glob(f"model-*/{DESCRIPTION}")
    assert json.loads(description.read_text())["config"]["inputs"] == means.idxmax()


def test_a_second_run_trains_nothing_and_keeps_what_was_written_by_hand(
    ran: Path, cube: str, ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ran / "RESULTS.md"
    page.write_text(page.read_text() + "\nBy hand.\n")
    before = {f: f.stat().st_mtime_ns for f in [*ran.glob("table/*"), *ran.glob("runs/model-*/*")]}
    text = page.read_text()
    assert main(line(cube, ran)) == 0
    said = capsys.readouterr().out
    assert said.count("4 configurations, 4 in the table already") == 2
    assert "for Figure 5" not in said
    assert {f: f.stat().st_mtime_ns for f in before} == before
    assert page.read_text() == text


def test_a_model_for_the_figure_that_no_node_could_train_is_an_error(
    ran: Path, cube: str, ray: None, refused: Refused, tmp_path: Path
) -> None:
    more = ["--storage", str(tmp_path), "--precision", "float32", "--gpus-per-trial", "64"]
    error, said = refused(main, line(cube, ran, *more))
    assert said.count("4 configurations, 4 in the table already") == 2
    assert error.startswith("error: no node has CPU 1, GPU 64, as one trial")


def test_where_the_model_for_the_figure_fails_the_page_goes_without(
    ran: Path, cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model,) = ran.glob("runs/model-*")
    (tmp_path / model.name).write_text("a file, where a folder is to be")
    page = tmp_path / "without.md"
    assert main(line(cube, ran, "--storage", str(tmp_path), "--results", str(page))) == 1
    assert "no model for Figure 5, the page goes without: " in capsys.readouterr().err
    assert "Figure 4: AUPRC over timesteps" in page.read_text()
    assert "Figure 5: predicted" not in page.read_text()


def test_the_model_for_the_figure_is_trained_where_the_events_file_is_not(
    cube: str, ray: None, fill: Fill, tmp_path: Path
) -> None:
    file = tmp_path / "event.toml"
    file.write_text('name = "quake"\ntime = 2018-09-05T18:07:59Z\n')
    more = ("--epochs", "1", "--event", str(file), "--protocol", "paper")
    sweeps = planned(line(cube, tmp_path, *more))
    fill(sweeps["paper"])
    file.unlink()
    rows = results_table(sweeps["paper"].choices.table)
    folder = example_model(sweeps, rows, Resources(1), DEADLINE)
    assert folder is not None
    assert json.loads((Path(folder) / DESCRIPTION).read_text())["event"]["name"] == "quake"


def test_what_ends_the_second_protocol_leaves_the_page_of_the_first(
    ran: Path, cube: str, ray: None, refused: Refused, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def run(sweep: Any, _: Any) -> int:
        if sweep.experiment.chipping.protocol == "blocked":
            raise TimeoutError("no node came")
        return 0

    monkeypatch.setattr("sweeps.experiment.run", run)
    page = tmp_path / "first.md"
    error, _ = refused(main, line(cube, ran, "--force", "--results", str(page)))
    assert error == "error: no node came"
    assert "## simulated, paper protocol" in page.read_text()
    assert "## simulated, blocked protocol" not in page.read_text()


def test_a_page_that_cannot_be_made_yet_ends_nothing(
    ran: Path, cube: str, ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    shown: list[list[str]] = []

    def show(*how: Any) -> bool:
        *_, complete = how
        shown.append([*complete])
        if len(complete) == 1:
            raise ValueError("no row has a score")
        return True

    monkeypatch.setattr("sweeps.experiment.run", lambda *_: 0)
    monkeypatch.setattr("sweeps.experiment.show_page", show)
    assert main(line(cube, ran, "--results", str(tmp_path / "RESULTS.md"))) == 0
    assert shown == [["paper"], ["paper", "blocked"]]
    assert "no page yet: no row has a score" in caplog.text


def test_a_cube_of_another_simulator_has_no_exact_detector(
    cube: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = open_cube(cube).assign_attrs(simulated_scene='{"shape": [384, 512]}')
    assert detector_scores(other, {}) == {}
    said = capsys.readouterr().err
    assert said.startswith("no exact detector, the page goes without: another version of the simul")


def test_a_cube_without_images_has_a_page_too(cube: str, tmp_path: Path, fill: Fill) -> None:
    terrain = str(tmp_path / "terrain.zarr")
    open_cube(cube).drop_dims("timestep").drop_encoding().to_zarr(terrain, zarr_format=2)
    page = tmp_path / "RESULTS.md"
    where = [terrain, "--table", str(tmp_path / "table")]
    sweeps = planned([*where, *HOW, "--inputs", "dem", "--protocol", "paper"])
    fill(sweeps["paper"])
    rows = results_table(sweeps["paper"].choices.table).assign(train_chips=9)
    write_page(str(page), sweeps, rows, None, "a command")
    assert "| cube | 384 x 512 pixels, 0 images, simulated |" in page.read_text()


def test_a_cube_named_from_here_is_the_same_on_every_node(
    ran: Path, cube: str, ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(cube).parent)
    more = ["--storage", str(tmp_path), "--results", str(tmp_path / "RESULTS.md")]
    assert main(line(Path(cube).name, ran, *more)) == 0
    assert len(list(tmp_path.glob("model-*/weights.safetensors"))) == 1


def test_one_protocol_alone_has_the_rows_that_it_has_beside_the_other(
    ran: Path, cube: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = str(tmp_path / "alone.md")
    more = ["--protocol", "blocked", "--seeds", "1", "--results", alone]
    assert main(line(cube, ran, *more)) == 0
    assert "2 configurations, 2 in the table already" in capsys.readouterr().out
    page = Path(alone).read_text()
    assert "The paper protocol was not run" in page
    assert "## simulated, paper protocol" not in page
    assert "AUPRC of seed 1, no spread" in page
    assert (tmp_path / "docs" / "alone-figure4.png").exists()


def test_blocked_alone_may_have_chips_that_paper_never_has(cube: str, tmp_path: Path) -> None:
    alone = line(cube, tmp_path, "--protocol", "blocked")
    least = [planned([*alone, *more]) for more in ([], LEAST)]
    found = [sweeps["blocked"].choices.base for sweeps in least]
    assert found[0] == found[1]  # in as many optimiser steps as paper
    assert [list(sweeps) for sweeps in least] == [["blocked"]] * 2


def test_where_blocked_has_no_paper_to_be_as_long_as_that_is_said(
    cube: str, tmp_path: Path
) -> None:
    large = ["--chip-size", "192", "--block-size", "192", "--buffer", "0"]
    with pytest.raises(ValueError, match=r"^blocked is to make as many .* as paper, which cannot"):
        planned(line(cube, tmp_path, "--protocol", "blocked", *large))


def test_a_published_event_is_downloaded_first(
    ran: Path,
    cube: str,
    ray: None,
    tmp_path: Path,
    zenodo: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for file in Path(cube).rglob("*"):
            opened.write(file, Path("hokkaido_japan.zarr") / file.relative_to(cube))
    zenodo.files["hokkaido_japan.zip"] = archive.getvalue()
    monkeypatch.setattr(
        "sweeps.experiment.fetch_cube", functools.partial(fetch_cube, api=zenodo.api)
    )
    more = ["--download-to", str(tmp_path), "--results", str(tmp_path / "RESULTS.md")]
    (tmp_path / "here" / "hokkaido").mkdir(parents=True)  # results of that event, and no cube
    monkeypatch.chdir(tmp_path / "here")
    assert main(line("hokkaido", ran, *more)) == 0
    # The same cube at another address: what was trained there is not trained again here.
    assert capsys.readouterr().out.count("4 configurations, 4 in the table already") == 2
    assert "sweeps/experiment.py hokkaido " in (tmp_path / "RESULTS.md").read_text()


def test_without_a_network_a_published_event_is_one_line_with_the_way_out(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:9/api"
    monkeypatch.setattr("sweeps.experiment.fetch_cube", functools.partial(fetch_cube, api=nowhere))
    error, _ = refused(main, line("hokkaido", tmp_path, "--download-to", str(tmp_path)))
    assert error.startswith("error: hokkaido_japan.zip could not be fetched")
    assert "by hand" in error


def test_a_page_that_cannot_be_written_is_known_before_anything_is_read(
    refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    where = str(tmp_path / "file" / "RESULTS.md")
    error, _ = refused(main, line("no-such-cube.zarr", tmp_path, "--results", where))
    assert error.startswith(f"error: cannot write the page {where}: ")
    assert "--results" in error


def test_a_saved_split_belongs_to_one_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    assert options(["cube.zarr", "--split", "s.json", "--protocol", "paper"]).split == "s.json"
    with pytest.raises(SystemExit):
        options(["cube.zarr", "--split", "s.json"])
    assert "name it with --protocol" in capsys.readouterr().err

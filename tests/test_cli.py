"""The commands, as they are typed."""

import csv
import functools
import importlib.metadata
import io
import json
import re
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import landslide.bundling
import landslide.cube.fetch
import landslide.results.table
import landslide.training.run
from landslide import open_cube, results_table, simulate_cube
from landslide.cli import main
from landslide.command import INTERRUPTED
from landslide.experiment.run import run_trial
from landslide.training.bundle import load_bundle

PNG = b"\x89PNG"
QUICK = ("--preset", "quick", "--chip-size", "64")
PAPER = (*QUICK, "--protocol", "paper", "--epochs", "1")
BLOCKED = (*QUICK, "--epochs", "1", "--block-size", "64", "--buffer", "0")

Said = pytest.CaptureFixture[str]


@pytest.fixture(scope="session")
def cube(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a small simulated cube: 4 x 6 chips of 64 pixels."""
    uri = str(tmp_path_factory.mktemp("cube") / "simulated.zarr")
    simulate_cube(uri, shape=(256, 384), seed=5, descending=(4, 4), ascending=(1, 1))
    return uri


@pytest.fixture(scope="session")
def trained(cube: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a bundle (`model`) and the table that holds its row."""
    folder = tmp_path_factory.mktemp("trained")
    channels = ("--inputs", "VH+vv", "--timesteps", "2", "--seed", "3")
    where = ("--out", str(folder / "model"), "--table", str(folder / "table"))
    assert main(["train", cube, *PAPER, *channels, *where]) == 0
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


# landslide, itself


def test_the_module_and_the_installed_command_are_the_same() -> None:
    beside = Path(sys.executable).with_name("landslide")
    said = [
        subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
        for command in ([sys.executable, "-m", "landslide"], [beside])
    ]
    assert said[0] == said[1]
    assert said[0].startswith("usage: landslide")


def test_it_says_its_version(capsys: Said) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    version = importlib.metadata.version("landslide-sar-datacubes")
    assert capsys.readouterr().out == f"landslide {version}\n"


def test_what_trains_nothing_does_not_wait_for_torch(cube: str, trained: Path) -> None:
    code = (
        "import contextlib, sys\n"
        "from landslide.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        f"codes = main(['inspect', {cube!r}]), main(['table', {str(trained / 'table')!r}])\n"
        "print(codes, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "(0, 0) False"
    assert done.stderr == ""


def helped(capsys: Said, *command: str) -> str:
    """Return what `--help` says of a command, or of all."""
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_every_command_and_every_argument_say_what_they_are(capsys: Said) -> None:
    said = dict(re.findall(r"^    (\w+) +(\S.*)", helped(capsys), re.MULTILINE))
    known = {"fetch", "inspect", "simulate", "build", "optimize", "train", "map", "table"}
    assert known | {"curves", "figure1", "figure2", "figure4", "figure5"} == set(said)
    for name in said:
        arguments = re.findall(r"^  (\S.*\n(?:   .*\n)*)", helped(capsys, name), re.MULTILINE)
        assert len(arguments) > 2
        for each in arguments:  # its name, and what it is, beside it or below
            assert re.search(r"\S(  |\n) *\S", each), each


def test_the_help_says_defaults_as_they_are_written(capsys: Said) -> None:
    said = " ".join(helped(capsys, "simulate").split())
    assert "pixels; default: 1024 1280" in said
    assert "draws ground and speckle; default: 0" in said
    assert "what lies there" in said
    assert "default: False" not in said
    assert said.count("default: as published") == 1


@pytest.mark.parametrize(
    ("arguments", "thing"),
    [
        ([], "COMMAND"),
        (["draw"], "'draw'"),
        (["simulate"], "out"),
        (["simulate", "x.zarr", "--seed", "-1"], "--seed: -1 is not a seed"),
        (["table", "table", "--format", "html"], "'html'"),
        (["optimize", "a", "b", "--threads", "0"], "--threads: 0 is too few"),
        (["train", "x.zarr"], "--out"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_line(
    arguments: list[str], thing: str, capsys: Said
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert thing in line
    assert line.endswith("--help")


def test_a_warning_is_one_line_and_the_next_ones_are_pythons_again(
    monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    def warns(_: str) -> pd.DataFrame:
        warnings.warn("mind the table", stacklevel=2)
        raise FileNotFoundError("no rows")

    monkeypatch.setattr(landslide.results.table, "results_table", warns)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = warnings.showwarning
        assert main(["table", "x"]) == 1
        assert warnings.showwarning is before
    assert capsys.readouterr().err == "warning: mind the table\nerror: no rows\n"


def test_a_store_that_is_not_installed_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Said
) -> None:
    import fsspec

    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install adlfs to access Azure")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    out = str(tmp_path / "x.zarr")
    assert main(["simulate", out]) == 1
    assert capsys.readouterr().err == f"error: {out}: Install adlfs to access Azure\n"


def test_a_library_of_the_system_that_lacks_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    def lacking(_: str) -> pd.DataFrame:
        raise ImportError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(landslide.results.table, "results_table", lacking)
    assert main(["table", "table"]) == 1
    assert capsys.readouterr().err == "error: libcudart.so.12: cannot open shared object file\n"


def test_an_interruption_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    def interrupt(_: str) -> pd.DataFrame:
        raise KeyboardInterrupt

    monkeypatch.setattr(landslide.results.table, "results_table", interrupt)
    assert main(["table", "table"]) == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake(_: str) -> pd.DataFrame:
        raise TypeError("ours")

    monkeypatch.setattr(landslide.results.table, "results_table", mistake)
    with pytest.raises(TypeError, match="ours"):
        main(["table", "table"])


# landslide simulate


SMALL = ("--shape", "48", "80", "--descending", "2", "1", "--ascending", "1", "1")


def simulate(out: Path, *arguments: str) -> dict[str, bytes]:
    assert main(["simulate", str(out), *SMALL, *arguments]) == 0
    return files(out)


def test_simulate_writes_a_cube_of_the_shape_and_images_asked_for(
    tmp_path: Path, capsys: Said
) -> None:
    simulate(tmp_path / "c.zarr", "--seed", "7")
    assert capsys.readouterr().out == f"{tmp_path / 'c.zarr'}\n"
    cube = open_cube(tmp_path / "c.zarr")
    assert dict(cube["vv"].sizes) == {"timestep": 5, "y": 48, "x": 80}
    states = cube["sat:orbit_state"].to_numpy().tolist()
    assert (states.count("descending"), states.count("ascending")) == (3, 2)
    assert cube.attrs["simulated"] == 1
    assert cube.attrs["simulated_seed"] == 7
    assert json.loads(cube.attrs["event"])["name"] == "simulated"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = simulate(tmp_path / "a.zarr", "--seed", "1")
    again = simulate(tmp_path / "b.zarr", "--seed", "1")
    other = simulate(tmp_path / "c.zarr", "--seed", "2")
    assert first == again
    assert first.keys() == other.keys()
    chunk = next(name for name in first if name.startswith("vv/c"))
    assert first[chunk] != other[chunk]


def test_simulate_overwrites_only_when_told_to(tmp_path: Path, capsys: Said) -> None:
    out = tmp_path / "c.zarr"
    before = simulate(out, "--seed", "1")
    capsys.readouterr()
    assert main(["simulate", str(out), *SMALL, "--seed", "2"]) == 1
    said = capsys.readouterr()
    way_out = "choose another address, or overwrite it (--overwrite)"
    assert said.err == f"error: {out} exists: {way_out}\n"
    assert said.out == ""
    assert files(out) == before
    assert simulate(out, "--seed", "2", "--overwrite") != before


@pytest.mark.parametrize(
    "wrong",
    [
        ("--shape", "0", "80"),
        ("--shape", "10000000", "10000000"),  # more than any address space
        ("--descending", "0", "0"),
        ("--looks", "0", "0"),
    ],
)
def test_a_scene_that_cannot_be_leaves_nothing(
    wrong: tuple[str, ...], tmp_path: Path, capsys: Said
) -> None:
    assert main(["simulate", str(tmp_path / "c.zarr"), *SMALL, *wrong]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert not list(tmp_path.iterdir())


# landslide inspect and fetch


def test_inspect_describes_the_simulated_cube(cube: str, capsys: Said) -> None:
    assert main(["inspect", cube]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{cube}\nSIMULATED DATA\n")
    assert "  4 before,   4 after  (descending" in said.out
    assert said.out.endswith("the paper's inputs can be formed\n")
    assert said.err == ""


def test_inspect_takes_another_event(cube: str, tmp_path: Path, capsys: Said) -> None:
    event = tmp_path / "late.toml"
    event.write_text('name = "late"\ntime = 2030-01-01T00:00:00Z\n')
    assert main(["inspect", cube, "--event", str(event)]) == 1
    said = capsys.readouterr().out
    assert "event       late, 2030-01-01T00:00:00 UTC" in said
    assert "there are 0" in said


def test_inspect_of_nothing_is_an_error(tmp_path: Path, capsys: Said) -> None:
    assert main(["inspect", str(tmp_path / "none.zarr")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: no cube at {tmp_path / 'none.zarr'}: ")


def test_fetch_downloads_a_cube_and_says_where_it_lies(
    zenodo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    simulate(tmp_path / "puerto_rico.zarr", "--zarr-format", "2")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files(tmp_path / "puerto_rico.zarr").items():
            opened.writestr(f"puerto_rico.zarr/{name}", content)
    zenodo.files["puerto_rico.zip"] = archive.getvalue()
    fetch = functools.partial(landslide.cube.fetch.fetch_cube, api=zenodo.api)
    monkeypatch.setattr(landslide.cube.fetch, "fetch_cube", fetch)
    capsys.readouterr()
    for _ in range(2):  # the second time it is there
        assert main(["fetch", "puerto_rico", str(tmp_path / "data")]) == 0
        fetched = tmp_path / "data" / "puerto_rico.zarr"
        assert capsys.readouterr().out == f"{fetched}\n"
        assert files(fetched) == files(tmp_path / "puerto_rico.zarr")


def test_fetch_of_another_event_names_the_four(tmp_path: Path, capsys: Said) -> None:
    assert main(["fetch", "atlantis", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no published cube 'atlantis': ")
    for name in ("hokkaido", "kaikoura", "puerto_rico", "talakmau"):
        assert name in line


# landslide train


def test_train_writes_a_bundle_that_loads_again(trained: Path) -> None:
    assert set(files(trained / "model")) == {"bundle.json", "split.json", "weights.safetensors"}
    bundle = load_bundle(str(trained / "model"))
    assert bundle.config.inputs == "vv+vh"
    assert (bundle.config.timesteps, bundle.config.seed, bundle.config.epochs) == (2, 3, 1)
    assert bundle.description["channels"] == ["vv_before", "vv_after", "vh_before", "vh_after"]
    assert bundle.description["event"]["name"] == "simulated"
    assert bundle.description["simulated"]
    with torch.no_grad():
        logits = bundle.network(torch.zeros(1, 4, 64, 64))
    assert logits.shape == (1, 2, 64, 64)
    assert torch.isfinite(logits).all()


def test_the_row_says_what_the_bundle_says(cube: str, trained: Path) -> None:
    (row,) = results_table(str(trained / "table")).to_dict("records")
    description = load_bundle(str(trained / "model")).description
    assert (row["inputs"], row["timesteps"], row["seed"], row["protocol"]) == (
        "vv+vh",
        2,
        3,
        "paper",
    )
    assert row["simulated"]
    assert row["cube"] == description["cube"] == cube
    assert row["key"] == description["key"]
    assert row["auprc"] == description["scores"]["auprc"]
    assert row["prevalence"] == description["scores"]["prevalence"]
    chips = json.loads((trained / "model" / "split.json").read_text())["chips"]
    parts = [chip["part"] for chip in chips]
    assert parts.count("train") == row["train_chips"] == int(0.7 * len(chips))
    assert parts.count("test") == row["test_chips"] == int(0.2 * len(chips))


def test_train_says_the_score_beside_chance(cube: str, tmp_path: Path, capsys: Said) -> None:
    assert main(["train", cube, *BLOCKED, "--inputs", "vv", "--out", str(tmp_path / "m")]) == 0
    scores = load_bundle(str(tmp_path / "m")).description["scores"]
    said = capsys.readouterr()
    score, calibrated, folder = said.out.splitlines()
    assert score == (
        f"AUPRC {scores['auprc']:.3f} on the test part (random: {scores['prevalence']:.3f})"
    )
    assert calibrated.startswith("calibrated on ")
    assert folder == str(tmp_path / "m")
    assert "epoch" in said.err
    assert load_bundle(str(tmp_path / "m")).description["protocol"] == "blocked"


def test_terrain_alone_is_the_baseline_of_the_table(cube: str, tmp_path: Path) -> None:
    keys = set()
    for steps in ("0", "3"):
        where = ("--out", str(tmp_path / steps), "--table", str(tmp_path / "table"))
        assert main(["train", cube, *PAPER, "--inputs", "dem", "--timesteps", steps, *where]) == 0
        keys.add(load_bundle(str(tmp_path / steps)).description["key"])
    (row,) = results_table(str(tmp_path / "table")).to_dict("records")
    assert (row["inputs"], row["timesteps"]) == ("dem", 0)
    assert keys == {row["key"]}


@pytest.mark.parametrize("protocol", ["paper", "blocked"])
def test_a_saved_split_gives_the_same_chips_again(protocol: str, cube: str, tmp_path: Path) -> None:
    options = PAPER if protocol == "paper" else (*BLOCKED, "--split-seed", "1")
    vv = ("--inputs", "vv", "--timesteps", "1")
    table = ("--table", str(tmp_path / "table"))
    assert main(["train", cube, *options, *vv, *table, "--out", str(tmp_path / "a")]) == 0
    split = tmp_path / "a" / "split.json"
    others = (*QUICK, "--epochs", "1", "--protocol", protocol, "--split-seed", "2")
    again = ("--split", str(split), "--out", str(tmp_path / "b"))
    assert main(["train", cube, *others, *vv, *table, *again]) == 0
    assert (tmp_path / "b" / "split.json").read_bytes() == split.read_bytes()
    rows = results_table(str(tmp_path / "table"))
    assert len(rows) == 1  # the same chips, so the same row
    weights = [tmp_path / run / "weights.safetensors" for run in "ab"]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_the_orbit_can_be_chosen(cube: str, tmp_path: Path) -> None:
    options = ("--orbit", "ascending", "--timesteps", "1", "--inputs", "vv")
    assert main(["train", cube, *PAPER, *options, "--out", str(tmp_path)]) == 0
    assert load_bundle(str(tmp_path)).description["orbit"] == "68"


@pytest.fixture
def epochs_run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Watch the epochs that a training runs, and interrupt it after one of them."""

    def watch(interrupt_after: int | None = None) -> list[int]:
        epochs: list[int] = []

        def watched(*args: Any, report: Callable[..., None], **kwargs: Any) -> Any:
            def tell(record: dict[str, float]) -> None:
                report(record)
                epochs.append(int(record["epoch"]))
                if epochs[-1] == interrupt_after:
                    raise KeyboardInterrupt

            return run_trial(*args, report=tell, **kwargs)

        monkeypatch.setattr(landslide.bundling, "run_trial", watched)
        # So few epochs would not pay for a checkpoint.
        monkeypatch.setattr(landslide.training.run, "CHECKPOINT_SHARE", 1e9)
        return epochs

    return watch


def test_an_interrupted_training_goes_on_to_the_same_result(
    cube: str, tmp_path: Path, epochs_run: Callable[..., list[int]]
) -> None:
    options = (*PAPER, "--epochs", "12", "--inputs", "vv", "--timesteps", "1")
    whole, broken, table = (tmp_path / name for name in ("whole", "broken", "table"))
    run = ["train", cube, *options, "--table", str(table)]

    first = epochs_run(interrupt_after=11)
    assert main([*run, "--out", str(broken)]) == INTERRUPTED
    assert first == list(range(1, 12))
    assert [path.suffix for path in broken.iterdir()] == [".checkpoint"]
    assert not list(table.iterdir())

    second = epochs_run()
    assert main([*run, "--out", str(broken)]) == 0
    assert second == [11, 12]
    assert not list(broken.glob("*.checkpoint"))

    assert main([*run, "--out", str(whole)]) == 0
    assert files(broken)["weights.safetensors"] == files(whole)["weights.safetensors"]
    assert len(results_table(str(table))) == 1


# landslide table, figure4 and figure1


def test_table_prints_text_csv_and_markdown(trained: Path, capsys: Said) -> None:
    (row,) = results_table(str(trained / "table")).to_dict("records")
    said = {}
    for form in ("text", "csv", "markdown"):
        assert main(["table", str(trained / "table"), "--format", form]) == 0
        said[form] = capsys.readouterr().out
    assert main(["table", str(trained / "table")]) == 0
    assert capsys.readouterr().out == said["text"]
    assert "SIMULATED DATA" in said["text"]
    assert f"vv+vh                {row['auprc']:.3f}" in said["text"]
    assert f"| vv+vh | {row['auprc']:.3f} |" in said["markdown"]
    assert "undecided (one seed" in said["text"]
    records = {record["inputs"]: record for record in csv.DictReader(io.StringIO(said["csv"]))}
    assert float(records["vv+vh"]["mean"]) == pytest.approx(row["auprc"])
    assert float(records["random"]["mean"]) == pytest.approx(row["prevalence"])
    assert float(records["change only"]["mean"]) == pytest.approx(row["change_auprc"])


def test_table_compares_two_inputs(trained: Path, capsys: Said) -> None:
    table = str(trained / "table")
    assert main(["table", table, "--compare", "vv+vh", "vv"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no part of the table has scores of both vv+vh and vv")


@pytest.mark.parametrize("command", ["table", "figure4"])
def test_a_table_without_rows_is_an_error(command: str, tmp_path: Path, capsys: Said) -> None:
    out = [str(tmp_path / "figure.png")] if command == "figure4" else []
    assert main([command, str(tmp_path / "table"), *out]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: no rows at {tmp_path / 'table'}; ")
    assert not list(tmp_path.iterdir())


def test_figure4_draws_the_table(trained: Path, tmp_path: Path, capsys: Said) -> None:
    out = tmp_path / "figure4.png"
    assert main(["figure4", str(trained / "table"), str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_bytes().startswith(PNG)


@pytest.mark.parametrize("chip", [(), ("--chip", "0")])
def test_figure1_draws_a_chip(
    chip: tuple[str, ...], cube: str, tmp_path: Path, capsys: Said
) -> None:
    out = tmp_path / "figure1.png"
    assert main(["figure1", cube, str(out), *chip]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_bytes().startswith(PNG)


@pytest.mark.parametrize("chip", ["-1", "6"])
def test_figure1_of_a_chip_that_is_not_there_is_an_error(
    chip: str, cube: str, tmp_path: Path, capsys: Said
) -> None:
    assert main(["figure1", cube, str(tmp_path / "figure1.png"), "--chip", chip]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: chip {chip} is not among the ")
    assert "choose one from 0 to " in line
    assert not list(tmp_path.iterdir())


def test_figure2_draws_a_place(cube: str, tmp_path: Path, capsys: Said) -> None:
    out = tmp_path / "figure2.png"
    assert main(["figure2", cube, str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_bytes().startswith(PNG)


def test_a_figure_that_cannot_be_written_is_an_error(
    cube: str, tmp_path: Path, capsys: Said
) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file" / "figure.png", tmp_path / "figure.xyz"):
        assert main(["figure1", cube, str(out)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert str(out) in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_figure_goes_to_no_address_that_carries_a_secret(cube: str, capsys: Said) -> None:
    assert main(["figure1", cube, "s3://me:planted@bucket/figure.png"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the address s3://bucket/figure.png came with ")


def test_a_bundle_goes_to_no_address_that_carries_a_secret(cube: str, capsys: Said) -> None:
    assert main(["train", cube, *PAPER, "--out", "s3://me:planted@bucket/model"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the address s3://bucket/model came with ")


# landslide figure5


def test_figure5_draws_some_test_chips(
    trained: Path, cube: str, tmp_path: Path, capsys: Said
) -> None:
    out = tmp_path / "figure5.png"
    assert main(["figure5", str(trained / "model"), cube, str(out), "--chips", "2"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{out}\n", "")
    assert out.read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("model", "chips", "said"),
    [("model", "0", "ask for 1 or more"), ("nowhere", "2", "no trained model")],
)
def test_figure5_that_cannot_be_drawn_is_an_error(
    model: str, chips: str, said: str, trained: Path, cube: str, tmp_path: Path, capsys: Said
) -> None:
    out = str(tmp_path / "figure5.png")
    assert main(["figure5", str(trained / model), cube, out, "--chips", chips]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert not list(tmp_path.iterdir())


def test_an_extra_that_is_not_installed_is_named_with_what_installs_it() -> None:
    # A process of its own: what other tests imported stays imported in theirs.
    code = (
        "import sys; sys.modules['odc.geo.geobox'] = None; "  # as Python marks what is not there
        "from landslide.cli import main; sys.exit(main(['build', 'event.toml', 'out.zarr']))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.returncode == 1, run.stderr
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: ")
    assert "odc.geo.geobox" in line
    assert "pip install '.[training,building,mapping]'" in line

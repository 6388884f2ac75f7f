"""How a cube is read and where its chips live, as it is typed: the scores do not change."""

import json
from pathlib import Path

import pytest
import xarray as xr

from landslide import results_table, simulate_cube
from landslide.cli import main
from landslide.training.bundle import DESCRIPTION, SPLIT, WEIGHTS

TRAIN = (
    *("--preset", "quick", "--chip-size", "64", "--protocol", "paper", "--epochs", "1"),
    *("--inputs", "vv", "--timesteps", "2"),
)
BROKEN = "vv/5.1.0"
Said = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated cube in chunks of one date: 4 x 6 chips of 64 pixels."""
    folder = tmp_path_factory.mktemp("streamed") / "simulated.zarr"
    simulate_cube(
        str(folder), shape=(256, 384), seed=5, descending=(4, 4), ascending=(1, 1), zarr_format=2
    )
    return folder


@pytest.fixture(scope="module")
def broken(cube: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cube in chunks of 2 x 2 chips, of which one is damaged: four chips that are trained on.

    It is of the first image after the event.
    """
    folder = tmp_path_factory.mktemp("broken") / "broken.zarr"
    whole = xr.open_zarr(cube).drop_encoding().chunk(y=128, x=128)
    whole.to_zarr(folder, zarr_format=2, consolidated=False)
    chunk = folder / BROKEN
    chunk.write_bytes(chunk.read_bytes()[:40])
    return folder


def score(cube: Path, out: Path, *options: str) -> float:
    """Train with some options; return the AUPRC."""
    where = ("--out", str(out / "model"), "--table", str(out / "table"))
    assert main(["train", str(cube), *TRAIN, *where, *options]) == 0
    (found,) = results_table(str(out / "table"))["auprc"]
    return float(found)


@pytest.fixture(scope="module")
def plain(cube: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """The score with chips in memory, read by zarr's default."""
    out = tmp_path_factory.mktemp("plain")
    return score(cube, out, "--chips", "memory", "--reader", "plain")


@pytest.mark.parametrize(
    "options",
    [("--chips", "store"), ("--chips", "stream"), ("--reader", "fused"), ("--reader", "zarrs")],
)
def test_the_score_is_the_same_wherever_chips_live_and_whoever_reads(
    options: tuple[str, ...], cube: Path, plain: float, tmp_path: Path
) -> None:
    assert score(cube, tmp_path, *options) == plain


def test_an_optimised_cube_leads_to_the_same_score(
    cube: Path, plain: float, tmp_path: Path, capsys: Said
) -> None:
    copy = tmp_path / "optimised.zarr"
    assert main(["optimize", str(cube), str(copy), "--chip-size", "64", "--dry-run"]) == 0
    assert "less to decode" in capsys.readouterr().out
    assert not copy.exists()
    assert main(["optimize", str(cube), str(copy), "--chip-size", "64"]) == 0
    assert score(copy, tmp_path) == plain


def test_a_broken_chunk_stops_training_by_its_key(
    broken: Path, tmp_path: Path, capsys: Said
) -> None:
    where = ("--out", str(tmp_path / "model"))
    assert main(["train", str(broken), *TRAIN, *where]) == 1
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert BROKEN in line
    for name in (DESCRIPTION, WEIGHTS):
        assert not (tmp_path / "model" / name).exists()


@pytest.mark.filterwarnings("default:.*chips are left out")
def test_the_chips_of_a_broken_chunk_can_be_left_out(
    broken: Path, tmp_path: Path, capsys: Said
) -> None:
    out = tmp_path / "model"
    assert main(["train", str(broken), *TRAIN, "--out", str(out), "--skip-damaged"]) == 0
    assert "warning: 4 of 20 chips are left out" in capsys.readouterr().err
    for name in (DESCRIPTION, WEIGHTS):
        assert (out / name).exists()


@pytest.mark.filterwarnings("default:.*chips are left out")
def test_figure_5_can_leave_out_the_chips_of_a_broken_chunk(
    broken: Path, tmp_path: Path, capsys: Said
) -> None:
    model, figure = tmp_path / "model", tmp_path / "figure5.png"
    assert main(["train", str(broken), *TRAIN, "--out", str(model), "--skip-damaged"]) == 0
    split = json.loads((model / SPLIT).read_text())
    for chip in split["chips"]:
        if chip["x"] < 128 <= chip["y"]:  # those of the broken chunk
            chip["part"] = "test"
    (model / SPLIT).write_text(json.dumps(split))
    tested = sum(chip["part"] == "test" for chip in split["chips"])
    capsys.readouterr()
    draw = ["figure5", str(model), str(broken), str(figure), "--chips", str(tested)]
    assert main(draw) == 1
    assert "or leave its chips out by skip_damaged (--skip-damaged)" in capsys.readouterr().err
    assert main([*draw, "--skip-damaged"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: 4 of {tested} chips are left out")
    assert figure.exists()


def test_figure_1_of_a_broken_chunk_says_to_draw_another_chip(
    broken: Path, tmp_path: Path, capsys: Said
) -> None:
    out = str(tmp_path / "figure1.png")
    failed = [n for n in range(5) if main(["figure1", str(broken), out, "--chip", str(n)])]
    assert 0 < len(failed) < 5
    for line in capsys.readouterr().err.splitlines():
        assert BROKEN in line
        assert line.endswith(", or draw another position (--chip)")
        assert "--skip-damaged" not in line


def test_what_lets_a_damaged_cube_pass_is_another_row(cube: Path, tmp_path: Path) -> None:
    for options in ((), ("--missing", "no-data"), ("--skip-damaged",)):
        where = ("--out", str(tmp_path / "model"), "--table", str(tmp_path / "table"))
        assert main(["train", str(cube), *TRAIN, *where, *options]) == 0
    assert len(results_table(str(tmp_path / "table"))) == 3

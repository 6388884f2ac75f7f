"""What is wrong with the input is one line that says what and the way out, before any training.

Each case is given to `landslide train` and to the sweep, which must not start Ray for it.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from landslide import open_cube, results_table, simulate_cube
from landslide.cli import main
from landslide.command import run_command

QUICK = ("--preset", "quick", "--epochs", "1", "--chip-size", "64")
PAPER = (*QUICK, "--protocol", "paper", "--inputs", "vv", "--timesteps", "1")
BLOCKED = (*PAPER, "--protocol", "blocked", "--block-size", "64", "--buffer", "0")

Said = pytest.CaptureFixture[str]
Change = Callable[[xr.Dataset], xr.Dataset]
Refused = Callable[..., str]
Written = Callable[[Change], str]


@pytest.fixture(scope="session")
def cube(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a small simulated cube: 3 x 4 chips of 64 pixels, 8 of them with landslides."""
    uri = str(tmp_path_factory.mktemp("cube") / "simulated.zarr")
    simulate_cube(uri, shape=(192, 256), seed=1, descending=(4, 3), ascending=(1, 1))
    return uri


@pytest.fixture(scope="session")
def scene(cube: str) -> xr.Dataset:
    """The simulated cube in memory, without its interferograms."""
    return open_cube(cube).drop_dims("timepair").load()


@pytest.fixture
def written(scene: xr.Dataset, tmp_path: Path) -> Written:
    """Write the cube with a change, and return its address."""

    def write(change: Change) -> str:
        changed = change(scene).copy()
        for variable in changed.variables.values():
            variable.encoding = {}
        uri = str(tmp_path / "changed.zarr")
        changed.to_zarr(uri, zarr_format=2)
        return uri

    return write


def labels(change: Callable[[np.ndarray], object]) -> Change:
    """Change the labels, in place."""

    def changed(scene: xr.Dataset) -> xr.Dataset:
        values = scene["landslides"].to_numpy().astype(np.float32)
        change(values)
        return scene.assign(landslides=(("y", "x"), values))

    return changed


def backscatter(change: Callable[[np.ndarray], object]) -> Change:
    """Change VV (timestep, y, x), in place."""

    def changed(scene: xr.Dataset) -> xr.Dataset:
        values = scene["vv"].to_numpy().copy()
        change(values)
        return scene.assign(vv=(scene["vv"].dims, values))

    return changed


@pytest.fixture(params=["train", "sweep"])
def refused(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Said,
) -> Refused:
    """Run a command that must fail; return its one line, once it left nothing half-written."""

    def started(*_: object, **__: object) -> None:
        raise AssertionError("Ray was started before the input was checked")

    def run(arguments: list[str]) -> int:
        if request.param == "train":
            return main(["train", *arguments, "--out", str(tmp_path / "model")])
        from sweeps import ablation

        monkeypatch.setattr(ablation, "ray_cluster", started)
        return run_command(lambda: ablation.main(arguments), verbose=True)

    def refuse(cube: str, *options: str, table: str = "table") -> str:
        code = run([cube, *options, "--table", str(tmp_path / table)])
        said = capsys.readouterr()
        assert code == 1
        assert said.out == ""
        (line,) = said.err.splitlines()
        assert line.startswith("error: ")
        for half in ("*.parquet", "bundle.json", "*.safetensors", "*.checkpoint", ".*"):
            found = (path.relative_to(tmp_path) for path in tmp_path.rglob(half))
            assert not [path for path in found if path.parts[0] != "changed.zarr"]
        return line

    return refuse


# The cube's address


def test_no_such_address(refused: Refused, tmp_path: Path) -> None:
    line = refused(str(tmp_path / "none.zarr"), *PAPER)
    assert f"no cube at {tmp_path / 'none.zarr'}" in line
    assert "check the spelling" in line


def test_a_kind_of_address_that_nobody_knows(refused: Refused) -> None:
    line = refused("gopher://cubes/hokkaido.zarr", *PAPER)
    assert "gopher" in line
    assert "use a local path, gs://, s3:// or https://" in line


@pytest.mark.parametrize("what", ["a folder", "a file", "a variable", "a zip"])
def test_not_a_zarr(what: str, refused: Refused, cube: str, tmp_path: Path) -> None:
    address = {
        "a folder": tmp_path,
        "a file": tmp_path / "notes.txt",
        "a variable": Path(cube) / "vv",
        "a zip": tmp_path / "cube.zip",
    }[what]
    for name in ("notes.txt", "cube.zip"):
        (tmp_path / name).write_text("no cube")
    line = refused(str(address), *PAPER)
    assert str(address) in line
    assert ("fetch it again" if what == "a zip" else "give the folder that ends in .zarr") in line


# What the cube holds


@pytest.mark.parametrize(
    ("missing", "inputs"),
    [("vv", "vv+vh"), ("vh", "vh"), ("dem_slope_radians", "vv+dem"), ("dem", "dem")],
)
def test_a_variable_that_the_inputs_need_is_missing(
    missing: str, inputs: str, refused: Refused, written: Written
) -> None:
    line = refused(written(lambda scene: scene.drop_vars(missing)), *PAPER, "--inputs", inputs)
    assert f"need {missing}, which the cube lacks: it has " in line


def test_coherence_is_missing(refused: Refused, written: Written) -> None:
    line = refused(written(lambda scene: scene), *PAPER, "--inputs", "vv+coherence")
    assert "need coherence, which the cube lacks" in line


def test_labels_are_missing(refused: Refused, written: Written) -> None:
    address = written(lambda scene: scene.drop_vars("landslides"))
    line = refused(address, *PAPER)
    assert f"the cube {address} has no `landslides`" in line


def test_the_event_is_missing(refused: Refused, written: Written) -> None:
    address = written(lambda scene: scene.drop_attrs())
    line = refused(address, *PAPER)
    assert f"the cube {address} does not say its event: give one (--event)" in line


def test_an_event_that_nobody_knows(refused: Refused, cube: str) -> None:
    line = refused(cube, *PAPER, "--event", "atlantis")
    assert "no event 'atlantis': name one of hokkaido, " in line


@pytest.mark.parametrize(("timesteps", "side", "count"), [("4", "after", 3), ("5", "before", 4)])
def test_fewer_images_on_a_side_than_timesteps(
    timesteps: str, side: str, count: int, refused: Refused, cube: str
) -> None:
    line = refused(cube, *PAPER, "--timesteps", timesteps)
    wanted = f"{timesteps} timesteps need {timesteps} images {side} event 'simulated', "
    assert wanted + f"there are {count}" in line
    assert "ask for fewer timesteps" in line


@pytest.mark.parametrize("protocol", [PAPER, BLOCKED])
def test_no_chip_with_landslides(
    protocol: tuple[str, ...], refused: Refused, written: Written
) -> None:
    address = written(labels(lambda values: values.fill(0)))
    line = refused(address, *protocol)
    assert "no chip of 64 pixels holds 1 or more landslide pixels (the scene has 0)" in line
    assert "check the labels" in line


def leave_two(values: np.ndarray) -> None:
    values[:] = 0
    values[20, 20] = values[150, 200] = 1


def test_too_few_chips_for_the_papers_split(refused: Refused, written: Written) -> None:
    line = refused(written(labels(leave_two)), *PAPER)
    assert "2 chips with landslides are too few for a split: 5 are the least" in line


def test_too_few_blocks_with_landslides_for_a_split(refused: Refused, written: Written) -> None:
    line = refused(written(labels(leave_two)), *BLOCKED)
    assert "landslides lie in 2 blocks of 64 pixels" in line
    assert "--block-size" in line


def test_too_few_blocks_for_a_split(refused: Refused, cube: str) -> None:
    line = refused(cube, *BLOCKED, "--block-size", "1024")
    assert "too few for a split in three: choose a smaller block_size" in line


def test_a_chip_larger_than_the_scene_under_the_paper_protocol(refused: Refused, cube: str) -> None:
    line = refused(cube, *PAPER, "--chip-size", "224")
    assert "chips of 224 pixels are larger than the scene of 192 x 256" in line
    assert "choose a smaller chip_size (--chip-size), or the blocked protocol" in line


@pytest.mark.parametrize(
    ("wrong", "shown"), [(2, "hold 2:"), (0.5, "hold 0.5:"), (-1, "hold -1:"), (254, "hold 254:")]
)
def test_labels_outside_the_three(
    wrong: float, shown: str, refused: Refused, written: Written
) -> None:
    line = refused(written(labels(lambda values: values.put(77, wrong))), *PAPER)
    assert f"the cube's landslides {shown}" in line
    assert "correct the values" in line


# What is asked for


@pytest.mark.parametrize(("inputs", "thing"), [("vv+hh", "'hh'"), ("", "''"), ("sar", "'sar'")])
def test_an_unknown_input(inputs: str, thing: str, refused: Refused, cube: str) -> None:
    line = refused(cube, *PAPER, "--inputs", inputs)
    assert f"unknown input {thing} in '{inputs}': join terms of vv, vh, opposite, dem, " in line


def test_an_input_named_twice(refused: Refused, cube: str) -> None:
    line = refused(cube, *PAPER, "--inputs", "vv+vh+vv")
    assert "'vv+vh+vv' name a channel twice: name each once" in line


@pytest.mark.parametrize("timesteps", ["0", "-1"])
def test_backscatter_without_timesteps(timesteps: str, refused: Refused, cube: str) -> None:
    line = refused(cube, *PAPER, "--timesteps", timesteps)
    assert f"timesteps are whole numbers from 1 on, not [{timesteps}]" in line


@pytest.mark.parametrize(
    ("options", "thing"),
    [
        (("--chip-size", "0"), "chip size and block size are at least 1"),
        (("--block-size", "0"), "chip size and block size are at least 1"),
        (("--overlap", "64"), "overlap of 64 pixels does not fit chips of 64: give less"),
        (("--overlap", "-1"), "overlap are at least 0"),
        (("--overlap", "16"), "leave out the overlap (--overlap), take the blocked protocol, or"),
        (("--network", "Unet/resnet18", "--batch-size", "1", "--chip-size", "32"), "a single chip"),
        (("--min-landslide-pixels", "5000"), "5000 or more landslide pixels"),
        (("--min-landslide-pixels", "0"), "at least 1 landslide pixel"),
        (("--block-size", str(2**63)), "and buffer are below 2147483648 pixels"),
        (("--block-offset", str(-(2**63) - 1)), "and buffer are below 2147483648 pixels"),
        (("--epochs", "0"), "epochs of 0: give 1 to 2147483647"),
        (("--batch-size", "0"), "batch size of 0: give 1 to"),
        (("--batch-size", str(2**31)), "batch size of 2147483648: give 1 to"),
        (("--network", "u-net"), "unknown network 'u-net': choose paper, quick, or "),
        (("--network", "Unet/resnet1"), "cannot build network 'Unet/resnet1'"),
        (("--encoder-weights", "elsewhere/weights.pt"), "no encoder weights at elsewhere/"),
    ],
)
def test_an_option_that_cannot_be(
    options: tuple[str, ...], thing: str, refused: Refused, cube: str
) -> None:
    assert thing in refused(cube, *PAPER, *options)


@pytest.mark.parametrize("orbit", ["7", "sideways"])
def test_an_orbit_that_the_cube_does_not_have(orbit: str, refused: Refused, cube: str) -> None:
    line = refused(cube, *PAPER, "--orbit", orbit)
    assert "no image of the orbit asked for; the cube has 46, 68" in line


@pytest.mark.parametrize(
    ("content", "thing"),
    [
        (None, "cannot read the split "),
        (b"\xff\xfe", "cannot read the split "),
        (b"{}", "this is not a saved split "),
        (b"one split, please", "this is not a saved split "),
        (
            json.dumps({"protocol": "blocked", "chip_size": 64, "chips": []}).encode(),
            "the split is of protocol blocked with chips of 64 pixels, not paper with 64",
        ),
        (
            json.dumps(
                {
                    "protocol": "paper",
                    "chip_size": 64,
                    "chips": [{"y": 0, "x": 640, "part": "test"}],
                }
            ).encode(),
            "chips outside this scene of 192 x 256 pixels",
        ),
    ],
)
def test_a_split_that_cannot_be_used(
    content: bytes | None, thing: str, refused: Refused, cube: str, tmp_path: Path
) -> None:
    split = tmp_path / "split.json"
    if content is not None:
        split.write_bytes(content)
    line = refused(cube, *PAPER, "--split", str(split))
    assert thing in line
    assert ": give the " in line


@pytest.mark.parametrize("option", ["--preset", "--protocol", "--precision", "--split-seed"])
def test_a_choice_that_is_not_there(option: str, cube: str, tmp_path: Path, capsys: Said) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", cube, option, "fancy", "--out", str(tmp_path / "model")])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: argument {option}: ")
    assert "'fancy'" in line
    assert not list(tmp_path.iterdir())


# Where results go


@pytest.mark.parametrize("table", ["file", "file/deeper"])
def test_a_table_folder_that_cannot_be_written(
    table: str, refused: Refused, cube: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    line = refused(cube, *PAPER, table=table)
    assert f"cannot write to the table folder {tmp_path / table}: " in line
    assert "name a folder that you may write to (--table)" in line
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_table_where_nobody_may_write(
    refused: Refused, cube: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(address: str, _: bytes) -> None:
        raise PermissionError(f"read-only file system: '{address}'")

    monkeypatch.setattr("landslide.storage._write_whole", refuse)
    line = refused(cube, *PAPER)
    assert f"cannot write to the table folder {tmp_path / 'table'}: read-only" in line


def test_a_bundle_that_cannot_be_written(cube: str, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "file").write_text("in the way")
    for out in ("file", "file/deeper"):
        assert main(["train", cube, *PAPER, "--out", str(tmp_path / out)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: cannot write to the bundle's folder {tmp_path / out}: ")
        assert line.endswith("(--out)")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("command", ["simulate", "optimize"])
def test_a_cube_that_cannot_be_written(
    command: str, cube: str, tmp_path: Path, capsys: Said
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = str(tmp_path / "file/deeper.zarr")
    assert main([command, *([cube] if command == "optimize" else []), out]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {out} cannot be written (")
    assert line.endswith("); choose another address")
    assert (tmp_path / "file").read_text() == "in the way"


# Values that are no backscatter


def spoil(values: np.ndarray) -> None:
    values[:, 70, 70:74] = np.inf, -np.inf, 0, -1
    values[:, 71, 70] = np.nan


@pytest.mark.filterwarnings("default:.*backscatter samples")
def test_what_no_backscatter_is_gives_one_warning_with_the_count(
    written: Written, tmp_path: Path, capsys: Said
) -> None:
    address = written(backscatter(spoil))
    assert main(["train", address, *PAPER, "--out", str(tmp_path / "m")]) == 0
    said = capsys.readouterr().err.splitlines()
    (line,) = (line for line in said if line.startswith("warning: "))
    # Four pixels in one image before and one after; NaN is no-data like any other.
    assert line.startswith("warning: 8 backscatter samples are infinite, zero or negative")
    assert (tmp_path / "m" / "bundle.json").exists()


@pytest.mark.filterwarnings("default:.*backscatter samples")
def test_nothing_but_what_no_backscatter_is_is_an_error(
    written: Written, tmp_path: Path, capsys: Said
) -> None:
    address = written(backscatter(lambda values: values.fill(0)))
    assert main(["train", address, *PAPER, "--out", str(tmp_path / "model")]) == 1
    warning, line = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: ")
    assert line.startswith("error: no pixel of any chip has data in every channel: vv_before, ")
    assert not list(tmp_path.glob("model/*"))


@pytest.mark.filterwarnings("default:.*backscatter samples")
def test_a_part_without_landslides_that_have_data_is_an_error(
    written: Written, tmp_path: Path, capsys: Said
) -> None:
    first = tmp_path / "first"
    address = written(lambda scene: scene)
    assert main(["train", address, *PAPER, "--out", str(first)]) == 0
    test = [
        c for c in json.loads((first / "split.json").read_text())["chips"] if c["part"] == "test"
    ]

    def blind(values: np.ndarray) -> None:
        for chip in test:
            values[:, chip["y"] : chip["y"] + 64, chip["x"] : chip["x"] + 64] = 0

    (tmp_path / "changed.zarr").rename(tmp_path / "whole.zarr")
    address = written(backscatter(blind))
    capsys.readouterr()
    assert main(["train", address, *PAPER, "--out", str(tmp_path / "model")]) == 1
    warning, line = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: ")
    assert line.startswith("error: no landslide pixel with data is left in the test part")
    assert not list(tmp_path.glob("model/*"))


# What is no mistake


def test_chips_larger_than_the_scene_are_padded_under_the_blocked_protocol(
    written: Written, tmp_path: Path
) -> None:
    address = written(lambda scene: scene.isel(y=slice(0, 48)))
    table = str(tmp_path / "table")
    run = ["train", address, "--table", table, "--out", str(tmp_path / "model")]
    assert main([*run, *PAPER]) == 1
    assert main([*run, *BLOCKED]) == 0
    (row,) = results_table(table).to_dict("records")
    assert row["train_pixels"] <= row["train_chips"] * 48 * 64
    assert row["test_pixels"] <= row["test_chips"] * 48 * 64


def test_a_cube_without_a_reference_system_or_any_place_trains(
    written: Written, tmp_path: Path
) -> None:
    address = written(lambda scene: scene.drop_vars(["y", "x"]))
    assert main(["train", address, *PAPER, "--out", str(tmp_path / "model")]) == 0


def test_a_cube_of_terrain_alone_trains_the_baseline(written: Written, tmp_path: Path) -> None:
    address = written(lambda scene: scene.drop_dims("timestep"))
    run = ["train", address, *PAPER, "--inputs", "dem", "--out", str(tmp_path / "model")]
    assert main(run) == 0

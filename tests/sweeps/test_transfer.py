"""Transfer between two simulated events, end to end."""

import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from landslide import results_table, simulate_cube
from landslide.chips.optimize import optimize_cube
from landslide.chips.sizes import Room, chip_bytes
from landslide.results.labels import AS_LONG
from landslide.training.config import training_config
from sweeps import transfer
from sweeps.options import chosen
from sweeps.planning import plan_sweep
from sweeps.transfer import main, names_of, options, source_of
from sweeps.transfer_stages import Tuning, few_labels

from .conftest import Refused, plan_of

QUICK = ["--preset", "quick", "--chip-size", "64", "--epochs", "2", "--timesteps", "1"]


@pytest.fixture(scope="module")
def kaikoura(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = str(tmp_path_factory.mktemp("kaikoura") / "kaikoura.zarr")
    how = {"descending": (2, 2), "ascending": (0, 0), "seed": 5}
    simulate_cube(uri, shape=(384, 448), like="kaikoura", **how)  # type: ignore[arg-type]
    return uri


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a smaller cube, of an event of the first one's name."""
    uri = str(tmp_path_factory.mktemp("second") / "second.zarr")
    simulate_cube(uri, shape=(256, 384), seed=7, descending=(2, 2), ascending=(0, 0))
    return uri


def test_a_model_is_carried_to_another_event_in_every_way(
    cube: str,
    second: str,
    kaikoura: str,
    ray: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = str(tmp_path / "table")
    how = ["--from", cube, second, "--inputs", "vv", "--table", table, *QUICK]
    how += ["--labelled", "1", "99", "--fine-tuning-epochs", "3"]
    assert main([kaikoura, *how]) == 0
    rows = results_table(table)
    assert rows["error"].isna().all()
    assert set(rows["event"]) == {"simulated_kaikoura"}
    labelled = rows["labelled_chips"].astype("float")
    found = set(zip(rows["origin"].fillna(""), labelled.fillna(-1), strict=True))
    groups = ("simulated", "second", "simulated+second")
    assert found == {
        *((f"zero-shot from {group}", 0) for group in groups),
        *((f"from {group}", k) for group in groups for k in (0, 1)),  # 0: with own statistics
        ("with simulated+second", -1),
        *((origin, k) for origin in ("", AS_LONG) for k in (1, -1)),  # 99 are more than there are
    }
    # What begins with trained weights is tuned at a hundredth of the rate.
    tuned = rows["origin"].fillna("").str.startswith("from ")
    rates = rows.groupby(tuned)["learning_rate"].unique()
    assert rates[True] == pytest.approx(rates[False] / 100)
    assert rates[False].size == 1
    # All are scored on the same chips of the target, and no others.
    for column in ("test_pixels", "prevalence", "split_digest", "cube_digest", "mask"):
        assert rows[column].nunique() == 1
    one = rows.set_index(["origin", labelled.fillna(-1)])
    own = int(rows.loc[rows["origin"].isna() & labelled.isna(), "train_chips"].iloc[0])
    zero_shot = [one.loc[(f"zero-shot from {group}", 0)] for group in groups]
    joint = one.loc["with simulated+second"]
    first, other, both = (row["train_chips"].item() for row in zero_shot)
    assert first > other > 0
    assert first + other == both == joint["train_chips"].item() - own
    # What begins at random makes as many steps, to half a pass, whatever it is trained on: where
    # a pass is longer, in fewer epochs.
    alone = rows[rows["origin"].isna() & labelled.isna()]
    wanted = alone["epochs"].item() * math.ceil(own / 8)
    for trained in (*zero_shot, joint):
        a_pass = math.ceil(trained["train_chips"].item() / 8)
        assert abs(trained["epochs"].item() * a_pass - wanted) <= max(a_pass / 2, a_pass - wanted)
    # Tuned for epochs of their own, and what begins at random for both.
    tuned_for = one.loc[[(f"from {group}", 1) for group in groups], "epochs"].unique().tolist()
    a_pass = math.ceil(own / 8)
    assert tuned_for == [3 * a_pass]  # on one chip an epoch is a step
    assert one.loc[(AS_LONG, 1), "epochs"].item() == (2 + 3) * a_pass
    assert one.loc[(AS_LONG, -1), "epochs"].item() == 2 + 3
    for group, with_its_own in zip(groups, zero_shot, strict=True):
        own_statistics = one.loc[(f"from {group}", 0)]
        assert own_statistics["train_chips"].item() == own_statistics["epochs"].item() == 0
        assert own_statistics["auprc"].item() != with_its_own["auprc"].item()

    said = capsys.readouterr().out
    assert "simulated_kaikoura, paper protocol, vv at 1 timestep, SIMULATED DATA" in said
    assert (tmp_path / "transfer.png").stat().st_size > 10_000

    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "table").iterdir()}
    assert main([kaikoura, *how]) == 0
    said = capsys.readouterr().out
    assert said.count(", 0 to train") == 5
    assert "Dask dashboard" not in said  # nothing is read, and no node asked for
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "table").iterdir()} == before


def test_what_is_tuned_begins_with_the_weights_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"weights")
    there, lost = (str(tmp_path / name) for name in ("weights", "lost"))
    base = training_config("quick", epochs=25, inputs="vv", timesteps=1)
    sweep: Any = SimpleNamespace(choices=SimpleNamespace(base=base), configs=[base])
    weights = {
        ("zero-shot from a", "vv", 1, 0): (there, "cd"),
        ("zero-shot from b", "vv", 1, 0): (lost, "ef"),
    }
    configs = few_labels(Tuning((1,)), sweep, 2, weights)
    begun = [(config.start, config.begun_on) for config in configs]
    assert begun == [*[("none", "")] * 4, (there, "cd"), (there, "cd")]
    # Tuned for an eighth of the epochs; what begins at random is trained for as many, or for both.
    assert [config.epochs for config in configs] == [25, 25, 28, 28, 0, 3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "nowhere.zarr"], "error: "),
        (["--from", "CUBE", "--timesteps", "4"], "4 timesteps need 4 images"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_is_read(
    arguments: list[str], said: str, cube: str, kaikoura: str, refused: Refused, tmp_path: Path
) -> None:
    named = [cube if each == "CUBE" else each for each in arguments]
    line, _ = refused(main, [kaikoura, *QUICK, "--table", str(tmp_path / "table"), *named])
    assert said in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--labelled", "--fine-tuning-epochs", "--fine-tuning-rate"])
def test_a_number_that_trains_nothing_is_one_line(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["target.zarr", "--from", "source.zarr", option, "0"])
    (line,) = capsys.readouterr().err.splitlines()
    assert option in line
    assert "give" in line


@pytest.mark.parametrize("way", ["store", "stream"])
def test_chips_of_several_cubes_are_trained_on_from_memory_alone(
    way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["target.zarr", "--from", "source.zarr", "--chips"]
    assert options([*line, "memory"]).chips == "memory"
    with pytest.raises(SystemExit):
        options([*line, way])
    (said,) = capsys.readouterr().err.splitlines()
    assert "trained on from memory: leave out --chips" in said


def test_a_source_may_be_an_event_file_that_names_its_cube(
    second: str, kaikoura: str, tmp_path: Path
) -> None:
    file = tmp_path / "quake.toml"
    file.write_text(f'name = "quake"\ntime = 2018-09-05T18:07:59Z\ncube = "{second}"\n')
    args = options([kaikoura, "--from", str(file), *QUICK, "--event", "kaikoura"])
    target, _ = chosen(args)
    source = plan_sweep(source_of(target, str(file))).experiment
    assert (source.event.name, source.cube) == ("quake", second)
    alone = plan_sweep(source_of(target, second)).experiment
    assert (alone.event.name, alone.cube) == ("simulated", second)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([("a", "x/1.zarr"), ("b", "x/2.zarr")], ["a", "b"]),
        ([("a", "x/1.zarr"), ("a", "x/2.zarr")], ["1", "2"]),
        ([("a", "x/1.zarr"), ("a", "y/1.zarr")], ["x/1.zarr", "y/1.zarr"]),
    ],
)
def test_cubes_have_names_of_their_own(given: list[tuple[str, str]], names: list[str]) -> None:
    assert names_of([planned(*each) for each in given]) == names


def planned(event: str, cube: str) -> Any:
    known = SimpleNamespace(name=event)
    return SimpleNamespace(experiment=SimpleNamespace(event=known, cube=cube, label_digest=cube))


@pytest.mark.parametrize("layout", ["the same", "optimised"])
def test_the_targets_own_cube_is_no_source_under_whatever_name_and_in_whatever_layout(
    layout: str, kaikoura: str, refused: Refused, tmp_path: Path
) -> None:
    copy, table = str(tmp_path / "copy.zarr"), tmp_path / "table"
    if layout == "the same":
        shutil.copytree(kaikoura, copy)
    else:
        optimize_cube(kaikoura, copy)
    line, _ = refused(main, [kaikoura, "--from", copy, *QUICK, "--table", str(table)])
    assert line.startswith(f"error: {copy} has the labels of {kaikoura}, ")
    assert not table.exists()


def test_cubes_that_do_not_fit_together_are_one_line_before_any_is_read(
    cube: str, kaikoura: str, ray: None, refused: Refused, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    line = [kaikoura, "--from", cube, "--inputs", "vv", *QUICK, "--table", str(tmp_path / "table")]
    sweeps = [plan_of(options([address, *line[1:]])) for address in (kaikoura, cube)]
    size = sum(chip_bytes(sweep.stream) for sweep in sweeps)
    # For the cubes, for what is trained on together, for those that share it, and for a trial.
    monkeypatch.setattr(transfer, "room_for_chips", lambda *_: Room(4 * size - 1))
    error, said = refused(main, line)
    assert error.startswith("error: the chips of 2 cubes, ")
    assert "Dask dashboard" not in said
    transfer.require_room(sweeps, Room(4 * size, size))

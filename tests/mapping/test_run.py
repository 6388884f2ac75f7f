"""`landslide map` up to its products: what it refuses, and what every product says."""

import dataclasses
import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.special import expit, logit

from landslide import open_cube, simulate_cube
from landslide.chips.optimize import Layout, optimize_cube
from landslide.cli import main
from landslide.cube.georeference import geobox_of
from landslide.mapping import run
from landslide.mapping.choices import MapChoices
from landslide.mapping.facts import MapFacts
from landslide.mapping.inference.models import model_of, models_at
from landslide.mapping.inference.rows import strip_name
from landslide.mapping.inference.strips import ScenePlan, plan_scene
from landslide.mapping.inference.work import FOLDER
from landslide.mapping.members import load_members
from landslide.mapping.plan import plan_map
from landslide.mapping.resampling import resampled
from landslide.mapping.run import map_landslides
from landslide.storage import read_bytes, write_whole
from landslide.training.bundle import DESCRIPTION, WEIGHTS

Said = pytest.CaptureFixture[str]
BLOCKED = ("--protocol", "blocked", "--block-size", "128", "--buffer", "0")
SMALL = ("--preset", "quick", "--epochs", "1", "--chip-size", "64")
VV = ("--inputs", "vv", "--timesteps", "1")


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a small simulated cube: 6 x 8 chips of 64 pixels."""
    uri = str(tmp_path_factory.mktemp("cube") / "simulated.zarr")
    simulate_cube(uri, shape=(384, 512), seed=3, descending=(2, 2), ascending=(0, 0))
    return uri


@pytest.fixture(scope="module")
def models(cube: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders of two models of different seeds, and of one by the paper protocol."""
    folder = tmp_path_factory.mktemp("models")
    for name, options in (
        ("a", ("--seed", "0", *BLOCKED)),
        ("b", ("--seed", "1", *BLOCKED)),
        ("paper", ("--protocol", "paper")),
    ):
        assert main(["train", cube, *SMALL, *VV, *options, "--out", str(folder / name)]) == 0
    return [str(folder / name) for name in ("a", "b", "paper")]


@dataclasses.dataclass
class Products:
    """What was to be written."""

    scene: xr.Dataset | None = None
    facts: MapFacts | None = None


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> Products:
    """Take the scene, and write one file in the place of all products."""
    taken = Products()

    def write(
        scene: xr.Dataset, cube: xr.Dataset, facts: MapFacts, out: str, *_: Any
    ) -> dict[str, str]:
        taken.scene, taken.facts = scene.load(), facts
        write_whole(f"{out}/map.txt", b"map")
        return {"map": f"{out}/map.txt"}

    monkeypatch.setattr(run, "write_products", write)
    return taken


def test_a_map_carries_what_made_it(
    cube: str, models: list[str], products: Products, tmp_path: Path, capsys: Said
) -> None:
    out = str(tmp_path / "map")
    assert main(["map", models[0], cube, out]) == 0
    assert capsys.readouterr().out == f"{out}/map.txt\n"
    assert [path.name for path in Path(out).iterdir()] == ["map.txt"]  # nothing hidden is left
    scene, facts = products.scene, products.facts
    assert scene is not None
    assert facts is not None
    assert scene["probability"].shape == (384, 512)
    opened = open_cube(cube)
    np.testing.assert_array_equal(scene["y"], opened["y"])
    np.testing.assert_array_equal(scene["x"], opened["x"])
    described = json.loads(read_bytes(f"{models[0]}/bundle.json"))
    calibration = described["calibration"]
    assert facts.threshold == calibration["threshold"]
    assert facts.threshold_from == "maximised F1 on the validation part"
    assert facts.temperature == (calibration["temperature"],)
    assert facts.reliability is not None
    before = calibration["reliability"]["validation_before"]["expected_calibration_error"]
    assert facts.reliability.before == before
    assert sum(facts.reliability.bins["share"]) == pytest.approx(1)
    assert (facts.inputs, facts.timesteps, facts.simulated) == ("vv", 1, True)
    assert facts.members[0].row_key == described["key"]
    assert len(facts.images_before) == len(facts.images_after) == 1
    assert "Trained on simulated data." in facts.warnings
    positive = any(said.startswith("Trained on chips that all") for said in facts.warnings)
    assert positive == described["positive_only"]


def test_a_map_names_all_images_that_it_was_made_from(
    cube: str,
    models: list[str],
    products: Products,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = {
        "opposite_before": ["2018-08-30T09:00:00", "2018-08-18T09:00:00"],
        "opposite_after": ["2018-09-11T09:00:00"],
        "pairs": ["2018-08-24T20:42:15/2018-09-05T20:42:15"],
    }

    def planned(*args: Any, **options: Any) -> ScenePlan:
        return dataclasses.replace(plan_scene(*args, **options), images=images)

    monkeypatch.setattr("landslide.mapping.plan.plan_scene", planned)
    assert main(["map", models[0], cube, str(tmp_path / "map")]) == 0
    facts = products.facts
    assert facts is not None
    assert facts.opposite_before == ("2018-08-18T09:00:00", "2018-08-30T09:00:00")
    assert facts.opposite_after == ("2018-09-11T09:00:00",)
    assert facts.pairs == tuple(images["pairs"])


def _copy_of(model: str, folder: Path, **changes: Any) -> str:
    """The folder of a model that says something else of itself."""
    described = json.loads(read_bytes(f"{model}/{DESCRIPTION}")) | changes
    write_whole(f"{folder}/{WEIGHTS}", read_bytes(f"{model}/{WEIGHTS}"))
    write_whole(f"{folder}/{DESCRIPTION}", json.dumps(described).encode())
    return str(folder)


def test_a_map_is_calibrated_by_its_models_temperature(
    cube: str, models: list[str], products: Products, tmp_path: Path
) -> None:
    calibration = json.loads(read_bytes(f"{models[0]}/{DESCRIPTION}"))["calibration"]
    doubled = calibration | {"temperature": 2 * calibration["temperature"]}
    other = _copy_of(models[0], tmp_path / "model", calibration=doubled)
    box, found = _box_of(cube, slice(100, 140), slice(150, 210)), []
    for name, model in (("once", models[0]), ("doubled", other)):
        out = str(tmp_path / name)
        assert main(["map", model, cube, out, "--bbox", *(f"{side:.6f}" for side in box)]) == 0
        assert products.scene is not None
        found.append(products.scene["probability"].to_numpy().astype(np.float64))
    once, halved = found
    np.testing.assert_allclose(expit(2 * logit(halved)), once, atol=1e-5)


def test_several_members_have_a_spread(
    cube: str, models: list[str], products: Products, tmp_path: Path
) -> None:
    out = str(tmp_path / "map")
    assert main(["map", models[0], cube, out, "--members", models[1], "--threshold", "0.25"]) == 0
    assert products.scene is not None
    assert products.facts is not None
    assert float(products.scene["spread"].max()) > 0
    assert products.facts.temperature is not None
    assert len(products.facts.temperature) == len(products.facts.members) == 2
    assert (products.facts.threshold, products.facts.threshold_from) == (0.25, "given")


def test_a_model_of_positive_chips_without_validation_says_so_in_every_product(
    cube: str, models: list[str], products: Products, tmp_path: Path
) -> None:
    assert main(["map", models[2], cube, str(tmp_path / "map")]) == 0
    facts = products.facts
    assert facts is not None
    assert facts.warnings[0].startswith("Trained on this very cube: ")
    assert facts.warnings[1].startswith("Trained on chips that all hold landslides")
    assert facts.warnings[2].startswith("Probabilities are not calibrated")
    assert (facts.threshold, facts.temperature, facts.reliability) == (0.5, None, None)
    assert facts.threshold_from == "one half, since no validation part chose one"
    model = model_of(*load_members(models[2:]), torch.device("cpu"))
    assert model.temperature == 1


def test_a_cube_is_known_by_the_digest_of_its_rows_wherever_it_lies(
    cube: str, models: list[str], products: Products, tmp_path: Path
) -> None:
    copied = str(shutil.copytree(cube, tmp_path / "copy.zarr"))
    link = tmp_path / "link.zarr"
    link.symlink_to(cube)
    trained_on = json.loads(read_bytes(f"{models[0]}/{DESCRIPTION}"))["cube_digest"]
    for address in (cube, copied, str(link)):
        plan = plan_map(models[:1], open_cube(address), str(tmp_path / "map"))
        assert plan.digest == trained_on
        assert plan.warnings[0].startswith("Trained on this very cube: ")
    # In another layout, or read otherwise, it has another digest, and is known by its labels.
    laid_out = str(tmp_path / "optimized.zarr")
    optimize_cube(cube, laid_out, layout=Layout(chip_size=64))
    for address, choices in ((laid_out, MapChoices()), (copied, MapChoices(skip_damaged=True))):
        plan = plan_map(models[:1], open_cube(address), str(tmp_path / "map"), choices)
        assert plan.digest != trained_on
        assert plan.warnings[0].startswith("Trained on this very cube: ")
    labels = xr.open_zarr(copied)["landslides"]
    other = _without_crs(cube, tmp_path / "other.zarr", landslides=labels * 0)
    plan = plan_map(models[:1], open_cube(other), str(tmp_path / "map"), MapChoices(no_crs=True))
    assert not any("very cube" in said for said in plan.warnings)


def _box_of(cube: str, rows: slice, columns: slice) -> tuple[float, ...]:
    """West, south, east and north [degrees] of a part of a cube."""
    geobox = geobox_of(open_cube(cube)[["vv"]].isel(y=rows, x=columns).isel(timestep=0))
    assert geobox is not None
    return tuple(geobox.geographic_extent.boundingbox.bbox)


def test_a_box_is_mapped_as_the_whole_is(
    cube: str, models: list[str], products: Products, tmp_path: Path
) -> None:
    assert main(["map", models[0], cube, str(tmp_path / "whole")]) == 0
    whole = products.scene
    opened = open_cube(cube)
    box = _box_of(cube, slice(100, 200), slice(150, 300))
    options = ("--bbox", *(f"{side:.6f}" for side in box))
    assert main(["map", models[0], cube, str(tmp_path / "part"), *options]) == 0
    part = products.scene
    assert whole is not None
    assert part is not None
    shared = whole["probability"].sel(y=part["y"], x=part["x"])
    assert shared.shape == part["probability"].shape
    for axis, asked in (("y", slice(100, 200)), ("x", slice(150, 300))):
        wanted = opened[axis].to_numpy()[asked]
        assert set(wanted) <= set(part[axis].to_numpy())
        assert part.sizes[axis] <= len(wanted) + 4  # what lies askew in degrees covers a bit more
    np.testing.assert_allclose(part["probability"], shared, atol=1e-4)


def test_a_run_that_was_stopped_goes_on_and_another_is_refused(
    cube: str,
    models: list[str],
    products: Products,
    fetched: Counter[Any],
    tmp_path: Path,
    capsys: Said,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "map"
    written = run.write_products

    def stopped(*_: Any, **__: Any) -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "write_products", stopped)
    assert main(["map", models[0], cube, str(out)]) == 130
    assert (out / FOLDER).is_dir()
    monkeypatch.setattr(run, "write_products", written)
    capsys.readouterr()
    assert main(["map", models[1], cube, str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds the beginning of another map (other models" in line
    fetched.clear()
    assert main(["map", models[0], cube, str(out), "--threshold", "0.1"]) == 0
    assert "vv" not in {name for name, _ in fetched}  # all strips were kept
    assert products.facts is not None
    assert products.facts.threshold == 0.1
    assert main(["map", models[0], cube, str(tmp_path / "other")]) == 0
    assert "vv" in {name for name, _ in fetched}
    capsys.readouterr()
    assert main(["map", models[0], cube, str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {out} holds something already, and no unfinished map")


def test_what_else_lies_where_the_map_grows_stays_and_a_stopped_run_goes_on(
    cube: str, models: list[str], products: Products, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out, other, work = (tmp_path / name for name in ("map", "other", "work"))
    work.mkdir()
    (work / "mine").write_text("kept")
    written = run.write_products

    def stopped(*arguments: Any, **_: Any) -> dict[str, str]:
        write_whole(f"{arguments[3]}/first.txt", b"placed")
        raise KeyboardInterrupt

    def mapped(place: Path) -> dict[str, str]:
        return run.map_landslides(models[:1], open_cube(cube), str(place), work=str(work))

    monkeypatch.setattr(run, "write_products", stopped)
    with pytest.raises(KeyboardInterrupt):
        mapped(out)
    monkeypatch.setattr(run, "write_products", written)
    with pytest.raises(FileExistsError, match=r"holds the beginning of another map \(other out\)"):
        mapped(other)
    assert not other.exists()
    mapped(out)
    assert {path.name for path in out.iterdir()} == {"first.txt", "map.txt"}
    assert [path.name for path in work.iterdir()] == ["mine"]


def _without_crs(cube: str, out: Path, **changes: Any) -> str:
    opened = xr.open_zarr(cube)
    opened = opened.drop_vars("spatial_ref", errors="ignore").assign(**changes)
    opened.attrs = {k: v for k, v in opened.attrs.items() if k not in {"crs", "epsg"}}
    for variable in opened.variables.values():
        for place in (variable.attrs, variable.encoding):
            place.pop("grid_mapping", None)
        variable.encoding = {k: v for k, v in variable.encoding.items() if k == "_FillValue"}
    opened.to_zarr(out, zarr_format=2, consolidated=False)
    return str(out)


def test_cubes_in_memory_are_told_apart_by_what_they_hold(
    cube: str, models: list[str], tmp_path: Path
) -> None:
    one = open_cube(cube).load()
    one.encoding.pop("source")
    out = str(tmp_path / "map")
    begun = plan_map(models[:1], one, out)
    begun.job.work.begin(begun.identity)
    assert plan_map(models[:1], one.copy(deep=True), out).digest == begun.digest
    with pytest.raises(FileExistsError, match=r"the beginning of another map"):
        plan_map(models[:1], one.assign(vv=one["vv"] * 2), out)


def test_a_place_that_another_map_took_since_the_plan_is_left_to_it(
    cube: str, models: list[str], products: Products, tmp_path: Path
) -> None:
    opened, out = open_cube(cube), str(tmp_path / "map")
    plan, other = (plan_map([model], opened, out) for model in models[:2])
    other.job.work.begin(other.identity)
    with pytest.raises(FileExistsError, match="the beginning of another map"):
        run.predict_scene(plan)
    run.write_map(other, *run.predict_scene(other))
    made = {path.name for path in (tmp_path / "map").iterdir()}
    with pytest.raises(FileExistsError, match="holds something already"):
        run.predict_scene(plan)
    assert {path.name for path in (tmp_path / "map").iterdir()} == made


def test_a_map_is_made_in_the_precision_that_is_asked_for(
    cube: str, models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def precision(wanted: str, _: torch.device) -> torch.dtype:
        asked.append(wanted)
        return torch.float32

    monkeypatch.setattr("landslide.mapping.inference.models.working_precision", precision)
    opened, out = open_cube(cube), str(tmp_path / "map")
    plain, mixed = (
        plan_map(models[:1], opened, out, MapChoices(precision=name)) for name in (None, "mixed")
    )
    for plan in (plain, mixed):
        models_at.__wrapped__(plan.job.members, plan.job.precision)
    assert asked == ["auto", "mixed"]
    assert plain.identity != mixed.identity  # neither goes on from what the other began
    with pytest.raises(ValueError, match="unknown precision 'half': choose one of auto, float32"):
        MapChoices(precision="half")


def test_a_run_that_fails_at_once_leaves_what_another_has_begun(
    cube: str, models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise OSError("the store is away")

    monkeypatch.setattr(run, "map_scene", failing)
    out = tmp_path / "map"
    one, another = (plan_map(models[:1], open_cube(cube), str(out)) for _ in range(2))
    another.job.work.create(strip_name(0), "probability", (4, 6))
    for left in (True, False):
        one.job.work.create(strip_name(0), "probability", (4, 6))
        with pytest.raises(OSError, match="the store is away"):
            run.predict_scene(one)
        assert (out / FOLDER / strip_name(0) / another.job.work.run).exists() == left
        assert out.exists() == left
        shutil.rmtree(out / FOLDER / strip_name(0), ignore_errors=True)


def test_bad_input_is_one_line_and_nothing_is_written(
    cube: str, models: list[str], products: Products, tmp_path: Path, capsys: Said
) -> None:
    bare = _without_crs(cube, tmp_path / "bare.zarr")
    degrees = _without_crs(cube, tmp_path / "degrees.zarr")
    attributes = tmp_path / "degrees.zarr" / "x" / ".zattrs"
    along = json.loads(attributes.read_text()) | {"units": "degrees"}
    attributes.write_text(json.dumps(along))
    out = tmp_path / "map"
    (tmp_path / "file").write_text("")
    west, south, east, north = _box_of(cube, slice(100, 103), slice(150, 153))
    middle = ((west + east) / 2, (south + north) / 2)
    pixel = [f"{side:.7f}" for side in (*middle, *(side + 1e-6 for side in middle))]
    tried: list[tuple[tuple[str, ...], str]] = [
        (("nowhere", cube), f"no trained model at {Path.cwd()}/nowhere: name the folder"),
        ((models[0], "nowhere.zarr"), "no cube at nowhere.zarr"),
        ((models[0], bare), "has no coordinate reference system, so its map would lie nowhere"),
        ((models[0], cube, "--bbox", "1", "1", "0", "2"), "--bbox 1 1 0 2 covers no area"),
        ((models[0], cube, "--bbox", "0", "50", "1", "51"), "covers nothing of the cube, which"),
        ((models[0], cube, "--bbox", "0", "-200", "500", "200"), "is beyond the Earth: give"),
        ((models[0], cube, "--bbox", *pixel), "covers a single pixel: give a larger one"),
        ((models[0], cube, "--threshold", "2"), "the threshold is 2: give a probability"),
        ((models[0], cube, "--formats", "shp"), "unknown format 'shp': choose some of gpkg"),
        ((models[0], cube, "--overlap", "64"), "an overlap of 64 pixels does not fit chips of 64"),
        ((models[0], cube, "--overlap", "-1"), "does not fit chips of 64: give 0 to 63"),
        ((models[0], degrees, "--no-crs"), "by --min-area, in (degrees)2"),
        ((models[0], cube, "--batch-size", "0"), "the batch size and the threads are at least 1"),
        ((models[0], cube, "--members", models[0]), "hold the same model: give each once"),
        ((models[0], cube, "--min-area", "-1"), "a smallest area of -1 cannot be"),
        ((models[0], cube, "--event", "atlantis"), "no event 'atlantis'"),
        ((models[0], cube, "--orbit", "ascending"), "choose another orbit (--orbit)"),
    ]
    for (model, address, *options), said in tried:
        assert main(["map", model, address, str(out), *options]) == 1, said
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
        assert line.startswith("error: ")
        assert not out.exists(), said
    assert main(["map", models[0], cube, str(tmp_path / "file")]) == 1
    assert "is a file: name a folder for the map" in capsys.readouterr().err
    assert main(["map", models[0], bare, str(out), "--no-crs"]) == 0


def test_all_no_data_leaves_nothing(
    cube: str, models: list[str], products: Products, tmp_path: Path, capsys: Said
) -> None:
    # Chunks of no data are not stored, and what the store lacks is damage unless one says other.
    vv = xr.open_zarr(cube)["vv"]
    empty = _without_crs(cube, tmp_path / "empty.zarr", vv=xr.full_like(vv, np.nan))
    out = tmp_path / "map"
    assert main(["map", models[0], empty, str(out), "--no-crs"]) == 1
    assert "missing; write or fetch it again, or open it with missing" in capsys.readouterr().err
    assert not out.exists()
    assert main(["map", models[0], empty, str(out), "--no-crs", "--missing", "no-data"]) == 1
    assert (
        "error: no pixel of the area has data in every channel of 'vv'" in capsys.readouterr().err
    )
    assert not out.exists()


def test_pixels_of_another_size_are_refused_or_resampled(
    cube: str,
    models: list[str],
    products: Products,
    tmp_path: Path,
    capsys: Said,
) -> None:
    coarse = str(tmp_path / "coarse")
    assert main(["map", models[0], cube, str(tmp_path / "as-is")]) == 0
    fine = products.scene
    other = _copy_of(models[0], tmp_path / "model", pixel_size=[20.0, 20.0])
    capsys.readouterr()
    assert main(["map", other, cube, coarse]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "pixels are 10 x 10 and those of the model" in line
    assert "--resample the cube to the model's" in line
    assert main(["map", other, cube, coarse, "--resample"]) == 0
    assert products.facts is not None
    assert products.scene is not None
    assert fine is not None
    assert products.scene["probability"].shape == (192, 256)
    # A coarse pixel has data where any of the four in it has.
    some = fine["probability"].coarsen(y=2, x=2).count() > 0
    np.testing.assert_array_equal(np.isfinite(products.scene["probability"]), some)
    assert any(
        said.startswith("Resampled from pixels of 10 x 10") for said in products.facts.warnings
    )
    y = products.scene["y"].to_numpy()
    assert y[0] == pytest.approx(float(fine["y"][:2].mean()))


def test_pixels_of_unknown_size_are_told_of(
    cube: str, models: list[str], products: Products, tmp_path: Path
) -> None:
    nowhere = open_cube(_without_crs(cube, tmp_path / "bare.zarr")).drop_vars(["y", "x"])
    map_landslides(models[:1], nowhere, str(tmp_path / "map"), MapChoices(no_crs=True))
    assert products.facts is not None
    (said,) = (each for each in products.facts.warnings if "how large its pixels are" in each)
    assert said.startswith("The cube does not say")


@pytest.mark.parametrize(("down", "right"), [(2, 2), (2, 3)])
def test_backscatter_is_resampled_as_power(down: int, right: int, cube: str) -> None:
    opened = open_cube(cube)
    kept = {n: (dict(v.attrs), dict(v.encoding)) for n, v in opened.variables.items()}
    found, _ = resampled(opened, _of_pixels(10.0 * down, 10.0 * right))
    assert {n: (v.attrs, v.encoding) for n, v in opened.variables.items()} == kept
    assert (found.sizes["y"], found.sizes["x"]) == (-(-384 // down), -(-512 // right))
    wanted = opened["vv"].coarsen(y=down, x=right, boundary="trim").mean()
    whole = found.isel(y=slice(wanted.sizes["y"]), x=slice(wanted.sizes["x"]))
    np.testing.assert_allclose(whole["vv"], wanted, rtol=1e-4)
    for axis in ("timestep", "y", "x"):
        np.testing.assert_array_equal(whole[axis], wanted[axis])


@pytest.mark.parametrize("size", [20.0, 7.0, 10.5])
def test_labels_and_masks_are_those_of_the_nearest_pixel(size: float) -> None:
    random, shape = np.random.default_rng(0), (101, 71)
    labels = random.choice(np.array([0, 1, 255], np.uint8), shape, p=[0.8, 0.1, 0.1])
    observed = random.random(shape) < 0.5
    cube = xr.Dataset(
        {"landslides": (("y", "x"), labels), "observed": (("y", "x"), observed)},
        coords={
            "y": 4_740_000.0 - 10 * np.arange(shape[0]),
            "x": 560_000.0 + 10 * np.arange(shape[1]),
        },
        attrs={"crs": "EPSG:32654"},
    ).chunk(y=64, x=64)
    found, _ = resampled(cube, _of_pixels(size, size))
    down, right = (
        np.floor(np.abs(found[axis].to_numpy() - cube[axis].to_numpy()[0] + start) / 10 + 1e-9)
        for axis, start in (("y", -5), ("x", 5))
    )
    assert found.sizes == {"y": -(-1010 // size), "x": -(-710 // size)}  # to the far edges
    inside = np.ix_(down < shape[0], right < shape[1])
    at = np.ix_(down[down < shape[0]].astype(int), right[right < shape[1]].astype(int))
    for name, values in (("landslides", labels), ("observed", observed)):
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name].to_numpy()[inside], values[at])
    assert (found["landslides"].to_numpy()[~(down < shape[0])] == 255).all()


def test_power_of_zero_is_no_data_and_not_averaged() -> None:
    vv = np.full((1, 40, 60), 0.25, np.float32)
    vv[:, ::2] = 0  # every second row: half of each coarser pixel
    vv[:, :, :20] = 0
    cube = xr.Dataset(
        {"vv": (("timestep", "y", "x"), vv)},
        coords={
            "timestep": [np.datetime64("2018-09-05", "ns")],
            "y": 4_740_000.0 - 10 * np.arange(40),
            "x": 560_000.0 + 10 * np.arange(60),
        },
        attrs={"crs": "EPSG:32654"},
    )
    found, _ = resampled(cube, _of_pixels(20.0, 20.0))
    assert np.isnan(found["vv"].to_numpy()[..., :10]).all()
    np.testing.assert_allclose(found["vv"].to_numpy()[..., 10:], 0.25)


def _of_pixels(height: float, width: float) -> Any:
    """A model's pixels."""
    return SimpleNamespace(address="model", pixel_size=(height, width), pixel_unit="metre")


def test_a_cube_without_the_inputs_is_refused_with_the_reason(
    cube: str, tmp_path: Path, capsys: Said, products: Products, models: list[str]
) -> None:
    lacking = str(tmp_path / "lacking.zarr")
    opened = xr.open_zarr(cube).drop_vars("vv").drop_encoding()
    opened.to_zarr(lacking, zarr_format=2, consolidated=False)
    assert main(["map", models[0], lacking, str(tmp_path / "map"), "--no-crs"]) == 1
    assert "inputs 'vv' need vv, which the cube lacks: it has" in capsys.readouterr().err

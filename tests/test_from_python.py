"""The five things that a researcher wants, from Python and with public names alone."""

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import landslide

SHAPE = (512, 640)

README = Path(__file__).parents[1] / "README.md"
EXAMPLE = README.read_text().split("```python\n")[1].split("```")[0]
"""What README.md shows, to the letter."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small simulated cube, and the table of a sweep, all addressed by paths."""
    folder = tmp_path_factory.mktemp("from_python")
    cube = landslide.simulate_cube(
        folder / "data" / "simulated.zarr", shape=SHAPE, descending=(4, 4), ascending=(0, 0)
    )
    for inputs in ("vv", "vv+vh"):
        landslide.train_bundle(
            cube,
            landslide.training_config("quick", inputs=inputs, timesteps=2, epochs=1),
            landslide.Chipping("blocked", chip_size=64, block_size=128, buffer=0),
            out=folder / inputs,
            table=folder / "ablation" / "table",
        )
    return folder


@pytest.fixture(scope="module")
def cube(here: Path) -> xr.Dataset:
    return landslide.open_cube(here / "data" / "simulated.zarr")


@pytest.fixture(scope="module")
def done(here: Path) -> dict[str, Any]:
    """All that the example names, after it ran as it is written."""
    space: dict[str, Any] = {}
    with chdir(here):
        exec(EXAMPLE, space)
    return space


def test_chips_stream_lazily_from_a_cube_that_is_opened_where_it_lies(done: Any) -> None:
    chips = done["chips"]
    channels = ["vv_before", "vv_after", "vh_before", "vh_after"]
    assert chips.sar.dims == ("chip", "timesteps", "sar_channel", "y", "x")
    assert chips.timesteps.to_numpy().tolist() == [1, 4]
    assert chips.sar_channel.to_numpy().tolist() == channels
    assert chips.sar.chunks is not None
    cube = done["cube"].load()
    before = cube["timestep"].to_numpy() < landslide.find_event(cube).start
    chip = chips.isel(chip=5).compute()
    y, x = int(chip.corner_y), int(chip.corner_x)
    place = {"y": slice(y, y + 128), "x": slice(x, x + 128)}
    for number, (name, which) in enumerate(
        [("vv", before), ("vv", ~before), ("vh", before), ("vh", ~before)]
    ):
        mean = np.log(cube[name].isel(timestep=which, **place)).mean("timestep")
        np.testing.assert_allclose(chip.sar[1, number], mean, rtol=1e-4)
    assert (chip.label.to_numpy() == cube.landslides.isel(place).to_numpy()).all()


def test_a_loop_of_ones_own_sees_every_training_chip(done: Any) -> None:
    stream = done["stream"]
    training = stream.only(stream.chips.part == "train")
    seen = [chip for batch in landslide.chip_batches(training) for chip in batch.chip.to_numpy()]
    assert sorted(seen) == training.chips.chip.to_numpy().tolist()
    assert set(training.chips.part.to_numpy()) == {"train"}
    gradient = done["network"].weight.grad
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_a_model_is_trained_and_kept_and_maps_a_scene(done: Any, here: Path) -> None:
    from rasterio import open as open_raster

    assert done["trained"].prevalence < done["trained"].auprc <= 1
    kept = json.loads((here / "data/first-model/bundle.json").read_text())
    assert Path(kept["cube"]) == here / "data" / "simulated.zarr"
    probability, mask = (
        open_raster(here / done["products"][name]).read(1)
        for name in ("probability.tif", "mask.tif")
    )
    assert probability.shape == SHAPE
    assert 0 <= np.nanmin(probability) < np.nanmax(probability) <= 1
    assert (np.isnan(probability) == (mask == 255)).all()
    assert {"mask.tif", "density.tif", "landslides.gpkg", "report.html", "summary.json"} <= set(
        done["products"]
    )


def test_models_are_named_by_paths_too(done: Any, cube: xr.Dataset, here: Path) -> None:
    assert done["trained"].config.inputs == "vv+vh"  # by which the model is there
    model = here / "data" / "first-model"
    with pytest.raises(ValueError, match="hold the same model: give each once"):
        landslide.map_landslides([model, model], cube, here / "twice")
    rasters = landslide.MapChoices(formats=())
    products = landslide.map_landslides(model, cube, here / "rasters", rasters)
    assert {Path(each).parent for each in products.values()} == {here / "rasters"}
    assert landslide.MapChoices(formats="gpkg") == landslide.MapChoices(formats=("gpkg",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown format 'shp'"):
        landslide.MapChoices(formats="shp")  # type: ignore[arg-type]


def test_the_table_says_whether_one_input_beats_another(done: Any, here: Path) -> None:
    found = landslide.comparison(landslide.results_table(here / "ablation/table"), "vv+vh", "vv")
    (row,) = found.to_dict("records")
    scores = done["table"].set_index("inputs")["auprc"]
    assert (row["first"], row["second"], row["timesteps"]) == ("vv+vh", "vv", "2")
    assert row["difference"] == pytest.approx(scores["vv+vh"] - scores["vv"])
    assert (row["seeds"], row["verdict"]) == (1, "undecided")
    assert isinstance(found, pd.DataFrame)


def test_every_function_takes_an_event_in_the_same_shapes(cube: xr.Dataset, here: Path) -> None:
    how: dict[str, Any] = {"inputs": "vv", "timesteps": 2}
    own = landslide.find_event(cube)
    storm = landslide.Event("storm", "2018-09-06T12:00Z", orbit_state="descending")  # type: ignore[arg-type]
    (here / "storm.toml").write_text(
        'name = "storm"\ntime = 2018-09-06T12:00:00Z\norbit_state = "descending"'
    )
    taking = [
        lambda event: landslide.stream_chips(cube, event, **how).attrs,
        lambda event: landslide.plan_stream(cube, event, **how).chips.attrs,
    ]
    for images in taking:
        assert images(None) == images(own)
        assert images(storm) == images(str(here / "storm.toml")) != images(own)
        assert images("hokkaido")["event"] != images(own)["event"]
    assert landslide.find_event(cube, storm) is storm
    assert landslide.MapChoices(event=storm).event is storm


def test_one_number_of_timesteps_or_one_input_is_as_a_list_of_it(cube: xr.Dataset) -> None:
    one = landslide.stream_chips(cube, inputs="vv", timesteps=2)
    several = landslide.stream_chips(cube, inputs=["vv"], timesteps=[2])
    xr.testing.assert_identical(one.isel(chip=slice(3)).load(), several.isel(chip=slice(3)).load())


def test_chips_come_by_default_as_the_paper_has_them(cube: xr.Dataset) -> None:
    chips = landslide.stream_chips(cube)
    assert chips.timesteps.to_numpy().tolist() == [1, 2, 3, 4]
    assert set(chips.sar_channel.to_numpy()) == {"vv_before", "vv_after", "vh_before", "vh_after"}
    assert chips.sizes["static_channel"] == 4
    assert (chips.sizes["y"], chips.sizes["x"], chips.attrs["protocol"]) == (128, 128, "paper")


def test_what_is_said_of_chips_is_what_they_are(cube: xr.Dataset) -> None:
    inputs = ["vv+vh+dem", "coherence"]
    chips = landslide.stream_chips(cube, inputs=inputs, timesteps=1)
    said = " ".join((landslide.stream_chips.__doc__ or "").split())
    for name, variable in chips.data_vars.items():
        assert f"`{name}` ({', '.join(map(str, variable.dims))}) {variable.dtype}" in said
    for name in [*chips.coords, *chips.static_channel.to_numpy()]:
        assert f"`{name}`" in said
    assert {name for name, variable in chips.data_vars.items() if variable.chunks is None} == {
        "label"
    }
    # Beyond the scene there are no data, and nobody mapped.
    blocked = landslide.Chipping("blocked", chip_size=96, block_size=192, buffer=0)
    padded = landslide.stream_chips(cube, inputs="vv", timesteps=1, chipping=blocked)
    last = padded.isel(chip=int(np.argmax(padded.corner_x.to_numpy()))).compute()
    beyond = last.isel(x=slice(SHAPE[1] - int(last.corner_x), None))
    assert beyond.sizes["x"] > 0
    assert np.isnan(beyond.sar).all()
    assert (beyond.label == 255).all()


def test_a_cube_that_lies_nowhere_is_not_trained_on(cube: xr.Dataset, here: Path) -> None:
    config = landslide.training_config("quick", inputs="vv", timesteps=2)
    with pytest.raises(ValueError, match="take what open_cube gives") as caught:
        landslide.train_bundle(cube.drop_encoding(), config, out=here / "nowhere")
    assert "\n" not in str(caught.value)

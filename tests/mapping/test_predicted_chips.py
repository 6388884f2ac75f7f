"""What Figure 5 is drawn of, and the drawing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from landslide import open_cube, simulate_cube
from landslide.bundling import train_bundle
from landslide.chips.split import TEST, Chipping, split_from_json
from landslide.cube.events import find_event
from landslide.cube.labels import NO_DATA
from landslide.mapping.predicted_chips import predict_chips
from landslide.results.prediction_figure import PredictedChips, figure5
from landslide.training.bundle import DESCRIPTION
from landslide.training.config import training_config
from landslide.training.metrics import average_precision

CHIPPING = Chipping(chip_size=64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, float]:
    """Addresses of a cube and of a bundle trained on it, and the AUPRC that it said."""
    folder = tmp_path_factory.mktemp("predicted")
    uri, out = str(folder / "cube.zarr"), str(folder / "model")
    cube = simulate_cube(uri, shape=(256, 384), seed=5, descending=(2, 2), ascending=(0, 0))
    config = training_config("quick", inputs="vv", timesteps=2, epochs=1)
    return uri, out, train_bundle(cube, config, CHIPPING, out=out).auprc


def test_all_test_chips_score_as_the_bundle_says(trained: tuple[str, str, float]) -> None:
    import torch

    uri, model, auprc = trained
    cube = open_cube(uri)
    chips = predict_chips(model, cube, find_event(cube), count=1000)
    text = (Path(model) / "split.json").read_text()
    corners, parts = split_from_json(text, CHIPPING)
    expected = [f"row {y}, column {x}" for y, x in corners[parts == TEST]]
    assert sorted(chips.names) == sorted(expected)  # the paper's chips all hold landslides
    scored = chips.label != NO_DATA
    assert np.isfinite(chips.probability[scored]).all()
    assert average_precision(
        torch.from_numpy(chips.probability[scored]), torch.from_numpy(chips.label[scored])
    ) == pytest.approx(auprc, abs=1e-4)


def test_chips_are_calibrated_by_the_models_temperature(
    trained: tuple[str, str, float], tmp_path: Path
) -> None:
    uri, model, _ = trained
    cube, other = open_cube(uri), tmp_path / "model"
    shutil.copytree(model, other)
    described = json.loads((other / DESCRIPTION).read_text())
    assert described["calibration"] is None  # under the paper protocol: of temperature 1
    counts = {"threshold": 0.5, "f1": 0.5, "chips": 1, "empty_chips": 0, "reliability": {}}
    described["calibration"] = {"temperature": 2.0, **counts}
    (other / DESCRIPTION).write_text(json.dumps(described))
    once, halved = (
        predict_chips(each, cube, find_event(cube), 2).probability.astype(np.float64)
        for each in (model, str(other))
    )
    np.testing.assert_allclose(expit(2 * logit(halved)), once, atol=1e-5)


def test_a_cube_elsewhere_is_told_of_and_a_smaller_one_refused(
    trained: tuple[str, str, float], caplog: pytest.LogCaptureFixture
) -> None:
    uri, model, _ = trained
    cube = open_cube(uri)
    event = find_event(cube)
    with pytest.raises(ValueError, match="lie outside this scene"):
        predict_chips(model, cube.isel(y=slice(0, 64), x=slice(0, 64)), event)
    cube.encoding["source"] = "elsewhere.zarr"
    assert len(predict_chips(model, cube, event, count=2).names) == 2
    assert "only if that is a copy" in caplog.text


def test_the_figure_is_written_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    predicted = random.random((3, 30, 40)).astype(np.float32)
    predicted[1] = np.nan
    mapped = random.integers(0, 2, (3, 30, 40)).astype(np.uint8)
    chips = PredictedChips(predicted, mapped, ("a", "b", "c"), "Chips", simulated=True)
    out = tmp_path / "figure5.svg"
    figure5(chips, str(out))
    text = out.read_text()
    assert "Simulated data" in text
    assert "Predicted" in text

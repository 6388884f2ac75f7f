"""A trained model comes back from its folder as it was, or not at all."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
import xarray as xr

from landslide.chips.inputs import parse_inputs
from landslide.chips.split import TEST
from landslide.storage import read_bytes, remove, write_whole
from landslide.training.bundle import DESCRIPTION, SPLIT, WEIGHTS, load_bundle, save_bundle
from landslide.training.config import TrainingConfig
from landslide.training.normalization import normalize, select_channels
from landslide.training.run import predict
from landslide.training.train import Trained, train

MakeChips = Callable[..., xr.Dataset]
Small = Callable[..., TrainingConfig]

SPLIT_TEXT = '{"protocol": "blocked", "chip_size": 64, "chips": []}\n'


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a folder that is not there yet."""
    if request.param == "disk":
        yield f"{tmp_path}/models/vv"
        return
    name = uuid.uuid4().hex
    yield f"memory://{name}/vv"
    fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


@pytest.fixture
def chips(make_chips: MakeChips) -> xr.Dataset:
    return make_chips(train=4, validation=2, test=2)


@pytest.fixture
def trained(chips: xr.Dataset, small: Small) -> Trained:
    return train(chips, small(inputs="vv+dem", epochs=2))


def test_a_bundle_predicts_as_the_model_that_it_keeps(
    folder: str, trained: Trained, chips: xr.Dataset
) -> None:
    save_bundle(folder, trained, chips, SPLIT_TEXT)
    bundle = load_bundle(f"{folder}/")  # with or without the slash
    assert bundle.config == trained.config
    assert bundle.normalization == trained.normalization
    assert not bundle.network.training
    state = bundle.network.state_dict()
    for name, value in trained.network.state_dict().items():
        assert torch.equal(state[name], value), name
    test = chips.isel(chip=np.flatnonzero(chips["part"].values == TEST))
    planes = select_channels(test, parse_inputs(bundle.config.inputs), bundle.config.timesteps)
    x = torch.from_numpy(normalize(planes, bundle.normalization))
    again = predict(bundle.network, x, 4, torch.float32)
    np.testing.assert_allclose(again, trained.test_scores, atol=1e-4)


def test_a_bundle_says_what_a_map_needs(folder: str, trained: Trained, chips: xr.Dataset) -> None:
    save_bundle(folder, trained, chips, SPLIT_TEXT, cube="gs://bucket/cube.zarr")
    said = load_bundle(folder).description
    assert said["config"]["inputs"] == "vv+dem"
    assert said["config"]["timesteps"] == 3
    assert said["channels"] == ["vv_before", "vv_after", *parse_inputs("dem").channels]
    assert said["normalization"]["mean"] == list(trained.normalization.mean)
    assert said["event"]["name"] == "quake"
    assert said["event"]["start"].endswith("Z")
    assert (said["protocol"], said["chip_size"]) == ("blocked", 64)
    assert (said["orbit"], said["simulated"]) == ("descending", False)
    assert said["scores"] == {"auprc": trained.auprc, "prevalence": trained.prevalence}
    assert said["best_epoch"] == trained.best_epoch
    assert said["history"] == list(trained.history)
    assert said["parameters"] == trained.parameters
    assert said["cube"] == "gs://bucket/cube.zarr"
    assert read_bytes(f"{folder}/{SPLIT}").decode() == SPLIT_TEXT
    assert json.loads(read_bytes(f"{folder}/{DESCRIPTION}")) == said


def test_a_model_with_weights_from_a_file_needs_the_file_no_more(
    tmp_path: Path, chips: xr.Dataset, small: Small
) -> None:
    donor = train(chips, small(epochs=1)).network.encoder
    assert isinstance(donor, torch.nn.Module)
    path = tmp_path / "encoder.pt"
    torch.save(donor.state_dict(), path)
    kept = train(chips, small(epochs=1, encoder_weights=str(path)))
    save_bundle(f"{tmp_path}/model", kept, chips, SPLIT_TEXT)
    path.unlink()
    bundle = load_bundle(f"{tmp_path}/model")
    assert bundle.config.encoder_weights == str(path)
    state = bundle.network.state_dict()
    assert all(torch.equal(state[k], v) for k, v in kept.network.state_dict().items())


def test_other_weights_are_no_bundle(folder: str, trained: Trained, chips: xr.Dataset) -> None:
    save_bundle(folder, trained, chips, SPLIT_TEXT)
    weights = bytearray(read_bytes(f"{folder}/{WEIGHTS}"))
    weights[-1] ^= 1
    write_whole(f"{folder}/{WEIGHTS}", bytes(weights))
    with pytest.raises(ValueError, match=r"weights at .* are not those of its") as caught:
        load_bundle(folder)
    assert folder in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", [WEIGHTS, DESCRIPTION])
def test_a_folder_that_lacks_a_part_is_no_bundle(
    missing: str, folder: str, trained: Trained, chips: xr.Dataset
) -> None:
    save_bundle(folder, trained, chips, SPLIT_TEXT)
    remove(f"{folder}/{missing}")
    with pytest.raises(FileNotFoundError, match=f"no trained model at {folder}"):
        load_bundle(folder)


def test_no_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="name the folder that `landslide train --out`"):
        load_bundle(f"{tmp_path}/nowhere")


@pytest.mark.parametrize("text", ["[1,\n2", "[]", "{}", '{"weights_sha256": "0"}'])
def test_another_description_is_no_bundle(text: str, tmp_path: Path) -> None:
    write_whole(f"{tmp_path}/{WEIGHTS}", b"")
    write_whole(f"{tmp_path}/{DESCRIPTION}", text.encode())
    with pytest.raises(ValueError, match="is not a description that this version wrote") as caught:
        load_bundle(f"{tmp_path}")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)

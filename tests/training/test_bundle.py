"""A trained model comes back from its folder as it was, or not at all."""

import hashlib
import json
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from landslide.chips.inputs import parse_inputs
from landslide.chips.split import TEST, TRAIN
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
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a folder that is not there yet."""
    return f"{tmp_path}/models/vv" if request.param == "disk" else "memory://models/vv"


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
    assert (said["precision"], said["compiled"]) == (trained.precision, trained.compiled)
    assert said["cube"] == "gs://bucket/cube.zarr"
    assert read_bytes(f"{folder}/{SPLIT}").decode() == SPLIT_TEXT
    assert json.loads(read_bytes(f"{folder}/{DESCRIPTION}")) == said


def test_a_bundle_keeps_its_calibration_and_the_ground_it_saw(
    folder: str, trained: Trained, chips: xr.Dataset
) -> None:
    save_bundle(folder, trained, chips, SPLIT_TEXT, pixel_size=(30.0, 20.0), pixel_unit="metre")
    bundle = load_bundle(folder)
    assert trained.calibration is not None
    assert bundle.calibration == trained.calibration
    assert (bundle.pixel_size, bundle.pixel_unit, bundle.chip_size) == ((30.0, 20.0), "metre", 64)
    assert bundle.positive_only  # each made-up chip holds a landslide
    label = chips["label"].copy()
    first = int(np.flatnonzero(chips["part"] == TRAIN)[0])
    label[first] = label[first].where(label[first] != 1, 0)
    save_bundle(folder, trained, chips.assign(label=label), SPLIT_TEXT)
    assert not load_bundle(folder).positive_only
    assert load_bundle(folder).pixel_size is None


def _described(folder: str, change: Callable[[dict[str, Any]], None]) -> None:
    description = json.loads(read_bytes(f"{folder}/{DESCRIPTION}"))
    change(description)
    write_whole(f"{folder}/{DESCRIPTION}", json.dumps(description).encode())


def test_an_epoch_that_overflowed_leaves_a_description_that_is_json(
    trained: Trained, chips: xr.Dataset, tmp_path: Path
) -> None:
    first, last = trained.history
    overflowed = replace(trained, history=(first | {"validation_loss": math.inf}, last))
    save_bundle(str(tmp_path), overflowed, chips, SPLIT_TEXT)
    text = (tmp_path / DESCRIPTION).read_text()
    assert "Infinity" not in text
    history = json.loads(text)["history"]
    assert history == [first | {"validation_loss": None}, last]
    assert load_bundle(str(tmp_path)).config == trained.config


def test_a_bundle_that_does_not_say_whether_steps_were_compiled_is_read(
    trained: Trained, chips: xr.Dataset, tmp_path: Path
) -> None:
    save_bundle(str(tmp_path), trained, chips, SPLIT_TEXT)
    _described(str(tmp_path), lambda said: said.pop("compiled"))
    assert load_bundle(str(tmp_path)).config == trained.config


def test_a_bundle_is_read_from_no_address_that_carries_a_secret() -> None:
    with pytest.raises(ValueError, match=r"^the address s3://bucket/model came with "):
        load_bundle("s3://me:planted@bucket/model")


def test_another_version_says_which(folder: str, trained: Trained, chips: xr.Dataset) -> None:
    save_bundle(folder, trained, chips, SPLIT_TEXT)
    for version, said in ((None, 1), (3, 3)):
        _described(folder, lambda d, v=version: d.update(version=v) if v else d.pop("version"))
        with pytest.raises(ValueError, match=f"a bundle of version {said}, .* for version 2: tr"):
            load_bundle(folder)


def test_a_pickle_under_the_name_of_weights_is_never_loaded(
    folder: str, trained: Trained, chips: xr.Dataset
) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("the pickle was loaded",)

    save_bundle(folder, trained, chips, SPLIT_TEXT)
    trap = pickle.dumps(Trap())
    write_whole(f"{folder}/{WEIGHTS}", trap)
    _described(folder, lambda d: d.update(weights_sha256=hashlib.sha256(trap).hexdigest()))
    with pytest.raises(ValueError, match=r"holds no safetensors .* nothing else is safe") as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"calibration": {"temperature": 1.0}}, "not a description that this version wrote"),
        ({"pixel_size": [0, 10]}, "not a description that this version wrote"),
        ({"config": {"inputs": "nothing"}}, "not a description that this version wrote"),
        ({"normalization": {"channels": [], "mean": [], "std": []}}, "not a description that"),
    ],
)
def test_a_damaged_description_is_no_bundle(
    change: dict[str, Any], said: str, tmp_path: Path, trained: Trained, chips: xr.Dataset
) -> None:
    save_bundle(str(tmp_path), trained, chips, SPLIT_TEXT)
    _described(str(tmp_path), lambda d: d.update(change))
    with pytest.raises(ValueError, match=said) as caught:
        load_bundle(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(
    tmp_path: Path, trained: Trained, chips: xr.Dataset
) -> None:
    save_bundle(str(tmp_path), trained, chips, SPLIT_TEXT)
    _described(str(tmp_path), lambda d: d["config"].update(network="Unet/resnet18"))
    with pytest.raises(ValueError, match="do not fit its network 'Unet/resnet18'"):
        load_bundle(str(tmp_path))


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


@pytest.mark.parametrize("text", ["[1,\n2", "[]", "{}", '{"version": 2, "weights_sha256": "0"}'])
def test_another_description_is_no_bundle(text: str, tmp_path: Path) -> None:
    write_whole(f"{tmp_path}/{WEIGHTS}", b"")
    write_whole(f"{tmp_path}/{DESCRIPTION}", text.encode())
    with pytest.raises(ValueError, match="is not a description that this version wrote") as caught:
        load_bundle(f"{tmp_path}")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)

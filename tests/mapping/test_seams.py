"""No chip border shows in the map of a real network, which sees less near it.

The measure is the same network on the whole scene at once. `ARCHITECTURE.md` states the bounds.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import logit

from landslide import open_cube, simulate_cube
from landslide.cli import main
from landslide.mapping.choices import MapChoices
from landslide.mapping.inference.models import model_of
from landslide.mapping.inference.scene import map_scene
from landslide.mapping.members import load_members
from landslide.mapping.plan import plan_map
from landslide.training.device import this_device

SIZE = 64
STEEPER = 1.02
"""How steep the logits are at most across a line of pixels, over the whole image's there."""
APART = 0.15
"""Root mean square of the difference in logits, over the spread of the whole image's."""
TRAINING = (
    *("--preset", "quick", "--epochs", "6", "--chip-size", str(SIZE), "--inputs", "vv"),
    *("--timesteps", "1", "--protocol", "blocked", "--block-size", "128", "--buffer", "0"),
)


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = str(tmp_path_factory.mktemp("cube") / "simulated.zarr")
    simulate_cube(uri, shape=(256, 384), seed=4, descending=(1, 1), ascending=(0, 0))
    return uri


@pytest.fixture(scope="module")
def model(cube: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("model") / "vv")
    assert main(["train", cube, *TRAINING, "--out", out]) == 0
    return out


@pytest.fixture(scope="module")
def whole(cube: str, model: str) -> np.ndarray:
    """Logits (y, x) of the network that sees the whole scene at once."""
    network = model_of(*load_members([model]), this_device())
    channels = np.log(open_cube(cube)["vv"].to_numpy())
    logits = network.logits(torch.from_numpy(channels)[None], 1)[0].numpy() / network.temperature
    return np.where(np.isfinite(channels).all(axis=0), logits, np.nan)


def stitched(cube: str, model: str, out: Path, overlap: int) -> np.ndarray:
    """Return the logits (y, x) of the map."""
    plan = plan_map([model], open_cube(cube), str(out), MapChoices(overlap=overlap, threads=1))
    return logit(map_scene(plan.job)["probability"].to_numpy().astype(np.float64))


def steepest(scene: np.ndarray, whole: np.ndarray, step: int) -> float:
    """Return how much steeper a map is than the whole image, where it is so most.

    Lines of pixels are told apart by where they lie between two chips' first pixels: whatever is
    made by chips shows in one of these, wherever that may be.
    """
    ratios = []
    for axis in (0, 1):
        found, wanted = (
            np.nansum(np.abs(np.diff(plane, axis=axis)), axis=1 - axis) for plane in (scene, whole)
        )
        place = np.arange(1, len(found) + 1) % step
        ratios.append((np.bincount(place, found) / np.bincount(place, wanted)).max())
    return float(max(ratios))


def apart(scene: np.ndarray, whole: np.ndarray) -> float:
    """Return the root mean square of the difference, over the spread of the whole image."""
    return float(np.sqrt(np.nanmean((scene - whole) ** 2)) / np.nanstd(whole))


def test_with_overlap_and_blending_no_border_is_steeper_than_the_image_itself(
    cube: str, model: str, whole: np.ndarray, tmp_path: Path
) -> None:
    scene = stitched(cube, model, tmp_path / "map", SIZE // 2)
    np.testing.assert_array_equal(np.isnan(scene), np.isnan(whole))
    assert steepest(scene, whole, SIZE // 2) < STEEPER
    assert apart(scene, whole) < APART


def test_without_overlap_borders_show(
    cube: str, model: str, whole: np.ndarray, tmp_path: Path
) -> None:
    scene = stitched(cube, model, tmp_path / "map", 0)
    assert steepest(scene, whole, SIZE) > 1.1
    assert apart(scene, whole) > 2 * APART

"""Made-up chips, as `load_chips` gives them, in which landslides darken the backscatter."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from landslide.chips.split import TEST, TRAIN, UNUSED, VALIDATION
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.labels import NO_DATA
from landslide.training import run
from landslide.training.config import TrainingConfig
from landslide.training.train import Trained

MakeChips = Callable[..., xr.Dataset]


def same_weights(one: Trained, other: Trained) -> bool:
    state, other_state = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(state[name], other_state[name]) for name in state)


def assert_same(one: Trained, other: Trained) -> None:
    """Assert that two runs gave the same, to the bit."""
    assert one.history == other.history
    assert one.best_epoch == other.best_epoch
    assert one.normalization == other.normalization
    assert (one.auprc, one.prevalence) == (other.auprc, other.prevalence)
    np.testing.assert_array_equal(one.test_scores, other.test_scores)
    np.testing.assert_array_equal(one.test_labels, other.test_labels)
    assert same_weights(one, other)


HEIGHT, WIDTH = 32, 64  # rectangular, so that a swapped axis fails; both fit every network
COUNTS = (1, 3)
SAR = ("vv_before", "vv_after", "vh_before", "vh_after")
STATIC = ("dem", "dem_slope_radians", "dem_aspect", "dem_curvature")
LEVELS = (-1.5, -3.0)  # VV and VH, natural log of gamma0
QUAKE = np.datetime64("2018-09-05T18:08", "ns")


def _labels(random: np.random.Generator, chips: int) -> np.ndarray:
    """Draw a rectangular landslide and a strip without data in every chip."""
    labels = np.zeros((chips, HEIGHT, WIDTH), np.uint8)
    for label in labels:
        y, x = random.integers(0, (HEIGHT - 10, WIDTH - 16))
        label[y : y + 10, x : x + 16] = 1
        label[:, random.integers(WIDTH)] = NO_DATA
    return labels


def _make_chips(
    train: int = 8, validation: int = 0, test: int = 4, *, seed: int = 0, change: float = -2.0
) -> xr.Dataset:
    random = np.random.default_rng(seed)
    parts = [TRAIN] * train + [VALIDATION] * validation + [TEST] * test + [UNUSED]
    order = random.permutation(len(parts))  # the parts lie mixed, as in a real split
    n = len(parts)
    label = _labels(random, n)
    landslide = label == 1
    sar = np.empty((n, len(COUNTS), len(SAR), HEIGHT, WIDTH), np.float32)
    for t, count in enumerate(COUNTS):
        for c in range(len(SAR)):
            speckle = random.normal(0, 0.8 / np.sqrt(count), (n, HEIGHT, WIDTH))
            sar[:, t, c] = LEVELS[c // 2] + speckle + change * (c % 2) * landslide
    sar[np.broadcast_to((label == NO_DATA)[:, None, None], sar.shape)] = np.nan
    static = np.stack(
        [
            random.normal(400, 50, label.shape),
            random.uniform(0, 0.7, label.shape),
            random.uniform(0, 360, label.shape),
            random.normal(0, 1e-3, label.shape),
        ],
        axis=1,
    ).astype(np.float32)
    static[:, 2, :4] = np.nan  # flat ground has no aspect, and excludes no pixel
    return xr.Dataset(
        {
            "label": (("chip", "y", "x"), label),
            "sar": (("chip", "timesteps", "sar_channel", "y", "x"), sar),
            "static": (("chip", "static_channel", "y", "x"), static),
            "rejected": ("chip", np.zeros(n, np.int64)),
            "damaged": ("chip", np.zeros(n, np.bool_)),
        },
        coords={
            "corner_y": ("chip", np.arange(n) // 4 * HEIGHT),
            "corner_x": ("chip", np.arange(n) % 4 * WIDTH),
            "part": ("chip", np.array(parts, dtype="U10")[order]),
            "timesteps": list(COUNTS),
            "sar_channel": list(SAR),
            "static_channel": list(STATIC),
        },
        attrs={
            "chip_size": WIDTH,
            "protocol": "blocked" if validation else "paper",
            "event": event_to_attribute(Event("quake", QUAKE, QUAKE)),
            "orbit": "descending",
            "masked": 1,
        },
    )


@pytest.fixture
def make_chips() -> MakeChips:
    """Draw chips, the same for the same arguments: `train`, `validation`, `test`, `seed`, ..."""
    return _make_chips


@pytest.fixture
def read_only() -> Callable[[xr.Dataset], xr.Dataset]:
    """Lock the arrays of chips, as they come out of Ray's object store."""

    def lock(chips: xr.Dataset) -> xr.Dataset:
        for variable in chips.variables.values():
            variable.to_numpy().flags.writeable = False
        return chips

    return lock


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let checkpoints take as much of the time as they like."""
    monkeypatch.setattr(run, "CHECKPOINT_SHARE", 1e9)


@pytest.fixture
def small() -> Callable[..., TrainingConfig]:
    """Return a configuration that trains in a second."""

    def make(**changes: Any) -> TrainingConfig:
        settings: dict[str, Any] = {
            "inputs": "vv",
            "timesteps": 3,
            "network": "quick",
            "epochs": 3,
            "batch_size": 4,
            "learning_rate": 0.01,
            "threads": 1,
            "checkpoint_every": 2,
        }
        return TrainingConfig(**settings | changes)

    return make

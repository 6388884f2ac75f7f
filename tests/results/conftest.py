"""Made-up rows for the tests of this room."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from landslide.results.histograms import class_histograms
from landslide.results.row import Row
from landslide.results.table import results_table, write_row

MakeRow = Callable[..., Row]

CHIPS = 12
PAPER_LIKE = {
    "vv": (0.610, 0.655, 0.678, 0.690),
    "vh": (0.545, 0.590, 0.612, 0.628),
    "vv+vh": (0.640, 0.682, 0.703, 0.716),
    "vv+vh+dem": (0.668, 0.697, 0.690, 0.700),
}


def _make_row(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "event": "hokkaido",
        "cube": "gs://bucket/hokkaido.zarr",
        "cube_digest": "c0ffee00",
        "simulated": False,
        "protocol": "paper",
        "split_digest": "5eed",
        "inputs": "vv",
        "timesteps": 1,
        "seed": 0,
        "auprc": 0.61,
        "prevalence": 0.09,
        "preset": "paper",
        "network": "unetplusplus-resnet50",
        "encoder_weights": "none",
        "epochs": 100,
        "batch_size": 64,
        "learning_rate": 0.01,
        "precision": "float16",
        "test_chips": 2,
        "test_pixels": 32768,
    } | changes
    if "error" in changes:
        values["auprc"] = None
    parts = (
        "event",
        "protocol",
        "network",
        "split_digest",
        "inputs",
        "timesteps",
        "seed",
        "epochs",
    )
    determining = repr([values[name] for name in parts]).encode()
    values.setdefault("key", sha256(determining).hexdigest()[:16])
    return Row(**values)


@pytest.fixture
def make_row() -> MakeRow:
    return _make_row


@pytest.fixture
def paper_rows() -> Callable[..., list[Row]]:
    """Rows that hold the paper's findings, `seeds` to each of 16 configurations and DEM."""

    def make(seeds: int = 3, spread: float = 0.002, **changes: Any) -> list[Row]:
        noise = np.random.default_rng(0)
        rows = []
        for seed in range(seeds):
            for inputs, scores in (PAPER_LIKE | {"dem": (0.15,)}).items():
                for place, score in enumerate(scores):
                    values = {
                        "inputs": inputs,
                        "timesteps": 0 if inputs == "dem" else place + 1,
                        "seed": seed,
                        "auprc": score + noise.normal(0, spread),
                        "change_auprc": None if inputs == "dem" else 0.28 + 0.03 * place,
                    }
                    rows.append(_make_row(**values | changes))
        return rows

    return make


@pytest.fixture
def rows(make_row: MakeRow) -> Callable[..., list[Row]]:
    """Rows of made-up scores: `inputs` separate as well as said, all on the same labels."""

    def make(
        inputs: str,
        separation: float,
        timesteps: int = 1,
        seeds: Sequence[int] = (0, 1, 2),
        **changes: Any,
    ) -> list[Row]:
        labels = (np.random.default_rng(7).random((CHIPS, 12, 20)) < 0.2).astype(np.uint8)
        made = []
        for seed in seeds:
            name = [ord(letter) for letter in inputs]
            noise = np.random.default_rng([seed, timesteps, *name]).normal(size=labels.shape)
            scores = (noise + separation * labels).astype(np.float32)
            edges, negative, positive = class_histograms(scores, labels)
            values = {
                "inputs": inputs,
                "timesteps": timesteps,
                "seed": seed,
                "auprc": float(average_precision_score(labels.ravel(), scores.ravel())),
                "test_chips": CHIPS,
                "histogram_edges": edges,
                "histogram_negative": negative.ravel(),
                "histogram_positive": positive.ravel(),
                "test_blocks": np.arange(CHIPS, dtype=np.int32) // 2,
            }
            made.append(make_row(**values | changes))
        return made

    return make


@pytest.fixture
def table_of(tmp_path: Any) -> Callable[[Iterable[Row]], pd.DataFrame]:
    """Write rows to a fresh folder and read them as a table."""

    def write(rows: Iterable[Row]) -> pd.DataFrame:
        for row in rows:
            write_row(f"{tmp_path}/table", row)
        return results_table(f"{tmp_path}/table")

    return write

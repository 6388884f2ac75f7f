"""Scores of a map that is read in parts, against those of the whole."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import f1_score, jaccard_score

from landslide.mapping.products.blocks import Block
from landslide.mapping.products.scoring import (
    confusion,
    landslide_scores,
    object_rates,
    overlaps,
    scores_of,
    streamed_average_precision,
)
from landslide.training.metrics import average_precision

SHAPE = (40, 56)


def make_block(
    probability: np.ndarray,
    label: np.ndarray,
    rows: slice = slice(0, SHAPE[0]),
    columns: slice = slice(0, SHAPE[1]),
    threshold: float = 0.5,
) -> Block:
    polygon, _ = ndimage.label(np.nan_to_num(probability) >= threshold)
    mapped, _ = ndimage.label(label == 1)
    here = rows, columns
    return Block(
        rows, columns, np.full((rows.stop - rows.start, 1), 100.0), probability[here],
        polygon[here].astype(np.int32), None, {}, label[here], mapped[here].astype(np.int32),
    )  # fmt: skip


def halves(probability: np.ndarray, label: np.ndarray) -> list[Block]:
    """Return the blocks of a map that is cut in two through its objects."""
    rows = slice(0, SHAPE[0])
    return [make_block(probability, label, rows, each) for each in (slice(0, 30), slice(30, 56))]


def drawn(seed: int, distinct: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a map with ties and gaps, and labels with gaps."""
    random = np.random.default_rng(seed)
    label = (ndimage.gaussian_filter(random.normal(size=SHAPE), 2) > 0.12).astype(np.uint8)
    score = 0.5 * label + random.random(SHAPE)
    probability = (np.round(score * distinct) / (1.6 * distinct)).astype(np.float32)
    probability[random.random(SHAPE) < 0.1] = np.nan
    label[random.random(SHAPE) < 0.1] = 255
    return probability, label


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 7),
)
def test_average_precision_in_parts_is_that_of_the_whole(
    pixels: list[tuple[int, bool]], size: int
) -> None:
    scores = np.array([score / 8 for score, _ in pixels], np.float32)
    slid = np.array([slid for _, slid in pixels])
    parts = [slice(start, start + size) for start in range(0, len(pixels), size)]
    landslides = [scores[part][slid[part]] for part in parts]
    streamed = streamed_average_precision(landslides, (scores[p][~slid[p]] for p in parts))
    if not slid.any():
        assert np.isnan(streamed)
        return
    whole = average_precision(torch.from_numpy(scores), torch.from_numpy(slid.astype(np.uint8)))
    assert streamed == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("distinct", [3, 10**6])
def test_a_map_in_blocks_scores_as_the_map(distinct: int) -> None:
    probability, label = drawn(0, distinct)
    blocks = halves(probability, label)
    valid = np.isfinite(probability) & (label != 255)
    others = [b.probability[b.observed & (b.label == 0)] for b in blocks]
    streamed = streamed_average_precision([landslide_scores(b) for b in blocks], others)
    whole = average_precision(torch.from_numpy(probability[valid]), torch.from_numpy(label[valid]))
    assert streamed == pytest.approx(whole, abs=1e-12)
    counts = sum(confusion(block, 0.5) for block in blocks)
    scores = scores_of(counts, streamed, object_rates([overlaps(b) for b in blocks]))
    truth, called = label[valid] == 1, probability[valid] >= 0.5
    assert scores.f1 == pytest.approx(f1_score(truth, called))
    assert scores.iou == pytest.approx(jaccard_score(truth, called))
    assert scores.prevalence == pytest.approx(truth.mean())
    assert scores.pixels == valid.sum()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_objects_match_as_a_plain_loop_has_it(seed: int) -> None:
    probability, label = drawn(seed, 10**6)
    whole = make_block(probability, label)
    scored = whole.observed & (label != 255)
    found = [whole.polygon == n for n in np.unique(whole.polygon[scored & (whole.polygon > 0)])]
    mapped = [whole.mapped == n for n in np.unique(whole.mapped[scored & (whole.mapped > 0)])]
    iou = np.array([
        [(f & m & scored).sum() / ((f | m) & scored).sum() for f in found] for m in mapped
    ])  # fmt: skip
    rates = object_rates([overlaps(b) for b in halves(probability, label)])
    assert rates[:2] == (len(mapped), len(found))
    assert rates[2] == pytest.approx((iou.max(axis=1) >= 0.1).mean())
    assert rates[3] == pytest.approx((iou.max(axis=0) < 0.1).mean())


def test_one_pixel_in_ten_is_a_match_and_one_in_eleven_is_not() -> None:
    def rates(common: int, only: int) -> tuple[int, int, float, float]:
        pairs = {"polygon": [1, 1], "mapped": [1, 0], "pixels": [common, only]}
        return object_rates([pd.DataFrame(pairs)])

    assert rates(1, 9)[2:] == (1.0, 0.0)
    assert rates(1, 10)[2:] == (0.0, 1.0)

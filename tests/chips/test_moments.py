"""Moments of many chips are those of all their pixels together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landslide.chips.moments import chip_moments, combine_moments

VALUES = st.lists(st.floats(-1e6, 1e6, width=32), max_size=9)


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_they_combine_to_those_of_all_together(chips: list[list[float]]) -> None:
    each = []
    for chip in chips:
        values = np.full((1, 1, 3, 3), np.nan, np.float32)
        values.flat[: len(chip)] = chip
        each.append(chip_moments(values, np.zeros((1, 3, 3), np.uint8)))
    count, mean, squares = combine_moments(np.concatenate(each))[0]
    together = np.array([value for chip in chips for value in chip])
    assert count == together.size
    if together.size:
        assert mean == pytest.approx(together.mean(), rel=1e-9, abs=1e-6)
        spread = ((together - together.mean()) ** 2).sum()
        assert squares == pytest.approx(spread, rel=1e-9, abs=1e-6)


def test_a_pixel_counts_where_it_is_labelled_and_the_channel_finite() -> None:
    values = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    values[0, 1, 0, 0] = np.inf
    label = np.ones((1, 3, 4), np.uint8)
    label[0, 2] = 255
    first, second = chip_moments(values, label)[0]
    assert first.tolist() == [8, 3.5, 42]
    assert second.tolist() == [7, 16, 28]


def test_high_ground_keeps_its_digits() -> None:
    random = np.random.default_rng(0)
    values = (8000 + random.normal(0, 0.1, (5, 1, 40, 56))).astype(np.float32)
    _, _, squares = combine_moments(chip_moments(values, np.zeros((5, 40, 56), np.uint8)))[0]
    assert squares == pytest.approx(values.astype(np.float64).var() * values.size, rel=1e-12)

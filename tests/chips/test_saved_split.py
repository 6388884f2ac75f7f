"""A split is written down, and read back or refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landslide.chips.split import (
    PARTS,
    TEST,
    TRAIN,
    Chipping,
    split_from_json,
    split_to_json,
)

CHIPPING = Chipping("blocked", chip_size=16)


@given(
    st.lists(
        st.tuples(st.integers(0, 10**5), st.integers(0, 10**5), st.sampled_from(PARTS)), min_size=1
    )
)
def test_a_split_survives_being_written_down(chips: list[tuple[int, int, str]]) -> None:
    corners = np.array([(y, x) for y, x, _ in chips])
    parts = np.array([part for *_, part in chips])
    text = split_to_json(corners, parts, CHIPPING)
    read_corners, read_parts = split_from_json(text, CHIPPING)
    assert np.array_equal(read_corners, corners)
    assert read_parts.tolist() == parts.tolist()
    assert split_to_json(read_corners, read_parts, CHIPPING) == text


def test_a_written_split_is_plain_json_with_a_line_for_each_chip() -> None:
    text = split_to_json(np.array([[0, 16], [16, 0]]), np.array([TRAIN, TEST]), CHIPPING)
    assert json.loads(text) == {
        "protocol": "blocked",
        "chip_size": 16,
        "chips": [{"y": 0, "x": 16, "part": "train"}, {"y": 16, "x": 0, "part": "test"}],
    }
    assert len(text.splitlines()) == 4


def change(**changes: object) -> str:
    """Return a saved split with some of its keys changed."""
    split = {
        "protocol": "blocked",
        "chip_size": 16,
        "chips": [{"y": 0, "x": 16, "part": "train"}],
    }
    return json.dumps(split | changes)


def chip(**changes: object) -> str:
    return change(chips=[{"y": 0, "x": 16, "part": "train"} | changes])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is not a saved split"),
        ("{", "this is not a saved split"),
        ("[]", "this is not a saved split"),
        ("null", "this is not a saved split"),
        ('{"chips": []}', "this is not a saved split"),
        (change(chips=3), "this is not a saved split"),
        (change(chips=[[0, 16, "train"]]), "this is not a saved split"),
        (change(chips=[{"y": 0, "part": "train"}]), "this is not a saved split"),
        (chip(y=None), "this is not a saved split"),
        (chip(y=[1, 2]), "this is not a saved split"),
        (chip(y=float("nan")), "this is not a saved split"),
        (chip(y=float("inf")), "this is not a saved split"),
        (chip(y=10**30), "this is not a saved split"),
        (chip(y=1.5), "this is not a saved split"),
        (chip(y="1"), "this is not a saved split"),
        (change(chips=[]), "names a part that is none of train, .* or no chip"),
        (chip(part="training"), "names a part that is none of train"),
        (chip(part="validations"), "names a part that is none of train"),
        (chip(part=None), "names a part that is none of train"),
        (change(protocol="paper"), "is of protocol paper with chips of 16 pixels, not blocked w"),
        (change(chip_size=32), "is of protocol blocked with chips of 32 pixels, not blocked with"),
    ],
)
def test_a_bad_split_is_an_error_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        split_from_json(text, CHIPPING)
    assert "\n" not in str(error.value)

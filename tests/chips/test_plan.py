"""Chips are chosen from the labels alone."""

import numpy as np
import pytest
import xarray as xr

from landslide.chips.plan import plan_chips, plan_unlabelled
from landslide.chips.split import (
    PARTS,
    TRAIN,
    UNUSED,
    Chipping,
    paper_split,
    split_from_json,
    split_to_json,
)
from landslide.chips.windows import corners_of

PAPER = Chipping(chip_size=8)
BLOCKED = Chipping("blocked", chip_size=8, block_size=16, buffer=0)


def few_landslides(shape: tuple[int, int] = (40, 56)) -> np.ndarray:
    """Return labels with 1, 2, 3, … landslide pixels in every other chip of 8 pixels."""
    labels = np.zeros(shape, np.uint8)
    corners = [(y, x) for x in range(0, shape[1], 8) for y in range(0, shape[0], 8)]
    for number, (y, x) in enumerate(corners[::2]):
        labels[y : y + 8, x : x + 8].flat[: min(number + 1, 64)] = 1
    return labels


def test_the_paper_keeps_the_chips_with_landslides_in_xbatchers_order() -> None:
    labels = few_landslides()
    chips = plan_chips(labels, PAPER)
    corners = [(y, x) for x in range(0, 56, 8) for y in range(0, 40, 8)]
    expected = [(y, x) for y, x in corners if (labels[y : y + 8, x : x + 8] == 1).any()]
    assert list(zip(chips["corner_y"].values, chips["corner_x"].values, strict=True)) == expected
    assert len(expected) == 18
    split = paper_split(18)
    assert {p: np.flatnonzero(chips["part"] == p).tolist() for p in split} == {
        part: sorted(indices) for part, indices in split.items()
    }


def test_a_chip_carries_its_labels() -> None:
    labels = few_landslides()
    chips = plan_chips(labels, PAPER)
    assert chips["label"].dims == ("chip", "y", "x")
    assert chips["label"].dtype == np.uint8
    for chip in chips["label"]:
        y, x = int(chip["corner_y"]), int(chip["corner_x"])
        assert np.array_equal(chip, labels[y : y + 8, x : x + 8])


def test_a_chip_needs_as_many_landslide_pixels_as_asked_for() -> None:
    chips = plan_chips(few_landslides(), Chipping(chip_size=8, minimum_landslide_pixels=10))
    assert (chips["label"] == 1).sum(("y", "x")).values.tolist() == list(range(10, 19))


def test_no_data_is_no_landslide() -> None:
    labels = few_landslides()
    labels[:8, :8] = 255
    assert plan_chips(labels, PAPER).sizes["chip"] == 17


def test_the_paper_drops_edge_chips_and_the_blocked_protocol_pads_them() -> None:
    labels = np.ones((44, 60), np.uint8)
    assert plan_chips(labels, PAPER).sizes["chip"] == 5 * 7
    chips = plan_chips(labels, BLOCKED)
    right = chips.isel(chip=(chips["corner_x"] == 56) & (chips["corner_y"] == 0)).squeeze("chip")
    assert (right["label"].values[:, :4] == 1).all()
    assert (right["label"].values[:, 4:] == 255).all()


def test_the_blocked_protocol_keeps_chips_that_are_at_least_half_valid() -> None:
    labels = few_landslides((44, 61))  # edge chips have 4 of 8 rows, 5 of 8 columns
    labels[0:4, 0:8] = 255  # half of the first chip
    labels[0:4, 8:16] = labels[4, 8] = 255  # half and one pixel of another
    found = set(map(tuple, corners_of(plan_chips(labels, BLOCKED)).tolist()))
    assert (0, 0) in found
    assert (0, 8) not in found
    assert (40, 0) in found  # half inside the scene
    assert (0, 56) in found
    assert (40, 56) not in found  # 4 x 5 pixels of 8 x 8
    assert len(found) == 6 * 8 - 2


def test_the_blocked_protocol_keeps_chips_without_landslides() -> None:
    chips = plan_chips(few_landslides(), BLOCKED)
    assert chips.sizes["chip"] == 5 * 7
    assert set(chips["part"].values) <= set(PARTS)


@pytest.mark.parametrize(("protocol", "label"), [("paper", 0), ("paper", 255), ("blocked", 0)])
def test_a_scene_without_landslides_is_an_error(protocol: str, label: int) -> None:
    labels = np.full((40, 56), label, np.uint8)
    with pytest.raises(ValueError, match=r"no chip of 8 pixels holds 1 or more .*scene has 0\)"):
        plan_chips(labels, Chipping(protocol, chip_size=8))


def test_a_scene_without_labels_has_no_chip_for_the_blocked_protocol() -> None:
    labels = np.full((40, 56), 255, np.uint8)
    with pytest.raises(ValueError, match="no chip of 8 pixels is at least half labelled"):
        plan_chips(labels, Chipping("blocked", chip_size=8))


def test_too_high_a_minimum_is_an_error_that_counts() -> None:
    labels = few_landslides()
    message = rf"holds 60 or more landslide pixels \(the scene has {int(labels.sum())}\)"
    with pytest.raises(ValueError, match=message):
        plan_chips(labels, Chipping(chip_size=8, minimum_landslide_pixels=60))


def test_the_paper_keeps_no_chip_without_landslides() -> None:
    with pytest.raises(ValueError, match="keeps chips with at least 1 landslide pixel"):
        plan_chips(few_landslides(), Chipping(chip_size=8, minimum_landslide_pixels=0))


def test_four_chips_are_too_few_for_the_paper() -> None:
    with pytest.raises(ValueError, match="4 chips with landslides are too few for a split"):
        plan_chips(np.ones((16, 16), np.uint8), PAPER)


def test_a_chip_larger_than_the_scene_is_an_error_under_the_paper() -> None:
    with pytest.raises(ValueError, match="larger than the scene of 40 x 56"):
        plan_chips(few_landslides(), Chipping(chip_size=64))


def test_a_saved_split_says_corners_and_parts() -> None:
    labels = few_landslides()
    corners = np.array([[3, 5], [36, 50], [3, 5]])
    parts = np.array([TRAIN, UNUSED, "test"])
    chips = plan_chips(labels, PAPER, split_to_json(corners, parts, PAPER))
    assert chips["corner_y"].values.tolist() == [3, 36, 3]
    assert chips["corner_x"].values.tolist() == [5, 50, 5]
    assert chips["part"].values.tolist() == parts.tolist()
    assert np.array_equal(chips["label"][0], labels[3:11, 5:13])
    assert (chips["label"][1, 4:] == 255).all()


@pytest.mark.parametrize("chipping", [PAPER, BLOCKED])
def test_a_split_given_back_chooses_the_same_chips(chipping: Chipping) -> None:
    chips = plan_chips(few_landslides((44, 60)), chipping)
    corners = corners_of(chips)
    again = plan_chips(
        few_landslides((44, 60)), chipping, split_to_json(corners, chips["part"].values, chipping)
    )
    assert again.identical(chips)


@pytest.mark.parametrize("corner", [(40, 0), (0, 56), (-1, 0)])
def test_a_split_of_a_larger_scene_is_an_error(corner: tuple[int, int]) -> None:
    split = split_to_json(np.array([corner]), np.array([TRAIN]), PAPER)
    with pytest.raises(ValueError, match="chips outside this scene of 40 x 56 pixels"):
        plan_chips(few_landslides(), PAPER, split)


def test_chips_to_pretrain_on_are_all_that_no_test_chip_overlaps() -> None:
    chipping = Chipping(chip_size=16, overlap=8)
    planned = xr.Dataset(
        coords={
            "corner_y": ("chip", [0, 24]),
            "corner_x": ("chip", [0, 40]),
            "part": ("chip", ["test", "train"]),
        }
    )
    corners, parts = split_from_json(plan_unlabelled((40, 56), planned, chipping), chipping)
    assert set(parts) == {"train"}
    every = {(y, x) for x in range(0, 41, 8) for y in range(0, 25, 8)}
    near = {(y, x) for y, x in every if y < 16 and x < 16}
    assert {(int(y), int(x)) for y, x in corners} == every - near


def test_chips_to_pretrain_on_keep_the_buffer_of_the_blocked_split() -> None:
    planned = xr.Dataset(
        coords={
            "corner_y": ("chip", [8, 24]),
            "corner_x": ("chip", [8, 40]),
            "part": ("chip", ["test", "train"]),
        }
    )
    for buffer, apart in ((None, 16), (0, 8), (9, 17)):
        chipping = Chipping("blocked", chip_size=8, buffer=buffer)
        corners, _ = split_from_json(plan_unlabelled((40, 56), planned, chipping), chipping)
        every = {(y, x) for x in range(0, 49, 8) for y in range(0, 33, 8)}
        far = {(y, x) for y, x in every if max(abs(y - 8), abs(x - 8)) >= apart}
        assert {(int(y), int(x)) for y, x in corners} == far

"""The paper's random split equals torch's; the blocked one keeps its parts apart."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import random_split

from landslide.chips.split import (
    PARTS,
    SHARES,
    TEST,
    TRAIN,
    UNUSED,
    VALIDATION,
    Chipping,
    blocked_split,
    effective_blocks,
    paper_split,
    require_apart,
    spatial_blocks,
)
from landslide.chips.windows import chip_corners


def test_hokkaidos_309_chips_give_the_papers_216_61_and_32() -> None:
    split = paper_split(309)
    assert {part: len(indices) for part, indices in split.items()} == {
        TRAIN: 216,
        TEST: 61,
        UNUSED: 32,
    }
    assert split[TRAIN].tolist() == torch_split(309)[TRAIN]


def torch_split(n: int) -> dict[str, list[int]]:
    """Split as the authors do."""
    lengths = [int(0.7 * n), int(0.2 * n)]
    generator = torch.Generator().manual_seed(42)
    chips: Any = range(n)
    parts = random_split(chips, [*lengths, n - sum(lengths)], generator)
    return {
        name: list(part.indices) for name, part in zip((TRAIN, TEST, UNUSED), parts, strict=True)
    }


@pytest.mark.parametrize("n", [*range(5, 80), 309, 625, 1000, 1249, 20_000])
def test_the_papers_split_is_torchs(n: int) -> None:
    assert {part: list(indices) for part, indices in paper_split(n).items()} == torch_split(n)


@pytest.mark.parametrize("n", range(5))
def test_too_few_chips_for_the_papers_split_are_an_error(n: int) -> None:
    with pytest.raises(ValueError, match=f"{n} chips with landslides are too few for a split"):
        paper_split(n)


def test_a_chip_is_in_the_block_that_holds_its_centre_and_under_paper_its_own() -> None:
    corners = np.array([(0, 0), (0, 60), (90, 0), (40, 40), (0, 10)])
    chipping = Chipping("blocked", chip_size=20, block_size=60)
    assert spatial_blocks(corners, chipping).tolist() == [0, 1, 2, 0, 0]
    moved = Chipping("blocked", chip_size=20, block_size=60, block_offset=45)
    assert spatial_blocks(corners, moved).tolist() == [0, 1, 2, 3, 0]
    assert spatial_blocks(corners, Chipping(chip_size=20)).tolist() == [0, 1, 2, 3, 4]


def gaps(corners: np.ndarray, size: int) -> np.ndarray:
    """Return the pixels between each pair of chips (chip, chip), negative where they overlap."""
    result = np.empty((len(corners), len(corners)), np.int64)
    for i, (y, x) in enumerate(corners.tolist()):
        for j, (v, u) in enumerate(corners.tolist()):
            along_y = max(v - (y + size), y - (v + size))
            along_x = max(u - (x + size), x - (u + size))
            result[i, j] = max(along_y, along_x)
    return result


SCENE = (96, 144)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, Chipping]:
    """Draw the chips of a scene, some left out, their landslides, and how to split them."""
    size = draw(st.sampled_from([8, 12]))
    chipping = Chipping(
        "blocked",
        chip_size=size,
        overlap=draw(st.sampled_from([0, 3, size // 2])),
        block_size=draw(st.sampled_from([20, 24, 33, 48])),
        block_offset=draw(st.integers(-10, 60)),
        buffer=draw(st.sampled_from([None, 0, 0, 1, 5, 9])),
        split_seed=draw(st.integers(0, 3)),
    )
    corners = chip_corners(SCENE, size, chipping.overlap, pad=True)
    random = np.random.default_rng(draw(st.integers(0, 99)))
    corners = corners[random.random(len(corners)) < draw(st.sampled_from([0.3, 1]))]
    return corners, random.integers(0, size**2, len(corners)), chipping


@settings(max_examples=15)
@given(scenes())
def test_parts_keep_the_buffer_apart_and_nothing_else_is_unused(
    scene: tuple[np.ndarray, np.ndarray, Chipping],
) -> None:
    corners, pixels, chipping = scene
    try:
        parts = blocked_split(corners, pixels, chipping)
    except ValueError as error:
        assert "choose a smaller block_size or buffer (--block-size" in str(error)  # noqa: PT017
        return
    buffer = chipping.chip_size if chipping.buffer is None else chipping.buffer
    apart = gaps(corners, chipping.chip_size)
    used = parts != UNUSED
    different = (parts[:, None] != parts) & used[:, None] & used
    assert (apart[different] >= max(buffer, 0)).all()
    held_out = np.isin(parts, (TEST, VALIDATION))
    assert (apart[~used][:, held_out] < buffer).any(axis=1).all()
    assert set(parts) <= set(PARTS)
    assert all(pixels[parts == part].sum() > 0 for part in SHARES)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=12))
def test_parts_are_apart_as_a_plain_loop_has_it(places: list[tuple[int, int]]) -> None:
    corners, size = np.array(places), 7
    parts = np.array(["train", "test", "validation", "unused"])[np.arange(len(places)) % 4]
    held = {"train": {"test", "validation"}, "validation": {"test"}}
    meet = any(
        max(abs(a[0] - b[0]), abs(a[1] - b[1])) < size and str(other) in held.get(str(part), ())
        for a, part in zip(places, parts, strict=True)
        for b, other in zip(places, parts, strict=True)
    )
    with pytest.raises(ValueError, match="another part") if meet else nullcontext():
        require_apart(corners, parts, size)


@pytest.mark.parametrize("overlap", [2, 4])
def test_overlapping_chips_never_share_pixels_between_parts_without_a_buffer(overlap: int) -> None:
    chipping = Chipping("blocked", chip_size=8, overlap=overlap, block_size=24, buffer=0)
    corners = chip_corners(SCENE, 8, overlap, pad=True)
    parts = blocked_split(corners, np.ones(len(corners)), chipping)
    owner = np.full((SCENE[0] + 8, SCENE[1] + 8), UNUSED, dtype="U10")
    for (y, x), part in zip(corners.tolist(), parts, strict=True):
        if part != UNUSED:
            pixels = owner[y : y + 8, x : x + 8]
            assert np.isin(pixels, (UNUSED, part)).all()
            pixels[:] = part


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_many_blocks_are_near_60_20_20_in_landslides_and_chips(seed: int) -> None:
    corners = chip_corners((512, 640), 16)
    pixels = np.random.default_rng(seed).pareto(1.5, len(corners)) * 20
    chipping = Chipping("blocked", chip_size=16, block_size=64, buffer=0, split_seed=seed)
    parts = blocked_split(corners, pixels, chipping)
    for part, share in SHARES.items():
        inside = parts == part
        assert abs(pixels[inside].sum() / pixels.sum() - share) < 0.05
        assert abs(inside.mean() - share) < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_where_few_blocks_hold_landslides_every_part_has_some(seed: int) -> None:
    corners = chip_corners((64, 160), 8)
    chipping = Chipping("blocked", chip_size=8, block_size=32, buffer=0, split_seed=seed)
    pixels = np.isin(spatial_blocks(corners, chipping), (0, 4, 8)).astype(int)
    parts = blocked_split(corners, pixels, chipping)
    assert set(parts[pixels > 0]) == set(SHARES)


def test_equal_blocks_count_as_many_and_uneven_ones_as_fewer() -> None:
    assert effective_blocks(np.array([0, 1, 1, 2]), np.array([4, 3, 1, 4])) == 3
    assert effective_blocks(np.array([0, 1]), np.array([3, 1])) == 1.6
    assert effective_blocks(np.array([0, 1]), np.array([0, 0])) == 0


@pytest.mark.parametrize(("offset", "side"), [(0, 32), (24, 32), (40, 48), (-8, 32)])
def test_the_chips_of_a_block_share_a_part(offset: int, side: int) -> None:
    chipping = Chipping("blocked", chip_size=8, block_size=side, block_offset=offset, buffer=0)
    corners = chip_corners((96, 144), 8)
    parts = blocked_split(corners, np.ones(len(corners)), chipping)
    blocks: dict[tuple[int, int], set[str]] = {}
    for (y, x), part in zip(corners.tolist(), parts.tolist(), strict=True):
        block = ((y + 4 - offset) // side, (x + 4 - offset) // side)
        blocks.setdefault(block, set()).add(part)
    assert all(len(found) == 1 for found in blocks.values())
    assert set().union(*blocks.values()) == set(SHARES)


def test_a_seed_draws_the_same_blocks_and_another_seed_others() -> None:
    corners = chip_corners((256, 320), 16)
    pixels = np.random.default_rng(0).integers(0, 50, len(corners))

    def split(seed: int) -> Any:
        chipping = Chipping("blocked", chip_size=16, block_size=64, buffer=0, split_seed=seed)
        return blocked_split(corners, pixels, chipping).tolist()

    assert split(0) == split(0)
    assert len({tuple(split(seed)) for seed in range(4)}) == 4


def test_the_buffer_is_one_chip_by_default() -> None:
    corners = chip_corners((256, 320), 16)

    def split(buffer: int | None) -> Any:
        chipping = Chipping("blocked", chip_size=16, block_size=64, buffer=buffer)
        return blocked_split(corners, np.ones(len(corners)), chipping).tolist()

    assert split(None) == split(16) != split(0)


@pytest.mark.parametrize(
    ("block_size", "buffer", "pixels", "message"),
    [
        (256, 0, "all", "1 blocks of 256 pixels are too few for a split in three: choose"),
        (24, 0, "two", "landslides lie in 2 blocks of 24 pixels, a split in three needs as many"),
        (24, 200, "all", "no landslide is left in the train part of the split: choose a smaller"),
    ],
)
def test_a_scene_that_cannot_be_split_is_an_error_in_one_line(
    block_size: int, buffer: int, pixels: str, message: str
) -> None:
    corners = chip_corners(SCENE, 8)
    landslides = np.ones(len(corners))
    if pixels == "two":
        landslides = np.isin(np.arange(len(corners)), (0, 100)).astype(float)
    chipping = Chipping("blocked", chip_size=8, block_size=block_size, buffer=buffer)
    with pytest.raises(ValueError, match=message) as error:
        blocked_split(corners, landslides, chipping)
    assert "\n" not in str(error.value)
    assert "--split-seed" in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "random"}, "unknown protocol 'random': choose paper or blocked"),
        ({"chip_size": 0}, "chip size and block size are at least 1 pixel"),
        ({"block_size": 0}, "chip size and block size are at least 1 pixel"),
        ({"buffer": -1}, "buffer and overlap are at least 0 pixels"),
        ({"overlap": -1}, "buffer and overlap are at least 0 pixels"),
    ],
)
def test_a_chipping_that_makes_no_sense_is_an_error(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Chipping(**options)  # type: ignore[arg-type]

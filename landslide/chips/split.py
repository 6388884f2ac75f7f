"""Which chips train, validate and test: the paper's random split and a spatially blocked one."""

import json
from dataclasses import dataclass
from operator import index

import numpy as np
from scipy.spatial import KDTree

TRAIN, VALIDATION, TEST, UNUSED = "train", "validation", "test", "unused"
PARTS = (TRAIN, VALIDATION, TEST, UNUSED)

PAPER_SEED = 42
SHARES = {TRAIN: 0.6, VALIDATION: 0.2, TEST: 0.2}
DRAWS = 512
LEAST_BLOCKS = 2.0
"""Fewer, as where nearly all landslides lie in one of several, do not say how blocks differ."""


@dataclass(frozen=True)
class Chipping:
    """How a scene is cut into chips and divided into parts.

    Raises
    ------
    ValueError
        Where a value is none that is understood.
    """

    protocol: str = "paper"
    """`paper`: chips with landslides, random 70/20/10. `blocked`: spatial blocks, 60/20/20."""
    chip_size: int = 128
    """Pixels on a side."""
    overlap: int = 0
    """Pixels that neighbouring chips share."""
    minimum_landslide_pixels: int | None = None
    """A chip needs as many; by default 1 under `paper` and 0 under `blocked`."""
    block_size: int = 1024
    """Side of a spatial block of the blocked split, in pixels."""
    block_offset: int = 0
    """Where the first block begins along y and x, in pixels."""
    buffer: int | None = None
    """Pixels that keep chips of different parts apart; by default one chip."""
    split_seed: int = 0
    """Draws the blocks' parts; the paper protocol always uses the authors' seed 42."""

    @property
    def gap(self) -> int:
        """Pixels that chips of different parts are apart under `blocked`."""
        return self.chip_size if self.buffer is None else self.buffer

    def __post_init__(self) -> None:
        if self.protocol not in {"paper", "blocked"}:
            raise ValueError(f"unknown protocol {self.protocol!r}: choose paper or blocked")
        if self.chip_size < 1 or self.block_size < 1:
            raise ValueError("chip size and block size are at least 1 pixel")
        if (self.buffer or 0) < 0 or self.overlap < 0:
            raise ValueError("buffer and overlap are at least 0 pixels")
        sizes = (self.chip_size, self.overlap, self.block_size, self.block_offset, self.gap)
        if max(map(abs, sizes)) >= 2**31:
            raise ValueError(
                "chip size, overlap, block size, block offset and buffer are below 2147483648 "
                "pixels: give less"
            )


def paper_split(n: int) -> dict[str, np.ndarray]:
    """Return the authors' random split of n chips: 70 % train, 20 % test, the rest unused.

    It is `torch.utils.data.random_split` with `torch.Generator().manual_seed(42)`, whose
    permutation is a Fisher-Yates shuffle driven by the 32-bit Mersenne Twister, so that a cube
    can be split without torch.

    Returns
    -------
    dict
        Indices of the chips for `train`, `test` and `unused`, in the authors' order.

    Raises
    ------
    ValueError
        Where a part would be empty.
    """
    train, test = int(0.7 * n), int(0.2 * n)
    if test < 1:
        raise ValueError(
            f"{n} chips with landslides are too few for a split: 5 are the least, "
            "choose a smaller chip_size (--chip-size)"
        )
    words = np.random.RandomState(PAPER_SEED).randint(0, 2**32, size=n, dtype=np.uint32)
    order = np.arange(n)
    for i in range(n - 1):
        j = i + int(words[i]) % (n - i)
        order[i], order[j] = order[j], order[i]
    return {TRAIN: order[:train], TEST: order[train : train + test], UNUSED: order[train + test :]}


def blocked_split(
    corners: np.ndarray, landslide_pixels: np.ndarray, chipping: Chipping
) -> np.ndarray:
    """Divide chips by spatial blocks, so that no test chip has a neighbour in training.

    A chip belongs to the block that holds its centre. Of many random assignments of blocks to
    parts (60/20/20) the one is kept that comes nearest these shares in landslide area and in
    chips. Chips of another part nearer than the buffer to a test chip are then unused, and
    training chips nearer than it to a validation chip.

    Parameters
    ----------
    corners : int (chip, 2)
        Upper left corners (y, x) in pixels.
    landslide_pixels : int (chip)
    chipping : Chipping

    Returns
    -------
    str (chip)
        `train`, `validation`, `test` or `unused`.

    Raises
    ------
    ValueError
        Where there are too few blocks, or a part would lack landslides or chips.
    """
    size, side = chipping.chip_size, chipping.block_size
    block_of_chip = spatial_blocks(corners, chipping)
    blocks = np.unique(block_of_chip)
    advice = (
        "choose a smaller block_size or buffer (--block-size, --buffer), or another split_seed "
        "(--split-seed)"
    )
    if len(blocks) < len(SHARES):
        raise ValueError(
            f"{len(blocks)} blocks of {side} pixels are too few for a split in three: {advice}"
        )
    chips = np.bincount(block_of_chip, minlength=len(blocks))
    area = np.bincount(block_of_chip, weights=landslide_pixels, minlength=len(blocks))
    if (area > 0).sum() < len(SHARES):
        raise ValueError(
            f"landslides lie in {int((area > 0).sum())} blocks of {side} pixels, "
            f"a split in three needs as many: {advice}"
        )
    names = np.array(list(SHARES))
    part_of_block = _balanced_draw(chips, area, chipping.split_seed)
    parts = names[part_of_block][block_of_chip].astype("U10")
    parts = _keep_apart(parts, corners, size, chipping.gap)
    for part in SHARES:
        inside = parts == part
        if not landslide_pixels[inside].sum():
            raise ValueError(f"no landslide is left in the {part} part of the split: {advice}")
    return parts


def effective_blocks(numbers: np.ndarray, landslide_pixels: np.ndarray) -> float:
    """Return how many blocks landslides lie in, counted by pixels: (sum p)^2 / sum p^2.

    It is Kish's effective sample size (1965, "Survey Sampling"): as many equal blocks would be as
    uneven. Chips (chip) are given by the numbers of their blocks, from 0, and landslide pixels.
    """
    pixels = np.bincount(numbers, weights=landslide_pixels)
    return float(pixels.sum() ** 2 / max((pixels**2).sum(), 1.0))


def spatial_blocks(corners: np.ndarray, chipping: Chipping) -> np.ndarray:
    """Return the number (chip) of the block that holds the centre of each chip.

    Blocks are numbered from 0, row by row, those without a chip left out. Under `paper`, which
    knows no blocks, each chip is its own. Corners (chip, 2) are (y, x) in pixels.
    """
    if chipping.protocol == "paper":
        return np.arange(len(corners))
    centres = corners + chipping.chip_size // 2 - chipping.block_offset
    blocks = centres // chipping.block_size
    return np.unique(blocks, axis=0, return_inverse=True)[1].ravel()


def _balanced_draw(chips: np.ndarray, area: np.ndarray, seed: int) -> np.ndarray:
    """Return the part (block) of the most balanced of many random assignments."""
    random = np.random.default_rng(seed)
    targets = np.array(list(SHARES.values()))
    weights = np.stack([chips / chips.sum(), area / area.sum()])
    best, least = np.zeros(chips.size, dtype=np.int64), np.inf
    for _ in range(DRAWS):
        draw = random.choice(targets.size, size=chips.size, p=targets)
        shares = np.stack([weights[:, draw == p].sum(axis=1) for p in range(targets.size)], axis=1)
        imbalance = np.abs(shares - targets).max() + np.count_nonzero(shares[1] == 0)
        if imbalance < least:
            best, least = draw, imbalance
    return best


def _keep_apart(parts: np.ndarray, corners: np.ndarray, size: int, buffer: int) -> np.ndarray:
    """Mark as unused what overlaps, or lies nearer than the buffer to, a part held out from it."""
    parts = parts.copy()
    for held_out, others in ((TEST, (TRAIN, VALIDATION)), (VALIDATION, (TRAIN,))):
        near = pixels_between(corners, corners[parts == held_out], size) < buffer
        parts[near & np.isin(parts, others)] = UNUSED
    return parts


def pixels_between(corners: np.ndarray, others: np.ndarray, size: int) -> np.ndarray:
    """Return how many pixels lie between each chip (chip) and the nearest other, along an axis.

    Negative where they overlap; infinite where there is no other. Corners (chip, 2) are (y, x) and
    the chips' size is in pixels.
    """
    if not len(others):
        return np.full(len(corners), np.inf)
    return np.asarray(KDTree(others).query(corners, p=np.inf)[0]) - size


def require_apart(corners: np.ndarray, parts: np.ndarray, size: int) -> None:
    """Raise a ValueError where chips of one part overlap what another is held out from.

    Corners (chip, 2) are (y, x) and the chips' size is in pixels; parts (chip) are names.
    """
    if (_keep_apart(parts, corners, size, 0) != parts).any():
        raise ValueError(
            "chips to train, validate or test on overlap those of another part, so scores would be "
            "of what was learned or chosen by: leave out the overlap (--overlap), take the blocked "
            "protocol, or give another split (--split)"
        )


def split_to_json(corners: np.ndarray, parts: np.ndarray, chipping: Chipping) -> str:
    """Write a split down: protocol, chip size, and each chip's corner and part."""
    chips = [
        {"y": y, "x": x, "part": str(part)}
        for (y, x), part in zip(corners.tolist(), parts, strict=True)
    ]
    head = {"protocol": chipping.protocol, "chip_size": chipping.chip_size}
    return json.dumps(head)[:-1] + ', "chips": [\n' + ",\n".join(map(json.dumps, chips)) + "\n]}\n"


def split_from_json(text: str, chipping: Chipping) -> tuple[np.ndarray, np.ndarray]:
    """Read a split back: corners (chip, 2) and parts (chip).

    Raises
    ------
    ValueError
        Where the text is no split, or one of another protocol or chip size.
    """
    try:
        split = json.loads(text)
        corners = np.array([(index(c["y"]), index(c["x"])) for c in split["chips"]], dtype=np.int64)
        parts = np.array([str(c["part"]) for c in split["chips"]])
        head = (split["protocol"], split["chip_size"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"this is not a saved split ({error}): give the file of a sweep") from None
    if head != (chipping.protocol, chipping.chip_size):
        raise ValueError(
            f"the split is of protocol {head[0]} with chips of {head[1]} pixels, not "
            f"{chipping.protocol} with {chipping.chip_size}: give the same options as then"
        )
    if not np.isin(parts, PARTS).all() or not len(parts):
        raise ValueError(f"the split names a part that is none of {', '.join(PARTS)}, or no chip")
    return corners, parts.astype("U10")

"""The landslides of a scene: how large, how many, where, and which pixels they cover."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from landslide.simulation.fields import Field, in_double, smooth_noise
from landslide.simulation.scene import CHIP, Scene, stream
from landslide.simulation.terrain import Terrain

# Malamud et al. (2004), Landslide inventories and their statistical properties, equation 3.
RHO = 1.40
SCALE_M2 = 1.28e3
SHIFT_M2 = -1.32e2

HOKKAIDO_CHIPS = 309
TRIES = 5000
"""Places that a landslide is tried at before the scene counts as full."""


@dataclass(frozen=True)
class Inventory:
    """The landslides of a scene."""

    identity: NDArray[np.int32]
    """Number of the landslide that a pixel (y, x) is part of, 0 for none."""
    areas_m2: NDArray[np.float64]
    """Area of each landslide as drawn (landslide), before the pixel grid rounds it [m2]."""
    susceptibility: Field
    """Relative chance (y, x) that a landslide starts here, by the terrain alone."""
    chips: NDArray[np.bool_]
    """Which whole chips (row, column) of the scene hold landslides."""


def landslide_areas(
    random: np.random.Generator, count: int, limits_m2: tuple[float, float]
) -> NDArray[np.float64]:
    """Return `count` landslide areas [m2] of the truncated inverse-gamma law.

    Malamud et al. (2004): p(A) = 1 / (a Gamma(rho)) (a / (A - s))^(rho + 1) exp(-a / (A - s)).
    So a / (A - s) has a gamma distribution of shape rho, drawn here by its quantiles between
    those of the limits.
    """
    smallest, largest = limits_m2
    low = special.gammainc(RHO, SCALE_M2 / (largest - SHIFT_M2))
    high = special.gammainc(RHO, SCALE_M2 / (smallest - SHIFT_M2))
    quantile = random.uniform(low, high, count)
    return np.asarray(SCALE_M2 / special.gammaincinv(RHO, quantile) + SHIFT_M2)


def susceptibility(terrain: Terrain) -> Field:
    """Return the relative chance (y, x) of a landslide: steep ground, a little more in hollows."""
    steep = in_double(special.expit, (np.degrees(terrain.slope) - 24) / 5)
    return steep * (1 + np.float32(0.5) * in_double(np.tanh, -terrain.curvature))


def shaken_zone(scene: Scene) -> tuple[Field, NDArray[np.bool_]]:
    """Return how strongly the ground shook (y, x), 0 to 1, and the chips (row, column) it reaches.

    Shaking falls off from an epicentre near the middle, unevenly as the ground amplifies it; the
    most strongly shaken chips, as many as the scene asks for, make the zone.
    """
    random = stream(scene, "shaking")
    rows, columns = scene.shape
    centre = random.uniform(0.42, 0.58, 2) * scene.shape
    y = ((np.arange(rows, dtype=np.float32) - np.float32(centre[0])) / max(scene.shape))[:, None]
    x = ((np.arange(columns, dtype=np.float32) - np.float32(centre[1])) / max(scene.shape))[None]
    uneven = smooth_noise(random, scene.shape, max(scene.shape) / 20)
    strength = np.float32(0.06) * uneven - in_double(np.hypot, 1.3 * y, x)
    down, along = rows // CHIP, columns // CHIP
    if not down * along:
        return np.ones(scene.shape, np.float32), np.ones((0, 0), bool)
    wanted = scene.landslide_chips
    if wanted is None:
        wanted = min(HOKKAIDO_CHIPS, max(1, round(0.82 * down * along)))
    wanted = min(wanted, down * along)
    whole = strength[: down * CHIP, : along * CHIP]
    by_chip = whole.reshape(down, CHIP, along, CHIP).mean(axis=(1, 3), dtype=np.float64)
    chips = by_chip >= np.sort(by_chip, axis=None)[-wanted]
    inside = np.kron(chips, np.ones((CHIP, CHIP), bool))
    weakest = float(np.quantile(whole[inside][::16], 0.02))
    strongest = float(strength.max())
    shaking = np.zeros(scene.shape, np.float32)
    shaking[: down * CHIP, : along * CHIP] = np.where(
        inside, np.clip((whole - weakest) / (strongest - weakest), 0, 1), 0
    )
    # Full shaking in the inner part, a taper outside it.
    return np.sqrt(np.clip(2 * shaking, 0, 1)).astype(np.float32), chips


def simulate_inventory(scene: Scene, terrain: Terrain) -> Inventory:
    """Return landslides placed on steep, shaken ground until they cover the scene's share.

    Every chip of the shaken zone gets one, and no landslide leaves these chips, so that exactly
    the wanted chips hold landslides.

    Raises
    ------
    ValueError
        Where the landslides do not find room, or are fewer than the chips.
    """
    random = stream(scene, "landslides")
    shaking, chips = shaken_zone(scene)
    likely = susceptibility(terrain)
    allowed = np.ones(scene.shape, bool) if not chips.size else inside_chips(scene, chips)
    ranks = 1 - likely + smooth_noise(random, scene.shape, 2.0)
    areas = _areas_up_to(random, scene, scene.landslide_share * np.count_nonzero(allowed))
    if len(areas) < chips.sum():
        raise ValueError(
            f"a landslide_share of {scene.landslide_share:g} makes {len(areas)} landslides, and "
            f"{chips.sum()} chips of the shaken zone need one each: raise landslide_share, or "
            "give fewer landslide_chips"
        )
    identity = np.zeros(scene.shape, np.int32)
    places = starts(random, likely * shaking)
    spare = len(areas) - min(len(areas), int(chips.sum()))
    for number, area in enumerate(areas, start=1):
        if number > spare and (empty := _empty_chips(identity, chips)).size:
            core = chip_core(likely, *empty[0])
            candidates: Iterable[Any] = core[random.permutation(len(core))]
        else:
            candidates = (next(places) for _ in range(TRIES))
        ratio = random.uniform(1.5, 3.5)
        count = max(1, round(area / scene.pixel_m**2))
        for row, column in candidates:
            downslope = (float(terrain.north[row, column]), -float(terrain.east[row, column]))
            pixels = _elongated(row, column, downslope, count, ratio, ranks)
            room = allowed[pixels] & (identity[pixels] == 0)
            if room.size == count and room.all():
                identity[pixels] = number
                break
        else:
            raise ValueError(
                f"a landslide of {area:.0f} m2 finds no room in the shaken zone of seed "
                f"{scene.seed}: lower landslide_share, or try another seed"
            )
    return Inventory(identity, areas, likely, chips)


def _areas_up_to(random: np.random.Generator, scene: Scene, pixels: float) -> NDArray[np.float64]:
    """Return landslide areas [m2], the largest first, that together cover `pixels` pixels.

    The large ones are placed first, while there is room, or the law would lose its tail.
    """
    wanted = pixels * scene.pixel_m**2
    areas = landslide_areas(random, int(wanted / scene.area_limits_m2[0]) + 1, scene.area_limits_m2)
    return np.sort(areas[: int(np.searchsorted(np.cumsum(areas), wanted)) + 1])[::-1]


def starts(random: np.random.Generator, weight: Field) -> Iterator[tuple[int, int]]:
    """Yield pixels (row, column) at random, each as often as its weight (y, x) says.

    By rejection: a draw from a running sum would depend on the last bit of every weight in it.
    """
    greatest = float(weight.max())
    while True:
        pixels = random.integers(0, weight.shape, (4096, 2))
        kept = random.uniform(0, greatest, 4096) < weight[pixels[:, 0], pixels[:, 1]]
        yield from map(tuple, pixels[kept].tolist())


def _empty_chips(identity: NDArray[np.int32], chips: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the chips (n, [row, column]) of the zone that hold no landslide yet."""
    down, along = chips.shape
    whole = identity[: down * CHIP, : along * CHIP].reshape(down, CHIP, along, CHIP)
    return np.argwhere(chips & ~whole.any(axis=(1, 3)))


def chip_core(likely: Field, row: int, column: int) -> NDArray[np.intp]:
    """Return the likeliest pixels (n, [row, column]) of a chip, well inside it."""
    margin, size = CHIP // 4, CHIP // 2
    corner = np.array([row * CHIP + margin, column * CHIP + margin])
    core = likely[corner[0] : corner[0] + size, corner[1] : corner[1] + size]
    return np.argwhere(core >= np.quantile(core, 0.9)) + corner


def inside_chips(scene: Scene, chips: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels (y, x) of the scene lie in the given chips (row, column)."""
    inside = np.zeros(scene.shape, bool)
    down, along = chips.shape
    inside[: down * CHIP, : along * CHIP] = np.kron(chips, np.ones((CHIP, CHIP), bool))
    return inside


def _elongated(
    row: int, column: int, downslope: tuple[float, float], count: int, ratio: float, ranks: Field
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the `count` pixels of one landslide.

    They are those nearest the middle of an ellipse `ratio` times longer downslope than across,
    which begins at the given pixel, `ranks` (y, x) roughening its outline.
    """
    length = np.hypot(*downslope) or 1.0
    unit = (downslope[0] / length, downslope[1] / length)
    half_length = np.sqrt(count * ratio / np.pi)
    middle = (row + 0.6 * half_length * unit[0], column + 0.6 * half_length * unit[1])
    reach = int(1.6 * half_length) + 3
    top, left = max(0, int(middle[0]) - reach), max(0, int(middle[1]) - reach)
    near = ranks[top : int(middle[0]) + reach + 1, left : int(middle[1]) + reach + 1]
    down = np.arange(top, top + near.shape[0])[:, None] - middle[0]
    along = np.arange(left, left + near.shape[1])[None, :] - middle[1]
    lengthwise = (down * unit[0] + along * unit[1]) / half_length
    crosswise = (down * unit[1] - along * unit[0]) / (half_length / ratio)
    distance = lengthwise**2 + crosswise**2 + 0.3 * near
    nearest = np.argsort(distance, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(nearest, near.shape)
    return rows + top, columns + left

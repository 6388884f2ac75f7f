"""Statistics of each polygon, summed block by block."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landslide.mapping.products.blocks import Block

SUMS = (
    "pixels", "probability", "slope", "slopes", "secant", "east", "north", "aspects",
)  # fmt: skip


def zone_sums(block: Block) -> pd.DataFrame:
    """Return what a block adds to the statistics of each polygon in it, by the polygon's number."""
    inside = block.polygon > 0
    numbers, zone = np.unique(block.polygon[inside], return_inverse=True)

    def total(values: NDArray[np.generic]) -> NDArray[np.float64]:
        return np.bincount(zone, values.astype(np.float64), numbers.size)

    probability = block.probability[inside]
    sums = pd.DataFrame(index=pd.Index(numbers, name="id"))
    sums["pixels"] = np.bincount(zone, minlength=numbers.size)
    sums["probability"] = total(probability)
    sums["probability_max"] = _extreme(np.fmax, zone, probability, numbers.size)
    missing = np.full(probability.shape, np.nan, np.float32)
    slope, aspect, elevation = (
        block.terrain[name][inside] if name in block.terrain else missing
        for name in ("dem_slope_radians", "dem_aspect", "dem")
    )
    steep = np.isfinite(slope) & (np.abs(slope) < np.pi / 2)
    sums["slope"], sums["slopes"] = total(np.where(steep, slope, 0)), total(steep)
    sums["secant"] = total(np.where(steep, 1 / np.cos(np.where(steep, slope, 0)), 0))
    # A direction: its mean is that of its vectors. Flat ground has none.
    radians = np.radians(np.where(np.isfinite(aspect), aspect, 0))
    sums["east"] = total(np.where(np.isfinite(aspect), np.sin(radians), 0))
    sums["north"] = total(np.where(np.isfinite(aspect), np.cos(radians), 0))
    sums["aspects"] = total(np.isfinite(aspect))
    sums["elevation_min_m"] = _extreme(np.fmin, zone, elevation, numbers.size)
    sums["elevation_max_m"] = _extreme(np.fmax, zone, elevation, numbers.size)
    return sums


def _extreme(
    function: np.ufunc, zone: NDArray[np.int64], values: NDArray[np.float32], size: int
) -> NDArray[np.float64]:
    """Return the largest or smallest finite value of each zone; NaN where it has none."""
    found = np.full(size, np.nan)
    usable = np.isfinite(values)
    function.at(found, zone[usable], values[usable])
    return found


def combine(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the statistics of each polygon from those of the blocks.

    Returns
    -------
    DataFrame
        By number: `pixels`, `probability_mean`, `probability_max`, `slope_mean_deg`,
        `aspect_mean_deg` (clockwise from grid north, of the mean vector), `elevation_min_m`,
        `elevation_max_m`, and `stretch`, by which the area along the slope exceeds the
        planimetric one: the mean of 1 / cos(slope). NaN where the cube does not say.
    """
    how = dict.fromkeys(SUMS, "sum") | {
        "probability_max": "max", "elevation_min_m": "min", "elevation_max_m": "max",
    }  # fmt: skip
    sums = pd.concat(parts).groupby(level="id").agg(how)
    zones = sums[["pixels", "probability_max", "elevation_min_m", "elevation_max_m"]].copy()
    zones["probability_mean"] = sums["probability"] / sums["pixels"]
    zones["slope_mean_deg"] = np.degrees(sums["slope"] / sums["slopes"].where(sums["slopes"] > 0))
    zones["stretch"] = sums["secant"] / sums["slopes"].where(sums["slopes"] > 0)
    length = np.hypot(sums["east"], sums["north"])
    direction = np.degrees(np.arctan2(sums["east"], sums["north"])) % 360
    # Directions that cancel out have no mean.
    zones["aspect_mean_deg"] = np.where(
        length > 1e-6 * sums["aspects"].clip(lower=1), direction, np.nan
    )
    return zones

"""Land-cover regions: what grows where, and how it shows on radar."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landslide.simulation.fields import Field, in_double, smooth_noise
from landslide.simulation.scene import Scene, stream
from landslide.simulation.terrain import Terrain


@dataclass(frozen=True)
class Cover:
    """One land cover. Levels are relative: a scene's mean and spread are set afterwards."""

    name: str
    """What it is."""
    flatness: float
    """How much it prefers flat ground, negative for slopes."""
    rarity: float
    """How far it stands back behind the others everywhere [spreads of the mosaic]."""
    vv: float
    """Level of VV [ln]."""
    vh: float
    """Level of VH [ln]."""
    texture: float
    """Spread of its texture [ln]."""
    weather: float
    """How much it changes from date to date, relative to a forest."""
    season: float
    """Amplitude of its yearly cycle, greatest in late July [ln]."""
    coherence: float
    """Interferometric coherence over one repeat cycle."""


# Fields are ploughed, watered and harvested between two passes, so they change most; forests
# keep little coherence at C band, settlements most of it.
COVERS = (
    Cover("broadleaf forest", -1.0, 0.0, 0.10, 0.30, 0.25, 1.0, 0.05, 0.30),
    Cover("conifer forest", -1.0, 0.3, -0.05, 0.10, 0.25, 0.9, 0.02, 0.33),
    Cover("grassland", 0.8, 0.7, -0.20, -0.25, 0.20, 2.0, 0.06, 0.36),
    Cover("fields", 1.5, 0.2, -0.05, -0.10, 0.30, 3.5, 0.08, 0.38),
    Cover("settlement", 1.0, 2.2, 0.70, 0.40, 0.60, 0.6, 0.01, 0.55),
)

MOSAIC_SIGMA = 10.0
"""Width of the Gaussian that shapes the regions [pixels]."""
FLAT_DEGREES = 8.0
"""Slope below which ground is farmed [degrees]."""


def simulate_cover(scene: Scene, terrain: Terrain) -> NDArray[np.uint8]:
    """Return which of `COVERS` each pixel (y, x) is.

    Each cover has a smooth random field of its own, raised on the ground it prefers; the
    greatest wins, so regions have natural outlines.
    """
    flat = in_double(np.tanh, (FLAT_DEGREES - np.degrees(terrain.slope)) / 5)
    best = np.full(scene.shape, -np.inf, np.float32)
    cover = np.zeros(scene.shape, np.uint8)
    for number, kind in enumerate(COVERS):
        field = smooth_noise(stream(scene, "cover", kind.name), scene.shape, MOSAIC_SIGMA)
        field += np.float32(kind.flatness) * flat - np.float32(kind.rarity)
        wins = field > best
        cover[wins] = number
        best[wins] = field[wins]
    return cover


def by_cover(cover: NDArray[np.uint8], values: list[float]) -> Field:
    """Return a field (y, x) that has in each pixel the value of its cover."""
    return np.array(values, dtype=np.float32)[cover]


def texture(scene: Scene, cover: NDArray[np.uint8], polarisation: str) -> Field:
    """Return the lasting texture [ln] of a polarisation: fine and coarse grain, half each."""
    fine = smooth_noise(stream(scene, "texture", polarisation, "fine"), scene.shape, 1.0)
    coarse = smooth_noise(stream(scene, "texture", "coarse"), scene.shape, 6.0)
    return (
        by_cover(cover, [kind.texture for kind in COVERS])
        * (fine + coarse)
        / np.sqrt(np.float32(2))
    )

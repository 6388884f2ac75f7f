"""InSAR of neighbouring descending images: coherence, and the wrapped interferogram."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from landslide.simulation.fields import Field, in_double, smooth_noise
from landslide.simulation.landcover import COVERS, by_cover
from landslide.simulation.scene import INSTANT, Scene, overpasses, stream
from landslide.simulation.truth import Truth

OVER_EVENT = 0.8
"""What shaking leaves of the coherence everywhere."""
IN_LANDSLIDE = 0.4
"""What a landslide leaves of that: new ground has no phase in common with the old."""
ESTIMATE_SD = 0.075
"""Spread of an estimated coherence."""
WINDOW = 5
"""Side [pixels] of what a coherence is estimated over: a narrower landslide shows in part."""
PHASE_LOOKS = 10
"""Looks of the interferogram."""


@dataclass(frozen=True)
class Pair:
    """Two images of one track."""

    reference: np.datetime64
    """Instant of the earlier image [UTC]."""
    secondary: np.datetime64
    """Instant of the later image [UTC]."""

    @property
    def over_event(self) -> bool:
        """Whether the event lies between the two."""
        return bool(self.reference < INSTANT < self.secondary)


def timepairs(scene: Scene) -> list[Pair]:
    """Return the pairs of neighbouring descending images that the scene asks for, by time."""
    dates = [date for date, state, _ in overpasses(scene) if state == "descending"]
    pairs = [Pair(*both) for both in pairwise(dates)]
    over = scene.descending[0] - 1
    return pairs[over - scene.timepairs[0] : over + scene.timepairs[1] + 1]


def simulate_pair(scene: Scene, truth: Truth, pair: Pair) -> tuple[Field, NDArray[np.complex64]]:
    """Return coherence and interferogram (y, x) of a pair, NaN in layover.

    The interferogram's amplitude is the coherence. Its phase is that of the atmosphere, of an
    error in the terrain's height and, over the event, of a subsiding bowl, with the noise
    sqrt((1 - c^2) / (2 L c^2)) of coherence c and L looks (Rodriguez and Martin, 1992).
    """
    random = stream(scene, "pair", pair.secondary)
    coherence = by_cover(truth.cover, [kind.coherence for kind in COVERS])
    coherence *= np.float32(random.uniform(0.95, 1.05))
    if pair.over_event:
        coherence *= np.where(truth.inventory.identity > 0, IN_LANDSLIDE * OVER_EVENT, OVER_EVENT)
    coherence = uniform_filter(coherence, WINDOW, mode="nearest")
    coherence += np.float32(ESTIMATE_SD) * smooth_noise(random, scene.shape, 1.5)
    coherence *= np.float32(scene.coherence_scale)
    np.clip(coherence, 0.05, 0.98, out=coherence)
    phase = smooth_noise(random, scene.shape, 60.0)
    phase += np.float32(random.normal(0, 0.005)) * truth.terrain.elevation
    if pair.over_event:
        y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in scene.shape)
        phase += np.float32(12) * in_double(np.exp, -2 * (y[:, None] ** 2 + x[None, :] ** 2))
    noise = np.sqrt((1 - coherence**2) / (2 * PHASE_LOOKS * coherence**2))
    phase += noise * random.standard_normal(scene.shape, dtype=np.float32)
    coherence[truth.views["descending"].layover] = np.nan
    return coherence, (coherence * np.exp(np.complex64(1j) * phase)).astype(np.complex64)

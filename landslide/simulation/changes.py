"""What the event changes for good: the landslides, and what else the time brought."""

import numpy as np

from landslide.simulation.fields import Field, smooth_noise
from landslide.simulation.inventory import Inventory
from landslide.simulation.scene import Scene, stream
from landslide.simulation.truth import Truth, statistics_of

JOINT_AMPLITUDE = 0.8
"""Correlation of a landslide's change in VV and in VH."""


def event_changes(scene: Scene, truth: Truth, polarisation: str) -> Field:
    """Return what differs after the event in log gamma0 (y, x) of a polarisation [ln]."""
    return landslide_change(scene, truth.inventory, polarisation) + drift(scene, polarisation)


def landslide_change(scene: Scene, inventory: Inventory, polarisation: str) -> Field:
    """Return what the landslides change in log gamma0 (y, x), 0 elsewhere [ln].

    Each landslide has an amplitude of its own around the mean, in VV and VH together, since
    fresh debris differs in wetness, in roughness and in how many trunks it holds.
    """
    wanted = statistics_of(scene, polarisation)
    random = stream(scene, "amplitudes")
    common, vv, vh = random.standard_normal((inventory.areas_m2.size, 3)).T
    own = vv if polarisation == "vv" else vh
    deviate = np.sqrt(JOINT_AMPLITUDE) * common + np.sqrt(1 - JOINT_AMPLITUDE) * own
    # Stronger means more of the same sign: VV rises further where VH falls further.
    change = wanted.change_mean + np.sign(wanted.change_mean) * wanted.change_sd * deviate
    return np.concatenate([[0], change]).astype(np.float32)[inventory.identity]


def drift(scene: Scene, polarisation: str) -> Field:
    """Return the lasting change (y, x) that the event's time brings without a landslide [ln]."""
    noise = smooth_noise(stream(scene, "drift", polarisation), scene.shape, scene.weather_sigma)
    return noise * np.float32(statistics_of(scene, polarisation).drift_sd)

"""Scenes with the statistics of published cubes, so that a model can be carried between events.

They differ in what was published of each cube's radar: mean and spread of the backscatter, and the
mean coherence. Terrain, land cover, landslides, tracks and dates are the same kind in each, and the
change that a landslide makes is the same number of decibels: neither was published.
"""

from dataclasses import replace

import numpy as np

from landslide.simulation.scene import VH, VV, Scene

HOKKAIDO_COHERENCE, KAIKOURA_COHERENCE = 0.323, 0.466
"""Mean coherence published for each cube."""

SCENES = {
    "hokkaido": Scene(),
    "kaikoura": Scene(
        vv=replace(VV, log_mean=-0.986 * np.log(10.0), log_sd=0.269 * np.log(10.0)),
        vh=replace(VH, log_mean=-1.605 * np.log(10.0), log_sd=0.235 * np.log(10.0)),
        coherence_scale=KAIKOURA_COHERENCE / HOKKAIDO_COHERENCE,
        event="simulated_kaikoura",
    ),
}
"""By the event whose statistics they have."""


def scene_like(event: str) -> Scene:
    """Return the scene with an event's statistics.

    Raises
    ------
    ValueError
        Where no statistics of that event are known.
    """
    if event not in SCENES:
        raise ValueError(f"no statistics of {event!r} are known: choose {' or '.join(SCENES)}")
    return SCENES[event]

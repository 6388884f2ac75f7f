"""Interferometric pairs that a processor makes for a recipe: HyP3, or ISCE2 on this machine."""

from collections.abc import Callable
from typing import Any

import numpy as np

from landslide.build.insar import Pair
from landslide.build.insar.hyp3 import connect
from landslide.build.insar.processors import hyp3_pairs, isce_pairs
from landslide.build.insar.topsapp import require_isce
from landslide.build.plan import BuildPlan
from landslide.build.sources import InsarSource

Processed = tuple[dict[str, Any], Callable[[], list[Pair]], Callable[[], object]]
"""What the pairs are made of, what makes them, and what says at once that something lacks."""


def processed(plan: BuildPlan, source: InsarSource) -> Processed:
    """Return how a processor makes the pairs of a plan's track; nothing is run yet.

    Raises
    ------
    ValueError
        Where the track is not known.
    """
    assert source.folder is not None
    folder, track = source.folder, _track(plan, source)
    west, south, east, north = plan.recipe.area.bounds
    first, last = (f"{np.datetime_as_string(end, 's')}Z" for end in plan.recipe.window)
    about: dict[str, Any] = {
        "processor": source.source,
        "relative_orbit": track,
        "window": [first, last],
        "passes": _starts(plan, track),
    }
    name = f"{plan.recipe.event.name}-{track}"

    def make() -> list[Pair]:
        area = (west, south, east, north)
        if source.source == "isce2":
            return isce_pairs(area, first, last, folder, relative_orbit=track)
        return hyp3_pairs(area, first, last, folder, relative_orbit=track, name=name)

    return about, make, require_isce if source.source == "isce2" else connect


def _starts(plan: BuildPlan, track: int) -> list[str]:
    """Return when the passes of a track began that were found; a new one makes new pairs."""
    found = [*plan.choice.passes, *(one for one, _ in plan.choice.dropped)]
    starts = {one.start for one in found if one.relative_orbit in (track, None)}
    return [str(np.datetime_as_string(start, "s")) for start in sorted(starts)]


def _track(plan: BuildPlan, source: InsarSource) -> int:
    tracks = {one.relative_orbit for one in plan.choice.passes}
    track = source.relative_orbit or plan.recipe.event.relative_orbit
    if track is None and len(tracks) == 1:
        track = next(iter(tracks))
    if track is None:
        raise ValueError(
            f"the images are of the tracks {sorted(map(str, tracks))}: set `relative_orbit` under "
            "[build.insar] to the one whose pairs are made"
        )
    return track

"""Passes: scenes of one overpass together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from landslide.build.grid import project
from landslide.build.scenes import Scene
from landslide.cube.schema import POLARISATIONS

ONE_PASS = np.timedelta64(15, "m")
"""Images of one track this near in time are of one overpass: the next is 98 minutes later."""


@dataclass(frozen=True)
class Pass:
    """One overpass over the area."""

    scenes: tuple[Scene, ...]
    """By time."""
    coverage: float
    """Part of the area that its scenes cover, 0 to 1, as far as their data are known to reach."""

    @property
    def start(self) -> np.datetime64:
        """Instant of the first scene [ns, UTC]."""
        return self.scenes[0].start

    @property
    def relative_orbit(self) -> int | None:
        """The track."""
        return self.scenes[0].relative_orbit

    @property
    def orbit_state(self) -> str:
        """`ascending` or `descending`."""
        return self.scenes[0].orbit_state

    @property
    def platform(self) -> str:
        """The satellite, such as `sentinel-1a`."""
        return self.scenes[0].platform

    @property
    def polarisations(self) -> tuple[str, ...]:
        """Those that every scene has."""
        return tuple(
            name for name in POLARISATIONS if all(name in s.addresses for s in self.scenes)
        )

    @property
    def track(self) -> str:
        """Its geometry, for people."""
        number = "track unknown" if self.relative_orbit is None else f"track {self.relative_orbit}"
        return f"{number} ({self.orbit_state})"

    @property
    def text(self) -> str:
        """Which it is, for people."""
        return f"{np.datetime_as_string(self.start, 's')}Z {self.platform} {self.track}"


def newest(scenes: Iterable[Scene]) -> list[Scene]:
    """Return one scene of each piece: the one that was made last."""
    kept: dict[str, Scene] = {}
    for scene in sorted(scenes, key=lambda scene: (scene.produced, scene.name)):
        kept[scene.piece] = scene
    return list(kept.values())


def group_passes(scenes: Iterable[Scene], area: BaseGeometry, crs: str) -> list[Pass]:
    """Put together the scenes of each overpass, and say how much of the area each covers.

    Parameters
    ----------
    scenes
    area : geometry
        Longitude and latitude [degrees].
    crs : str
        A metric reference system, in which areas are compared.

    Returns
    -------
    list of Pass
        By time.
    """
    groups: list[list[Scene]] = []
    open_groups: dict[tuple[str, int | None, str], list[Scene]] = {}
    for scene in sorted(newest(scenes), key=lambda scene: (scene.start, scene.name)):
        key = (scene.platform, scene.relative_orbit, scene.orbit_state)
        group = open_groups.get(key)
        if group is None or scene.start - group[-1].start > ONE_PASS:
            group = open_groups[key] = []
            groups.append(group)
        group.append(scene)
    wanted = project(area, crs)

    def covered(group: Sequence[Scene]) -> float:
        outlines = [one.footprint if one.filled is None else one.filled for one in group]
        seen = shapely.union_all([shapely.make_valid(outline) for outline in outlines])
        part = shapely.intersection(seen, area)
        return float(project(part, crs).area / wanted.area) if not part.is_empty else 0.0

    passes = [Pass(tuple(group), min(1.0, covered(group))) for group in groups]
    return sorted(passes, key=lambda one: (one.start, one.track))

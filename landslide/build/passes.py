"""Passes: scenes of one overpass together, and which of them a cube is built from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from landslide.build.grid import project
from landslide.build.scenes import Scene
from landslide.build.sources import SarSource
from landslide.cube.events import Event
from landslide.cube.schema import POLARISATIONS

GAP = np.timedelta64(15, "m")
"""Scenes of one orbit this near in time are of one overpass: the next is 98 minutes later."""

UNLIKE = "its scenes share neither VV nor VH"


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


@dataclass(frozen=True)
class Choice:
    """The passes that a cube is built from, and those that it is not."""

    passes: tuple[Pass, ...]
    """By time."""
    dropped: tuple[tuple[Pass, str], ...]
    """With the reason of each."""
    polarisations: tuple[str, ...]
    """That every pass has."""


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
        if group is None or scene.start - group[-1].start > GAP:
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


def choose_passes(passes: Sequence[Pass], event: Event, source: SarSource) -> Choice:
    """Choose what a cube is built from.

    Raises
    ------
    ValueError
        Where nothing is left, only one side of the event is covered, or orbits are mixed.
    """
    dropped: list[tuple[Pass, str]] = []

    def keep(ones: Sequence[Pass], reasons: Iterable[str]) -> list[Pass]:
        pairs = list(zip(ones, reasons, strict=True))
        dropped.extend((one, reason) for one, reason in pairs if reason)
        return [one for one, reason in pairs if not reason]

    kept = keep(passes, (_other_orbit(one, event) for one in passes))
    kept = keep(kept, (_too_little(one, source.min_coverage) for one in kept))
    kept = keep(kept, ("during the event" if side(o, event) == 0 else "" for o in kept))
    kept = keep(kept, ("" if o.polarisations else UNLIKE for o in kept))
    polarisations = _polarisations(kept)
    kept = keep(kept, (_lacking(one, polarisations) for one in kept))
    kept = keep(kept, _too_far(kept, event, source.images))
    if not kept:
        raise ValueError(
            f"of {len(passes)} passes none is left: {_reasons(dropped)}; change the event's orbit, "
            "or lower `min_coverage`"
        )
    _require_one_geometry(kept)
    if not source.one_sided:
        _require_both_sides(kept, event, _reasons(dropped))
    return Choice(tuple(kept), tuple(dropped), polarisations)


def side(one: Pass, event: Event) -> int:
    """Return -1 for a pass before an event, 1 for one after it, 0 for one during it."""
    return int(one.start > event.end) - int(one.start < event.start)


def _other_orbit(one: Pass, event: Event) -> str:
    if event.orbit_state not in (None, one.orbit_state):
        return f"{one.orbit_state}, not {event.orbit_state} as the event wants"
    if event.relative_orbit not in (None, one.relative_orbit):
        return f"of {one.track}, not track {event.relative_orbit} as the event wants"
    return ""


def _too_little(one: Pass, least: float) -> str:
    if one.coverage >= least:
        return ""
    return f"covers {one.coverage:.0%} of the area, less than {least:.0%}"


def _polarisations(passes: Sequence[Pass]) -> tuple[str, ...]:
    """Return what the cube holds: both where any pass has both."""
    found = {one.polarisations for one in passes}
    return max(found, key=lambda names: (len(names), names), default=())


def _lacking(one: Pass, polarisations: tuple[str, ...]) -> str:
    lacks = [name.upper() for name in polarisations if name not in one.polarisations]
    return f"has no {' and no '.join(lacks)}" if lacks else ""


def _too_far(passes: Sequence[Pass], event: Event, most: int | None) -> list[str]:
    """Say which passes lie beyond the `most` nearest of their orbit and side."""
    reasons = [""] * len(passes)
    seen: Counter[tuple[str, int]] = Counter()
    middle = event.start + (event.end - event.start) / 2
    for index in sorted(range(len(passes)), key=lambda i: abs(passes[i].start - middle)):
        key = (passes[index].track, side(passes[index], event))
        seen[key] += 1
        if most is not None and seen[key] > most:
            reasons[index] = f"beyond the {most} nearest of its orbit and side"
    return reasons


def _require_one_geometry(passes: Sequence[Pass]) -> None:
    unknown = [one for one in passes if one.relative_orbit is None]
    if unknown and len(unknown) < len(passes):
        raise ValueError(
            f"orbits are mixed: {len(unknown)} of {len(passes)} passes do not say their track, "
            f"such as {unknown[0].text}: keep them in a folder of their own"
        )
    states: dict[int | None, Pass] = {}
    for one in passes:
        other = states.setdefault(one.relative_orbit, one)
        if one.relative_orbit is not None and other.orbit_state != one.orbit_state:
            raise ValueError(
                f"orbits are mixed: {other.text} and {one.text} are of one track, but not of one "
                "direction: one of them is mislabelled; leave it out"
            )


def _reasons(dropped: Sequence[tuple[Pass, str]]) -> str:
    """Return the commonest reasons why passes were dropped."""
    counts = Counter(reason for _, reason in dropped)
    return "; ".join(f"{count} times: {reason}" for reason, count in counts.most_common(3))


def _require_both_sides(passes: Sequence[Pass], event: Event, dropped: str) -> None:
    counts = Counter((one.track, side(one, event)) for one in passes)
    tracks = sorted({track for track, _ in counts})
    if any(counts[track, -1] and counts[track, 1] for track in tracks):
        return
    found = "; ".join(f"{t}: {counts[t, -1]} before, {counts[t, 1]} after" for t in tracks)
    found += f"; dropped {dropped}" if dropped else ""
    sides = {each for _, each in counts}
    what = (
        "no orbit has images on both sides of the event, and images of different orbits are not "
        "compared"
        if len(sides) > 1
        else f"only one side of the event is covered, {'after' if 1 in sides else 'before'}"
    )
    raise ValueError(
        f"{what} ({found}): widen `before_days` or `after_days`, or set `one_sided = true` under "
        "[build.sar] to look at what there is"
    )

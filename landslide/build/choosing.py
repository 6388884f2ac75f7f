"""Which passes a cube is built from, and why others are not."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from landslide.build.passes import Pass
from landslide.build.sources import SarSource
from landslide.cube.events import Event
from landslide.cube.schema import POLARISATIONS

LACKS = "has no"
UNLIKE = "its scenes share neither VV nor VH"


@dataclass(frozen=True)
class Choice:
    """The passes that a cube is built from, and those that it is not."""

    passes: tuple[Pass, ...]
    """By time."""
    dropped: tuple[tuple[Pass, str], ...]
    """With the reason of each."""
    polarisations: tuple[str, ...]
    """That every pass has."""


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
    polarisations = _polarisations(kept, event, source.polarisations)
    kept = keep(kept, (_lacking(one, polarisations) for one in kept))
    kept = keep(kept, _too_far(kept, event, source.images))
    if not kept:
        raise ValueError(
            f"of {len(passes)} passes none is left: {_reasons(dropped)}; change the event's orbit, "
            f"or {_ways(dropped)}lower `min_coverage`"
        )
    _require_one_geometry(kept)
    if not source.one_sided:
        _require_both_sides(kept, event, dropped)
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


def _polarisations(
    passes: Sequence[Pass], event: Event, wanted: Sequence[str] | None
) -> tuple[str, ...]:
    """Return what the cube holds: what is wanted, or both where that leaves both sides.

    Else it is the one that does, of two the one that more passes have; else what most have.
    """
    if wanted is not None:
        return tuple(name for name in POLARISATIONS if name in wanted)

    def with_all(names: tuple[str, ...]) -> list[Pass]:
        return [one for one in passes if not _lacking(one, names)]

    single = sorted(((name,) for name in POLARISATIONS), key=lambda names: -len(with_all(names)))
    sets = [names for names in (POLARISATIONS, *single) if with_all(names)]
    two_sided = (names for names in sets if _on_both_sides(with_all(names), event))
    most = max(sets, key=lambda names: len(with_all(names)), default=())
    return next(two_sided, most)


def _lacking(one: Pass, polarisations: tuple[str, ...]) -> str:
    lacks = [name.upper() for name in polarisations if name not in one.polarisations]
    return f"{LACKS} {' and no '.join(lacks)}" if lacks else ""


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


def _ways(dropped: Sequence[tuple[Pass, str]]) -> str:
    """Return the key that passes were dropped for that lack a polarisation, where any were."""
    lacking = any(reason.startswith(LACKS) for _, reason in dropped)
    return "set `polarisations` under [build.sar] to what more passes have, or " if lacking else ""


def _on_both_sides(passes: Sequence[Pass], event: Event) -> bool:
    """Return whether any track has passes before and after an event."""
    found = {(one.track, side(one, event)) for one in passes}
    return any((track, -1) in found and (track, 1) in found for track, _ in found)


def _require_both_sides(
    passes: Sequence[Pass], event: Event, dropped: Sequence[tuple[Pass, str]]
) -> None:
    if _on_both_sides(passes, event):
        return
    counts = Counter((one.track, side(one, event)) for one in passes)
    tracks = sorted({track for track, _ in counts})
    found = "; ".join(f"{t}: {counts[t, -1]} before, {counts[t, 1]} after" for t in tracks)
    found += f"; dropped {_reasons(dropped)}" if dropped else ""
    sides = {each for _, each in counts}
    what = (
        "no orbit has images on both sides of the event, and images of different orbits are not "
        "compared"
        if len(sides) > 1
        else f"only one side of the event is covered, {'after' if 1 in sides else 'before'}"
    )
    raise ValueError(
        f"{what} ({found}): widen `before_days` or `after_days`, or {_ways(dropped)}set "
        "`one_sided = true` under [build.sar] to look at what there is"
    )

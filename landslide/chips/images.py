"""Which images and pairs of images count: the nearest an event on either side, of one geometry."""

import logging
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landslide.cube.events import Event

log = logging.getLogger(__name__)

DAY = np.timedelta64(1, "D")
ANY_ORBIT = "any"


@dataclass(frozen=True)
class Images:
    """Which images a composite is made of, as positions along `timestep`."""

    before: tuple[int, ...]
    """Strictly earlier than the event, the nearest first."""
    after: tuple[int, ...]
    """Strictly later than the event, the nearest first."""
    orbit: str
    """The geometry they share: a relative orbit, an orbit state, or `any`."""


def sides(times: np.ndarray, event: Event) -> tuple[np.ndarray, np.ndarray]:
    """Say which of `times` lie strictly before and strictly after the event.

    A time at midnight is a date without an hour, whatever the others are: hardly an image is taken
    at 00:00:00, and one after the event among those before it would spoil them. Such an image
    counts only where its whole day lies on one side, since one of the event's own day may be
    either.

    Parameters
    ----------
    times : datetime64 (timestep)
        Acquisition times in UTC.
    event : Event

    Returns
    -------
    before, after : bool (timestep)
    """
    times = times.astype("datetime64[ns]")
    date = np.equal(times, times.astype("datetime64[D]"))
    before = np.where(date, times + DAY <= event.start, times < event.start)
    after = np.where(date, times >= event.end, times > event.end)
    left_out = times[date & ~before & ~after]
    if left_out.size:
        log.warning(
            "images of the event's own day have no hour and are left out: %s",
            ", ".join(str(time)[:10] for time in left_out),
        )
    return before, after


def geometries(cube: xr.Dataset) -> np.ndarray:
    """Name the geometry of each image (timestep): its relative orbit, else its orbit state."""
    for coordinate in ("sat:relative_orbit", "sat:orbit_state"):
        if coordinate in cube.coords:
            return cube[coordinate].to_numpy().astype(str)
    return np.full(cube.sizes["timestep"], ANY_ORBIT)


def select_images(
    cube: xr.Dataset,
    event: Event,
    timesteps: int,
    orbit: str | None = None,
    *,
    one_sided: bool = False,
) -> Images:
    """Choose the images nearest the event, `timesteps` on each side, all of one geometry.

    The geometry is the event's own orbit where it names one; of what is left, the relative orbit
    (else the orbit state) with the most images on its scarcer side.

    Parameters
    ----------
    cube : Dataset with `timestep`, and the orbits where they are known
    event : Event
    timesteps : int
        Images wanted on each side.
    orbit : str, optional
        A relative orbit, an orbit state, or `any` to mix geometries on purpose.
    one_sided : bool
        Whether one side is enough where no geometry has images on both: to look at.

    Raises
    ------
    ValueError
        Where the cube has no images, or a side has too few.
    """
    images, counts = _of_one_geometry(cube, event, orbit)
    for side, there in (("before", images.before), ("after", images.after)):
        spared = one_sided and not there and bool(images.before or images.after)
        if len(there) < timesteps and not spared:
            found = "; ".join(f"orbit {n}: {b} before, {a} after" for n, (b, a) in counts.items())
            way = (
                "ask for fewer timesteps"
                if images.before and images.after
                else "nothing is compared across orbits; give a cube with images on both sides"
            )
            raise ValueError(
                f"{timesteps} timesteps need {timesteps} images {side} event {event.name!r}, "
                f"there are {len(there)} ({found}): {way}"
            )
    return _nearest(images, timesteps)


def most_images(cube: xr.Dataset, event: Event, most: int) -> Images:
    """Choose as `select_images` does as many images on each side as there are, up to `most`.

    Raises
    ------
    ValueError
        Where there is none, or none of the orbit that the event names.
    """
    images, _ = _of_one_geometry(cube, event, None)
    return _nearest(images, min(most, len(images.before), len(images.after)))


def _nearest(images: Images, count: int) -> Images:
    return Images(images.before[:count], images.after[:count], images.orbit)


def _of_one_geometry(
    cube: xr.Dataset, event: Event, orbit: str | None
) -> tuple[Images, dict[str, tuple[int, int]]]:
    """Return all images of the geometry that is chosen, and how many each has before and after."""
    if "timestep" not in cube.coords:
        raise ValueError("the cube has no images: choose inputs without backscatter")
    times = cube["timestep"].to_numpy()
    before, after = sides(times, event)
    allowed, names = _allowed_geometries(cube, event, orbit)
    counts = {
        str(name): (
            int((before & allowed & (names == name)).sum()),
            int((after & allowed & (names == name)).sum()),
        )
        for name in np.unique(names[allowed])
    }
    if not counts:
        known = ", ".join(np.unique(geometries(cube)))
        raise ValueError(
            f"event {event.name!r}: no image of the orbit asked for; the cube has {known}: "
            "choose another orbit (--orbit)"
        )
    chosen = max(counts, key=lambda name: (min(counts[name]), sum(counts[name])))
    order = np.argsort(times, kind="stable")
    usable = allowed & (names == chosen)
    images = Images(
        before=tuple(int(i) for i in order[::-1] if before[i] and usable[i]),
        after=tuple(int(i) for i in order if after[i] and usable[i]),
        orbit=chosen,
    )
    return images, counts


def select_opposite(
    cube: xr.Dataset, event: Event, timesteps: int, orbit: str | None = None
) -> Images:
    """Choose the nearest images of the orbit opposite to the one that `select_images` chooses.

    They are of one geometry, too: of the opposite orbit state, the relative orbit with the most
    images on its scarcer side.

    Raises
    ------
    ValueError
        Where the cube does not say which images ascend and which descend, the images asked for
        are of both already, or a side has too few images.
    """
    if orbit == ANY_ORBIT or "sat:orbit_state" not in cube.coords:
        reason = (
            f"orbit {ANY_ORBIT!r} (--orbit) takes both as one"
            if orbit == ANY_ORBIT
            else "the cube has no sat:orbit_state, which says what ascends"
        )
        raise ValueError(f"there is no opposite orbit: {reason}; choose inputs without 'opposite'")
    nearest = select_images(cube, event, timesteps, orbit)
    states = cube["sat:orbit_state"].to_numpy().astype(str)
    (state,) = set(states[list(nearest.before + nearest.after)])
    other = "ascending" if state == "descending" else "descending"
    try:
        return select_images(cube, event, timesteps, other)
    except ValueError as error:
        raise ValueError(f"inputs with 'opposite' need {other} images, too: {error}") from None


def _allowed_geometries(
    cube: xr.Dataset, event: Event, orbit: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return which images may be used (timestep), and the geometry of each (timestep)."""
    names = geometries(cube)
    everything = np.ones(names.size, dtype=bool)
    if orbit == ANY_ORBIT:
        return everything, np.full(names.size, ANY_ORBIT)
    wanted = {
        "sat:relative_orbit": event.relative_orbit,
        "sat:orbit_state": event.orbit_state,
    }
    if orbit is not None:
        state = orbit in {"ascending", "descending"}
        wanted = {"sat:orbit_state" if state else "sat:relative_orbit": orbit}
    for coordinate, value in wanted.items():
        if value is None:
            continue
        if coordinate in cube.coords:
            everything &= cube[coordinate].to_numpy().astype(str) == str(value)
        elif orbit is None:
            log.warning(
                "event %s wants orbit %s, but the cube names none: all images are used",
                event.name,
                value,
            )
        else:
            raise ValueError(f"orbit {orbit!r} was asked for, but the cube has no {coordinate}")
    return everything, names


def coherence_pairs(
    cube: xr.Dataset, event: Event, orbit: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Say which pairs (timepair) lie before the event and which span it.

    Of a geometry that `select_images` chose they are those that may be of it, as far as the days
    of the cube's images tell: the coherence of two is not compared.

    Raises
    ------
    ValueError
        Where there is none of either.
    """
    if not {"reference_time", "secondary_time"} <= set(cube.coords):
        raise ValueError(
            "coherence needs the coordinates reference_time and secondary_time along timepair: "
            "add the dates of each pair to the cube"
        )
    first_before, first_after = sides(cube["reference_time"].to_numpy(), event)
    second_before, second_after = sides(cube["secondary_time"].to_numpy(), event)
    before = first_before & second_before
    # Either image of a pair may be its reference.
    across = (first_before & second_after) | (first_after & second_before)
    foreign = _of_another_geometry(cube, orbit)
    before, across = before & ~foreign, across & ~foreign
    if not before.any() or not across.any():
        said = (
            f"coherence needs a pair before event {event.name!r} and one across it, "
            f"there are {before.sum()} and {across.sum()}"
        )
        if foreign.any():
            raise ValueError(
                f"{said} of orbit {orbit}, and {foreign.sum()} of others: choose their orbit "
                "(--orbit), or inputs without coherence"
            )
        raise ValueError(f"{said}: choose inputs without coherence")
    return before, across


def likely_geometry(cube: xr.Dataset, event: Event, orbit: str | None = None) -> str:
    """Return the geometry that images would be chosen of; nothing where none can be."""
    try:
        return select_images(cube, event, 1, orbit).orbit
    except ValueError:
        return ""


def _of_another_geometry(cube: xr.Dataset, orbit: str) -> np.ndarray:
    """Say which pairs (timepair) have an image of a day on which only other geometries look."""
    pairs = np.stack([cube[f"{name}_time"].to_numpy() for name in ("reference", "secondary")])
    if orbit in {"", ANY_ORBIT}:
        return np.zeros(pairs.shape[1], dtype=bool)
    mine = geometries(cube) == orbit
    days = cube["timestep"].to_numpy().astype("datetime64[D]")
    others = np.setdiff1d(days[~mine], days[mine])
    return np.isin(pairs.astype("datetime64[D]"), others).any(axis=0)

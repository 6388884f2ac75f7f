"""What a side-looking radar sees of the ground: layover and shadow, from elevation alone.

A ray follows the ground-range direction. With the radar far away, the wavefront is a plane: at the
horizontal distance u along the ray and the height z, an echo has the slant range
u sin(t) - z cos(t), where t is the incidence angle on level ground, and the beam that passes there
the offset u cos(t) + z sin(t) across it. Ground lies in *shadow* where nearer ground has a larger
offset, and in *layover* where farther ground has a smaller slant range, or nearer ground a larger
one. That holds for slopes that are too steep themselves (active) and for ground that these reach
(passive). After Kropatsch and Strobl (1990), doi:10.1109/36.45752.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Sentinel-1's inclination, and its revolutions for each turn of the Earth: 175 in 12 days.
INCLINATION = math.radians(98.18)
REVOLUTIONS = 175 / 12
EARTH_M, ORBIT_M = 6_371_000.0, 7_064_000.0
"""Radii [m] of a round Earth, and of Sentinel-1's orbit, 693 km above it."""
FLATTEST, STEEPEST = 5.0, 85.0
"""Incidence angles [degrees] beyond which no radar maps."""


@dataclass(frozen=True)
class View:
    """From where a radar looks at the ground."""

    incidence_degrees: float
    """Angle between the beam and the vertical, on level ground; Sentinel-1's is 29 to 46."""
    look_degrees: float
    """Direction in which the beam travels over the ground, clockwise from the grid's north."""

    def reach(self, relief: float, aside_m: float = 0.0) -> float:
        """Return the distance [m] over which ground that is `relief` [m] higher can hide other.

        That is the longest within `aside_m` [m] of where the incidence angle is this one.
        """
        angles = incidence_beyond(self.incidence_degrees, np.array([-aside_m, aside_m]))
        slopes = np.tan(np.radians(angles))
        return relief * float(max(slopes.max(), (1 / slopes).max()))


def sentinel1_look(orbit_state: str, latitude: float) -> float:
    """Return the direction [degrees clockwise from north] in which Sentinel-1 looks.

    It looks to the right of its track over the turning Earth, whose direction at a latitude
    [degrees] is tan(heading) = (cos i - cos^2(latitude) / n) / sqrt(cos^2(latitude) - cos^2 i) for
    the inclination i and n revolutions a day (Capderou, Satellites: Orbits and Missions, 2005).

    Raises
    ------
    ValueError
        Beyond 81 degrees of latitude.
    """
    if abs(latitude) > 81:
        raise ValueError(f"Sentinel-1 does not pass over latitude {latitude}")
    across = math.cos(math.radians(latitude)) ** 2
    east = math.cos(INCLINATION) - across / REVOLUTIONS
    heading = math.degrees(math.atan2(east, math.sqrt(across - math.cos(INCLINATION) ** 2)))
    return (heading + 90) % 360 if orbit_state == "ascending" else (270 - heading) % 360


def incidence_beyond(
    incidence_degrees: float, beyond_m: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the incidence angle [degrees] at ground that lies `beyond_m` [m] farther away.

    From the triangle of satellite, ground and the middle of a round Earth, whose angle there grows
    with the distance over ground. Within 5 to 85 degrees.
    """
    incidence = math.radians(incidence_degrees)
    here = incidence - math.asin(EARTH_M / ORBIT_M * math.sin(incidence))
    at_middle = here + np.asarray(beyond_m) / EARTH_M
    at_orbit = np.arctan2(EARTH_M * np.sin(at_middle), ORBIT_M - EARTH_M * np.cos(at_middle))
    return np.clip(np.degrees(at_middle + at_orbit), FLATTEST, STEEPEST)


def layover_and_shadow(
    elevation: NDArray[np.float32],
    view: View,
    pixel_m: float,
    beyond_m: float | NDArray[np.float64] = 0.0,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where (y, x) ground of an elevation [m] lies in layover, and where in shadow.

    North is up; beyond the array there is nothing.

    A ray is followed from one row or column of pixels to the next, whichever it crosses at the
    smaller angle, with heights interpolated between the two pixels beside it, until nothing
    within the array's relief can hide anything. Ground without elevation hides nothing, and is
    not hidden. Layover by ground that itself lies in shadow counts, too.

    `beyond_m` (y, x) is how much farther [m] along the look direction each pixel lies than where
    the view's incidence angle holds.
    """
    layover, shadow = np.zeros(elevation.shape, bool), np.zeros(elevation.shape, bool)
    if not np.isfinite(elevation).any():
        return layover, shadow
    look = math.radians(view.look_degrees)
    # Pixels along x and y (rows, so southward) for each step that crosses a column or a row.
    along = math.sin(look), -math.cos(look)
    longer = max(abs(along[0]), abs(along[1]))
    x, y, step = along[0] / longer, along[1] / longer, pixel_m / longer
    angle = incidence_beyond(view.incidence_degrees, beyond_m)
    slope = np.tan(np.radians(angle)).astype(np.float32)
    steepness = 1 / slope
    aside = float(np.abs(beyond_m).max())
    reach = view.reach(float(np.nanmax(elevation) - np.nanmin(elevation)), aside)
    for count in range(1, int(reach / step) + 2):
        distance = np.float32(count * step)
        nearer = shifted(elevation, -count * y, -count * x) - elevation
        farther = shifted(elevation, count * y, count * x) - elevation
        shadow |= nearer > distance * steepness
        layover |= (nearer < -distance * slope) | (farther > distance * slope)
    return layover, shadow


def shifted(plane: NDArray[np.float32], rows: float, columns: float) -> NDArray[np.float32]:
    """Return `plane` (y, x) as seen from each pixel so many rows and columns on.

    One of the two numbers is whole; along the other axis two pixels are interpolated. NaN where
    that lies outside.
    """
    out = np.full_like(plane, np.nan)
    y, x = math.floor(rows + 1e-9), math.floor(columns + 1e-9)
    share = np.float32(max(rows - y, columns - x, 0))
    here, there = _overlap(plane.shape, y, x)
    out[here] = plane[there]
    if share > 1e-6:
        beside = _overlap(plane.shape, y + (rows - y > 1e-6), x + (columns - x > 1e-6))
        following = np.full_like(plane, np.nan)
        following[beside[0]] = plane[beside[1]]
        out += share * (following - out)
    return out


def _overlap(
    shape: tuple[int, ...], rows: int, columns: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the part of a plane that has a pixel so many rows and columns on, and that pixel's."""
    here, there = [], []
    for size, by in zip(shape, (rows, columns), strict=True):
        here.append(slice(max(0, -by), max(0, size - max(0, by))))
        there.append(slice(max(0, by), max(0, size + min(0, by))))
    return (here[0], here[1]), (there[0], there[1])

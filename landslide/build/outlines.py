"""Outlines in longitude and latitude, which go on beyond the 180th meridian or are cut there."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from landslide.build.grid import LONGITUDE_LATITUDE
from landslide.cube.georeference import STEP_DEGREES

TURN = 360.0
"""Degrees of longitude."""


def outline(geobox: GeoBox, crs: Any) -> BaseGeometry:
    """Return the outline of a grid in another CRS, its sides followed at 32 points each.

    It is for what is small on the Earth, as a cube's grid is, and not for a raster that may be a
    hemisphere's. Where the grid crosses the 180th meridian, longitudes go on beyond 180 degrees,
    and on a plane, which may end there, it is of two parts. It is empty where the CRS cannot show
    it.
    """
    west, south, east, north = geobox.boundingbox
    box = shapely.segmentize(
        shapely.box(west, south, east, north), max(east - west, north - south) / 32
    )
    base = str(crs) if CRS.from_user_input(str(crs)).is_geographic else LONGITUDE_LATITUDE
    to = Transformer.from_crs(str(geobox.crs), base, always_xy=True)
    x, y = to.transform(*shapely.get_coordinates(box).T)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return shapely.Polygon()
    x = np.unwrap(x, period=TURN)
    if abs(x[-1] - x[0]) > TURN / 2:  # it goes around a pole, which belongs to it
        x, y = np.append(x, [x[-1], x[0]]), np.append(y, [np.copysign(90, y[0])] * 2)
    x[-1] = x[0]  # without the rounding of turns
    around = shapely.Polygon(np.stack([x, y], axis=1))
    return around if base == str(crs) else _on_plane(around, str(crs))


def _on_plane(around: BaseGeometry, crs: str) -> BaseGeometry:
    """Return an outline in degrees on a plane, cut at the 180th meridian; empty if not shown."""
    dense = shapely.segmentize(one_turn(around), STEP_DEGREES)
    to = Transformer.from_crs(LONGITUDE_LATITUDE, crs, always_xy=True)
    shown = shapely.transform(dense, to.transform, interleaved=False)
    if not np.isfinite(shown.bounds).all():
        return shapely.Polygon()
    # Around a pole its two ends lie on each other.
    return shapely.make_valid(shown, method="structure", keep_collapsed=False)


def all_turns(shape: BaseGeometry) -> BaseGeometry:
    """Return a shape in degrees of all turns: what is 190 east to one is 170 west to another."""
    return shapely.union_all([translate(shape, turn) for turn in (-TURN, 0, TURN)])


def one_turn(shape: BaseGeometry) -> BaseGeometry:
    """Return a shape in degrees cut at the 180th meridian: of two parts where it crosses that."""
    west, _, east, _ = shape.bounds
    if shape.is_empty or (west >= -TURN / 2 and east <= TURN / 2):
        return shape
    half = shapely.box(-TURN / 2, -90, TURN / 2, 90)
    whole = shapely.make_valid(shape)
    parts = [translate(whole, turn).intersection(half) for turn in (-TURN, 0, TURN)]
    return shapely.union_all(parts)


def one_piece(shape: BaseGeometry) -> BaseGeometry:
    """Return a shape in degrees, small on the Earth, whose longitudes go on beyond 180 degrees."""

    def onward(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return x[:1] + (x - x[:1] + TURN / 2) % TURN - TURN / 2, y

    return shapely.transform(shape, onward, interleaved=False)


def box_of(shape: BaseGeometry) -> list[float]:
    """Return west, south, east, north [degrees] as GeoJSON has them: across 180, west is larger."""
    west, south, east, north = shape.bounds
    across = west < -TURN / 2 or east > TURN / 2
    west, east = ((x + TURN / 2) % TURN - TURN / 2 if across else x for x in (west, east))
    return [west, south, east, north]

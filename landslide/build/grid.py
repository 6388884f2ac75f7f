"""The one grid of a cube: an area on the Earth becomes pixels of a metric projection, north up."""

import functools
import math

import shapely
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry.base import BaseGeometry

from landslide.cube.georeference import STEP_DEGREES
from landslide.errors import one_line

RESOLUTION = 10.0
"""Side of a pixel [m]: what Sentinel-1's ground range products have."""
LARGEST_SIDE = 200_000
"""Pixels on a side; a larger grid is a mistyped area."""
LONGITUDE_LATITUDE = "EPSG:4326"


def utm_zone(area: BaseGeometry) -> CRS:
    """Return the UTM zone (WGS 84) of an area's middle.

    Parameters
    ----------
    area : geometry
        Longitude and latitude [degrees].

    Raises
    ------
    ValueError
        Beyond 84 degrees north or 80 south, where UTM ends.
    """
    middle = shapely.box(*area.bounds).centroid
    if not -80 <= middle.y <= 84:
        raise ValueError(
            f"the area lies at latitude {middle.y:.1f}, beyond UTM: set a metric `crs`"
        )
    zone = min(60, int((middle.x + 180) // 6) + 1)
    return CRS.from_epsg((32600 if middle.y >= 0 else 32700) + zone)


def metric_crs(name: str | int | CRS) -> CRS:
    """Return a coordinate reference system by name, such as EPSG:32654, one in metres.

    Raises
    ------
    ValueError
        Where it is unknown, or its axes are no metres.
    """
    try:
        crs = CRS.from_user_input(name)
    except CRSError as error:
        raise ValueError(f"crs {name!r} is unknown: write one such as EPSG:32654") from error
    if not crs.is_projected or any(axis.unit_name != "metre" for axis in crs.axis_info):
        raise ValueError(
            f"crs {name!r} is not in metres: chips are squares of metres; write one such as "
            "EPSG:32654"
        )
    return crs


def project(area: BaseGeometry, crs: CRS | str) -> BaseGeometry:
    """Return an area [longitude, latitude in degrees] in another reference system."""
    dense = shapely.segmentize(area, STEP_DEGREES)
    along = Transformer.from_crs(LONGITUDE_LATITUDE, CRS.from_user_input(crs), always_xy=True)
    return shapely.transform(dense, along.transform, interleaved=False)


def require_on_earth(crs: CRS | str, name: str) -> None:
    """Refuse what is in a reference system that does not lie on the Earth.

    Raises
    ------
    ValueError
        Where it is a building site's, the Moon's, of heights alone, or none that PROJ can compute;
        it begins with the `name` of what is in it.
    """
    if said := _elsewhere(crs if isinstance(crs, str) else crs.to_wkt()):
        raise ValueError(
            f"{name} is in a reference system that cannot be placed on the Earth ({said}): set "
            "the true one, or project it to one such as EPSG:4326"
        )


@functools.cache  # of hundreds of files in one reference system, PROJ may search its grids for each
def _elsewhere(crs: str) -> str:
    """Say why a reference system is not of the Earth; nothing where it is."""
    try:
        Transformer.from_crs(crs, LONGITUDE_LATITUDE, always_xy=True)
        return "it has one axis" if len(CRS.from_user_input(crs).axis_info) == 1 else ""
    except ProjError as error:
        return one_line(error, 120)


def north_on(grid: GeoBox) -> float:
    """Return where north lies at a grid's middle [degrees clockwise from the grid's own north]."""
    box = grid.boundingbox
    middle = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    along = Transformer.from_crs(LONGITUDE_LATITUDE, str(grid.crs), always_xy=True)
    longitude, latitude = along.transform(*middle, direction="INVERSE")
    (x, beyond_x), (y, beyond_y) = along.transform([longitude] * 2, [latitude, latitude + 1e-3])
    return math.degrees(math.atan2(beyond_x - x, beyond_y - y))


def area_grid(
    area: BaseGeometry, crs: str | int | CRS | None = None, resolution: float = RESOLUTION
) -> GeoBox:
    """Return the smallest grid that holds an area, its edges at whole multiples of a pixel.

    Parameters
    ----------
    area : geometry
        Longitude and latitude [degrees].
    crs
        A metric reference system; None for the UTM zone of the area's middle.
    resolution : float
        Side of a pixel [m].

    Returns
    -------
    GeoBox
        North up.

    Raises
    ------
    ValueError
        Where the reference system is not metric, does not hold the area, or the grid is absurd.
    """
    if not resolution > 0 or not math.isfinite(resolution):
        raise ValueError(f"resolution is {resolution}: give the metres of a pixel's side")
    chosen = utm_zone(area) if crs is None else metric_crs(crs)
    try:
        bounds = project(area, chosen).bounds
    except ProjError as error:
        raise ValueError(f"the area cannot be projected to {chosen.name}: {error}") from error
    if not all(map(math.isfinite, bounds)):
        raise ValueError(f"the area lies outside {chosen.name}: choose another `crs`")
    name = chosen.to_epsg()
    crs = chosen.to_wkt() if name is None else f"EPSG:{name}"
    # With a hair to spare, or an area that ends at a pixel's edge would be given one more.
    grid = GeoBox.from_bbox(bounds, crs, resolution=resolution, tol=1e-6)
    rows, columns = grid.shape
    if max(rows, columns) > LARGEST_SIDE:
        raise ValueError(
            f"the area makes a grid of {rows} x {columns} pixels of {resolution:g} m: give a "
            f"smaller area or a larger `resolution` (at most {LARGEST_SIDE} pixels on a side)"
        )
    return grid

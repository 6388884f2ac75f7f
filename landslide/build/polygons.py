"""The polygons of a vector file, repaired, on a grid's plane."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from landslide.build.access import shown, unknown
from landslide.build.rasters import outline

type Polygons = NDArray[np.object_]

AREAS = ("Polygon", "MultiPolygon", "GeometryCollection")


def read_polygons(
    address: str,
    grid: GeoBox,
    what: str,
    *,
    crs: str | None = None,
    layer: str | None = None,
    keys: str | None = None,
    must_lie_there: bool = True,
) -> Polygons:
    """Read the polygons that lie on a grid, valid and in its CRS.

    Parameters
    ----------
    address
        Anything GDAL reads: shapefile (also zipped), GeoPackage, GeoJSON, KML, KMZ; local or https.
    grid
    what
        What the file is, for errors: "inventory", "mapped area".
    crs
        The reference system of the file, where it declares none.
    layer
        Which layer; needed where there are several. All folders of a KML are read.
    keys
        Where a user gives those two, for errors: "`{}` under [build.labels]".
    must_lie_there
        Whether it is an error that none of them lies in the area.

    Raises
    ------
    ValueError
        Where the file is empty, holds points or lines, says not in which reference system it
        is, or lies elsewhere.
    OSError
        Where there is no such file, or it cannot be read.
    """
    name = shown(address)
    geometries, declared = _read(address, what, layer, keys)
    if not geometries.size:
        raise ValueError(f"the {what} {name} is empty: it must hold polygons")
    _refuse_points_and_lines(geometries, what, name)
    origin = _origin(declared, crs, what, name, keys)
    polygons = _onto(_repaired(geometries, what, name), origin, str(grid.crs), what, name)
    area = shapely.box(*grid.boundingbox)
    inside = polygons[shapely.intersects(polygons, area)]
    if must_lie_there and not inside.size:
        west, south, east, north = outline(grid, "EPSG:4326").bounds
        there = shapely.total_bounds(
            _onto(polygons, CRS.from_user_input(str(grid.crs)), "EPSG:4326", what, name)
        )
        raise ValueError(
            f"none of the {polygons.size} polygons of the {what} {name} lies in the area "
            f"({west:.4f}, {south:.4f}, {east:.4f}, {north:.4f}): they span "
            f"({', '.join(f'{edge:.4f}' for edge in there)}); see that area, file and CRS fit"
        )
    return np.asarray(inside)


def _read(
    address: str, what: str, layer: str | None, keys: str | None
) -> tuple[Polygons, str | None]:
    """Return the geometries of a file, those that are missing or empty left out, and its CRS."""
    name = shown(address)
    if "://" not in address and not address.startswith("/vsi") and not Path(address).exists():
        raise FileNotFoundError(f"no {what} at {name}: check its name")
    try:
        layers = [str(each) for each, kind in pyogrio.list_layers(address) if kind is not None]
        if layer is not None and layer not in layers:
            raise ValueError(f"the {what} {name} has no layer {layer!r}: it has {_list(layers)}")
        folders = shown(address).lower().endswith((".kml", ".kmz"))
        if layer is None and len(layers) > 1 and not folders:
            way = f"set {keys.format('layer')} to one" if keys else "give a file of one layer"
            raise ValueError(f"the {what} {name} has the layers {_list(layers)}: {way}")
        if not layers:
            return np.empty(0, object), None
        parts, declared = [], None
        for each in [layer] if layer is not None else layers:
            meta, _, geometry, _ = pyogrio.raw.read(address, layer=each, columns=[])
            parts.append(shapely.from_wkb(geometry, on_invalid="fix"))
            declared = meta["crs"] or declared
    except (DataSourceError, DataLayerError, shapely.errors.GEOSException) as problem:
        reason = " ".join(str(problem).replace(address, "it").split())
        if "not recognized" in reason:
            kinds = "give a shapefile, GeoPackage, GeoJSON or KMZ"
            raise unknown(address, f"the {what} {name}", "file of polygons", kinds) from problem
        raise OSError(
            f"cannot read the {what} {name}: {reason}; give a shapefile, GeoPackage, GeoJSON or KMZ"
        ) from problem
    geometries = np.concatenate(parts)
    there = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    return geometries[there], declared


def _list(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _refuse_points_and_lines(geometries: Polygons, what: str, name: str) -> None:
    kinds = Counter(geometry.geom_type for geometry in geometries)
    if others := {kind: number for kind, number in kinds.items() if kind not in AREAS}:
        counted = ", ".join(f"{number} {kind}" for kind, number in sorted(others.items()))
        raise ValueError(
            f"the {what} {name} holds {counted} among {geometries.size} geometries: where a "
            "landslide begins and ends takes polygons; map its outline, or leave those out"
        )


def _origin(declared: str | None, given: str | None, what: str, name: str, keys: str | None) -> CRS:
    if declared is None and given is None:
        way = f', or set {keys.format("crs")}, such as "EPSG:4326"' if keys else ""
        raise ValueError(
            f"the {what} {name} declares no CRS (a shapefile's is in its .prj): add that{way}"
        )
    try:
        origin = CRS.from_user_input(declared if declared is not None else given)
        if declared is not None and given is not None and CRS.from_user_input(given) != origin:
            raise ValueError(
                f"the {what} {name} declares the CRS {origin.name}, not {given}: leave yours out"
            )
    except CRSError as problem:
        raise ValueError(
            f"the CRS {given or declared} of the {what} {name} is unknown: "
            "write one such as EPSG:4326"
        ) from problem
    return origin


def _repaired(geometries: Polygons, what: str, name: str) -> Polygons:
    """Return the areas, flat and valid; what encloses none goes."""
    flat = shapely.force_2d(geometries)
    wrong = ~shapely.is_valid(flat)
    if wrong.any():
        first = shapely.is_valid_reason(flat[wrong][0])
        warnings.warn(
            f"{wrong.sum()} of the {flat.size} polygons of the {what} {name} are not valid "
            f"(the first: {first}) and were repaired",
            stacklevel=2,
        )
        flat[wrong] = shapely.make_valid(flat[wrong])
    parts = shapely.get_parts(shapely.get_parts(flat))  # of collections that hold multi-polygons
    areas = parts[shapely.get_dimensions(parts) == 2]
    if not areas.size:
        raise ValueError(f"no geometry of the {what} {name} encloses an area: see its outlines")
    return np.asarray(areas)


def _onto(polygons: Polygons, origin: CRS, goal: str, what: str, name: str) -> Polygons:
    """Return polygons in another reference system; those that it cannot show go."""
    to = Transformer.from_crs(origin, goal, always_xy=True)
    moved = shapely.transform(polygons, to.transform, interleaved=False)
    moved = moved[np.isfinite(shapely.bounds(moved)).all(axis=1)]
    if not moved.size:
        raise ValueError(
            f"the {what} {name} lies outside what {goal} can show: see that its coordinates are "
            f"in its CRS, {origin.name}"
        )
    bent = ~shapely.is_valid(moved)
    moved[bent] = shapely.make_valid(moved[bent])
    return np.asarray(moved)

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

from landslide.build.access import unknown, without_queries
from landslide.build.grid import LONGITUDE_LATITUDE, require_on_earth
from landslide.build.outlines import all_turns, outline
from landslide.cube.georeference import STEP_DEGREES
from landslide.storage import without_secrets

type Polygons = NDArray[np.object_]

STEP_METRES = 1000.0
"""Sides of polygons in metres are followed in steps as small when they are projected."""
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
        Where the file is empty, holds points or lines, says not in which reference system of the
        Earth it is, or lies elsewhere.
    OSError
        Where there is no such file, or it cannot be read.
    """
    name = without_secrets(address)
    with warnings.catch_warnings():
        # It tells the address, signature and all, which is why it knows no ending.
        warnings.filterwarnings("ignore", ".* non conformant file extension", RuntimeWarning)
        geometries, declared = _read(address, what, layer, keys)
    if not geometries.size:
        raise ValueError(f"the {what} {name} is empty: it must hold polygons")
    _refuse_points_and_lines(geometries, what, name)
    origin = _origin(declared, crs, what, name, keys)
    polygons = _repaired(geometries, what, name)
    moved = _onto(grid, _about(grid, polygons, origin), origin, what, name)
    inside = moved[shapely.intersects(moved, shapely.box(*grid.boundingbox))]
    if not inside.size:
        there = _span(polygons, origin, what, name)
        if must_lie_there:
            west, south, east, north = outline(grid, LONGITUDE_LATITUDE).bounds
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
    name = without_secrets(address)
    if "://" not in address and not address.startswith("/vsi") and not Path(address).exists():
        raise FileNotFoundError(f"no {what} at {name}: check its name")
    try:
        layers = [str(each) for each, kind in pyogrio.list_layers(address) if kind is not None]
        if layer is not None and layer not in layers:
            raise ValueError(f"the {what} {name} has no layer {layer!r}: it has {_list(layers)}")
        folders = without_secrets(address).lower().endswith((".kml", ".kmz"))
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
    except (pyogrio.errors.CRSError, UnboundLocalError) as problem:
        # The latter is what pyogrio makes of a text that is not UTF-8.
        raise ValueError(
            f"the CRS of the {what} {name} cannot be understood (a shapefile's is in its .prj): "
            "write that again, in UTF-8"
        ) from problem
    except (DataSourceError, DataLayerError, shapely.errors.GEOSException) as problem:
        reason = " ".join(without_queries(str(problem)).replace(name, "it").split())
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
    require_on_earth(origin, f"the {what} {name}")
    return origin


def _repaired(geometries: Polygons, what: str, name: str) -> Polygons:
    """Return the areas, flat and valid; what encloses none goes."""
    flat = shapely.force_2d(geometries)
    corners, of = shapely.get_coordinates(flat, return_index=True)
    if lost := np.unique(of[~np.isfinite(corners).all(axis=1)]).size:
        raise ValueError(
            f"{lost} of the {flat.size} polygons of the {what} {name} have corners that are no "
            "numbers: mend those, or leave them out"
        )
    wrong = ~shapely.is_valid(flat)
    if wrong.any():
        first = shapely.is_valid_reason(flat[wrong][0])
        warnings.warn(
            f"{wrong.sum()} of the {flat.size} polygons of the {what} {name} are not valid "
            f"(the first: {first}) and were repaired",
            stacklevel=2,
        )
        flat[wrong] = shapely.make_valid(flat[wrong])
    areas = _areas(flat)
    if not areas.size:
        raise ValueError(f"no geometry of the {what} {name} encloses an area: see its outlines")
    return np.asarray(areas)


def _areas(geometries: Polygons) -> Polygons:
    """Return the polygons that geometries are made of."""
    parts = shapely.get_parts(shapely.get_parts(geometries))  # collections hold multi-polygons
    return np.asarray(parts[shapely.get_dimensions(parts) == 2])


def _about(grid: GeoBox, polygons: Polygons, origin: CRS) -> Polygons:
    """Return what of the polygons lies on a grid or near it, still in their own CRS.

    The grid's plane cannot show what lies far away: of a polygon as large as the world only this.
    """
    around = outline(grid.pad(max(grid.shape) // 32 + 8), str(origin))
    if origin.is_geographic:
        around = all_turns(around)
    shapely.prepare(around)
    near = polygons[shapely.intersects(around, polygons)]
    cut = ~shapely.covers(around, near)
    return np.concatenate([near[~cut], _areas(shapely.intersection(near[cut], around))])


def _onto(grid: GeoBox, polygons: Polygons, origin: CRS, what: str, name: str) -> Polygons:
    """Return polygons near a grid on its plane, where their sides, straight in their own, bend."""
    dense = shapely.segmentize(polygons, STEP_DEGREES if origin.is_geographic else STEP_METRES)
    to = Transformer.from_crs(origin, str(grid.crs), always_xy=True)
    moved = shapely.transform(dense, to.transform, interleaved=False)
    if lost := int((~np.isfinite(shapely.bounds(moved)).all(axis=1)).sum()):
        raise ValueError(
            f"{lost} of the polygons of the {what} {name} that lie near the area cannot be shown "
            f"in {grid.crs}: choose another `crs` under [build]"
        )
    bent = ~shapely.is_valid(moved)
    moved[bent] = shapely.make_valid(moved[bent])
    return _areas(moved)


def _span(polygons: Polygons, origin: CRS, what: str, name: str) -> NDArray[np.float64]:
    """Return from where to where polygons lie: west, south, east, north [degrees].

    Raises
    ------
    ValueError
        Where that is no place on the Earth.
    """
    to = Transformer.from_crs(origin, LONGITUDE_LATITUDE, always_xy=True)
    bounds = shapely.bounds(shapely.transform(polygons, to.transform, interleaved=False))
    there = bounds[np.isfinite(bounds).all(axis=1) & (abs(bounds[:, [1, 3]]) <= 90).all(axis=1)]
    if not there.size:
        raise ValueError(
            f"the {what} {name} lies outside the Earth: see that its coordinates are in its CRS, "
            f"{origin.name}"
        )
    return np.concatenate([there[:, :2].min(axis=0), there[:, 2:].max(axis=0)])

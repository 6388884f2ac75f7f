"""From a mask on disk to polygons: whole, valid, measured in an equal-area projection."""

from typing import Any

import geopandas
import numpy as np
import pandas as pd
import rasterio
import rasterio.features
import shapely
from numpy.typing import NDArray

from landslide.mapping.choices import USUAL_AREA_M2
from landslide.mapping.facts import MapFacts
from landslide.mapping.products.ground import ASSUMED_M2, Ground

CONNECTIVITY = 4
"""Pixels that share a side are one landslide; those that touch at a corner are two."""
SLACK = 0.05
"""Of a pixel: four of 10 m are meant by 400 m2, and are 399 at the edge of a UTM zone."""
AT_ONCE = 1024  # outlines that are projected together


def outlines(path: str) -> NDArray[Any]:
    """Return the outline of each group of pixels that are 1 in a raster of 0 and 1.

    GDAL's polygonisation goes over the raster row by row, so that a landslide of any extent comes
    out whole and no more of the raster is held than a few rows.

    Returns
    -------
    ndarray of shapely polygons
        In pixels: (column, row) from the upper left corner.
    """
    with rasterio.open(path) as raster:
        band = rasterio.band(raster, 1)
        found = rasterio.features.shapes(band, mask=band, connectivity=CONNECTIVITY)
        grid = raster.transform  # of a raster on disk, outlines come in its coordinates

        def to_pixels(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.rint((points - (grid.c, grid.f)) / (grid.a, grid.e))

        polygons = (
            shapely.transform(shapely.geometry.shape(geometry), to_pixels) for geometry, _ in found
        )
        return np.array(list(polygons), dtype=object)


def on_the_ground(pixels: NDArray[Any], ground: Ground) -> geopandas.GeoSeries:
    """Return outlines in pixels as geometries in the map's coordinates."""

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack(ground.at(points[:, 0], points[:, 1]), axis=-1)

    return geopandas.GeoSeries(shapely.transform(pixels, place), crs=ground.crs)


def planimetric_areas(pixels: NDArray[Any], ground: Ground) -> NDArray[np.float64]:
    """Return the area of outlines in pixels, in the ground's area unit."""
    areas = np.zeros(len(pixels))
    for first in range(0, len(pixels), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        geometries = on_the_ground(pixels[some], ground)
        if ground.equal_area is not None:
            geometries = geometries.to_crs(ground.equal_area)
        areas[some] = geometries.area
    return np.round(areas) if ground.unit == "pixel" else areas  # whole ones


def smallest_area(minimum_area: float | None, ground: Ground) -> float:
    """Return the area below which polygons are dropped, in the ground's area unit.

    Parameters
    ----------
    minimum_area : float, optional
        [m2], or in the ground's area unit where that is neither m2 nor pixels; by default
        `USUAL_AREA_M2`.
    ground : Ground

    Raises
    ------
    ValueError
        Where none is given, and the ground's unit is not known in metres.
    """
    if minimum_area is None and ground.unit not in ("m", "pixel"):
        raise ValueError(
            "the cube names no coordinate reference system, and its coordinates are not in "
            f"metres: give the smallest polygon's area by --min-area, in {ground.area_unit}"
        )
    area = USUAL_AREA_M2 if minimum_area is None else minimum_area
    return area / ASSUMED_M2 if ground.unit == "pixel" else area


def large_enough(pixels: NDArray[Any], ground: Ground, smallest: float) -> pd.DataFrame:
    """Return the outlines that are large enough, the largest first, numbered from 1.

    Parameters
    ----------
    pixels, ground
        As for `planimetric_areas`.
    smallest : float
        As `smallest_area` gives it.

    Returns
    -------
    DataFrame
        `id`, `area`, and `pixels`, the outline in pixels.
    """
    areas = planimetric_areas(pixels, ground)
    kept = np.flatnonzero(areas >= smallest - SLACK * ground.pixel[0] * ground.pixel[1])
    order = kept[np.argsort(-areas[kept], kind="stable")]
    return pd.DataFrame(
        {"id": np.arange(1, order.size + 1), "area": areas[order], "pixels": pixels[order]}
    )


def simplified(pixels: NDArray[Any], ground: Ground) -> NDArray[Any]:
    """Return outlines in pixels as geometries in the map's coordinates, without their staircase.

    They are simplified together (Visvalingam and Whyatt, as GEOS does for coverages): no outline
    crosses itself or another. Holes that this leaves smaller than a pixel are filled.
    """
    geometries = on_the_ground(pixels, ground).to_numpy()
    if not geometries.size:
        return geometries
    tolerance = max(abs(ground.transform.a), abs(ground.transform.e))
    simple = shapely.coverage_simplify(geometries, tolerance)
    broken = ~shapely.is_valid(simple) | shapely.is_empty(simple)
    holed = shapely.get_num_interior_rings(simple) > 0
    simple[holed] = [_without_specks(each, tolerance**2) for each in simple[holed]]
    return np.where(broken, geometries, simple)


def _without_specks(polygon: shapely.Polygon, least: float) -> shapely.Polygon:
    holes = [ring for ring in polygon.interiors if shapely.Polygon(ring).area >= least]
    return shapely.Polygon(polygon.exterior, holes)


def burnt(
    pixels: NDArray[Any], tree: shapely.STRtree, rows: slice, columns: slice
) -> NDArray[np.int32]:
    """Return which outline each pixel of a block lies in (y, x): its position + 1, or 0.

    Parameters
    ----------
    pixels : ndarray of shapely polygons
        In pixels, as `outlines` gives them.
    tree : STRtree
        Of these outlines.
    """
    shape = rows.stop - rows.start, columns.stop - columns.start
    window = shapely.box(columns.start, rows.start, columns.stop, rows.stop)
    here = tree.query(window)
    if not here.size:
        return np.zeros(shape, np.int32)
    return rasterio.features.rasterize(
        [(pixels[number], int(number) + 1) for number in here],
        out_shape=shape,
        transform=rasterio.Affine.translation(columns.start, rows.start),
        fill=0,
        dtype="int32",
    )


def area_columns(ground: Ground) -> tuple[str, str]:
    """Return what the columns of planimetric area and of area along the slope are called."""
    unit = {"m": "m2", "pixel": "pixels"}.get(ground.unit, "unit2")
    return f"area_{unit}", f"slope_area_{unit}"


def polygon_table(
    polygons: pd.DataFrame, zones: pd.DataFrame, ground: Ground, facts: MapFacts
) -> geopandas.GeoDataFrame:
    """Return the polygons as a user gets them.

    Parameters
    ----------
    polygons : DataFrame
        As `large_enough` gives them.
    zones : DataFrame
        What `landslide.mapping.products.zones.combine` gives for them.
    """
    planimetric, along_slope = area_columns(ground)
    table = pd.DataFrame({"id": polygons["id"].to_numpy()})
    zones = zones.reindex(table["id"])
    area = polygons["area"].to_numpy()
    table[planimetric] = area
    table[along_slope] = area * zones["stretch"].to_numpy()
    for name in (
        "probability_mean", "probability_max", "slope_mean_deg", "aspect_mean_deg",
        "elevation_min_m", "elevation_max_m",
    ):  # fmt: skip
        table[name] = zones[name].to_numpy()
    table["pixels"] = zones["pixels"].fillna(0).astype("int64").to_numpy()
    table["event"] = facts.event.name
    before, after = (
        sorted((*facts.images_before, *facts.opposite_before)),
        sorted((*facts.images_after, *facts.opposite_after)),
    )
    table["images_before"] = ", ".join(each[:10] for each in before)
    table["images_after"] = ", ".join(each[:10] for each in after)
    # In each, since it may be all that is left of a product that was exported.
    table["threshold"] = facts.threshold
    table["models"] = ", ".join(member.address for member in facts.members)
    table["note"] = " ".join(facts.statements())
    outlined = simplified(polygons["pixels"].to_numpy(), ground)
    return geopandas.GeoDataFrame(table, geometry=outlined, crs=ground.crs)

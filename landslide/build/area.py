"""The area of an event file: a box of degrees, or GeoJSON, written in the file or beside it."""

import json
import math
from collections.abc import Mapping
from typing import Any

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from landslide.storage import read_bytes, without_secrets

BOX = "[west, south, east, north] in degrees"


def read_area(value: object, where: str) -> BaseGeometry:
    """Return the area that an event file means.

    Parameters
    ----------
    value
        Four numbers, a GeoJSON object (geometry, feature or collection of features), or the
        address of a GeoJSON file.
    where
        What the value was found in, for the error.

    Returns
    -------
    geometry
        Polygons; longitude and latitude [degrees].

    Raises
    ------
    ValueError
        Where it is no area on the Earth, or crosses the 180th meridian.
    FileNotFoundError
        Where there is no such file.
    """
    if isinstance(value, list):
        area = _box(value, where)
    elif isinstance(value, str):
        area = _of_geojson(_read(value, where), f"{where}: {without_secrets(value)}")
    elif isinstance(value, Mapping):
        area = _of_geojson(value, where)
    else:
        raise ValueError(f"{where}: `area` is {value!r}; write {BOX}, or GeoJSON")  # noqa: TRY004
    west, south, east, north = area.bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise ValueError(
            f"{where}: the area reaches from {west:g} to {east:g} degrees east and {south:g} to "
            f"{north:g} north, which is no place on the Earth: GeoJSON and `area` are in "
            "longitude and latitude (EPSG:4326)"
        )
    if east - west > 180:
        raise ValueError(f"{where}: the area crosses the 180th meridian: build a cube on each side")
    return area


def _box(value: list[Any], where: str) -> BaseGeometry:
    numbers = all(isinstance(edge, int | float) and math.isfinite(edge) for edge in value)
    if len(value) != 4 or not numbers:
        raise ValueError(f"{where}: `area` is {value}; write {BOX}")
    west, south, east, north = value
    if west >= east or south >= north:
        raise ValueError(
            f"{where}: `area` is {value}: west must be less than east and south less than north; "
            f"write {BOX}, and build a cube on each side of the 180th meridian"
        )
    return shapely.box(west, south, east, north)


def _read(address: str, where: str) -> Any:
    try:
        return json.loads(read_bytes(address))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{where}: no area at {without_secrets(address)}: there is no such file"
        ) from error
    except ValueError as error:
        raise ValueError(f"{where}: {without_secrets(address)} is not GeoJSON: {error}") from error


def _of_geojson(document: Any, where: str) -> BaseGeometry:
    try:
        kind = document["type"]
        if kind == "FeatureCollection":
            found = [shape(feature["geometry"]) for feature in document["features"]]
        else:
            found = [shape(document["geometry"] if kind == "Feature" else document)]
        # What encloses nothing goes: an area is as large as its polygons.
        whole = shapely.make_valid(found, method="structure", keep_collapsed=False)
        area = shapely.union_all(whole)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ValueError(f"{where} is not GeoJSON ({error!r}): export it again") from error
    except shapely.errors.ShapelyError as error:
        raise ValueError(f"{where} holds no geometry that is understood: {error}") from error
    if area.is_empty or area.area == 0:
        raise ValueError(f"{where} holds no polygon: an area is one or more polygons")
    return area

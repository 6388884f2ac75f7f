"""Where a cube lies: its coordinate reference system and its grid of pixels.

odc-geo and pyproj are imported where they are needed: a worker that streams chips has none.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from landslide.cube.units import METRE_NAMES

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox
    from pyproj import CRS

GRID_MAPPING = ("crs_wkt", "spatial_ref", "grid_mapping_name")
"""Attributes that make a variable a grid mapping of the CF conventions, any of them."""
PLAIN = ("crs_wkt", "spatial_ref", "crs", "epsg", "proj:epsg", "proj:code")
"""Attributes of a cube, or of its x and y, that name a coordinate reference system in one value."""
STEP_DEGREES = 0.01
"""Edges in degrees are followed in steps as small when they are projected: a straight one bends."""
TOLERANCE = 0.01  # pixels that a coordinate may lie beside its place


def _source(cube: xr.Dataset) -> str:
    return str(cube.encoding.get("source", "given"))


def _axis(cube: xr.Dataset, axis: str) -> tuple[float, float | None]:
    """Return the first coordinate of an axis, and its step; None for the step of a single pixel."""
    values = cube[axis].to_numpy()
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise ValueError(
            f"the cube {_source(cube)} has no plain coordinate {axis}: it needs one number for "
            f"each pixel along {axis}"
        )
    precise = values.astype(np.float64)
    if not np.isfinite(precise).all():
        raise ValueError(f"the cube {_source(cube)}: its {axis} holds what is no number")
    if values.size == 1:
        return float(precise[0]), None
    step = float(precise[-1] - precise[0]) / (values.size - 1)
    error = np.abs(precise[0] + step * np.arange(values.size) - precise).max()
    rounded = np.spacing(np.abs(values).max()) if values.dtype.kind == "f" else 0
    if step == 0 or error > TOLERANCE * abs(step) + float(rounded):
        raise ValueError(
            f"the cube {_source(cube)}: its {axis} is not evenly spaced (by up to {error:g} beside "
            f"a step of {abs(step):g}): resample it onto a regular grid"
        )
    return float(precise[0]), step


def _grid(cube: xr.Dataset) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return (first, step) of y and of x."""
    (top, down), (left, right) = _axis(cube, "y"), _axis(cube, "x")
    if down is None and right is None:
        raise ValueError(
            f"the cube {_source(cube)} is a single pixel: it does not say how large that is"
        )
    down = -abs(right or 0) if down is None else down  # of one row: square pixels
    right = abs(down) if right is None else right
    return (top, down), (left, right)


def pixel_size(cube: xr.Dataset) -> tuple[float, float] | None:
    """Return the height and width of a pixel, in the units of its coordinates.

    Parameters
    ----------
    cube : Dataset with `y` and `x`

    Returns
    -------
    (float, float) or None
        None where the cube has no coordinates along y and x.

    Raises
    ------
    ValueError
        Where they are not evenly spaced, or there is one pixel only.
    """
    if not {"y", "x"} <= set(cube.coords):
        return None
    (_, down), (_, right) = _grid(cube)
    return abs(down), abs(right)


def unit_of(cube: xr.Dataset) -> str | None:
    """Return the unit of a cube's coordinates, such as `metre` or `degree`; None without a CRS.

    Raises
    ------
    ValueError
        As `geobox_of` does.
    """
    crs = crs_of(cube)
    return None if crs is None else str(crs.axis_info[0].unit_name)


def pixel_metres(cube: xr.Dataset) -> float | None:
    """Return the width [m] of a pixel; None where coordinates are not in metres.

    What they are in their reference system says, else their own `units`.

    Raises
    ------
    ValueError
        As `pixel_size` and `crs_of` do.
    """
    size = pixel_size(cube)
    if size is None:
        return None
    unit = unit_of(cube) or str(cube["x"].attrs.get("units", ""))
    return size[1] if unit.lower() in METRE_NAMES else None


def _named(cube: xr.Dataset) -> Iterator[tuple[str, Any]]:
    """Yield where a coordinate reference system is named, and what is named there."""
    mappings = {
        str(name): variable.attrs
        for name, variable in cube.variables.items()
        if variable.ndim == 0 and set(GRID_MAPPING) & set(variable.attrs)
    }
    if mappings:  # what the CF conventions have beats whatever else is said
        yield from mappings.items()
        return
    axes = [cube[axis].attrs for axis in ("y", "x") if axis in cube.coords]
    for where, attrs in (("attributes", cube.attrs), *(("y and x", attrs) for attrs in axes)):
        for key in PLAIN:
            if attrs.get(key) not in (None, ""):
                yield f"{where}, {key}", attrs[key]


def crs_of(cube: xr.Dataset) -> "CRS | None":
    """Return the coordinate reference system that a cube names, or None.

    Raises
    ------
    ValueError
        Where what it names is not known, or it names several.
    """
    if next(_named(cube), None) is None:
        return None
    from pyproj import CRS  # noqa: PLC0415 - with odc-geo
    from pyproj.exceptions import CRSError  # noqa: PLC0415

    found: dict[str, CRS] = {}
    for where, named in _named(cube):
        try:
            mapping = isinstance(named, Mapping)
            found[where] = CRS.from_cf(dict(named)) if mapping else CRS.from_user_input(named)
        except (CRSError, KeyError, TypeError) as error:
            raise ValueError(
                f"the cube {_source(cube)}: its {where} names no coordinate reference system that "
                "is known: write one as WKT into the variable spatial_ref, as rioxarray does"
            ) from error
    first = next(iter(found.values()), None)
    if any(not other.equals(first, ignore_axis_order=True) for other in found.values()):
        raise ValueError(
            f"the cube {_source(cube)} names several coordinate reference systems "
            f"({', '.join(found)}): keep one"
        )
    return first


def _refuse_rotated(cube: xr.Dataset) -> None:
    for variable in cube.variables.values():
        if variable.ndim or "GeoTransform" not in variable.attrs:
            continue
        transform = variable.attrs["GeoTransform"]
        try:
            numbers = transform.split() if isinstance(transform, str) else list(transform)
            rotated = len(numbers) == 6 and any(float(numbers[place]) for place in (2, 4))
        except (TypeError, ValueError):  # no transform: the coordinates say where pixels lie
            continue
        if rotated:
            raise ValueError(
                f"the cube {_source(cube)} lies on a rotated grid: resample it onto one whose rows "
                "run along x"
            )


def geobox_of(cube: xr.Dataset) -> "GeoBox | None":
    """Return the grid of a cube with its coordinate reference system.

    The system is what a grid mapping of the CF conventions says, as rioxarray and odc-geo write
    it (`spatial_ref`), else an attribute of the cube or of its x and y, such as `crs` or `epsg`.
    The grid is that of the coordinates, which are pixel centres: of a window, it is the window's.

    Parameters
    ----------
    cube : Dataset with `y` and `x`

    Returns
    -------
    GeoBox or None
        None where the cube names no coordinate reference system.

    Raises
    ------
    ValueError
        Where what it names is not known, or its grid is irregular or rotated.
    """
    from affine import Affine  # noqa: PLC0415 - with odc-geo
    from odc.geo.geobox import GeoBox  # noqa: PLC0415

    crs = crs_of(cube)
    if crs is None:
        return None
    _refuse_rotated(cube)
    missing = [axis for axis in ("y", "x") if axis not in cube.coords]
    if missing:
        raise ValueError(
            f"the cube {_source(cube)} names a coordinate reference system but has no coordinate "
            f"{missing[0]}: add the pixel centres along y and x"
        )
    (top, down), (left, right) = _grid(cube)
    transform = Affine(right, 0, left - right / 2, 0, down, top - down / 2)
    return GeoBox((cube.sizes["y"], cube.sizes["x"]), transform, crs)

"""Which part of a cube is mapped, and whether its pixels are those that a model knows."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from landslide.chips.windows import Window
from landslide.cube.georeference import STEP_DEGREES, geobox_of, pixel_size, unit_of
from landslide.training.bundle import Bundle

TOLERANCE = 0.02  # of a pixel's size


def area_of(cube: xr.Dataset, bbox: Sequence[float] | None) -> Window:
    """Return the rows and columns of a cube that a box covers; all of them without one.

    Parameters
    ----------
    cube : Dataset
    bbox : sequence of 4 float, optional
        West, south, east and north: longitudes and latitudes [degrees, WGS 84] of a cube that
        names its coordinate reference system, else in the cube's own coordinates.

    Raises
    ------
    ValueError
        Where the box is none, or covers nothing of the cube.
    """
    height, width = cube.sizes["y"], cube.sizes["x"]
    if bbox is None:
        return (0, height), (0, width)
    west, south, east, north = bbox
    said = f"--bbox {' '.join(f'{side:g}' for side in bbox)}"
    if not all(map(math.isfinite, bbox)) or west >= east or south >= north:
        raise ValueError(f"{said} covers no area: give WEST SOUTH EAST NORTH")
    geobox = geobox_of(cube)
    if geobox is not None:
        if max(abs(south), abs(north)) > 90 or max(abs(west), abs(east)) > 360:
            raise ValueError(
                f"{said} is beyond the Earth: give longitudes and latitudes in degrees"
            )
        from odc.geo.geom import box  # noqa: PLC0415 - with odc-geo

        degrees = box(west, south, east, north, "EPSG:4326")
        assert geobox.crs is not None
        projected = degrees.to_crs(geobox.crs, resolution=STEP_DEGREES)
        west, south, east, north = projected.boundingbox.bbox
    size = pixel_size(cube)
    if size is None:
        raise ValueError(f"{said}: the cube has no coordinates along y and x to find it by")
    y, x = cube["y"].to_numpy(), cube["x"].to_numpy()
    rows = np.flatnonzero((y - size[0] / 2 < north) & (y + size[0] / 2 > south))
    columns = np.flatnonzero((x + size[1] / 2 > west) & (x - size[1] / 2 < east))
    if not rows.size or not columns.size:
        where = _extent(cube, geobox)
        raise ValueError(f"{said} covers nothing of the cube, which lies at {where}")
    if rows.size == columns.size == 1:
        raise ValueError(f"{said} covers a single pixel: give a larger one")
    return (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)


def _extent(cube: xr.Dataset, geobox: object) -> str:
    if geobox is not None:
        box = geobox.geographic_extent.boundingbox  # type: ignore[attr-defined]
        return " ".join(f"{side:.4f}" for side in box.bbox)
    y, x = cube["y"].to_numpy(), cube["x"].to_numpy()
    return f"{x.min():g} {y.min():g} {x.max():g} {y.max():g}"


def grown(area: Window, size: int, overlap: int, shape: tuple[int, int]) -> Window:
    """Return an area with the ground around it that its chips see, as far as there is any.

    Chips then lie where they lie in the whole scene: a part of it is mapped as the whole is.
    """
    rows, columns = (
        _grown(start, stop, size, overlap, length)
        for (start, stop), length in zip(area, shape, strict=True)
    )
    return rows, columns


def _grown(start: int, stop: int, size: int, overlap: int, length: int) -> tuple[int, int]:
    step, last = size - overlap, max(length - size, 0)
    first = max((start - overlap) // step * step, 0)
    if stop > last:  # the scene's last chip, which lies where the scene ends, sees it, too
        return min(first, last), length
    return first, -(-max(stop + overlap - size, 0) // step) * step + size


def fits(cube: xr.Dataset, bundle: Bundle) -> bool:
    """Say whether a cube's pixels are of the size that a model knows; where unknown, they are.

    Raises
    ------
    ValueError
        Where the two are in other units, and cannot be compared.
    """
    size, unit = pixel_size(cube), unit_of(cube)
    if bundle.pixel_size is None or size is None:
        return True
    if None not in (unit, bundle.pixel_unit) and unit != bundle.pixel_unit:
        raise ValueError(
            f"the cube's pixels are in {unit}s and those of the model at {bundle.address} in "
            f"{bundle.pixel_unit}s: reproject the cube"
        )
    return all(abs(a / b - 1) <= TOLERANCE for a, b in zip(size, bundle.pixel_size, strict=True))


def require_fit(cube: xr.Dataset, bundle: Bundle) -> list[str]:
    """Return the sentence to be said where a cube's pixels count as fitting for want of a size.

    Raises
    ------
    ValueError
        Where they are of another size than the model knows; or as `fits` does.
    """
    size, known = pixel_size(cube), bundle.pixel_size
    if known is None:
        return []
    if size is None:
        return [
            "The cube does not say how large its pixels are: taken to be as large as the model's."
        ]
    if fits(cube, bundle):
        return []
    raise ValueError(
        f"the cube's pixels are {size[0]:g} x {size[1]:g} and those of the model at "
        f"{bundle.address} {known[0]:g} x {known[1]:g}: --resample the cube to the model's, or "
        "train on pixels of this size"
    )

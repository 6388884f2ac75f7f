"""The ground that a map covers: its grid, and how large its pixels are."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from landslide.chips.windows import Window
from landslide.cube.georeference import geobox_of, pixel_size
from landslide.cube.units import METRE_NAMES

BLOCK = 1024
"""Side of the blocks [pixels] in which a map is read; a whole number of `COHERENT`."""
COHERENT = 128
"""Side [pixels] within which errors of a map are taken to go together; see `uncertainty.py`."""
ASSUMED_M2 = 100.0
"""Area of a pixel [m2] where nothing says how large it is: Sentinel-1's of 10 m."""


@dataclass(frozen=True)
class Ground:
    """The grid of a map and the measure of its areas."""

    shape: tuple[int, int]
    """Pixels along y and x."""
    transform: Affine
    """From pixels (column, row) to coordinates."""
    crs: CRS | None
    """None: the cube names none, and products without one were asked for."""
    equal_area: CRS | None
    """The projection that areas are measured in: Lambert's azimuthal one about the map's middle."""
    unit: str
    """What lengths are in: `m`, the unit of the coordinates, or `pixel`."""
    pixel: tuple[float, float]
    """Height and width of a pixel in that unit; in the map's middle, where they vary."""

    @property
    def area_unit(self) -> str:
        """What areas are in, in words."""
        return {"m": "m2", "pixel": "pixels"}.get(self.unit, f"({self.unit})2")

    def at(self, columns: NDArray[Any], rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the coordinates x and y of places given in pixels from the upper left corner."""
        along = self.transform
        return along.a * columns + along.c, along.e * rows + along.f


def _without_crs(cube: xr.Dataset) -> Ground:
    shape = (cube.sizes["y"], cube.sizes["x"])
    size = pixel_size(cube)
    unit = str(cube["x"].attrs.get("units", "")) if "x" in cube.coords else ""
    if size is None or (not unit and size == (1, 1)):
        upward = Affine(1, 0, 0, 0, -1, shape[0])  # from the lower left corner
        return Ground(shape, upward, None, None, "pixel", (1, 1))
    metres = unit.lower() in METRE_NAMES
    down, right = size
    left, top = float(cube["x"][0]) - right / 2, float(cube["y"][0]) + down / 2
    transform = Affine(right, 0, left, 0, -down, top)
    return Ground(shape, transform, None, None, "m" if metres else unit or "unit", (down, right))


def ground_of(cube: xr.Dataset, area: Window | None = None, *, no_crs: bool = False) -> Ground:
    """Return the ground of a cube, or of some of its rows and columns.

    Raises
    ------
    ValueError
        Where the cube names no coordinate reference system and `no_crs` is not set, or its grid
        is irregular.
    """
    rows, columns = (slice(*along) for along in area or ((None,), (None,)))
    geobox = geobox_of(cube)
    if geobox is None:
        if not no_crs:
            raise ValueError(
                f"the cube {cube.encoding.get('source', 'given')} has no coordinate reference "
                "system, so its map would lie nowhere: write one into the cube (spatial_ref, as "
                "rioxarray does), or ask for products without one by --no-crs"
            )
        return _part(_without_crs(cube), rows, columns)
    assert geobox.crs is not None
    here = geobox[rows, columns]
    crs, shape, transform = CRS(geobox.crs.to_wkt()), (here.shape.y, here.shape.x), here.affine
    middle = transform @ (shape[1] / 2, shape[0] / 2)
    east, north = Transformer.from_crs(crs, 4326, always_xy=True).transform(*middle)
    equal_area = CRS.from_dict(
        {"proj": "laea", "lat_0": round(north, 4), "lon_0": round(east, 4), "datum": "WGS84",
         "units": "m", "type": "crs"}
    )  # fmt: skip
    ground = Ground(shape, transform, crs, equal_area, "m", (1, 1))
    row, column = shape[0] // 2, shape[1] // 2
    (left, right), (top, bottom) = _projected(
        ground, np.array([column, column + 1]), np.array([row, row])
    ), _projected(ground, np.array([column, column]), np.array([row, row + 1]))  # fmt: skip
    pixel = float(np.hypot(*(bottom - top))), float(np.hypot(*(right - left)))
    return Ground(shape, transform, crs, equal_area, "m", pixel)


def _part(ground: Ground, rows: slice, columns: slice) -> Ground:
    (top, bottom, _), (left, right, _) = (
        along.indices(size) for along, size in zip((rows, columns), ground.shape, strict=True)
    )
    moved = ground.transform * Affine.translation(left, top)
    return replace(ground, shape=(bottom - top, right - left), transform=moved)


def _projected(ground: Ground, columns: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return pixel corners (point, 2) in the equal-area projection."""
    assert ground.crs is not None
    assert ground.equal_area is not None
    transformer = Transformer.from_crs(ground.crs, ground.equal_area, always_xy=True)
    return np.stack(transformer.transform(*ground.at(columns, rows)), axis=-1)


def pixel_areas(ground: Ground, rows: slice, columns: slice) -> NDArray[np.float64]:
    """Return the area of a block's pixels (y, 1), row by row, in its middle column.

    In the equal-area projection, where there is one: a pixel of degrees shrinks towards the pole,
    and one of a UTM zone is up to 0.2 % off. Along a row of a block it changes by less.
    """
    count = rows.stop - rows.start
    if ground.crs is None:
        return np.full((count, 1), ground.pixel[0] * ground.pixel[1])
    column = (columns.start + columns.stop) // 2
    edges = np.arange(rows.start, rows.stop + 1)
    left = _projected(ground, np.full(edges.size, column), edges)
    right = _projected(ground, np.full(edges.size, column + 1), edges)
    # A quadrilateral's area is half the cross product of its diagonals.
    first, second = right[1:] - left[:-1], left[1:] - right[:-1]
    return 0.5 * np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])[:, None]


def blocks_of(shape: tuple[int, int], side: int = BLOCK) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of each block of a plane, row by row."""
    height, width = shape
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield slice(top, min(top + side, height)), slice(left, min(left + side, width))


def add_to_squares(
    squares: NDArray[np.float64],
    values: NDArray[Any],
    place: tuple[slice, slice],
    sides: tuple[int, int],
) -> None:
    """Add up a block's values in the squares of a plane that they lie in.

    Parameters
    ----------
    squares : float64 (y, x)
        Sums so far, of the whole plane.
    values : (y, x)
        Those of the block.
    place : slices
        The block's rows and columns in the plane [pixel].
    sides : (int, int)
        Height and width of a square [pixel].
    """
    along = [np.arange(a.start, a.stop) // side for a, side in zip(place, sides, strict=True)]
    first_row, first_column = (np.flatnonzero(np.diff(each, prepend=-1)) for each in along)
    by_row = np.add.reduceat(values, first_row, axis=0, dtype=np.float64)
    here = tuple(slice(each[0], each[-1] + 1) for each in along)
    squares[here] += np.add.reduceat(by_row, first_column, axis=1)

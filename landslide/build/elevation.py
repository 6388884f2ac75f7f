"""Elevation on a grid, from the pieces of a DEM.

Which resampling: nearest repeats each sample of a coarser DEM, which turns slopes into terraces;
bilinear joins the samples by facets whose curvature is zero inside and a spike along their edges.
Cubic convolution is smooth across samples, keeps their values, and gives back every quadratic
surface, so curvature too (Keys 1981, doi:10.1109/TASSP.1981.1163711). Where the DEM is
more than twice as fine as the grid, a pixel gets the mean of the samples in it.
"""

import math
from collections.abc import Sequence

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from landslide.build.access import shown
from landslide.build.rasters import (
    Raster,
    describe_raster,
    outline,
    resample,
    touches,
    window_over,
)
from landslide.build.signing import Signer, unsigned

LOWEST, HIGHEST = -600.0, 9000.0
"""No ground is lower or higher [m]: such values are voids that the file does not declare."""
USUAL_VOID = {"int16": -32768.0}  # SRTM's, declared or not
ROUNDING = 1e-6  # share of the area that the corners of a reprojected outline may lose
KERNEL = 4  # samples beyond a block that cubic convolution may want


def pixel_metres(raster: Raster, grid: GeoBox) -> float:
    """Return the side [m] of a raster's pixel at the middle of the grid's area."""
    area = outline(raster.geobox, grid.crs).area
    return float(area / math.prod(raster.geobox.shape)) ** 0.5


def covered_share(pieces: Sequence[Raster], grid: GeoBox) -> float:
    """Return how much of the grid's area, 0 to 1, lies under any of the pieces."""
    area = shapely.box(*grid.boundingbox)
    under = shapely.union_all([outline(piece.geobox, grid.crs) for piece in pieces])
    return float(under.intersection(area).area / area.area)


def described_dem(
    sources: Sequence[str], grid: GeoBox, least_cover: float = 1.0, sign: Signer = unsigned
) -> tuple[tuple[Raster, ...], Raster]:
    """Return the pieces of a DEM as they describe themselves, and the finest of them.

    `sign` makes an address one that can be read, whenever it is.

    Raises
    ------
    ValueError
        Where no source is given, one has no CRS, or they cover less than `least_cover` (0 to 1)
        of the area.
    OSError
        Where one cannot be read.
    """
    if not sources:
        raise ValueError("no DEM is given: name its GeoTIFFs, or a collection that holds one")
    pieces = tuple(describe_raster(source, "DEM", sign=sign) for source in sources)
    share = covered_share(pieces, grid)
    if share < least_cover - ROUNDING:
        west, south, east, north = outline(grid, "EPSG:4326").bounds
        raise ValueError(
            f"the DEM covers {share:.1%} of the area ({west:.4f}, {south:.4f}, {east:.4f}, "
            f"{north:.4f}): add the pieces that lack, choose a smaller area, or lower "
            "`min_coverage` under [build.terrain] where the rest is open sea "
            f"(given: {', '.join(shown(source) for source in sources[:3])}"
            f"{', ...' if len(sources) > 3 else ''})"
        )
    return pieces, min(pieces, key=lambda piece: pixel_metres(piece, grid))


def read_elevation(
    block: GeoBox, pieces: tuple[Raster, ...], finest: Raster
) -> NDArray[np.float32]:
    """Return the elevation [m] on a block's grid (y, x), NaN in gaps; the first piece wins.

    The pieces are laid side by side on the grid of the `finest` of them before anything is
    interpolated, so that no seam shows where they meet.
    """
    near = [piece for piece in pieces if touches(piece, block)]
    if not near:
        return np.full(block.shape, np.nan, np.float32)
    step = abs(block.resolution.x)
    if pixel_metres(finest, block) < step / 2:
        return _laid(near, block, Resampling.average)
    # A grid coarser than the samples widens the kernel.
    margin = KERNEL * max(1, round(step / pixel_metres(finest, block)))
    samples = window_over(finest.geobox, block, margin)
    return resample(
        _laid(near, samples, Resampling.bilinear), block, Resampling.cubic, source=samples
    )


def _laid(pieces: Sequence[Raster], onto: GeoBox, resampling: Resampling) -> NDArray[np.float32]:
    """Return the pieces on one grid: as they are where they share it, else interpolated."""
    mosaic = np.full(onto.shape, np.nan, np.float32)
    for piece in pieces:
        gaps = np.isnan(mosaic)
        if not gaps.any():
            break
        void = piece.nodata if piece.nodata is not None else USUAL_VOID.get(piece.dtype)
        with piece.open("DEM") as source:
            values = resample(rasterio.band(source, 1), onto, resampling, nodata=void)
        values[(values < LOWEST) | (values > HIGHEST)] = np.nan
        mosaic[gaps] = values[gaps]
    return mosaic

"""Elevation on a grid, from the pieces of a DEM.

Which resampling: nearest repeats each sample of a coarser DEM, which turns slopes into terraces;
bilinear joins the samples by facets whose curvature is zero inside and a spike along their edges.
Cubic convolution is smooth across samples, keeps their values, and gives back every quadratic
surface, so curvature too (Keys 1981, doi:10.1109/TASSP.1981.1163711). Where the DEM is
more than twice as fine as the grid, a pixel gets the mean of the samples in it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling

from landslide.build.outlines import outline
from landslide.build.rasters import (
    Raster,
    describe_raster,
    extent,
    read_onto,
    resample,
    touches,
    window_over,
)
from landslide.build.signing import Signer, unsigned
from landslide.storage import without_secrets

LOWEST, HIGHEST = -600.0, 9000.0
"""No ground is lower or higher [m]: such values are voids that the file does not declare."""
SAMPLES_AT_ONCE = 1 << 22  # of a fine DEM: 40 MB
"""Of a DEM that is finer than the grid: they bound what a block takes of memory."""
LOOKED_AT = 512  # rows, and columns, of a grid that are looked at for what covers it
KERNEL = 4  # samples beyond a block that cubic convolution may want
TORN = 8
"""Where the DEM's plane ends within a block, as at a pole or in Mercator at 180 degrees, the window
over the block is as many times as wide as it: too wide to lay pieces together."""


@dataclass(frozen=True)
class Dem:
    """The pieces of a DEM, and how one that is laid together of them is read."""

    pieces: tuple[Raster, ...]
    """Where they overlap, the first counts."""
    finest: Raster
    """The piece on whose pixels the others are laid."""
    pixel_m: float
    """Side of its pixel [m], the same for all blocks: they must not differ in their resampling."""


def pixel_metres(raster: Raster, grid: GeoBox) -> float:
    """Return the side [m] of a raster's pixel at the middle of a grid.

    It is infinite where the raster's CRS cannot show that place.
    """
    base, box = raster.geobox, grid.boundingbox
    to = Transformer.from_crs(str(base.crs), str(grid.crs), always_xy=True)
    middle = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    there = to.transform(*middle, direction="INVERSE")
    if not np.isfinite(there).all():
        return math.inf
    column, row = (math.floor(at) for at in base.wld2pix(*there))
    corners = [base.affine @ at for at in ((column, row), (column + 1, row), (column, row + 1))]
    corner, right, below = np.stack(to.transform(*np.transpose(corners)), axis=1)
    return math.sqrt(abs(np.linalg.det([right - corner, below - corner])))


def covered_share(pieces: Sequence[Raster], grid: GeoBox) -> float:
    """Return which share of the grid's pixels, 0 to 1, lies under any of the pieces.

    Their middles count; of a large grid, those of so many rows and columns from edge to edge.
    """
    x, y = np.meshgrid(*(_some(grid.coordinates[axis].values) for axis in ("x", "y")))
    under = np.zeros(x.shape, np.bool_)
    for crs in {str(piece.geobox.crs) for piece in pieces}:
        to = Transformer.from_crs(str(grid.crs), crs, always_xy=True)
        there = [extent(piece.geobox) for piece in pieces if str(piece.geobox.crs) == crs]
        under |= shapely.intersects_xy(shapely.union_all(there), *to.transform(x, y))
    return float(under.mean())


def _some(middles: NDArray[np.float64]) -> NDArray[np.float64]:
    number = min(middles.size, LOOKED_AT)
    return middles[np.linspace(0, middles.size - 1, number).round().astype(int)]


def described_dem(
    sources: Sequence[str], grid: GeoBox, least_cover: float = 1.0, sign: Signer = unsigned
) -> Dem:
    """Return the pieces of a DEM as they describe themselves.

    `sign` makes an address one that can be read, whenever it is.

    Raises
    ------
    ValueError
        Where one has no CRS, or they cover less than `least_cover` (0 to 1) of the area.
    OSError
        Where one cannot be read.
    """
    pieces = tuple(describe_raster(source, "DEM", sign=sign) for source in sources)
    share = covered_share(pieces, grid)
    if share < least_cover:
        west, south, east, north = outline(grid, "EPSG:4326").bounds
        raise ValueError(
            f"the DEM covers {share:.1%} of the area ({west:.4f}, {south:.4f}, {east:.4f}, "
            f"{north:.4f}): add the pieces that lack, choose a smaller area, or lower "
            "`min_coverage` under [build.terrain] where the rest is open sea "
            f"(given: {', '.join(without_secrets(source) for source in sources[:3])}"
            f"{', ...' if len(sources) > 3 else ''})"
        )
    pixels_m = [pixel_metres(piece, grid) for piece in pieces]
    pixel_m = min(pixels_m)
    return Dem(pieces, pieces[pixels_m.index(pixel_m)], pixel_m)


def read_elevation(block: GeoBox, dem: Dem) -> NDArray[np.float32]:
    """Return the elevation [m] on a block's grid (y, x), NaN in gaps; the first piece wins.

    The pieces are laid side by side on the grid of the finest of them before anything is
    interpolated, so that no seam shows where they meet.
    """
    near = [piece for piece in dem.pieces if touches(piece, block)]
    if not near:
        return np.full(block.shape, np.nan, np.float32)
    step = abs(block.resolution.x)
    if dem.pixel_m < step / 2:
        height, width = block.shape
        rows = max(1, math.floor(SAMPLES_AT_ONCE * (dem.pixel_m / step) ** 2 / width))
        strips = [block[top : min(top + rows, height), :] for top in range(0, height, rows)]
        return np.concatenate([_laid(near, strip, Resampling.average) for strip in strips])
    # A grid coarser than the samples widens the kernel.
    margin = KERNEL * max(1, round(step / dem.pixel_m))
    samples = window_over(dem.finest.geobox, block, margin)
    if max(samples.shape) > TORN * (sum(block.shape) + margin):
        return _laid(near, block, Resampling.cubic)
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
        values = _resampled(piece, onto, resampling)
        mosaic[gaps] = values[gaps]
    return mosaic


def _resampled(piece: Raster, onto: GeoBox, resampling: Resampling) -> NDArray[np.float32]:
    """Return a piece on a grid; its voids are none of what is interpolated, declared or not."""

    def solid(stored: NDArray[Any], around: GeoBox) -> NDArray[np.float32]:
        samples = piece.physical(stored).astype(np.float32)
        void = (samples < LOWEST) | (samples > HIGHEST)
        if piece.nodata is not None:
            void |= stored == piece.nodata
        samples[void] = np.nan
        return resample(samples, onto, resampling, source=around)

    return read_onto(piece, onto, "DEM", KERNEL, np.float32, solid)

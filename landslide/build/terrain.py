"""Elevation, slope, aspect and curvature on a cube's grid, from the pieces of a DEM."""

from collections.abc import Sequence

import dask.array as da
import numpy as np
import xarray as xr
import xrspatial
from dask.array.core import normalize_chunks
from odc.geo.geobox import GeoBox

from landslide.build.blocks import BLOCK_PIXELS, by_block, variable
from landslide.build.elevation import described_dem, read_elevation
from landslide.build.signing import Signer, unsigned
from landslide.storage import without_secrets

HALO = 1  # pixels: slope, aspect and curvature look at the eight neighbours


def terrain_layers(
    sources: Sequence[str],
    geobox: GeoBox,
    *,
    block_pixels: int = BLOCK_PIXELS,
    least_cover: float = 1.0,
    sign: Signer = unsigned,
) -> xr.Dataset:
    """Return the terrain layers of a cube, lazily.

    Slope and aspect are Horn's (1981, doi:10.1109/PROC.1981.11918: differences over three rows,
    weighted 1, 2, 1), curvature that of Zevenbergen and Thorne (1987,
    doi:10.1002/esp.3290120107), -2 (D + E) x 100, positive on ridges. All as xarray-spatial
    computes them; the aspect counts from the grid's own north, as that of the published cubes
    does. The elevation reaches one pixel beyond the grid, so neither a block's border
    nor, where the DEM goes on, the grid's own shows. Next to a gap there is no slope.

    Parameters
    ----------
    sources
        Local paths or addresses of the DEM's GeoTIFFs, in any CRS; where they overlap, the first
        counts. Copernicus, SRTM and AW3D30 have such pieces.
    geobox
        The grid: a projected CRS in metres, square pixels, north up.
    block_pixels
        Side [pixels] of the Dask blocks.
    least_cover
        Share of the area, 0 to 1, that the pieces must cover; less than 1 leaves the rest NaN.
        Copernicus has no pieces over open sea.
    sign
        What makes an address one that can be read, at the time of reading.

    Returns
    -------
    xr.Dataset
        `dem` [m], `dem_slope_radians`, `dem_aspect` [degrees clockwise from grid north, NaN
        on flat ground] and `dem_curvature` [1/100 m], float32 (y, x).

    Raises
    ------
    ValueError
        Where a source has no CRS, they do not cover the area (the message says how much they do),
        or all that they hold there is void: blocks are read up to the first that has an elevation.
    OSError
        Where a source cannot be read.
    """
    dem = described_dem(sources, geobox, least_cover, sign)
    elevation = by_block(
        read_elevation,
        geobox.pad(HALO),
        np.float32,
        name="read_elevation",
        chunks=tuple(map(_with_halo, normalize_chunks(block_pixels, geobox.shape))),
        dem=dem,
    )
    places = np.ndindex(*elevation.numblocks)
    if not any(np.isfinite(elevation.blocks[place].compute()).any() for place in places):
        raise ValueError(
            "the DEM lies beside the area, or holds nothing but voids there: fetch it again, name "
            "another, or set `terrain = false` under [build] "
            f"(given: {', '.join(without_secrets(source) for source in sources[:3])})"
        )
    return xr.Dataset(
        {
            name: variable(data, geobox, name)
            for name, data in _derived(elevation, abs(geobox.resolution.x)).items()
        }
    )


def _with_halo(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the lengths of blocks of which the first and the last have the halo beside them."""
    return (sizes[0] + 2 * HALO,) if len(sizes) == 1 else (
        sizes[0] + HALO, *sizes[1:-1], sizes[-1] + HALO,
    )  # fmt: skip


def _derived(elevation: da.Array, pixel_m: float) -> dict[str, da.Array]:
    """Return each layer of the ground inside the halo.

    xarray-spatial's ways are mended here: its slope is in degrees, and its aspect is -1 on flat
    ground and does not look at the pixel itself, which may be a gap; of its curvature a lazy array
    would claim to be float64.
    """
    # Without units it would read the elevation in five places, four times, to guess them.
    about = {"res": (pixel_m, pixel_m), "units": "m"}
    raster = xr.DataArray(elevation, dims=("y", "x"), attrs=about)
    slope = xrspatial.slope(raster).data * np.float32(np.pi / 180)
    aspect = xrspatial.aspect(raster).data
    aspect = da.where((aspect >= 0) & da.isfinite(elevation), aspect, np.float32(np.nan))
    curvature = xrspatial.curvature(raster).data.astype(np.float32)
    inside = slice(HALO, -HALO), slice(HALO, -HALO)
    return {
        "dem": elevation[inside],
        "dem_slope_radians": slope[inside],
        "dem_aspect": aspect[inside],
        "dem_curvature": curvature[inside],
    }

"""Where the radar can have seen a landslide: no layover, no shadow, no water."""

import math
from collections.abc import Sequence
from functools import reduce
from operator import and_

import dask.array as da
import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from landslide.build.blocks import BLOCK_PIXELS, by_block, variable
from landslide.build.elevation import Dem, covered_share, described_dem, read_elevation
from landslide.build.labels import burnt
from landslide.build.polygons import read_polygons
from landslide.build.rasters import Raster, describe_raster, resample, touches
from landslide.build.signing import Signer, unsigned
from landslide.build.viewing import View, layover_and_shadow

RELIEF = 1500.0
"""Height [m] of the highest flank that is expected to hide ground beside it."""


def observed_layers(
    geobox: GeoBox,
    *,
    dem: Sequence[str] = (),
    views: Sequence[View] = (),
    relief_m: float = RELIEF,
    least_cover: float = 1.0,
    water: Sequence[str] = (),
    water_values: Sequence[float] | None = None,
    water_above: float | None = None,
    block_pixels: int = BLOCK_PIXELS,
    sign: Signer = unsigned,
    sign_water: Signer = unsigned,
) -> xr.Dataset:
    """Return `observed` (y, x), bool, lazily: False in layover, in shadow and on water.

    Parameters
    ----------
    geobox
        The grid: metric, north up.
    dem, views
        A DEM's GeoTIFFs, as `terrain_layers` takes them, and from where the radar looks; ground
        that is hidden in any of the views is not observed. A view's incidence angle is that at
        the middle of the grid; it grows away from the radar, by 0.6 degrees over 10 km.
    relief_m
        Ground is searched for what hides it as far as a flank of this height [m] reaches; the
        elevation is read as far beyond each block and beyond the grid.
    least_cover
        Share of the area, 0 to 1, that the DEM must cover; where it has no elevation, nothing is
        hidden.
    water
        Polygons in vector files; or, with one of the next two, the GeoTIFFs of a raster. A DEM with
        views, or water, or both are given.
    water_values
        The values that mean water: 80 in ESA WorldCover.
    water_above
        The value above which it is water: 50 (per cent) of JRC's water occurrence, say.
    block_pixels
        Side [pixels] of the Dask blocks.
    sign, sign_water
        What makes a DEM's address, and one of water, one that can be read, at the time of reading.

    Raises
    ------
    ValueError
        Where a file cannot be used, or a raster does not cover the area.
    OSError
        Where a file cannot be read.
    """
    planes = _seen(dem, views, geobox, relief_m, least_cover, block_pixels, sign) if dem else []
    if water:
        planes.append(~_water(water, geobox, water_values, water_above, block_pixels, sign_water))
    return variable(reduce(and_, planes), geobox, "observed").to_dataset()


def _seen(
    dem: Sequence[str],
    views: Sequence[View],
    grid: GeoBox,
    relief_m: float,
    least_cover: float,
    block_pixels: int,
    sign: Signer,
) -> list[da.Array]:
    described = described_dem(dem, grid, least_cover, sign)
    box = grid.boundingbox
    middle = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    aside = math.hypot(box.span_x, box.span_y) / 2
    return [
        by_block(
            see,
            grid,
            np.bool_,
            name="see_ground",
            block_pixels=block_pixels,
            view=view,
            halo=math.ceil(view.reach(relief_m, aside) / abs(grid.resolution.x)) + 1,
            middle=middle,
            dem=described,
        )
        for view in views
    ]


def see(
    block: GeoBox, view: View, halo: int, middle: tuple[float, float], dem: Dem
) -> NDArray[np.bool_]:
    """Return which (y, x) pixels of a block a view shows, looking `halo` pixels beyond it.

    `middle` is where the view's incidence angle holds, x and y [m].
    """
    around = block.pad(halo)
    elevation = read_elevation(around, dem)
    beyond = distance_along(around, view.look_degrees, middle)
    inside = slice(halo, -halo)
    layover, shadow = layover_and_shadow(elevation, view, abs(block.resolution.x), beyond)
    return ~(layover | shadow)[inside, inside]


def distance_along(
    grid: GeoBox, direction_degrees: float, origin: tuple[float, float]
) -> NDArray[np.float64]:
    """Return how far [m] from an origin along a direction the pixels (y, x) of a grid lie."""
    direction = math.radians(direction_degrees)
    east = grid.coordinates["x"].values - origin[0]
    north = grid.coordinates["y"].values - origin[1]
    return np.add.outer(math.cos(direction) * north, math.sin(direction) * east)


def _water(
    files: Sequence[str],
    grid: GeoBox,
    values: Sequence[float] | None,
    above: float | None,
    block_pixels: int,
    sign: Signer,
) -> da.Array:
    if values is None and above is None:
        polygons = np.concatenate(
            [
                read_polygons(sign(file, False), grid, "water", must_lie_there=False)
                for file in files
            ]
        )
        return burnt(polygons, grid, block_pixels=block_pixels).astype(bool)
    pieces = tuple(describe_raster(file, "water raster", sign=sign) for file in files)
    share = covered_share(pieces, grid)
    if share < 1:
        raise ValueError(
            f"the water raster covers {share:.1%} of the area: add the pieces that lack"
        )
    return by_block(
        wet, grid, np.bool_, name="read_water", block_pixels=block_pixels,
        pieces=pieces, values=tuple(values) if values is not None else None,
        above=math.nan if above is None else above,
    )  # fmt: skip


def wet(
    block: GeoBox, pieces: tuple[Raster, ...], values: tuple[float, ...] | None, above: float
) -> NDArray[np.bool_]:
    """Return the (y, x) pixels of a block that a raster calls water; no-data is none."""
    water = np.zeros(block.shape, bool)
    # Kinds of land cover have no mean; a measure has.
    how = Resampling.nearest if values is not None else Resampling.bilinear
    for piece in pieces:
        if touches(piece, block):
            with piece.open("water raster") as source:
                found = resample(rasterio.band(source, piece.band), block, how, nodata=piece.nodata)
            water |= np.isin(found, values) if values is not None else piece.physical(found) > above
    return water

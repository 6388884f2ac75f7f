"""Landslide labels on a cube's grid, from an inventory of polygons."""

import math

import dask.array as da
import numpy as np
import shapely
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from landslide.build.blocks import BLOCK_PIXELS, by_block, variable
from landslide.build.polygons import Polygons, read_polygons
from landslide.cube.labels import NO_DATA
from landslide.storage import without_secrets

KEYS, MAPPED_KEYS = "`{}` under [build.labels]", "`mapped_{}` under [build.labels]"


def label_layers(
    inventory: str,
    geobox: GeoBox,
    *,
    mapped: str | None = None,
    all_touched: bool = False,
    crs: str | None = None,
    layer: str | None = None,
    mapped_crs: str | None = None,
    mapped_layer: str | None = None,
    block_pixels: int = BLOCK_PIXELS,
) -> xr.Dataset:
    """Return the label layers of a cube, lazily.

    Parameters
    ----------
    inventory
        A file of landslide polygons in any format and CRS (see
        `landslide.build.polygons.read_polygons`). Polygons that cross themselves are repaired,
        with a warning.
    geobox
        The grid.
    mapped
        A file of the polygons inside which somebody looked for landslides. Ground outside is
        no-data (255), landslide or not; without it, all ground counts as mapped.
    all_touched
        Whether a pixel is a landslide that a polygon only touches; else its middle must lie
        inside, which keeps areas unbiased and loses polygons smaller than a pixel.
    crs, layer
        The inventory's reference system, where it declares none; which of its several layers.
    mapped_crs, mapped_layer
        The same of `mapped`.
    block_pixels
        Side [pixels] of the Dask blocks.

    Returns
    -------
    xr.Dataset
        `landslides` uint8 (y, x): 1 landslide, 0 none, 255 no-data; and with `mapped` the bool
        `mapped` (y, x).

    Raises
    ------
    ValueError
        Where no pixel would be a landslide, or none in the mapped area.
    ValueError, OSError
        As `read_polygons` does.
    """
    slides = read_polygons(inventory, geobox, "inventory", crs=crs, layer=layer, keys=KEYS)
    if not any_pixel(slides, geobox, all_touched=all_touched):
        raise ValueError(
            f"none of the {slides.size} polygons of the inventory {without_secrets(inventory)} "
            f"holds the middle of a pixel of {abs(geobox.resolution.x):g} m: set "
            "`all_touched = true` under [build.labels], or a finer `resolution`"
        )
    labels = variable(
        burnt(slides, geobox, all_touched=all_touched, block_pixels=block_pixels),
        geobox,
        "landslides",
        pixels="all that a polygon touches" if all_touched else "middle inside a polygon",
    )
    if mapped is None:
        return labels.to_dataset()
    looked = read_polygons(
        mapped, geobox, "mapped area", crs=mapped_crs, layer=mapped_layer, keys=MAPPED_KEYS
    )
    if not any_pixel(slides, geobox, all_touched=all_touched, within=looked):
        raise ValueError(
            f"no pixel of a landslide of {without_secrets(inventory)} has its middle in the mapped "
            f"area {without_secrets(mapped)}: see that the two are of one place, or leave `mapped` "
            "out"
        )
    inside = burnt(looked, geobox, block_pixels=block_pixels).astype(bool)
    mask = variable(inside, geobox, "mapped")
    return xr.Dataset({"landslides": labels.where(mask, np.uint8(NO_DATA)), "mapped": mask})


def any_pixel(
    polygons: Polygons, geobox: GeoBox, *, all_touched: bool, within: Polygons | None = None
) -> bool:
    """Return whether any pixel of a grid lies inside any polygon; the largest are tried first.

    Where `within` is given its middle must lie in one of those, too.
    """
    for polygon in polygons[np.argsort(-shapely.area(polygons))]:
        west, south, east, north = polygon.bounds
        x, y = geobox.wld2pix(np.array([west, east]), np.array([north, south]))
        left, right = np.clip([math.floor(x[0]), math.ceil(x[1])], 0, geobox.shape.x)
        top, bottom = np.clip([math.floor(y[0]), math.ceil(y[1])], 0, geobox.shape.y)
        if left == right or top == bottom:
            continue
        block = geobox[top:bottom, left:right]
        inside = burn(block, np.array([polygon]), all_touched=all_touched)
        if within is not None:
            inside &= burn(block, within, all_touched=False)
        if inside.any():
            return True
    return False


def burnt(
    polygons: Polygons, geobox: GeoBox, *, all_touched: bool = False, block_pixels: int
) -> da.Array:
    """Return 1 inside polygons and 0 elsewhere; one copy of the polygons serves all blocks."""
    return by_block(
        burn,
        geobox,
        np.uint8,
        name="burn_polygons",
        block_pixels=block_pixels,
        polygons=delayed(polygons),
        all_touched=all_touched,
    )


def burn(block: GeoBox, polygons: Polygons, *, all_touched: bool) -> NDArray[np.uint8]:
    """Return (y, x) uint8: 1 for the pixels of a block inside any polygon, else 0."""
    here = polygons[shapely.intersects(polygons, shapely.box(*block.boundingbox))]
    if not here.size:
        return np.zeros(block.shape, np.uint8)
    return np.asarray(
        rasterize(
            here.tolist(),
            out_shape=tuple(block.shape),
            transform=block.transform,
            all_touched=all_touched,
            dtype="uint8",
        )
    )

"""A georeferenced raster file: what it declares, checked, and its pixels on another grid."""

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.warp import reproject
from rasterio.windows import Window
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from landslide.build.access import (
    gdal_options,
    raster_errors,
    require_place,
    require_whole,
    signed,
)
from landslide.build.outlines import TURN, all_turns, outline
from landslide.build.signing import Signer, unsigned

# rasterio hushes this one about its arrays in memory, in a way that threads undo for each other.
warnings.filterwarnings("ignore", "Dataset has no geotransform", NotGeoreferencedWarning)


@dataclass(frozen=True)
class Raster:
    """One raster file, as it describes itself."""

    address: str
    """Local path or address, not signed."""
    geobox: GeoBox
    """Its grid, CRS included."""
    nodata: float | None
    """The value, as stored, that stands for no data in the band, where it declares one."""
    band: int = 1
    """Which of its bands is meant."""
    scale: float = 1.0
    """What a value of the band is times this, and plus the next, is what it means."""
    offset: float = 0.0
    tags: tuple[tuple[str, str], ...] = ()
    """What its maker wrote into it, by name."""
    sign: Signer = unsigned
    """What makes its address one that can be read, at the time of reading."""

    def open(self, what: str) -> contextlib.AbstractContextManager[Any]:
        """Open it, as `open_raster` does."""
        return open_raster(self.address, what, self.sign)

    def physical(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return what stored values mean, by the scale and the offset that it declares."""
        plain = (self.scale, self.offset) == (1, 0)
        return stored if plain else stored * self.scale + self.offset


@contextlib.contextmanager
def open_raster(address: str, what: str = "", sign: Signer = unsigned) -> Iterator[Any]:
    """Open a raster with GDAL; what fails, also while it is read, is one line with its address.

    Raises
    ------
    ValueError, OSError
        As `landslide.build.access.reason` says.
    """
    with (
        rasterio.Env(**gdal_options(address)),
        raster_errors(address, what),
        signed(address, sign, rasterio.open, what) as source,
    ):
        yield source


def describe_raster(
    address: str,
    what: str = "",
    crs: str | None = None,
    *,
    band: int = 1,
    sign: Signer = unsigned,
) -> Raster:
    """Return what a raster declares of a band; `what` names it in errors ("DEM", "coherence").

    `crs` is what files of its kind are in where they declare none.

    Raises
    ------
    OSError
        As `open_raster` does.
    ValueError
        Where it does not say where it lies, or one on a disk was cut off.
    """
    with open_raster(address, what, sign) as source:
        if Path(address).is_file():
            require_whole(source, address, what)
        declared = require_place(source, address, what, crs)
        return Raster(
            address=address,
            sign=sign,
            geobox=GeoBox(source.shape, source.transform, declared),
            nodata=source.nodatavals[band - 1],
            band=band,
            scale=source.scales[band - 1],
            offset=source.offsets[band - 1],
            tags=tuple(sorted(source.tags().items())),
        )


def extent(raster: GeoBox) -> BaseGeometry:
    """Return a raster's extent on its own plane; in degrees, of all turns."""
    box = shapely.box(*raster.boundingbox)
    return all_turns(box) if raster.crs is not None and raster.crs.geographic else box


def touches(raster: Raster, block: GeoBox) -> bool:
    """Say whether a raster and a block may share ground; a few pixels more count as shared."""
    here = outline(block.pad(4), raster.geobox.crs)
    return bool(here.intersects(extent(raster.geobox.pad(4))))


def window_over(base: GeoBox, block: GeoBox, margin: int) -> GeoBox:
    """Return the pixels of the endless grid of `base` that a block lies on, and a margin."""
    return _pixels(base, outline(block.pad(1), base.crs).bounds, margin)


def windows_over(base: GeoBox, block: GeoBox, margin: int) -> Iterator[tuple[Window, GeoBox]]:
    """Yield the pixels of a raster that a block is interpolated from, each time with their grid.

    They reach two of the block's pixels beyond it, as on a grid coarser than the raster a kernel
    does, and a margin of the raster's.
    That is one window, or none; where a raster begins and ends within the block, as one of the
    world does at the 180th meridian, there are two.
    """
    height, width = base.shape
    here = outline(block.pad(2), base.crs)
    turns = (-TURN, 0, TURN) if base.crs is not None and base.crs.geographic else (0,)
    for part in () if here.is_empty else shapely.get_parts(here):
        for turn in turns:
            wanted = _pixels(base, translate(part, turn).bounds, margin)
            left, top = (round(edge) for edge in base.wld2pix(*(wanted.affine @ (0, 0))))
            rows = max(0, top), min(height, top + wanted.shape[0])
            columns = max(0, left), min(width, left + wanted.shape[1])
            if rows[0] < rows[1] and columns[0] < columns[1]:
                yield Window.from_slices(rows, columns), base[slice(*rows), slice(*columns)]


def read_onto(
    raster: Raster,
    block: GeoBox,
    what: str,
    margin: int,
    dtype: type[np.generic],
    make: Callable[[NDArray[Any], GeoBox], NDArray[Any]],
) -> NDArray[Any]:
    """Return a raster (y, x) on a block's grid, NaN without data.

    It is what `make` gives, on that grid, of the values that are stored in each of `windows_over`,
    and of their own grid.

    Raises
    ------
    ValueError, OSError
        As `open_raster` and `make` do.
    """
    out = np.full(block.shape, np.nan, dtype)
    windows = list(windows_over(raster.geobox, block, margin))
    if not windows:
        return out
    with raster.open(what) as source:
        for window, around in windows:
            found = make(source.read(raster.band, window=window), around)
            out = np.where(np.isnan(out), found, out)
    return out


def _pixels(base: GeoBox, bounds: tuple[float, float, float, float], margin: int) -> GeoBox:
    west, south, east, north = bounds
    columns, rows = zip(*(base.wld2pix(x, y) for x in (west, east) for y in (south, north)),
                        strict=True)  # fmt: skip
    left, top = math.floor(min(columns)) - margin, math.floor(min(rows)) - margin
    shape = math.ceil(max(rows)) + margin - top, math.ceil(max(columns)) + margin - left
    return GeoBox(shape, base.affine @ Affine.translation(left, top), base.crs)


def resample(
    values: Any,
    onto: GeoBox,
    resampling: Resampling,
    *,
    source: GeoBox | None = None,
    nodata: float | None = np.nan,
) -> NDArray[np.float32]:
    """Return `values` on another grid, float32, NaN where it has no data.

    `values` is an array (y, x) on the grid `source`, or a band of an open raster. The
    coordinates are transformed exactly: GDAL's usual approximation, an eighth of a pixel, differs
    from block to block.
    """
    out = np.full(onto.shape, np.nan, np.float32)
    where: dict[str, Any] = {}
    if source is not None:
        where = {"src_transform": source.transform, "src_crs": str(source.crs)}
    reproject(
        values,
        out,
        dst_transform=onto.transform,
        dst_crs=str(onto.crs),
        src_nodata=nodata,
        dst_nodata=np.nan,
        resampling=resampling,
        tolerance=0,
        **where,
    )
    return out

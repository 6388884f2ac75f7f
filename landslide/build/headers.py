"""What a GeoTIFF's header says, and whether all of the file is there."""

import logging
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import rasterio
from rasterio import DatasetReader
from rasterio.errors import NotGeoreferencedWarning

from landslide.build.access import called, damaged, raster_errors, require_place

# What GDAL says on the way is raised where it matters, and named there.
logging.getLogger("rasterio._env").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Header:
    """What is known of a GeoTIFF without a pixel read."""

    crs: str
    """Well-known text."""
    bounds: tuple[float, float, float, float]
    """Left, bottom, right, top in that reference system."""
    pixel_m: float
    """Side of a pixel [m], at its middle latitude where the reference system is in degrees."""
    nodata: float | None
    bytes: int | None
    """Size of the file, where it lies on a disk by itself."""


def read_header(address: str) -> Header:
    """Return what a GeoTIFF says of itself; of one on a disk, all blocks are there.

    Raises
    ------
    ValueError
        Where it is no GeoTIFF, has no reference system, or was cut off.
    FileNotFoundError, PermissionError, ConnectionError
        Where it cannot be read.
    """
    with warnings.catch_warnings(), raster_errors(address):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # an error says it better
        return _header(address)


def _header(address: str) -> Header:
    with rasterio.open(address) as image:
        if Path(address).is_file():
            require_whole(image, address)
        crs = require_place(image, address)
        left, bottom, right, top = image.bounds
        metres = 111_320 * math.cos(math.radians((bottom + top) / 2))
        unit = metres if image.crs.is_geographic else image.crs.linear_units_factor[1]
        return Header(
            crs,
            (left, bottom, right, top),
            abs(image.transform.a) * unit,
            image.nodata,
            Path(address).stat().st_size if Path(address).is_file() else None,
        )


def require_whole(image: DatasetReader, path: str, what: str = "") -> None:
    """Refuse a GeoTIFF on a disk that ends before its last block does.

    Raises
    ------
    ValueError
        Where it does; `what` it is ("DEM") is said, too, where it is given.
    """
    size = Path(path).stat().st_size
    for (row, column), _ in image.block_windows(1):
        place = f"{column}_{row}"
        start, length = (
            int(image.get_tag_item(f"BLOCK_{key}_{place}", "TIFF", bidx=1) or 0)
            for key in ("OFFSET", "SIZE")
        )
        if start + length > size:
            raise damaged(
                called(path, what), f"it ends at byte {size}, a block at {start + length}"
            )

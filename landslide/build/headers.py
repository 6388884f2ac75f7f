"""What a GeoTIFF's header says, and what is wrong with one, in one line."""

import logging
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fsspec
import rasterio
from rasterio import DatasetReader
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from landslide.build.rasters import shown

# What GDAL says on the way is raised where it matters, and named here.
logging.getLogger("rasterio._env").setLevel(logging.CRITICAL)

OPENING = 64
"""Bytes that tell an image from a page."""


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
            _require_whole(image, address)
        require_crs(image, address)
        left, bottom, right, top = image.bounds
        metres = 111_320 * math.cos(math.radians((bottom + top) / 2))
        unit = metres if image.crs.is_geographic else image.crs.linear_units_factor[1]
        return Header(
            image.crs.to_wkt(),
            (left, bottom, right, top),
            abs(image.transform.a) * unit,
            image.nodata,
            Path(address).stat().st_size if Path(address).is_file() else None,
        )


def require_crs(image: DatasetReader, address: str) -> None:
    """Refuse an image that does not say where it lies.

    Raises
    ------
    ValueError
        Where it has no reference system.
    """
    if image.crs is None:
        raise ValueError(
            f"{shown(address)} has no coordinate reference system: set it (gdal_edit.py -a_srs "
            "EPSG:…), or fetch the file again"
        )


def _require_whole(image: DatasetReader, path: str) -> None:
    """Refuse a file that ends before its last block does."""
    size = Path(path).stat().st_size
    for (row, column), _ in image.block_windows(1):
        place = f"{column}_{row}"
        start, length = (
            int(image.get_tag_item(f"BLOCK_{key}_{place}", "TIFF", bidx=1) or 0)
            for key in ("OFFSET", "SIZE")
        )
        if start + length > size:
            raise _damaged(path, f"it ends at byte {size}, a block at {start + length}")


@contextmanager
def raster_errors(address: str) -> Iterator[None]:
    """Turn what rasterio raises into one line that names the file and the way out."""
    try:
        yield
    except RasterioError as error:
        raise reason(address, " ".join(f"{error} {error.__cause__ or ''}".split())) from error


def reason(address: str, said: str) -> Exception:
    """Return the error that says plainly what rasterio means of a file."""
    name, status = shown(address), re.search(r"HTTP response code: (\d{3})", said)
    code = int(status[1]) if status else 0
    if code in (401, 403):
        return PermissionError(
            f"{name}: access refused (HTTP {code}): its signature has expired, or the archive "
            "wants credentials; set `signing`, or log in to the archive"
        )
    if code == 404 or "No such file" in said or "does not exist" in said:
        return FileNotFoundError(f"no file at {name}: the archive may have moved it; search again")
    if code or "CURL error" in said or "Timeout" in said:
        return ConnectionError(f"{name} cannot be reached ({said[:120]}): check the network")
    if "not recognized" in said:
        return ValueError(
            f"{name} is no GeoTIFF{_begins(address)}: an error page may lie under its name; fetch "
            "it again"
        )
    return _damaged(name, said[:120])


def _damaged(name: str, said: str) -> ValueError:
    return ValueError(f"{name} is cut off or damaged ({said}): fetch it again")


def _begins(address: str) -> str:
    """Say how a file begins, where that is text."""
    try:
        with fsspec.open(address) as file:
            start = file.read(OPENING)
    except (OSError, ValueError, ImportError):
        return ""
    text = start.decode("ascii", errors="ignore").strip()
    return f" (it begins with {text[:24]!r})" if text[:1] in ("<", "{") else ""

"""How a raster file is reached: what GDAL is told of it, its signature, and its errors in one line.

All that opens rasters, headers, windows for the loader, DEMs and interferograms, does so through
these, so that the same thing going wrong is always said in the same words.
"""

import functools
import logging
import math
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from rasterio import DatasetReader
from rasterio.errors import RasterioError

from landslide.build.grid import require_on_earth
from landslide.build.signing import Signer, unsigned
from landslide.storage import text_without_secrets, without_secrets

# What GDAL says on the way is raised where it matters, and named there.
logging.getLogger("rasterio._env").setLevel(logging.CRITICAL)

REMOTE = ("http://", "https://", "/vsicurl", "s3://", "gs://", "az://")
REMOTE_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # a signed address lists nothing
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
}
OPENING = 64
"""Bytes that tell an image from a page."""


_FIRST = threading.Lock()
"""Of many threads that ask at once, one makes the folder."""


def gdal_options(address: str) -> dict[str, str]:
    """Return what GDAL is told while it reads from an address: patience, and to keep cookies.

    NASA's archives, OPERA's among them, send who asks to Earthdata's login, which takes what
    `~/.netrc` says, and back with a cookie.
    """
    if not address.startswith(REMOTE):
        return {}
    with _FIRST:
        cookies = f"{_private_folder().name}/cookies"
    return REMOTE_OPTIONS | {"GDAL_HTTP_COOKIEFILE": cookies, "GDAL_HTTP_COOKIEJAR": cookies}


@functools.cache
def _private_folder() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder that nobody else may read, and that goes with this process."""
    return tempfile.TemporaryDirectory(prefix="landslide-", ignore_cleanup_errors=True)


def without_queries(said: str) -> str:
    """Return what GDAL says without signatures, which it also writes behind a file's bare name."""
    return re.sub(r"\?[^\s'\",]+", "", text_without_secrets(said))


def signed[T](address: str, sign: Signer, attempt: Callable[[str], T], what: str = "") -> T:
    """Return what `attempt` gives of an address that is signed at this moment.

    Where the signature is refused a new one is tried, once.

    Raises
    ------
    ValueError, OSError
        As `reason` says.
    """
    for refused in (False, True):
        try:
            return attempt(sign(address, refused))
        except RasterioError as error:
            problem = reason(address, _said(error), what)
            again = isinstance(problem, PermissionError) and sign is not unsigned
            if refused or not again:
                raise problem from error
    raise AssertionError("the second answer was raised")


@contextmanager
def raster_errors(address: str, what: str = "") -> Iterator[None]:
    """Turn what rasterio raises into one line that names the file and the way out."""
    try:
        yield
    except RasterioError as error:
        raise reason(address, _said(error), what) from error


def _said(error: RasterioError) -> str:
    """Return what GDAL says, and cut its own errors off.

    They do not pickle, and a Dask worker could not send back what is raised from them.
    """
    said = " ".join(f"{error} {error.__cause__ or ''}".split())
    error.__cause__ = error.__context__ = None
    return said


def reason(address: str, said: str, what: str = "") -> Exception:
    """Return the error that says plainly what rasterio means of a file.

    `what` it is ("DEM", "coherence") is said, too, where it is given.
    """
    plain = without_secrets(address)
    name = called(plain, what)
    status = re.search(r"HTTP response code: (\d{3})", said)
    code = int(status[1]) if status else 0
    if code in (401, 403):
        return PermissionError(
            f"{name}: access refused (HTTP {code}): its signature has expired, or the archive "
            "wants credentials; set `signing`, or log in to the archive"
        )
    if code == 404 or "No such file" in said or "does not exist" in said:
        moved = "the archive may have moved it; search again"
        hint = moved if address.startswith(REMOTE) else "check its name"
        return FileNotFoundError(f"no {what or 'file'} at {plain}: {hint}")
    said = without_queries(said).replace(f"'{plain}'", "it").replace(plain, "it")[:120]
    if "Permission denied" in said:
        return PermissionError(f"{name} may not be read: see the file's permissions")
    if code or "CURL error" in said or "Timeout" in said:
        return ConnectionError(f"{name} cannot be reached ({said}): check the network")
    if "not recognized" in said:
        page = "an error page may lie under its name; fetch it again"
        return unknown(address, name, "GeoTIFF", page)
    return damaged(name, re.sub(r"\w+\(0x[^)]*\)", "reading", said))  # a pointer of GDAL's


def unknown(address: str, name: str, wanted: str, way_out: str) -> ValueError:
    """Return the error of what GDAL finds no format of its own in."""
    path = Path(address)
    if path.is_dir():
        return ValueError(f"{name} is a folder: name the files in it")
    if path.is_file() and not path.stat().st_size:
        return ValueError(f"{name} is empty: fetch it again")
    return ValueError(f"{name} is no {wanted}{_begins(address)}: {way_out}")


def called(name: str, what: str) -> str:
    """Return what an error calls a file: its name, after what it is where that is known."""
    return f"the {what} {name}" if what else name


def damaged(name: str, said: str) -> ValueError:
    """Return the error of a file that is there in part."""
    return ValueError(f"{name} is cut off or damaged ({said}): fetch it again")


def require_place(
    image: DatasetReader, address: str, what: str = "", crs: str | None = None
) -> str:
    """Return the reference system (WKT) of an image, or `crs` where it declares none.

    Raises
    ------
    ValueError
        Where there is neither, or it does not say where on the Earth its pixels lie.
    """
    name = called(without_secrets(address), what)
    declared = crs if image.crs is None else str(image.crs.to_wkt())
    at = image.transform
    placed = all(map(math.isfinite, at)) and not at.is_identity and not at.is_degenerate
    if declared is None or not placed:
        lacks = "coordinate reference system" if declared is None else "georeference"
        raise ValueError(
            f"{name} has no {lacks}: set it (gdal_edit.py -a_srs EPSG:… -a_ullr …), or fetch the "
            "file again"
        )
    require_on_earth(declared, name)
    return declared


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


def _begins(address: str) -> str:
    """Say how a file begins, where that is text."""
    try:
        with fsspec.open(address) as file:
            start = file.read(OPENING)
    except (OSError, ValueError, ImportError):
        return ""
    text = start.decode("ascii", errors="ignore").strip()
    return f" (it begins with {text[:24]!r})" if text[:1] in ("<", "{") else ""

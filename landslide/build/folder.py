"""A folder of RTC GeoTIFFs, with OPERA's or ASF's names, as scenes like any archive's."""

import contextlib
import fnmatch
import math
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyproj
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.features import shapes
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from landslide.archives import opened_zip, refuse_unsafe
from landslide.build.access import raster_errors
from landslide.build.grid import LONGITUDE_LATITUDE, project
from landslide.build.names import ProductName, granule_track, orbit_state_at, read_name
from landslide.build.outlines import one_piece, one_turn, outline
from landslide.build.rasters import describe_raster
from landslide.build.scenes import Scene
from landslide.cube.schema import POLARISATIONS

README = re.compile(r"\.(README\.md\.txt|log|xml)$", re.IGNORECASE)
EDGE_POINTS = 16
"""Segments along what is turned to degrees, where it bends."""
SAMPLES = 32
"""Pixels along each side of a window that are looked at for no-data."""


@dataclass(frozen=True)
class File:
    """A GeoTIFF whose name is understood."""

    address: str
    """As rasterio opens it: a path, or one inside a zip archive."""
    name: ProductName
    beside: Path
    """The folder or archive that holds it, and what else its product has."""


def folder_scenes(folder: str, pattern: str = "*.tif") -> list[Scene]:
    """Return the scenes of a folder, of its folders, and of the zip archives in them.

    Parameters
    ----------
    folder : str
    pattern : str
        Which files, as a shell would match their names.

    Raises
    ------
    FileNotFoundError
        Where there is no such folder.
    ValueError
        Where it holds no RTC GeoTIFF, two of one piece and polarisation, or a broken one: one
        without a reference system, cut off, or no GeoTIFF at all.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(
            f"no folder {folder}: `source` is a STAC API's address or a folder of RTC GeoTIFFs"
        )
    files, others = [], []
    for address, name, beside in _members(root, pattern):
        said = read_name(name)
        if said is not None and said.polarisation in POLARISATIONS:
            files.append(File(address, said, beside))
        else:
            others.append(name)
    if not files:
        why = f"{others[0]} is not named as OPERA or ASF name them" if others else "no file does"
        raise ValueError(f"{folder} holds no RTC GeoTIFF of VV or VH that matches {pattern}: {why}")
    pieces: dict[tuple[str, str], dict[str, File]] = {}
    for file in files:
        of_piece = pieces.setdefault((file.name.piece, file.name.produced), {})
        twin = of_piece.setdefault(file.name.polarisation, file)
        if twin is not file:
            raise ValueError(
                f"{twin.address} and {file.address} are two files of one burst or scene: choose "
                "with `pattern`"
            )
    return [_scene(of_piece) for of_piece in pieces.values()]


def _members(root: Path, pattern: str) -> Iterator[tuple[str, str, Path]]:
    """Yield address, file name and container of what matches, in a stable order."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and fnmatch.fnmatch(path.name, pattern):
            yield str(path), path.name, path.parent
        elif path.suffix.lower() == ".zip" and path.is_file():
            for member in archive_members(path):
                name = PurePosixPath(member).name
                if fnmatch.fnmatch(name, pattern):
                    yield f"zip://{path.resolve()}!/{member}", name, path


def archive_members(path: Path) -> list[str]:
    """Return the files in a zip archive.

    Raises
    ------
    ValueError
        Where it is no whole archive, or holds what an archive that is to be trusted does not.
    """
    with _archive(path) as archive:
        refuse_unsafe(archive, str(path))
        return sorted(one for one in archive.namelist() if not one.endswith("/"))


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with opened_zip(path) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not a whole zip archive: fetch it again") from error


def _scene(files: dict[str, File]) -> Scene:
    rasters = [describe_raster(files[name].address) for name in sorted(files)]
    file, first = files[min(files)], rasters[0]
    around, name = outline(first.geobox, LONGITUDE_LATITUDE), file.name
    if around.is_empty:
        raise ValueError(f"{file.address} lies nowhere on the Earth: see its reference system")
    stem = PurePosixPath(file.address).name.rpartition(".")[0]
    product, rest = re.split(rf"_{name.polarisation}(?=_|$)", stem, maxsplit=1, flags=re.IGNORECASE)
    return Scene(
        name=product + rest,
        piece=name.piece,
        produced=name.produced,
        start=name.start.astype("datetime64[ns]"),
        platform=name.platform,
        relative_orbit=name.relative_orbit or _track_beside(file.beside, product),
        orbit_state=orbit_state_at(name.start, around.centroid.x),
        footprint=one_turn(around),
        addresses={key: one.address for key, one in sorted(files.items())},
        pixel_m=_pixel_m(first.geobox),
        nodata=first.nodata,
        bytes=_sizes(files),
    )


def filled_part(scene: Scene, area: BaseGeometry) -> BaseGeometry:
    """Return where all files of a folder's scene have data within an area, both in degrees.

    A scene's raster is a rectangle about a slanting swath. Of the window over the area no more than
    `SAMPLES` by `SAMPLES` pixels are looked at, so that what is found is that coarse. Zero is no
    data, too, whatever a file declares: no power is.

    Raises
    ------
    ValueError, OSError
        As `landslide.build.access.reason` says.
    """
    parts = [_filled(address, scene.footprint, area) for address in scene.addresses.values()]
    return shapely.intersection_all(parts)


def _filled(address: str, footprint: BaseGeometry, area: BaseGeometry) -> BaseGeometry:
    with raster_errors(address), rasterio.open(address) as image:
        over = image.window(*shapely.bounds(project(area, image.crs.to_wkt())))
        left, right = _whole(over.col_off, over.width, image.width)
        top, bottom = _whole(over.row_off, over.height, image.height)
        if left == right or top == bottom:
            return shapely.Polygon()
        window = Window(left, top, right - left, bottom - top)
        shape = min(SAMPLES, bottom - top), min(SAMPLES, right - left)
        values = image.read(1, window=window, out_shape=shape)
        cell = image.window_transform(window) @ Affine.scale(
            (right - left) / shape[1], (bottom - top) / shape[0]
        )
        crs, nodata = image.crs.to_wkt(), image.nodata
    filled = np.isfinite(values) & (values != 0) & (values != nodata)
    if filled.all():
        return footprint
    cells = [
        shapely.geometry.shape(cells)
        for cells, _ in shapes(filled.astype(np.uint8), mask=filled, transform=cell)
    ]
    return _in_degrees(shapely.union_all(cells), crs)


def _whole(offset: float, length: float, most: int) -> tuple[int, int]:
    """Return the first pixel of a window along one axis of an image, and the one after its last."""
    return min(max(0, math.floor(offset)), most), min(max(0, math.ceil(offset + length)), most)


def _pixel_m(image: GeoBox) -> float:
    """Return the side of a pixel [m], at the middle latitude where it is in degrees."""
    crs, box = pyproj.CRS(str(image.crs)), image.boundingbox
    if crs.is_geographic:
        return abs(image.affine.a) * 111_320 * math.cos(math.radians((box.bottom + box.top) / 2))
    return abs(image.affine.a) * float(crs.axis_info[0].unit_conversion_factor)


def _sizes(files: dict[str, File]) -> dict[str, int] | None:
    """Return the size of each file; None where one is packed with others."""
    paths = {key: Path(one.address) for key, one in sorted(files.items())}
    whole = all(path.is_file() for path in paths.values())
    return {key: path.stat().st_size for key, path in paths.items()} if whole else None


def _in_degrees(cells: BaseGeometry, crs: str) -> BaseGeometry:
    dense = shapely.segmentize(cells, max(cells.length / 4 / EDGE_POINTS, 1e-9))
    along = pyproj.Transformer.from_crs(crs, LONGITUDE_LATITUDE, always_xy=True)
    return one_turn(one_piece(shapely.transform(dense, along.transform, interleaved=False)))


def _track_beside(beside: Path, product: str) -> int | None:
    """Return the relative orbit of the granule that a product's own texts name, or None.

    A folder may hold other products' texts, too, unless it has this one's name.
    """
    if beside.suffix.lower() == ".zip":
        with _archive(beside) as archive:
            texts = [archive.read(one) for one in archive.namelist() if README.search(one)]
    else:
        own = "" if beside.name.startswith(product) else product
        texts = [
            one.read_bytes()
            for one in beside.iterdir()
            if one.name.startswith(own) and README.search(one.name)
        ]
    tracks = {granule_track(text.decode(errors="replace")) for text in texts} - {None}
    return tracks.pop() if len(tracks) == 1 else None

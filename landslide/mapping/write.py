"""From a map of probabilities to what a responder opens: rasters, polygons, numbers, a page."""

import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import fsspec
import geopandas
import xarray as xr
from pyogrio.errors import DataSourceError, FeatureError
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from landslide.chips.windows import Window
from landslide.errors import one_line
from landslide.mapping.choices import PLAIN, MapChoices
from landslide.mapping.facts import MapFacts
from landslide.mapping.products.blocks import Layers
from landslide.mapping.products.counting import count_map
from landslide.mapping.products.ground import Ground, ground_of
from landslide.mapping.products.planes import Planes, write_planes
from landslide.mapping.products.polygons import large_enough, outlines, polygon_table, smallest_area
from landslide.mapping.products.qgis import qgis_project, write_rasters
from landslide.mapping.products.rasters import gdal_within_bounds
from landslide.mapping.products.summary import summary_of, summary_to_csv, summary_to_json
from landslide.mapping.products.vectors import (
    area_of_interest,
    image_footprint,
    sources,
    write_geojson,
    write_geopackage,
    write_geoparquet,
)
from landslide.mapping.report.page import pictures_of, report_page
from landslide.storage import file_written_whole, remove, require_writable

log = logging.getLogger(__name__)

DAMAGED = "Some chunks of the terrain, the labels or the pictures are damaged: they are left out."


def write_products(
    scene: xr.Dataset,
    cube: xr.Dataset,
    facts: MapFacts,
    out: str,
    choices: MapChoices = PLAIN,
    area: Window | None = None,
) -> dict[str, str]:
    """Write all products of a map into a folder.

    They are made in the folder for temporary files, which `TMPDIR` names and which needs room for
    up to 25 bytes a pixel; where that is memory (a tmpfs), name another.

    Parameters
    ----------
    scene : Dataset
        `probability (y, x)` float32, 0 to 1, NaN where there is no data, and where several
        models made it `spread (y, x)`, their standard deviation. It may be lazy: it is read once,
        block by block, in bounded memory.
    cube : Dataset
        As `open_cube` gives it: terrain, images and labels are read from it, where it has them.
    facts : MapFacts
    out : str
        Address of a folder, which is made.
    choices : MapChoices
        Which products, and how they are made. Labels that are damaged, or are none, are left out
        in any case, and no scores made.
    area : Window, optional
        Rows and columns of the cube that the scene covers; all of them by default. Coordinates of
        the scene are not looked at.

    Returns
    -------
    dict
        Address of each product by its file's name without event and date: `probability.tif`,
        `landslides.gpkg` and so on. Each appears whole, after all were made; the summary is last.

    Raises
    ------
    ValueError
        Where the cube has no coordinate reference system and `no_crs` is not set, or the scene has
        no valid pixel, or is not as large as the area; a DamagedChunkError where a chunk is damaged
        and `skip_damaged` is not set.
    OSError
        Where the folder cannot be written.
    """
    ground = ground_of(cube, area, no_crs=choices.no_crs)
    shape = (scene.sizes["y"], scene.sizes["x"])
    if shape != ground.shape:  # which GDAL would stretch
        raise ValueError(f"the map has {shape} pixels along y and x, its area {ground.shape}")
    smallest, formats = smallest_area(choices.minimum_area, ground), list(choices.formats)
    notes: tuple[str, ...] = ()
    if ground.crs is None:
        unit = ground.area_unit
        said = f"Without coordinate reference system: it lies nowhere, and areas are in {unit}."
        notes = (said,)
        if "geojson" in formats:
            notes += ("GeoJSON is not written: it has to be in longitude and latitude.",)
            formats = [each for each in formats if each != "geojson"]
        for note in notes:
            log.warning("%s", note)
    require_writable(out, f"to the folder {out}", "name another")
    with (
        gdal_within_bounds(),
        tempfile.TemporaryDirectory(prefix="landslide-map-", ignore_cleanup_errors=True) as folder,
    ):
        try:
            made = _make(
                scene,
                cube if area is None else cube.isel(y=slice(*area[0]), x=slice(*area[1])),
                ground,
                facts,
                Path(folder),
                smallest=smallest,
                formats=formats,
                notes=notes,
                damages=set() if choices.skip_damaged else None,
            )
        except (RasterioError, CPLE_BaseError, DataSourceError, FeatureError) as error:
            reason = one_line(error, 200)
            raise OSError(
                f"the products cannot be made in {folder} ({reason}): is it full? Name another "
                "folder for temporary files, of 25 bytes a pixel, with TMPDIR"
            ) from None
        return _place(made, Path(folder), facts, out)


def _place(made: list[str], folder: Path, facts: MapFacts, out: str) -> dict[str, str]:
    """Put files of a folder at an address, each whole, in their order, and no others of before."""
    filesystem, path = fsspec.core.url_to_fs(out)
    lying = filesystem.ls(path, detail=False) if filesystem.exists(path) else []
    folder_of_all = out.rstrip("/")
    for left in (str(one).rsplit("/", 1)[-1] for one in lying):
        if left.startswith(f"{facts.stem}_"):  # by a run that was stopped here
            remove(f"{folder_of_all}/{left}")
    placed = {}
    for file in made:
        placed[file] = f"{folder_of_all}/{facts.stem}_{file}"
        with file_written_whole(placed[file]) as unfinished:
            shutil.copyfile(folder / "products" / file, unfinished)
    return placed


def _make(
    scene: xr.Dataset,
    cube: xr.Dataset,
    ground: Ground,
    facts: MapFacts,
    folder: Path,
    *,
    smallest: float,
    formats: Sequence[str],
    notes: tuple[str, ...],
    damages: set[str] | None,
) -> list[str]:
    """Make every product in a folder; return the files' names, the summary last."""
    planes = write_planes(scene, cube, ground, facts.threshold, str(folder), damages)
    products = folder / "products"
    products.mkdir()
    found = outlines(planes.landslide)
    polygons = large_enough(found, ground, smallest)
    dropped = len(found) - len(polygons)
    del found
    mapped = None if planes.mapped is None else outlines(planes.mapped)
    layers = Layers(planes, polygons["pixels"].to_numpy(), mapped)
    counted = count_map(layers, cube, ground, facts, damages)
    pictures = pictures_of(cube, ground, facts, damages) if "report" in formats else None
    if damages:  # nothing more of the cube is read
        for each in sorted(damages):
            log.warning("%s", each)
        facts = replace(facts, warnings=(*facts.warnings, DAMAGED))
    if planes.unlabelled is not None:
        notes += (f"No scores: the labels are left out, since {planes.unlabelled}.",)
        log.warning("%s", notes[-1])
    landslides = polygon_table(polygons, counted.zones, ground, facts)
    summary = summary_of(
        facts,
        ground,
        landslides,
        counted,
        minimum_area=smallest,
        dropped=dropped,
        notes=notes,
    )
    rasters = write_rasters(folder, planes, counted.cells, ground, facts)
    vectors = _write_vectors(products, planes, landslides, ground, facts, formats)
    texts = {}
    if pictures is not None:
        texts["report.html"] = report_page(pictures, ground, facts, planes, landslides, summary)
    texts["summary.csv"] = summary_to_csv(summary)
    texts["summary.json"] = summary_to_json(summary)
    for file, text in texts.items():
        (products / file).write_text(text, encoding="utf-8")
    if "qgis" in formats:
        shown = [file for file in (*rasters, *vectors) if file.endswith((".tif", ".gpkg"))]
        (products / "landslides.qgz").write_bytes(qgis_project(shown, products, ground, facts))
        vectors.append("landslides.qgz")
    return [*rasters, *vectors, *texts]


def _write_vectors(
    folder: Path,
    planes: Planes,
    landslides: geopandas.GeoDataFrame,
    ground: Ground,
    facts: MapFacts,
    formats: Sequence[str],
) -> list[str]:
    files, said = [], " ".join(facts.statements())
    if "gpkg" in formats:
        files.append("landslides.gpkg")
        about = {
            "area_of_interest": area_of_interest(ground, facts),
            "image_footprint": image_footprint(planes.probability, ground, facts),
            "sources": sources(facts),
        }
        write_geopackage(str(folder / files[-1]), landslides, about, said)
    if "geojson" in formats:
        files.append("landslides.geojson")
        write_geojson(str(folder / files[-1]), landslides, said)
    if "parquet" in formats:
        files.append("landslides.parquet")
        write_geoparquet(str(folder / files[-1]), landslides, said)
    return files

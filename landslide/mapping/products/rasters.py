"""Planes as Cloud Optimized GeoTIFFs: written block by block, placed whole."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.windows import Window

from landslide.mapping.facts import MapFacts
from landslide.mapping.products.ground import Ground

MASK_NO_DATA = 255
CACHE = 16 * 2**20
"""Bytes of GDAL's blocks in memory, whatever the size of a raster: a row of a mask's blocks fits
that is 32,000 pixels wide."""
BLOCK_SIDE = 512  # pixels; COG's default


@dataclass(frozen=True)
class RasterKind:
    """What one raster holds."""

    title: str
    """Name of its band, with the unit."""
    dtype: str
    no_data: float
    overviews: str
    """How overviews are made of pixels, as GDAL calls it."""
    unit: str = "1"
    colours: Mapping[int, tuple[int, int, int, int]] | None = None
    """Red, green, blue and opacity of each value, for a viewer without a style."""


PROBABILITY = RasterKind("landslide probability", "float32", np.nan, "AVERAGE")
SPREAD = RasterKind(
    "sample standard deviation of the members' probabilities", "float32", np.nan, "AVERAGE"
)
MASK = RasterKind(
    "landslide: 1, none: 0, no data: 255", "uint8", MASK_NO_DATA, "MODE",
    colours={0: (255, 255, 255, 0), 1: (196, 52, 30, 255), MASK_NO_DATA: (0, 0, 0, 0)},
)  # fmt: skip


def statement_tags(facts: MapFacts) -> dict[str, str]:
    """Return what a raster says of itself in its tags."""
    further = {
        "IMAGES_OPPOSITE_BEFORE": facts.opposite_before,
        "IMAGES_OPPOSITE_AFTER": facts.opposite_after,
        "COHERENCE_PAIRS": facts.pairs,
    }
    return {
        "TIFFTAG_IMAGEDESCRIPTION": " ".join(facts.statements()),
        "TIFFTAG_SOFTWARE": "landslide-sar-datacubes",
        "AREA_OR_POINT": "Area",
        "EVENT": facts.event.name,
        "EVENT_START": f"{np.datetime_as_string(facts.event.start, 's')}Z",
        "VALIDATED": "no",
        "SIMULATED": "yes" if facts.simulated else "no",
        "MADE_BY": "model: " + ", ".join(member.address for member in facts.members),
        "IMAGES_BEFORE": ", ".join(facts.images_before),
        "IMAGES_AFTER": ", ".join(facts.images_after),
        "INPUTS": facts.inputs,
        "THRESHOLD": f"{facts.threshold:g} ({facts.threshold_from})",
        "CALIBRATED": "no" if facts.temperature is None else
        "temperature " + ", ".join(f"{t:g}" for t in facts.temperature),
        "WARNINGS": json.dumps(list(facts.warnings)),
        **{name: ", ".join(images) for name, images in further.items() if images},
    }  # fmt: skip


@contextmanager
def gdal_within_bounds() -> Iterator[None]:
    """Keep GDAL's cache small for a while, and leave no sidecar files."""
    before = get_gdal_config("GDAL_CACHEMAX")
    try:
        # rasterio takes bytes here, not megabytes, and gives no value back that it found.
        with rasterio.Env(GDAL_CACHEMAX=CACHE, GDAL_PAM_ENABLED=False, GDAL_NUM_THREADS="2"):
            yield
    finally:
        set_gdal_config("GDAL_CACHEMAX", before)


@contextmanager
def plane_writer(path: str, kind: RasterKind, ground: Ground) -> Iterator[Any]:
    """Give a GeoTIFF on disk to write windows into; `to_cog` makes the product of it."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=ground.shape[0],
        width=ground.shape[1],
        count=1,
        dtype=kind.dtype,
        nodata=kind.no_data,
        crs=None if ground.crs is None else ground.crs.to_wkt(),
        transform=ground.transform,
        tiled=True,
        blockxsize=BLOCK_SIDE,
        blockysize=BLOCK_SIDE,
        compress="DEFLATE",
        zlevel=1,
        bigtiff="IF_SAFER",
    ) as raster:
        raster.set_band_description(1, kind.title)
        raster.set_band_unit(1, kind.unit)
        if kind.colours:
            raster.write_colormap(1, dict(kind.colours))
        yield raster


def write_block(raster: Any, values: NDArray[Any], rows: slice, columns: slice) -> None:
    """Write a window of the only band."""
    raster.write(values, 1, window=Window.from_slices(rows, columns))


def read_block(raster: Any, rows: slice, columns: slice) -> NDArray[Any]:
    """Read a window of the only band."""
    return raster.read(1, window=Window.from_slices(rows, columns))


def to_cog(path: str, cog: str, kind: RasterKind, tags: Mapping[str, str]) -> None:
    """Make a Cloud Optimized GeoTIFF, with tags, overviews and statistics, of a plain one."""
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(**tags)
    rasterio.shutil.copy(
        path,
        cog,
        driver="COG",
        COMPRESS="DEFLATE",
        PREDICTOR="YES",
        BLOCKSIZE=str(BLOCK_SIDE),
        OVERVIEW_RESAMPLING=kind.overviews,
        STATISTICS="YES",
        BIGTIFF="IF_SAFER",
    )

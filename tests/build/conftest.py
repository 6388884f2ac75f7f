"""RTC GeoTIFFs as an archive has them, in a folder and as the items of a STAC API."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.warp
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from tests.built_event import BUILD, DAYS, NORTH, WEST, speckle, write_slides

CRS = "EPSG:32654"
PIXEL = 10.0
AREA = (141.98, 42.888, 141.99, 42.895)
"""Degrees; inside the scenes that `write_scene` writes, near Hokkaido."""

WriteScene = Callable[..., Path]


def write_geotiff(
    path: Path,
    values: NDArray[Any],
    *,
    west: float = WEST,
    north: float = NORTH,
    pixel: float = PIXEL,
    crs: str | None = CRS,
    nodata: float | None = np.nan,
) -> Path:
    """Write a tiled GeoTIFF of one band."""
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1,
        dtype=values.dtype, crs=crs, transform=from_origin(west, north, pixel, pixel),
        nodata=nodata, tiled=True, blockxsize=64, blockysize=64, compress="deflate",
    ) as image:  # fmt: skip
        image.write(values, 1)
    return path


def write_raster(path: Path, values: NDArray[Any], geobox: GeoBox, **profile: Any) -> str:
    """Write a GeoTIFF of one band over a grid, and return its address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1,
        dtype=values.dtype, crs=str(geobox.crs), transform=geobox.transform, **profile,
    ) as image:  # fmt: skip
        image.write(values, 1)
    return str(path)


@pytest.fixture
def write_tif() -> WriteScene:
    return write_geotiff


@pytest.fixture
def write_scene() -> WriteScene:
    """Return what writes VV and VH of a burst with OPERA's names; VH is a quarter of VV."""

    def write(
        folder: Path,
        start: str,
        values: NDArray[np.float32],
        *,
        track: int = 46,
        burst: str = "098765-IW2",
        produced: str = "20240101T000000",
        unit: str = "A",
        polarisations: tuple[str, ...] = ("VV", "VH"),
        **where: Any,
    ) -> Path:
        stem = f"OPERA_L2_RTC-S1_T{track:03}-{burst}_{start}Z_{produced}Z_S1{unit}_30_v1.0"
        folder.mkdir(parents=True, exist_ok=True)
        for name in polarisations:
            scale = np.float32(1 if name == "VV" else 0.25)
            write_geotiff(folder / f"{stem}_{name}.tif", values * scale, **where)
        return folder / stem

    return write


@pytest.fixture
def list_scene() -> Callable[..., dict[str, Any]]:
    """Return what makes a STAC item of the files that `write_scene` wrote."""

    def listed(
        stem: Path,
        *,
        start: str,
        track: int = 46,
        state: str = "descending",
        collection: str = "sentinel-1-rtc",
        **properties: Any,
    ) -> dict[str, Any]:
        files = sorted(stem.parent.glob(f"{stem.name}_V*.tif"))
        with rasterio.open(files[0]) as image:
            box = rasterio.warp.transform_bounds(image.crs, "EPSG:4326", *image.bounds)
            transform = list(image.transform)[:6]
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": stem.name,
            "collection": collection,
            "bbox": list(box),
            "geometry": json.loads(json.dumps(shapely.geometry.mapping(shapely.box(*box)))),
            "properties": {
                "datetime": start,
                "sat:orbit_state": state,
                "sat:relative_orbit": track,
                "platform": "SENTINEL-1A",
                "proj:transform": transform,
            }
            | properties,
            "assets": {
                file.stem.rpartition("_")[2].lower(): {
                    "href": f"/files/{file.name}",
                    "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                }
                for file in files
            },
            "links": [{"rel": "license", "href": "https://example.org/licence"}],
        }

    return listed


@pytest.fixture
def event_file(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes an event file with a [build] table."""

    def write(build: str, *, head: str = "", name: str = "event.toml") -> Path:
        path = tmp_path / name
        path.write_text(f'name = "quake"\ntime = 2018-09-05T18:07:59Z\n{head}\n[build]\n{build}\n')
        return path

    return write


@pytest.fixture
def event(
    tmp_path: Path, write_scene: Any, write_tif: Any, event_file: Callable[..., Path]
) -> Path:
    """Return an event file beside six images, a DEM of 30 m and an inventory."""
    for seed, day in enumerate(DAYS):
        write_scene(tmp_path / "rtc", f"{day}T204100", speckle(seed))
    rows, columns = np.mgrid[:110, :120].astype(np.float32)
    heights = 200 + 3 * rows + 5 * np.sin(columns / 5)
    write_tif(
        tmp_path / "dem.tif", heights.astype(np.float32), west=WEST - 600, north=NORTH + 600,
        pixel=30,
    )  # fmt: skip
    write_slides(tmp_path)
    return event_file(BUILD)

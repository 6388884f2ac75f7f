"""Where on the Earth a file lies: reference systems and georeferences that do not say it."""

import math
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import box

from landslide.build.polygons import read_polygons
from landslide.build.rasters import describe_raster
from tests.build.conftest import write_raster

HERE = GeoBox((8, 9), Affine(10, 0, 500_000, 0, -10, 4_700_000), "EPSG:32654")
WGS84 = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["Degree",0.017453292519943295]]'
)
ON_NO_EARTH = {
    "a building site's": 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]',
    "the Moon's": 'GEOGCS["Moon",DATUM["D_Moon",SPHEROID["Moon",1737400,0]],PRIMEM["Reference",0],'
    'UNIT["Degree",0.0174532925199433]]',
    "of an unknown projection": f'PROJCS["x",{WGS84},PROJECTION["Oblique_Thing"],UNIT["Meter",1]]',
    "of an impossible parameter": f'PROJCS["x",{WGS84},PROJECTION["Transverse_Mercator"],'
    'PARAMETER["Latitude_Of_Origin",900],PARAMETER["Scale_Factor",1],UNIT["Meter",1]]',
}
SAID = r"cannot be placed on the Earth \(.+\): set the true one, or project it"


def lake(path: Path, crs: str | None = "EPSG:4326") -> Path:
    gpd.GeoDataFrame(geometry=[box(141, 42, 142, 43)], crs=crs).to_file(path)
    return path


@pytest.mark.parametrize("kind", ON_NO_EARTH)
def test_what_lies_on_no_earth_is_named(tmp_path: Path, kind: str) -> None:
    raster = tmp_path / "dem.tif"
    write_raster(raster, np.ones(HERE.shape, "f4"), HERE)
    with rasterio.open(raster, "r+") as image:
        image.crs = ON_NO_EARTH[kind]
    with pytest.raises(ValueError, match=rf"^the DEM \S+dem\.tif is in .* {SAID}") as raised:
        describe_raster(str(raster), "DEM")
    assert "\n" not in str(raised.value)
    shapes = lake(tmp_path / "a.shp")
    shapes.with_suffix(".prj").write_text(ON_NO_EARTH[kind])
    with pytest.raises(ValueError, match=rf"^the water \S+a\.shp is in .* {SAID}") as raised:
        read_polygons(str(shapes), HERE, "water")
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore:.*crs.*not provided")
def test_heights_alone_are_no_place(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=SAID):
        read_polygons(str(lake(tmp_path / "a.shp", None)), HERE, "water", crs="EPSG:5773")


def test_heights_beside_a_place_are_welcome(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "dem.tif", np.ones(HERE.shape, "f4"), HERE)
    with rasterio.open(raster, "r+") as image:
        image.crs = "EPSG:32654+5773"
    assert describe_raster(raster).geobox.shape == HERE.shape


@pytest.mark.parametrize("prj", ['PROJCS["x"', 'PROJCS["\xe9"]', WGS84.replace("GCS_", "GCS_\xe9")])
def test_a_damaged_prj_is_named(tmp_path: Path, prj: str) -> None:
    shapes = lake(tmp_path / "a.shp")
    shapes.with_suffix(".prj").write_bytes(prj.encode("latin-1"))
    said = r"^the CRS of the water \S+a\.shp cannot be understood .*: write that again, in UTF-8$"
    with pytest.raises(ValueError, match=said):
        read_polygons(str(shapes), HERE, "water")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("edge", [math.nan, math.inf])
def test_a_damaged_georeference_is_none(tmp_path: Path, edge: float) -> None:
    nowhere = GeoBox(HERE.shape, Affine(10, 0, edge, 0, -10, 4_700_000), HERE.crs)
    raster = write_raster(tmp_path / "dem.tif", np.ones(HERE.shape, "f4"), nowhere)
    with pytest.raises(ValueError, match=r"^the DEM \S+dem\.tif has no georeference: set it"):
        describe_raster(raster, "DEM")

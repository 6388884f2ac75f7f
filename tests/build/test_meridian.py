"""A cube that touches the 180th meridian, and images and elevation that cross it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from landslide.build.assemble import build_cube
from landslide.build.folder import filled_part, folder_scenes
from landslide.build.insar.reading import read_coherence
from landslide.build.plan import plan_build
from landslide.build.rasters import describe_raster
from landslide.build.recipe import load_recipe
from landslide.build.search import search_scenes
from tests.built_event import speckle

CRS = "EPSG:32760"
MIDDLE, NORTH = Transformer.from_crs("EPSG:4326", CRS, always_xy=True).transform(180, -16.85)
AREAS = {
    "west of it": "[179.9902, -16.86, 180.0, -16.8512]",
    "east of it": "[-180.0, -16.86, -179.9902, -16.8512]",
}


@pytest.fixture
def images(tmp_path: Path, write_scene: Any) -> Path:
    """Return a folder of two images that cross it, of passes that descend."""
    where = {"crs": CRS, "west": MIDDLE - 1200, "north": NORTH}
    for seed, day in enumerate(("20180820", "20180913")):
        write_scene(tmp_path / "rtc", f"{day}T175000", speckle(seed), **where)
    return tmp_path / "rtc"


@pytest.mark.parametrize("side", AREAS)
def test_a_cube_that_touches_it_is_one(
    side: str, images: Path, event_file: Callable[..., Path], tmp_path: Path, archive: Any,
    write_tif: Any, list_scene: Callable[..., dict[str, Any]],
) -> None:  # fmt: skip
    """Its DEM's tiles on either side are opened, and no other of that latitude."""
    archive.add_collection("dem")
    for name, west in (("west", 179), ("east", -180), ("far", 10)):
        write_tif(
            archive.folder / f"{name}_VV.tif", np.full((50, 100), 7, np.float32), west=west,
            north=-16.6, pixel=0.01, crs="EPSG:4326",
        )  # fmt: skip
        item = list_scene(archive.folder / name, start="2018-01-01T00:00:00Z", collection="dem")
        item["assets"] = {"data": item["assets"]["vv"]}
        archive.items.append(item)
    plan = plan_build(load_recipe(event_file(
        f"""area = {AREAS[side]}
crs = "{CRS}"
sar = {{source = "{images}"}}
terrain = {{source = "{archive.address}", collection = "dem"}}"""
    )))  # fmt: skip
    passes = plan.choice.passes
    assert [one.orbit_state for one in passes] == ["descending"] * 2
    assert [one.coverage for one in passes] == pytest.approx([1, 1], abs=0.01)
    assert "VV, VH of 2 passes" in plan.text  # what there is to read, too
    cube = build_cube(plan, str(tmp_path / "cube.zarr"))
    assert (cube["dem"] == 7).all()
    assert np.isfinite(cube["vv"]).all()
    assert not [path for path, _ in archive.asked if "far" in path]
    item = json.loads((tmp_path / "cube.stac.json").read_text())
    outline = shapely.geometry.shape(item["geometry"])
    parts = shapely.get_parts(outline)
    assert len(parts) == 2  # the grid's corners lie beyond it
    assert sum(np.ptp(part.bounds[::2]) for part in parts) < 0.02
    west, _, east, _ = item["bbox"]
    assert 179.98 < west < 180
    assert -180 < east < -179.98


def test_an_images_data_beyond_it_lie_there(images: Path, write_scene: Any) -> None:
    values = speckle(1)
    values[:, :60] = 0
    where = {"crs": CRS, "west": MIDDLE - 1200, "north": NORTH, "polarisations": ("VV",)}
    write_scene(images, "20180913T175000", values, **where)
    scenes = folder_scenes(str(images))
    for scene, share in zip(sorted(scenes, key=lambda one: one.start), (1, 0.75), strict=True):
        assert [len(shapely.get_parts(scene.footprint))] == [2]
        filled = filled_part(scene, shapely.box(179.9, -17, 180, -16))
        assert filled.area / scene.footprint.area == pytest.approx(share, abs=0.02)


def test_an_archives_image_that_crosses_it_has_its_own_hour(
    images: Path, archive: Any, list_scene: Callable[..., dict[str, Any]]
) -> None:
    """Where the archive does not say the direction of the pass."""
    (scene, _) = folder_scenes(str(images))
    item = list_scene(images / scene.name, start="2018-08-20T17:50:00Z", state="")
    item["geometry"] = shapely.geometry.mapping(scene.footprint)
    item["bbox"] = [-180, -17, 180, -16]
    archive.items.append(item)
    archive.collections["sentinel-1-rtc"] = {}
    window = (np.datetime64("2018-08-01", "ns"), np.datetime64("2018-10-01", "ns"))
    (found,) = search_scenes(
        archive.address, "sentinel-1-rtc", shapely.box(179.99, -16.86, 180, -16.852), window
    )
    assert found.orbit_state == "descending"


def test_a_raster_of_the_world_has_coherence_on_both_sides(tmp_path: Path, write_tif: Any) -> None:
    write_tif(
        tmp_path / "coh.tif", np.full((180, 360), 0.5, np.float32), west=-180, north=90, pixel=1,
        crs="EPSG:4326",
    )  # fmt: skip
    here = GeoBox((40, 56), Affine(1e3, 0, 723_000, 0, -1e3, 4_651_000), "EPSG:32660")
    raster = describe_raster(str(tmp_path / "coh.tif"))
    assert (read_coherence(here, raster) == 0.5).all()

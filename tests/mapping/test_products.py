"""The products as others read them: a COG validator, rasterio, geopandas and GDAL's tools."""

import csv
import json
import os
import resource
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
import torch
import xarray as xr
from rio_cogeo.cogeo import cog_validate
from scipy import ndimage

from landslide.mapping.choices import FORMATS, MapChoices
from landslide.mapping.facts import UNVALIDATED
from landslide.mapping.write import write_products
from landslide.training.metrics import average_precision

from .synthetic import make_facts, make_ground, make_scene

SHAPE = (700, 1130)  # more than one block along x, and overviews


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return make_ground(SHAPE)


@pytest.fixture(scope="module")
def scene(cube: xr.Dataset) -> xr.Dataset:
    return make_scene(cube)


@pytest.fixture(scope="module")
def made(
    cube: xr.Dataset, scene: xr.Dataset, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    out = str(tmp_path_factory.mktemp("map") / "out")
    return write_products(scene, cube, make_facts(), out, only(*FORMATS))


def only(*formats: str, **choices: Any) -> MapChoices:
    return MapChoices(formats=formats, **choices)


def summary(made: dict[str, str]) -> dict[str, Any]:
    return json.loads(Path(made["summary.json"]).read_text())


def test_products_are_named_by_event_and_date_and_nothing_else_is_left(
    made: dict[str, str],
) -> None:
    names = {Path(uri).name for uri in made.values()}
    assert all(name.startswith("hokkaido_20180905_") for name in names)
    assert {p.name for p in Path(made["summary.json"]).parent.iterdir()} == names


@pytest.mark.parametrize("name", ["probability", "mask", "spread", "density"])
def test_rasters_are_cloud_optimized_with_no_data_statistics_and_what_they_are(
    made: dict[str, str], name: str
) -> None:
    uri = made[f"{name}.tif"]
    valid, errors, warnings = cog_validate(uri, strict=True, quiet=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(uri) as raster:
        assert raster.crs.to_epsg() == 32654
        assert raster.nodata == 255 if name == "mask" else np.isnan(raster.nodata)
        assert bool(raster.overviews(1)) == (name != "density")
        assert "STATISTICS_MEAN" in raster.tags(1)
        tags = raster.tags()
        assert UNVALIDATED in tags["TIFFTAG_IMAGEDESCRIPTION"]
        assert "2018-08-24" in tags["IMAGES_BEFORE"]
        assert "model/0" in tags["MADE_BY"]
        assert json.loads(tags["WARNINGS"]) == list(make_facts().warnings)


def test_the_rasters_hold_the_map(made: dict[str, str], scene: xr.Dataset) -> None:
    with rasterio.open(made["probability.tif"]) as raster:
        probability = raster.read(1)
        assert raster.transform[:6] == pytest.approx((10, 0, 560_000, 0, -10, 4_740_000))
    np.testing.assert_array_equal(probability, scene["probability"])
    expected = np.where(np.isnan(probability), 255, probability >= 0.4)
    with rasterio.open(made["mask.tif"]) as raster:
        np.testing.assert_array_equal(raster.read(1), expected)
        coarse = raster.read(1, out_shape=(350, 565))
    assert set(np.unique(coarse)) <= {0, 1, 255}


def test_polygons_come_back_by_geopandas_with_what_lies_beneath_them(
    made: dict[str, str], cube: xr.Dataset, scene: xr.Dataset
) -> None:
    polygons = geopandas.read_file(made["landslides.gpkg"], layer="landslides")
    labelled, _ = ndimage.label(scene["probability"].to_numpy() >= 0.4)
    sizes = np.bincount(labelled.ravel())[1:]
    assert len(polygons) == (sizes >= 4).sum()
    assert sorted(polygons["pixels"]) == sorted(sizes[sizes >= 4])
    assert polygons.geometry.is_valid.all()
    assert polygons["area_m2"].is_monotonic_decreasing
    assert polygons["area_m2"].to_numpy() == pytest.approx(100 * polygons["pixels"], rel=2e-3)
    largest = polygons.iloc[0]
    number = np.flatnonzero(sizes == largest["pixels"])[0] + 1
    inside = labelled == number
    slope, aspect, dem, probability = (
        plane.to_numpy()[inside].astype(float)
        for plane in (cube.dem_slope_radians, cube.dem_aspect, cube.dem, scene.probability)
    )
    assert largest["probability_mean"] == pytest.approx(probability.mean(), rel=1e-6)
    assert largest["probability_max"] == pytest.approx(probability.max())
    assert largest["slope_mean_deg"] == pytest.approx(np.degrees(slope.mean()))
    mean = np.angle(np.exp(1j * np.radians(aspect)).mean(), deg=True) % 360
    assert largest["aspect_mean_deg"] == pytest.approx(mean, abs=1e-3)
    assert largest["elevation_min_m"] == pytest.approx(dem.min())
    assert largest["elevation_max_m"] == pytest.approx(dem.max())
    stretch = largest["slope_area_m2"] / largest["area_m2"]
    assert stretch == pytest.approx((1 / np.cos(slope)).mean(), rel=1e-6)
    assert largest["images_before"] == "2018-08-12, 2018-08-24"
    assert UNVALIDATED in largest["note"]
    assert all(said in largest["note"] for said in make_facts().statements())
    assert (largest["threshold"], largest["models"]) == (
        make_facts().threshold,
        ", ".join(member.address for member in make_facts().members),
    )


def test_the_geopackage_holds_its_sources_and_styles(made: dict[str, str]) -> None:
    uri = made["landslides.gpkg"]
    layers = {name for name, _ in pyogrio.list_layers(uri)}
    assert layers == {
        "landslides", "area_of_interest", "image_footprint", "sources", "layer_styles",
    }  # fmt: skip
    area = geopandas.read_file(uri, layer="area_of_interest").geometry[0]
    footprint = geopandas.read_file(uri, layer="image_footprint")
    assert UNVALIDATED in footprint["note"][0]
    seen = footprint.geometry[0]
    assert area.area == pytest.approx(100 * SHAPE[0] * SHAPE[1])
    assert area.area - seen.area == pytest.approx(100 * 20 * 35, rel=0.1)
    kinds = pyogrio.read_dataframe(uri, layer="sources", read_geometry=False)
    assert (kinds["kind"] == "image before").sum() == 2
    assert {"model", "statement", "cube"} <= set(kinds["kind"])
    styles = pyogrio.read_dataframe(uri, layer="layer_styles", read_geometry=False)
    for qml in styles["styleQML"]:
        assert ET.fromstring(qml).find(".//symbol") is not None
    assert (
        UNVALIDATED in pyogrio.read_info(uri, layer="landslides")["layer_metadata"]["DESCRIPTION"]
    )


def test_geojson_and_geoparquet_hold_the_same_landslides(made: dict[str, str]) -> None:
    reference = geopandas.read_file(made["landslides.gpkg"], layer="landslides")
    parquet = geopandas.read_parquet(made["landslides.parquet"])
    degrees = geopandas.read_file(made["landslides.geojson"])
    assert parquet.crs == reference.crs
    assert degrees.crs.to_epsg() == 4326
    for other in (parquet, degrees):
        assert other["id"].tolist() == reference["id"].tolist()
        assert other["area_m2"].to_numpy() == pytest.approx(reference["area_m2"].to_numpy())
    assert degrees.geometry.is_valid.all()
    west, south, east, north = degrees.total_bounds
    assert 141 < west < east < 142
    assert 42 < south < north < 43


def test_gdals_own_tools_read_them(made: dict[str, str]) -> None:
    if shutil.which("ogrinfo") is None or shutil.which("gdalinfo") is None:
        pytest.skip("GDAL's tools are not on PATH")

    def told(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=True)

    done = told("ogrinfo", "-so", made["landslides.gpkg"], "landslides")
    count = summary(made)["landslides"]["count"]
    assert f"Feature Count: {count}" in done.stdout
    assert "Warning" not in done.stderr
    details = told("gdalinfo", "-json", made["probability.tif"])
    assert json.loads(details.stdout)["bands"][0]["overviews"]


def test_the_density_adds_up_to_the_landslides(made: dict[str, str], scene: xr.Dataset) -> None:
    with rasterio.open(made["density.tif"]) as raster:
        density = raster.read(1)
        assert raster.transform.a == 1000
        assert raster.units == ("m2 km-2",)
    polygons = geopandas.read_parquet(made["landslides.parquet"])
    kept = np.isin(
        labelled := ndimage.label(scene["probability"].to_numpy() >= 0.4)[0],
        np.flatnonzero(np.bincount(labelled.ravel()) >= 4)[1:],
    )
    seen = np.isfinite(scene["probability"].to_numpy())
    assert density[2, 3] == pytest.approx(
        1e6 * kept[200:300, 300:400].sum() / seen[200:300, 300:400].sum(), rel=1e-5
    )
    areas = np.add.reduceat(np.add.reduceat(seen, range(0, 700, 100)), range(0, 1130, 100), axis=1)
    total = (density * areas / 1e6 * 100).sum()
    assert total == pytest.approx(100 * polygons["pixels"].sum(), rel=1e-5)


def test_the_summary_counts_what_the_polygons_say(
    made: dict[str, str], cube: xr.Dataset, scene: xr.Dataset
) -> None:
    said = summary(made)
    polygons = geopandas.read_parquet(made["landslides.parquet"])
    assert said["landslides"]["count"] == len(polygons)
    assert said["landslides"]["area"] == pytest.approx(polygons["area_m2"].sum(), rel=1e-4)
    along = sum(each["landslide_area"] for each in said["slope_classes"])
    assert along == pytest.approx(said["landslides"]["area"])
    probability, label = scene["probability"].to_numpy(), cube["landslides"].to_numpy()
    seen = np.isfinite(probability)
    assert said["ground"]["share_not_observed"] == pytest.approx((~seen).mean(), rel=1e-3)
    exact = average_precision(torch.from_numpy(probability[seen]), torch.from_numpy(label[seen]))
    assert said["scores"]["auprc"] == pytest.approx(exact, abs=1e-9)
    expected = said["total_area_with_uncertainty"]["from_probabilities"]
    assert expected["area"] == pytest.approx(100 * np.nansum(probability, dtype=float), rel=2e-3)
    assert "McRoberts" in expected["method"]
    labelled = said["total_area_with_uncertainty"]["from_labels"]
    assert labelled["area"] == pytest.approx(100 * (label[seen] == 1).sum(), rel=2e-3)
    assert labelled["standard_error"] == pytest.approx(0, abs=1e-3)
    assert "Olofsson" in labelled["method"]
    between = said["between_members"]
    assert between["spread"] == pytest.approx(100 * float(scene["spread"].sum()), rel=2e-3)
    assert "not the area's error" in between["method"]
    with Path(made["summary.csv"]).open() as file:
        rows = dict(csv.reader(file))
    assert float(rows["landslides.area"]) == pytest.approx(said["landslides"]["area"])


def test_the_project_shows_what_lies_beside_it(made: dict[str, str]) -> None:
    folder = Path(made["landslides.qgz"]).parent
    with zipfile.ZipFile(made["landslides.qgz"]) as archive:
        (name,) = archive.namelist()
        project = ET.fromstring(archive.read(name))
    assert name == "hokkaido_20180905_landslides.qgs"
    layers = project.findall(".//maplayer")
    assert len(layers) == 7
    in_tree = [each.get("id", "") for each in project.iter("layer-tree-layer")]
    assert in_tree == [each.findtext("id") for each in layers]
    assert all(len(each) > 10 for each in in_tree)  # QGIS takes no shorter ones
    for layer in layers:
        file, _, table = (layer.findtext("datasource") or "").partition("|layername=")
        assert (folder / file).exists()
        assert layer.findtext(".//authid") == "EPSG:32654"
        assert UNVALIDATED in (layer.findtext("abstract") or "")
        if layer.get("type") == "vector":
            assert table in {each for each, _ in pyogrio.list_layers(folder / file)}
            assert layer.find("renderer-v2") is not None
        else:
            assert layer.find("pipe/rasterrenderer") is not None
    for style in folder.glob("*.qml"):
        assert style.with_suffix(".tif").exists()


IN_QGIS = """
import json, sys
from qgis.core import QgsApplication, QgsProject
application = QgsApplication([], False)
application.initQgis()
project = QgsProject.instance()
assert project.read(sys.argv[1])
tree = project.layerTreeRoot()
layers = [
    (layer.name(), layer.isValid(), layer.crs().authid(), tree.findLayer(layer.id()).isVisible())
    for layer in tree.layerOrder()
]
print(json.dumps({"crs": project.crs().authid(), "title": project.title(), "layers": layers}))
"""


def test_qgis_opens_the_project_with_all_layers_in_their_order(made: dict[str, str]) -> None:
    system = shutil.which("python3", path="/usr/bin")  # which sees Debian's QGIS
    command = [str(system), "-c", "import qgis.core"]
    if system is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("QGIS is not installed (on Debian: apt install python3-qgis)")
    environment = {"QT_QPA_PLATFORM": "offscreen", "HOME": os.environ["HOME"]}
    command = [str(system), "-c", IN_QGIS, made["landslides.qgz"]]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found["crs"] == "EPSG:32654"
    assert found["title"].startswith("Landslides, hokkaido 2018-09-05")
    assert found["layers"] == [
        ["Landslides (unvalidated)", True, "EPSG:32654", True],
        ["Image footprint", True, "EPSG:32654", True],
        ["Area of interest", True, "EPSG:32654", True],
        ["Landslide probability", True, "EPSG:32654", True],
        ["Spread between the models", True, "EPSG:32654", False],
        ["Landslide mask", True, "EPSG:32654", False],
        ["Landslide density", True, "EPSG:32654", False],
    ]


def test_a_window_of_the_cube_lies_where_the_window_lies(
    cube: xr.Dataset, scene: xr.Dataset, tmp_path: Path
) -> None:
    rows, columns = area = (100, 260), (300, 590)
    window = scene.isel(y=slice(*rows), x=slice(*columns))
    out = write_products(window, cube, make_facts(), str(tmp_path), only("parquet"), area)
    with rasterio.open(out["probability.tif"]) as raster:
        assert raster.shape == (160, 290)
        assert (raster.transform.c, raster.transform.f) == pytest.approx((563_000, 4_739_000))
    polygons = geopandas.read_parquet(out["landslides.parquet"])
    assert polygons.total_bounds[0] >= 563_000


def test_a_cube_without_a_reference_is_refused_or_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cube = make_ground((80, 120), crs=None)
    scene = make_scene(cube)
    with pytest.raises(ValueError, match="no coordinate reference") as error:
        write_products(scene, cube, make_facts(), str(tmp_path / "out"))
    assert "--no-crs" in str(error.value)
    assert not (tmp_path / "out").exists()
    bare = only(*FORMATS, no_crs=True)
    with pytest.raises(ValueError, match=r"area by --min-area, in \(unit\)2"):
        write_products(scene, cube, make_facts(), str(tmp_path / "out"), bare)
    assert not (tmp_path / "out").exists()
    bare = replace(bare, minimum_area=400)
    made = write_products(scene, cube, make_facts(), str(tmp_path / "out"), bare)
    assert "landslides.geojson" not in made
    assert "GeoJSON is not written" in caplog.text
    with rasterio.open(made["mask.tif"]) as raster:
        assert raster.crs is None
    said = summary(made)
    assert any("lies nowhere" in each for each in said["statements"])
    assert said["unit"] == "(unit)2"
    polygons = geopandas.read_parquet(made["landslides.parquet"])
    assert polygons["area_unit2"].to_numpy() == pytest.approx(100 * polygons["pixels"])


def test_a_cube_that_holds_nothing_else_still_gives_a_map(tmp_path: Path) -> None:
    cube = make_ground((80, 120))
    bare = cube[["vv"]].drop_vars("timestep").isel(timestep=0)
    scene = make_scene(cube)[["probability"]]
    made = write_products(scene, bare, make_facts(), str(tmp_path), only(*FORMATS))
    assert "spread.tif" not in made
    said = summary(made)
    assert "scores" not in said
    assert said["landslides"]["area_along_slope"] is None
    assert pd.isna(geopandas.read_parquet(made["landslides.parquet"])["slope_mean_deg"]).all()
    assert "No hillshade" in Path(made["report.html"]).read_text()


def test_a_map_of_no_backscatter_says_that_the_model_uses_none(tmp_path: Path) -> None:
    cube = make_ground((80, 120))  # which holds images of both sides
    facts = make_facts(inputs="dem", timesteps=0, images_before=(), images_after=())
    made = write_products(make_scene(cube), cube, facts, str(tmp_path), only("report"))
    said = Path(made["report.html"]).read_text()
    assert "The model uses no backscatter from before and after the event" in said


def test_the_area_along_the_slope_says_of_which_area_it_is(tmp_path: Path) -> None:
    cube = make_ground((80, 120))
    void = cube["dem_slope_radians"].where(cube["x"] > float(cube["x"][60]))
    holed = cube.assign(dem_slope_radians=void)
    made = write_products(make_scene(cube), holed, make_facts(), str(tmp_path), only("parquet"))
    polygons = geopandas.read_parquet(made["landslides.parquet"])
    known = polygons["slope_area_m2"].notna()
    assert 0 < known.sum() < len(polygons)
    said = summary(made)["landslides"]
    assert said["area_of_known_slope"] == pytest.approx(polygons["area_m2"][known].sum())
    assert said["area_along_slope"] > said["area_of_known_slope"]


def test_labels_that_are_none_are_told_of_and_give_no_scores(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cube = make_ground((80, 120))
    scene = make_scene(cube)
    wrong = cube.assign(landslides=cube["landslides"] * 2)
    made = write_products(scene, wrong, make_facts(), str(tmp_path))
    said = summary(made)
    assert "scores" not in said
    assert "from_labels" not in said["total_area_with_uncertainty"]
    (told,) = (each for each in said["statements"] if each.startswith("No scores"))
    assert "the cube's landslides hold 2: a label is 0 (none)" in told
    assert told in caplog.text


@pytest.mark.parametrize("lacking", [0, 1])
def test_labels_of_one_kind_alone_give_no_scores(lacking: int, tmp_path: Path) -> None:
    cube = make_ground((80, 120))
    labels = cube["landslides"]
    alone = cube.assign(landslides=labels.where(labels != lacking, 255).astype(np.uint8))
    made = write_products(make_scene(cube), alone, make_facts(), str(tmp_path))
    assert "scores" not in summary(made)


def test_a_map_without_landslides_is_a_map(tmp_path: Path) -> None:
    cube = make_ground((80, 120))
    scene = make_scene(cube)
    scene["probability"] = scene["probability"] * 0.1
    made = write_products(scene, cube, make_facts(), str(tmp_path), only(*FORMATS))
    assert summary(made)["landslides"]["count"] == 0
    assert len(geopandas.read_file(made["landslides.gpkg"], layer="landslides")) == 0
    said = " ".join(make_facts().statements())  # with no polygon to carry it
    assert json.loads(Path(made["landslides.geojson"]).read_text())["description"] == said
    parquet = geopandas.read_parquet(made["landslides.parquet"])
    assert (len(parquet), parquet.attrs["description"]) == (0, said)
    assert b"Unvalidated" in pq.read_schema(made["landslides.parquet"]).metadata[b"PANDAS_ATTRS"]
    in_package = pyogrio.read_info(made["landslides.gpkg"], layer="landslides")
    assert in_package["layer_metadata"]["DESCRIPTION"] == said
    assert "None was found" in Path(made["report.html"]).read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s * np.nan, "no valid pixel"),
        (lambda s: s * 7, "probabilities from 0 to 1"),
        (lambda s: s.isel(x=slice(0, 50)), r"has \(80, 50\) pixels .* its area \(80, 120\)"),
    ],
)
def test_what_is_no_map_of_the_cube_is_refused_and_leaves_nothing(
    tmp_path: Path, change: Any, said: str
) -> None:
    cube = make_ground((80, 120))
    with pytest.raises(ValueError, match=said) as error:
        write_products(change(make_scene(cube)), cube, make_facts(), str(tmp_path / "out"))
    assert "\n" not in str(error.value)
    assert list(tmp_path.glob("out/*")) == []


def test_what_a_stopped_run_left_is_replaced_whatever_the_folder_is_called(
    tmp_path: Path,
) -> None:
    cube = make_ground((80, 120))
    out = tmp_path / "map[1]"
    out.mkdir()
    left = out / "hokkaido_20180905_spread.tif"  # of several models; now there is one
    for file in (left, out / "mine.txt"):
        file.write_text("before")
    write_products(make_scene(cube)[["probability"]], cube, make_facts(), str(out), only())
    assert not left.exists()
    assert (out / "mine.txt").exists()


def test_what_a_stopped_run_left_is_replaced_in_a_bucket_and_no_neighbour_goes() -> None:
    import fsspec

    cube, memory = make_ground((80, 120)), fsspec.filesystem("memory")
    left = "hokkaido_20180905_spread.tif"
    memory.pipe({f"/maps/{name}/{left}": b"before" for name in ("map[1]", "map1")})
    scene = make_scene(cube)[["probability"]]
    write_products(scene, cube, make_facts(), "memory://maps/map[1]", only())
    assert not memory.exists(f"/maps/map[1]/{left}")
    assert memory.exists(f"/maps/map1/{left}")


def test_a_full_folder_for_temporary_files_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube, most = make_ground((300, 420)), resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most[1]))
        with pytest.raises(OSError, match=r"cannot be made in .* with TMPDIR") as error:
            write_products(make_scene(cube), cube, make_facts(), str(tmp_path / "out"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert list(tmp_path.glob("out/*")) == []


def test_a_format_that_is_none_and_a_folder_that_cannot_be_written_are_refused(
    tmp_path: Path,
) -> None:
    cube = make_ground((80, 120))
    scene = make_scene(cube)
    with pytest.raises(ValueError, match="unknown format 'shp'"):
        write_products(scene, cube, make_facts(), str(tmp_path), only("shp"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="cannot write to the folder"):
        write_products(scene, cube, make_facts(), str(tmp_path / "file"))


def test_an_object_store_gets_the_same_products(tmp_path: Path) -> None:
    import fsspec

    cube = make_ground((80, 120))
    made = write_products(make_scene(cube), cube, make_facts(), "memory://maps/one")
    memory = fsspec.filesystem("memory")
    assert {Path(p).name for p in memory.ls("/maps/one", detail=False)} == {
        Path(uri).name for uri in made.values()
    }
    (tmp_path / "mask.tif").write_bytes(memory.cat_file(made["mask.tif"]))
    assert cog_validate(str(tmp_path / "mask.tif"), strict=True, quiet=True)[0]

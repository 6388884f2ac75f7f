"""A folder of RTC GeoTIFFs as scenes, and what is wrong with a file."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from landslide.build.access import reason
from landslide.build.folder import filled_part, folder_scenes
from landslide.build.grid import project
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe

VALUES = np.full((120, 140), 0.2, np.float32)


@pytest.fixture
def burst(tmp_path: Path, write_scene: Any) -> Path:
    """Return the VV of a folder's one burst."""
    stem = write_scene(tmp_path / "rtc", "20180901T204100", VALUES)
    return Path(f"{stem}_VV.tif")


def test_files_of_a_burst_are_one_scene(burst: Path) -> None:
    (scene,) = folder_scenes(str(burst.parent))
    assert set(scene.addresses) == {"vv", "vh"}
    assert scene.name == burst.name.removesuffix("_VV.tif")
    assert (scene.relative_orbit, scene.orbit_state) == (46, "descending")
    assert scene.pixel_m == pytest.approx(10)
    west, south, east, north = scene.footprint.bounds
    assert 141.97 < west < east < 142.0
    assert 42.88 < south < north < 42.91
    assert scene.bytes == {
        key: Path(address).stat().st_size for key, address in scene.addresses.items()
    }


def test_asfs_product_says_its_track_in_its_readme(tmp_path: Path, write_tif: Any) -> None:
    stem = "S1A_IW_20200103T233556_DVP_RTC10_G_gpuned_12AB"
    folder = tmp_path / stem
    folder.mkdir()
    for name in ("VV", "VH"):
        write_tif(folder / f"{stem}_{name}.tif", VALUES, nodata=0)
    (scene,) = folder_scenes(str(tmp_path))
    assert scene.relative_orbit is None
    granule = "S1A_IW_SLC__1SDV_20200103T233556_20200103T233621_030643_0382F7_C795"
    (folder / f"{stem}.README.md.txt").write_text(f"made from {granule}.")
    (scene,) = folder_scenes(str(tmp_path))
    assert scene.relative_orbit == 121
    assert (scene.nodata, scene.platform) == (0, "sentinel-1a")


def test_the_readme_of_one_product_says_nothing_of_another(tmp_path: Path, write_tif: Any) -> None:
    """Unpacked into one flat folder."""
    stems = [f"S1A_IW_20200103T23355{n}_DVP_RTC10_G_gpuned_12A{n}" for n in (5, 6)]
    for stem in stems:
        write_tif(tmp_path / f"{stem}_VV.tif", VALUES, nodata=0)
    granule = "S1A_IW_SLC__1SDV_20200103T233556_20200103T233621_030643_0382F7_C795"
    (tmp_path / f"{stems[1]}.README.md.txt").write_text(f"made from {granule}.")
    tracks = {scene.name: scene.relative_orbit for scene in folder_scenes(str(tmp_path))}
    assert tracks == {stems[0]: None, stems[1]: 121}


def test_a_product_is_read_from_its_archive(tmp_path: Path, burst: Path) -> None:
    (scene,) = folder_scenes(str(burst.parent))
    packed = tmp_path / "packed"
    packed.mkdir()
    with zipfile.ZipFile(packed / "product.zip", "w") as archive:
        for file in burst.parent.iterdir():
            archive.write(file, f"product/{file.name}")
    (same,) = folder_scenes(str(packed))
    assert same.name == scene.name
    assert same.footprint.equals(scene.footprint)


def test_a_member_that_would_lie_outside_its_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "product.zip", "w") as archive:
        archive.writestr("../../evil_VV.tif", b"")
    said = r"product\.zip holds .*evil_VV\.tif', a link or a path outside its folder"
    with pytest.raises(ValueError, match=said):
        folder_scenes(str(tmp_path))


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "product.zip").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(ValueError, match=r"product\.zip is not a whole zip archive"):
        folder_scenes(str(tmp_path))


def test_a_readme_that_is_damaged_in_its_archive_is_told(tmp_path: Path, write_tif: Any) -> None:
    stem = "S1A_IW_20200103T233556_DVP_RTC10_G_gpuned_12AB"
    image = write_tif(tmp_path / f"{stem}_VV.tif", VALUES, nodata=0)
    packed = tmp_path / "packed" / f"{stem}.zip"
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(image, f"{stem}/{image.name}")
        archive.writestr(f"{stem}/{stem}.README.md.txt", "what this is")
    packed.write_bytes(packed.read_bytes().replace(b"what this is", b"what that is"))
    with pytest.raises(ValueError, match=rf"^{packed} is not a whole zip archive: fetch it again"):
        folder_scenes(str(packed.parent))


def test_two_files_of_one_burst_and_polarisation_are_told_apart_by_a_pattern(burst: Path) -> None:
    other = burst.with_name(burst.name.replace("_VV.tif", "_VV_despeckled.tif"))
    other.write_bytes(burst.read_bytes())
    with pytest.raises(ValueError, match="choose with `pattern`"):
        folder_scenes(str(burst.parent))
    (scene,) = folder_scenes(str(burst.parent), "*_despeckled.tif")
    assert set(scene.addresses) == {"vv"}


def test_a_folder_without_products_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        folder_scenes(str(tmp_path / "none"))
    (tmp_path / "scene.tif").write_bytes(b"")
    with pytest.raises(ValueError, match=r"scene\.tif is not named as OPERA or ASF"):
        folder_scenes(str(tmp_path))
    with pytest.raises(ValueError, match=r"matches \*\.png: no file does"):
        folder_scenes(str(tmp_path), "*.png")


@pytest.mark.parametrize(
    ("declared", "written"),
    [(np.nan, np.nan), (0, 0), (None, 0), (np.nan, 0), (-9999, -9999), (-9999, 0)],
)
def test_a_slanting_swath_covers_what_it_holds(
    tmp_path: Path, write_scene: Any, event_file: Any, declared: float | None, written: float
) -> None:
    """Data left of a slanting edge, in a raster that is larger; the area lies across the edge."""
    rows, columns = np.mgrid[:300, :400]
    edge = 60 + rows * 0.3
    values = np.where(columns < edge, 0.2, written).astype(np.float32)
    for day in ("20180820", "20180913"):
        for name in ("VV", "VH"):  # which would be a quarter of VV's, no data as well
            write_scene(
                tmp_path / "rtc", f"{day}T204100", values * (1 if name == "VV" else 4),
                polarisations=(name,), nodata=declared,
            )  # fmt: skip
    area = "area = [141.9815, 42.8805, 141.9985, 42.8945]"
    settings = 'crs = "EPSG:32654"\nterrain = false\nsar = {source = "rtc", min_coverage = %s}'
    recipe = load_recipe(event_file(f"{area}\n{settings % 0}"))
    plan = plan_build(recipe)
    box = project(recipe.area, "EPSG:32654").bounds
    x, y = 580_005 + columns * 10, 4_749_995 - rows * 10
    here = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
    true = (columns < edge)[here].mean()
    assert 0.2 < true < 0.8
    assert [one.coverage for one in plan.choice.passes] == pytest.approx([true] * 2, abs=0.02)
    with pytest.raises(ValueError, match=r"2 times: covers \d\d% of the area, less than 90%"):
        plan_build(load_recipe(event_file(f"{area}\n{settings % 0.9}")))


def test_an_image_that_holds_nothing_covers_nothing(
    tmp_path: Path, write_scene: Any, event_file: Any
) -> None:
    for day, values in (("20180820", VALUES), ("20180913", VALUES * np.nan)):
        write_scene(tmp_path / "rtc", f"{day}T204100", values)
    recipe = load_recipe(event_file(
        'area = [141.982, 42.892, 141.99, 42.896]\nterrain = false\nsar = {source = "rtc"}'
    ))  # fmt: skip
    with pytest.raises(
        ValueError, match=r"one side .* before .*; dropped 1 times: covers 0% of the area"
    ):
        plan_build(recipe)


def test_a_scene_covers_what_all_its_files_hold(burst: Path, write_scene: Any) -> None:
    values = VALUES.copy()
    values[:, 70:] = np.nan
    write_scene(burst.parent, "20180901T204100", values, polarisations=("VV",))
    (scene,) = folder_scenes(str(burst.parent))
    share = filled_part(scene, scene.footprint).area / scene.footprint.area
    assert share == pytest.approx(0.5, abs=0.03)


def test_an_image_beside_the_area_covers_none_of_it(burst: Path) -> None:
    (scene,) = folder_scenes(str(burst.parent))
    _, south, east, north = scene.footprint.bounds
    for beside in (shapely.box(east + 1, south, east + 2, north), shapely.box(0, 0, 1, 1)):
        assert filled_part(scene, beside).is_empty
    assert filled_part(scene, scene.footprint).equals(scene.footprint)


def test_a_page_under_an_images_name_is_quoted(burst: Path) -> None:
    burst.write_text("<!DOCTYPE html><html><body>Please log in</body></html>")
    with pytest.raises(ValueError, match=r"_VV\.tif is no GeoTIFF \(it begins with '<!DOCTYPE"):
        folder_scenes(str(burst.parent))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_found_before_it_is_read(burst: Path, kept: float) -> None:
    whole = burst.read_bytes()
    burst.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ValueError, match=r"_VV\.tif is cut off or damaged .*: fetch it again"):
        folder_scenes(str(burst.parent))


def test_a_file_that_lies_nowhere_is_named(burst: Path, write_tif: Any) -> None:
    write_tif(burst, VALUES, crs=None)
    with pytest.raises(ValueError, match=r"_VV\.tif has no coordinate reference system"):
        folder_scenes(str(burst.parent))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("HTTP response code: 403", PermissionError),
        ("HTTP response code: 404", FileNotFoundError),
        ("HTTP response code: 503", ConnectionError),
        ("CURL error: Could not resolve host: x", ConnectionError),
        ("x.tif, band 1: IReadBlock failed at X offset 0", ValueError),
    ],
)
def test_no_error_shows_a_signature(said: str, error: type[Exception]) -> None:
    problem = reason("https://example.org/x.tif?sig=secret", said)
    assert type(problem) is error
    assert "https://example.org/x.tif" in str(problem)
    assert "secret" not in str(problem)

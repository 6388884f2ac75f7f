"""A cube built again: what stays, what is built anew, and what is taken out, and when."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import fsspec
import numpy as np
import pytest
import requests
import xarray as xr
import zarr
from fsspec.implementations.local import LocalFileSystem
from odc.geo.xr import xr_coords

from landslide.build import assemble, stages, writing
from landslide.build.fingerprint import fingerprint
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe
from landslide.build.target import PROGRESS, Target
from landslide.cli import main
from landslide.cube.events import find_event
from landslide.cube.store import open_cube
from tests.built_event import NORTH, WEST, build, speckle, write_slides


def test_a_second_run_goes_on_from_the_layers_that_are_there(event: Path, tmp_path: Path) -> None:
    out = tmp_path / "quake.zarr"
    cube, said = build(event, out, until="sar")
    assert said == ["sar: is built"]
    assert set(cube.data_vars) == {"vv", "vh"}
    before = {path: path.stat().st_mtime_ns for path in (out / "vv").rglob("*") if path.is_file()}
    cube, said = build(event, out)
    assert said == ["sar: is there", "terrain: is built", "labels: is built"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    _, said = build(event, out)
    assert said == ["sar: is there", "terrain: is there", "labels: is there"]
    whole, _ = build(event, tmp_path / "at_once.zarr")
    xr.testing.assert_equal(cube.compute(), whole.compute())


def test_a_changed_source_rebuilds_what_it_feeds(
    event: Path, tmp_path: Path, write_scene: Any
) -> None:
    out = tmp_path / "quake.zarr"
    build(event, out)
    write_slides(tmp_path, 0.002)
    cube, said = build(event, out)
    assert said == [
        "sar: is there", "terrain: is there", "labels: is built anew: its files changed",
    ]  # fmt: skip
    assert int(cube["landslides"].sum()) > 200
    write_scene(tmp_path / "rtc", "20181019T204100", speckle(7))
    cube, said = build(event, out)
    assert said == [
        "sar: is built anew: its items, files and sides changed", "terrain: is there",
        "labels: is there",
    ]  # fmt: skip
    assert cube.sizes["timestep"] == 7
    event.write_text(event.read_text().replace("resolution = 10", "resolution = 20"))
    cube, said = build(event, out)
    assert said == [f"{n}: is built anew: the grid changed" for n in ("sar", "terrain", "labels")]
    assert float(cube["x"][1] - cube["x"][0]) == 20


def test_other_polarisations_are_built_anew(event: Path, tmp_path: Path) -> None:
    build(event, tmp_path / "quake.zarr", until="sar")
    changed(event, ('"rtc"', '"rtc", polarisations = ["vh"]'))
    cube, said = build(event, tmp_path / "quake.zarr", until="sar")
    assert said == ["sar: is built anew: its files changed"]
    assert set(cube.data_vars) == {"vh"}


def test_an_inventory_that_changes_at_its_web_address_is_noticed(
    event: Path, tmp_path: Path, http_folder: tuple[str, Path]
) -> None:
    address, folder = http_folder
    changed(event, ("slides.geojson", f"{address}/slides.geojson"))
    write_slides(folder)
    build(event, tmp_path / "quake.zarr", until="labels")
    _, said = build(event, tmp_path / "quake.zarr")
    assert said[-1] == "labels: is there"
    write_slides(folder, 0.0025)
    _, said = build(event, tmp_path / "quake.zarr")
    assert said[-1] == "labels: is built anew: its files changed"


def test_a_server_that_does_not_answer_says_nothing_of_a_version() -> None:
    address = "http://127.0.0.1:1/slides.geojson"
    assert fingerprint(address, ask=True) == [address]


@pytest.mark.parametrize("status", [None, 403, 429, 503])
@pytest.mark.parametrize("when", ["then", "now"])
def test_a_file_whose_server_does_not_answer_is_none_that_changed(
    event: Path, tmp_path: Path, http_folder: tuple[str, Path], monkeypatch: pytest.MonkeyPatch,
    status: int | None, when: str,
) -> None:  # fmt: skip
    """When the layer was built, or when the build is run again."""
    address, folder = http_folder
    changed(event, ("slides.geojson", f"{address}/slides.geojson"), GONE["terrain"])
    write_slides(folder)
    out = tmp_path / "quake.zarr"

    def no_answer(*_: object, **__: object) -> requests.Response:
        if status is None:
            raise requests.ConnectionError
        answer = requests.Response()
        answer.status_code, answer.headers["Content-Length"] = status, "9"
        return answer

    for turn in ("then", "now"):
        with monkeypatch.context() as patch:
            if turn == when:
                patch.setattr(requests, "head", no_answer)
            _, said = build(event, out, until="labels")
    assert said == ["sar: is there", "labels: is there"]


def test_a_version_is_recorded_of_what_is_built_though_none_was_known(
    event: Path, tmp_path: Path, http_folder: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = http_folder
    changed(event, ("slides.geojson", f"{address}/slides.geojson"))
    write_slides(folder)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "fingerprint", lambda file, **_: fingerprint(file))
        build(event, tmp_path / "quake.zarr")
    changed(event, ('slides.geojson"', 'slides.geojson", all_touched = true'))
    _, said = build(event, tmp_path / "quake.zarr")
    assert said[-1] == "labels: is built anew: its all_touched changed"
    write_slides(folder, 0.0025)
    _, said = build(event, tmp_path / "quake.zarr")
    assert said[-1] == "labels: is built anew: its files changed"


def test_what_lies_beside_a_source_is_none_of_it(event: Path, tmp_path: Path) -> None:
    """An inventory QUAKE.geojson, built into QUAKE.zarr: its STAC item QUAKE.stac.json changes."""
    (tmp_path / "slides.geojson").rename(tmp_path / "quake.geojson")
    event.write_text(event.read_text().replace("slides.geojson", "quake.geojson"))
    build(event, tmp_path / "quake.zarr")
    (tmp_path / "dem.tif.aux.xml").write_text("<statistics/>")
    _, said = build(event, tmp_path / "quake.zarr")
    assert said == ["sar: is there", "terrain: is there", "labels: is there"]


def test_an_archive_and_a_part_of_a_shapefile_that_change_are_noticed(tmp_path: Path) -> None:
    for file, changed in (
        ("zip://{}/a.zip!/x/y.tif", "a.zip"),
        ("zip://{}/a.zip!y.geojson", "a.zip"),
        ("/vsizip/{}/a.zip", "a.zip"),
        ("/vsizip/{}/a.zip/x/y.shp", "a.zip"),
        ("{}/b.shp", "b.dbf"),
    ):
        (tmp_path / "b.shp").write_bytes(b"")
        (tmp_path / changed).write_bytes(b"1")
        before = fingerprint(file.format(tmp_path))
        (tmp_path / changed).write_bytes(b"12")
        assert fingerprint(file.format(tmp_path)) != before


def changed(event: Path, *pairs: tuple[str, str]) -> None:
    text = event.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    event.write_text(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dem.tif", "dam.tif", r"no DEM at .*dam\.tif: check its name"),
        ("slides.geojson", "points.geojson", "takes polygons"),
        ("slides.geojson", "nothing.geojson", r"no inventory at .*nothing\.geojson"),
    ],
)
def test_a_wrong_new_source_costs_nothing(
    event: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    """Neither with the grid as it was nor with another, on which no layer could stay."""
    out = tmp_path / "quake.zarr"
    built, _ = build(event, out)
    point = '{"type": "Point", "coordinates": [141.985, 42.891]}'
    (tmp_path / "points.geojson").write_text(point)
    item = (tmp_path / "quake.stac.json").read_bytes()
    changed(event, (old, new))
    for _ in range(2):
        with pytest.raises((ValueError, OSError), match=message):
            build(event, out)
        xr.testing.assert_identical(open_cube(out).compute(), built.compute())
        assert (tmp_path / "quake.stac.json").read_bytes() == item
        event.write_text(event.read_text().replace("resolution = 10", "resolution = 20"))


def test_a_dem_of_voids_takes_the_place_of_nothing_and_half_of_one_is_said(
    event: Path, tmp_path: Path, write_tif: Any
) -> None:
    out = tmp_path / "quake.zarr"
    built, _ = build(event, out, until="terrain")
    heights = np.full((110, 120), np.nan, np.float32)
    write_tif(tmp_path / "dem.tif", heights, west=WEST - 600, north=NORTH + 600, pixel=30)
    with pytest.raises(ValueError, match=r"nothing but voids there: .*dem\.tif"):
        build(event, out, until="terrain")
    xr.testing.assert_identical(open_cube(out).compute(), built.compute())
    heights[:, 60:] = 200
    write_tif(tmp_path / "dem.tif", heights, west=WEST - 600, north=NORTH + 600, pixel=30)
    cube, said = build(event, out, until="terrain")
    share = float(np.isnan(cube["dem"]).mean())
    assert 0.2 < share < 0.8
    assert said[-1] == f"terrain: {share:.1%} of DEM have no data"


def test_a_layer_beyond_the_last_that_is_wanted_stays(event: Path, tmp_path: Path) -> None:
    out = tmp_path / "quake.zarr"
    build(event, out)
    cube, said = build(event, out, until="sar")
    assert said == ["sar: is there"]
    assert "landslides" in cube


def test_a_layer_that_the_event_file_asks_for_no_more_goes(event: Path, tmp_path: Path) -> None:
    out = tmp_path / "quake.zarr"
    build(event, out)
    changed(event, ('labels = {inventory = "slides.geojson"}', ""))
    cube, said = build(event, out)
    gone = "labels: is taken out: the event file asks for it no more"
    assert said == ["sar: is there", "terrain: is there", gone]
    assert "landslides" not in cube
    assert not (out / "landslides").exists()
    item = json.loads((tmp_path / "quake.stac.json").read_text())
    assert item["properties"]["landslide:layers"] == ["sar", "terrain"]
    assert cube.attrs["event_file"] == event.read_text()


GRIDS = {
    "coarser": ("resolution = 10", "resolution = 30"),
    "100 m east": (
        "[141.982, 42.884, 141.999, 42.8965]",
        "[141.983226, 42.884, 142.000226, 42.8965]",
    ),
}
GONE = {
    "terrain": ('terrain = {source = "dem.tif"}', "terrain = false"),
    "labels": ('labels = {inventory = "slides.geojson"}', ""),
    "observed": ("observed = {incidence_degrees = 36}", ""),
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("gone", [["labels"], ["observed"], ["terrain", "observed"]])
def test_a_layer_goes_with_its_grid_and_leaves_nothing_of_it(
    event: Path, tmp_path: Path, grid: str, gone: list[str]
) -> None:
    """A grid of another shape, and one that is only moved."""
    out = tmp_path / "quake.zarr"
    event.write_text(event.read_text() + "observed = {incidence_degrees = 36}\n")
    build(event, out)
    changed(event, GRIDS[grid], *(GONE[name] for name in gone))
    cube, said = build(event, out)
    anew, _ = build(event, tmp_path / "anew.zarr")
    xr.testing.assert_equal(cube.compute(), anew.compute())
    assert cube["spatial_ref"].attrs == anew["spatial_ref"].attrs
    assert sum("asks for it no more" in line for line in said) == len(gone)
    assert sum("the grid changed" in line for line in said) == 4 - len(gone)


def test_a_layer_is_not_put_beside_one_of_another_grid(event: Path, tmp_path: Path) -> None:
    """As where another build put that in meanwhile."""
    out = tmp_path / "quake.zarr"
    cube, _ = build(event, out, until="sar")
    with pytest.raises(ValueError, match=r"quake\.zarr: terrain lies on another grid than sar"):
        assemble.Target(str(out)).commit(
            "terrain", {"grid": {}}, {"zarr.json": (out / "zarr.json").read_bytes()}, {}
        )
    xr.testing.assert_identical(open_cube(out).compute(), cube.compute())


def test_another_name_or_place_of_what_is_the_same_reads_nothing_anew(
    event: Path, tmp_path: Path
) -> None:
    """The event is renamed and corrected by an hour, and the images moved to another folder."""
    out = tmp_path / "quake.zarr"
    build(event, out)
    (tmp_path / "rtc").rename(tmp_path / "images")
    changed(event, ('"rtc"', '"images"'), ('"quake"', '"tremor"'), ("18:07:59", "19:07:59"))
    cube, said = build(event, out)
    assert said == ["sar: is there", "terrain: is there", "labels: is there"]
    about = find_event(cube)
    assert (about.name, about.start) == ("tremor", np.datetime64("2018-09-05T19:07:59"))
    assert json.loads(cube.attrs["build"])["layers"]["sar"]["source"].endswith("images")
    assert cube.attrs["event_file"] == event.read_text()
    assert json.loads((tmp_path / "quake.stac.json").read_text())["id"] == "tremor"


def test_an_event_that_moves_past_an_image_lays_the_images_out_anew(
    event: Path, tmp_path: Path
) -> None:
    build(event, tmp_path / "quake.zarr", until="sar")
    changed(event, ("2018-09-05T18:07:59", "2018-09-15T18:07:59"))
    _, said = build(event, tmp_path / "quake.zarr", until="sar")
    assert said == ["sar: is built anew: its sides changed"]


def test_no_stac_item_tells_of_layers_that_are_gone(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "quake.zarr"
    build(event, out)
    write_slides(tmp_path, 0.002)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(assemble, "write_layer", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build(event, out)
    assert "landslides" not in open_cube(out)
    assert not (tmp_path / "quake.stac.json").exists()
    build(event, out)
    assert (tmp_path / "quake.stac.json").exists()


def test_pairs_whose_making_fails_leave_those_that_are_there(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor can be asked whether it can start, and still fail after hours."""
    out = tmp_path / "quake.zarr"
    event.write_text(event.read_text() + 'insar = {source = "isce2", folder = "pairs"}\n')

    def fail() -> list[Any]:
        raise OSError("topsApp failed")

    def processed(*_: object) -> Any:
        return {"looks": looks}, pairs, lambda: None

    def layers(_: object, grid: Any, **__: object) -> xr.Dataset:
        plane = da.full((1, *grid.shape), 0.5, dtype=np.float32)
        days = {"reference_time": "2018-08-20", "secondary_time": "2018-09-01"}
        times = {name: ("timepair", np.array([day], "M8[ns]")) for name, day in days.items()}
        coherence = {"coherence": (("timepair", "y", "x"), plane)}
        return xr.Dataset(coherence, {**times, **xr_coords(grid)})

    monkeypatch.setattr(stages, "processed", processed)
    monkeypatch.setattr(stages, "insar_layers", layers)
    looks, pairs = 1, list
    build(event, out)
    looks, pairs = 2, fail
    with pytest.raises(OSError, match="topsApp failed"):
        build(event, out)
    assert float(open_cube(out)["coherence"].mean()) == 0.5
    pairs = list
    _, said = build(event, out)
    assert "insar: is built anew: its looks changed" in said


def test_a_new_pass_is_a_reason_to_make_its_tracks_pairs_anew(
    event: Path, tmp_path: Path, write_scene: Any
) -> None:
    pairs = 'insar = {source = "hyp3", folder = "pairs", relative_orbit = 46}'
    event.write_text(f"{event.read_text()}{pairs}\n")

    def digest() -> str:
        plan = plan_build(load_recipe(event))
        (insar,) = (one for one in stages.stages(plan) if one.name == "insar")
        return insar.digest(plan.grid)

    before = digest()
    write_scene(tmp_path / "rtc", "20181002T204900", speckle(7), track=119)
    assert digest() == before
    write_scene(tmp_path / "rtc", "20181019T204100", speckle(8))
    assert digest() != before


def test_a_dry_run_says_what_would_become_of_the_cube(
    event: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "quake.zarr"
    build(event, out, until="terrain")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    changed(event, ('terrain = {source = "dem.tif"}', "terrain = false"),
            ('"rtc"', '"rtc", images = 2'))  # fmt: skip
    assert main(["build", str(event), str(out), "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        f"{out}, if it were built now:",
        "  sar: is built anew: its items, files and sides changed",
        "  terrain: is taken out: the event file asks for it no more",
        "  labels: is built",
    ]
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    zarr.open_group(tmp_path / "other.zarr", mode="w")
    assert main(["build", str(event), str(tmp_path / "other.zarr"), "--dry-run"]) == 1
    assert "was not built here" in capsys.readouterr().err


def interrupted_after(count: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], None]:
    """Return what builds backscatter up to so many blocks, and is interrupted."""

    def begin(event: Path, out: Path) -> None:
        whole, written = writing.record, []

        def breaking(growing: str, key: str, done: Any) -> None:
            if len(written) == count:
                raise KeyboardInterrupt
            whole(growing, key, done)
            written.append(key)

        with monkeypatch.context() as patch, dask.config.set(scheduler="synchronous"):
            patch.setattr(writing, "record", breaking)
            with pytest.raises(KeyboardInterrupt):
                build(event, out, until="sar")

    return begin


def test_what_goes_takes_no_neighbour() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/built/{name}/cube/vv/0": b"1" for name in ("run[12]", "run1", "run2")})
    Target("memory://built/run[12]/cube").clear("vv")
    assert memory.find("/built") == ["/built/run1/cube/vv/0", "/built/run2/cube/vv/0"]


def test_blocks_of_another_recipe_are_not_gone_on_from(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun with all images, begun anew with fewer, and then with all again."""
    begin = interrupted_after(2, monkeypatch)
    out, every = tmp_path / "quake.zarr", event.read_text()
    fewer = every.replace('source = "rtc"', 'source = "rtc", images = 2')
    begin(event, out)
    event.write_text(fewer)
    begin(event, out)
    event.write_text(every)
    cube, _ = build(event, out, until="sar")
    whole, _ = build(event, tmp_path / "at_once.zarr", until="sar")
    xr.testing.assert_equal(cube.compute(), whole.compute())


def test_a_layer_that_was_taken_out_is_not_gone_on_from(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole with all images, stopped in the next layer; whole with fewer; then all again."""
    out, every = tmp_path / "quake.zarr", event.read_text()

    for text in (every, every.replace('source = "rtc"', 'source = "rtc", images = 2')):
        event.write_text(text)
        with monkeypatch.context() as patch:
            patch.setattr(assemble.Target, "clear", stopped_at(PROGRESS, assemble.Target.clear))
            with pytest.raises(KeyboardInterrupt):
                build(event, out, until="sar")
    event.write_text(every)
    cube, said = build(event, out, until="sar")
    assert said == ["sar: is built anew: its items, files and sides changed"]
    whole, _ = build(event, tmp_path / "at_once.zarr", until="sar")
    xr.testing.assert_equal(cube.compute(), whole.compute())


def test_blocks_that_were_removed_are_not_gone_on_from(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terrain, whose blocks are there, is not wanted once; that run is interrupted at its end."""
    start = tmp_path / "start"
    build(event, start / "quake.zarr", until="sar")
    with monkeypatch.context() as patch:
        patch.setattr(assemble.Target, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(event, start / "quake.zarr")
    whole, _ = build(event, tmp_path / "at_once.zarr")
    for last in (".build/terrain", "dem", "dem_curvature", PROGRESS):
        out = shutil.copytree(start, tmp_path / last.replace("/", "-")) / "quake.zarr"
        with monkeypatch.context() as patch:
            patch.setattr(assemble.Target, "clear", stopped_at(last, assemble.Target.clear))
            with pytest.raises(KeyboardInterrupt):
                build(event, out, until="sar")
        cube, _ = build(event, out)
        assert cube.compute().equals(whole.compute()), last


def stopped_at(last: str, clear: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    """Return a `Target.clear` that is interrupted before it removes what lies under a key."""

    def interrupted(target: Any, key: str) -> None:
        if key == last:
            raise KeyboardInterrupt
        clear(target, key)

    return interrupted


def test_a_run_goes_on_from_any_step_of_what_another_took_out(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another grid, for which every layer goes, interrupted on the way."""
    start = tmp_path / "start"
    build(event, start / "quake.zarr")
    changed(event, ("resolution = 10", "resolution = 20"), GONE["labels"])
    anew, _ = build(event, tmp_path / "anew.zarr")
    for last in ("vv", "y", "dem", "landslides", ".build/sar"):
        out = shutil.copytree(start, tmp_path / last.replace("/", "-")) / "quake.zarr"
        with monkeypatch.context() as patch:
            patch.setattr(assemble.Target, "clear", stopped_at(last, assemble.Target.clear))
            with pytest.raises(KeyboardInterrupt):
                build(event, out)
        cube, _ = build(event, out)
        assert cube.compute().equals(anew.compute()), last
        assert entries(out) == entries(tmp_path / "anew.zarr"), last


def entries(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()}


def test_what_a_run_left_and_the_event_asks_for_no_more_goes(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in terrain, which is then not wanted; and while labels go, as they should."""
    out = tmp_path / "quake.zarr"
    build(event, out, until="sar")
    alone = entries(out)
    with monkeypatch.context() as patch:
        patch.setattr(assemble.Target, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(event, out)
    assert "dem" in entries(out)
    changed(event, GONE["terrain"])
    build(event, out)
    assert entries(out) == alone | {"landslides"}
    changed(event, GONE["labels"])
    with monkeypatch.context() as patch:
        patch.setattr(assemble.Target, "clear", stopped_at("landslides", assemble.Target.clear))
        with pytest.raises(KeyboardInterrupt):
            build(event, out)
    assert "landslides" not in open_cube(out)
    build(event, out)
    assert entries(out) == alone


def test_a_disk_that_is_full_from_the_first_byte_leaves_nothing_in_the_way(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is to be written first, the note of what begins, is not; the folder around it is."""
    out = tmp_path / "quake.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "pipe_file", full_disk)
        with pytest.raises(OSError, match=r"No space left on device.*; make room and run again"):
            build(event, out, until="sar")
    assert (out / ".build").is_dir()
    _, said = build(event, out, until="sar")
    assert said == ["sar: is built"]


@pytest.mark.parametrize("edit", [("resolution = 10", "resolution = 20"), GONE["labels"]])
def test_a_full_disk_leaves_cube_and_stac_item_alone(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: tuple[str, str]
) -> None:
    out = tmp_path / "quake.zarr"
    built, _ = build(event, out)
    item = (tmp_path / "quake.stac.json").read_bytes()
    changed(event, edit)
    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "pipe_file", full_disk)
        with pytest.raises(OSError, match=r"No space left on device.*; make room and run again"):
            build(event, out)
    xr.testing.assert_identical(open_cube(out).compute(), built.compute())
    assert (tmp_path / "quake.stac.json").read_bytes() == item
    build(event, out)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

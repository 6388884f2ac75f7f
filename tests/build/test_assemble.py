"""A cube built from files: its layers whole or not at all, taken up, rebuilt on a change."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import numpy as np
import pystac
import pytest
import rioxarray  # noqa: F401 - the accessor
import shapely
import xarray as xr
import zarr
from odc.geo.geobox import GeoBox
from pyproj import CRS, Geod, Transformer

from landslide.build import assemble, stages, terrain, writing
from landslide.build.elevation import Dem
from landslide.build.fingerprint import fingerprint
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe
from landslide.build.viewing import View, sentinel1_look
from landslide.chips.layout.cube import Layout
from landslide.cli import main
from landslide.cube.events import find_event
from landslide.cube.store import open_cube, stored_chunks
from landslide.storage import text_without_secrets
from tests.built_event import NORTH, WEST, build, speckle


def test_a_cube_holds_what_the_files_hold(event: Path, tmp_path: Path) -> None:
    cube, said = build(event, tmp_path / "quake.zarr")
    assert said == [f"{name}: is built" for name in ("sar", "terrain", "labels")]
    assert dict(cube.sizes) == {"timestep": 6, "y": cube.sizes["y"], "x": cube.sizes["x"]}
    top = round((NORTH - 5 - float(cube["y"][0])) / 10)
    left = round((float(cube["x"][0]) - WEST - 5) / 10)
    rows = slice(top, top + cube.sizes["y"])
    columns = slice(left, left + cube.sizes["x"])
    for index in range(6):
        expected = speckle(index)[rows, columns]
        # Stored as logarithms: each value comes back to the last bits of a float32.
        np.testing.assert_allclose(cube["vv"][index], expected, rtol=1e-6)
        np.testing.assert_allclose(cube["vh"][index], expected / 4, rtol=1e-6)
    assert set(np.unique(cube["landslides"])) == {0, 1}
    assert 60 < int(cube["landslides"].sum()) < 110  # a square of 0.001 degrees: 82 m by 111 m
    assert float(cube["dem"].min()) > 200
    assert np.isfinite(cube["dem_slope_radians"]).all()


def test_it_is_written_as_optimize_writes(event: Path, tmp_path: Path) -> None:
    cube, _ = build(event, tmp_path / "quake.zarr")
    chunks = stored_chunks(cube)
    assert chunks["vv"].chunks == (3, 128, 128)  # three images on either side
    assert chunks["dem"].chunks == (128, 128)
    array = zarr.open_group(tmp_path / "quake.zarr", mode="r")["vv"]
    assert array.attrs["units"] == "ln(1)"
    stored = xr.open_zarr(tmp_path / "quake.zarr")["timestep"].values
    days = stored.astype("datetime64[D]").astype(str).tolist()
    # Those nearest the event lie together, from the nearest on.
    assert days == [
        "2018-09-01", "2018-08-20", "2018-08-08", "2018-09-13", "2018-09-25", "2018-10-07",
    ]  # fmt: skip


def test_its_attributes_say_where_it_lies_and_what_it_is_built_from(
    event: Path, tmp_path: Path
) -> None:
    cube, _ = build(event, tmp_path / "quake.zarr")
    assert find_event(cube).start == np.datetime64("2018-09-05T18:07:59")
    about = json.loads(cube.attrs["build"])["layers"]
    assert set(about) == {"sar", "terrain", "labels"}
    assert len(about["sar"]["items"]) == 6
    assert about["sar"]["versions"]["odc-stac"]
    assert about["sar"]["samples"]["vv"]["missing"] == 0
    assert about["terrain"]["items"] == ["dem.tif"]
    assert cube.attrs["event_file"] == event.read_text()
    raw = xr.open_zarr(tmp_path / "quake.zarr", decode_coords="all")
    for name in ("vv", "dem", "landslides"):
        assert CRS.from_user_input(raw[name].rio.crs) == CRS.from_epsg(32654)
        assert raw[name].rio.transform()[:6] == tuple(cube.attrs["transform"])
    assert raw["spatial_ref"].attrs["grid_mapping_name"] == "transverse_mercator"
    assert cube["landslides"].rio.crs.to_epsg() == 32654


def test_no_password_or_signature_is_passed_on() -> None:
    said = "a = 'https://me:word@example.org/a.tif?sig=x', b = '/data/what?.tif'"
    assert text_without_secrets(said) == "a = 'https://example.org/a.tif', b = '/data/what?.tif'"
    assert fingerprint("s3://key:secret@bucket/a.tif") == ["s3://bucket/a.tif"]


def test_files_of_two_containers_are_two_files() -> None:
    one, other = (f"abfs://{name}@account.dfs.core.windows.net/dem.tif" for name in ("a", "b"))
    assert fingerprint(one) == [one]
    assert fingerprint(other) == [other]
    assert text_without_secrets(f"'{one}?sig=hush'") == f"'{one}'"


def test_its_stac_item_lies_beside_it(event: Path, tmp_path: Path) -> None:
    cube, _ = build(event, tmp_path / "quake.zarr")
    item = pystac.Item.from_file(str(tmp_path / "quake.stac.json"))
    assert item.id == "quake"
    assert item.assets["cube"].get_absolute_href() == str(tmp_path / "quake.zarr")
    assert item.properties["proj:code"] == "EPSG:32654"
    assert item.properties["proj:shape"] == [cube.sizes["y"], cube.sizes["x"]]
    assert item.properties["start_datetime"] == "2018-08-08T20:41:00Z"
    assert item.properties["cube:variables"]["vv"]["dimensions"] == ["timestep", "y", "x"]
    # Or a catalogue would take the metres for degrees.
    assert item.properties["cube:dimensions"]["x"]["reference_system"] == 32654
    area = shapely.box(141.982, 42.884, 141.999, 42.8965)
    assert shapely.geometry.shape(item.geometry).buffer(1e-6).contains(area)
    bare = item.to_dict() | {"stac_extensions": []}
    pystac.Item.from_dict(bare).validate()  # the core's schema comes with pystac


def test_its_stac_item_names_a_crs_without_a_code_in_full(event: Path, tmp_path: Path) -> None:
    crs = "+proj=tmerc +lon_0=142 +datum=WGS84 +units=m"
    event.write_text(event.read_text().replace("EPSG:32654", crs))
    build(event, tmp_path / "quake.zarr", until="sar")
    about = json.loads((tmp_path / "quake.stac.json").read_text())["properties"]
    assert about["proj:code"] is None
    assert CRS(about["proj:wkt2"]) == CRS(crs)


def test_a_wrong_last_source_is_told_before_the_first_is_read(event: Path, tmp_path: Path) -> None:
    point = {"type": "Point", "coordinates": [141.985, 42.891]}
    (tmp_path / "slides.geojson").write_text(json.dumps(point))
    with pytest.raises(ValueError, match="takes polygons"):
        build(event, tmp_path / "quake.zarr")
    assert not (tmp_path / "quake.zarr").exists()


def test_a_scene_smaller_than_a_chip_is_a_cube_all_the_same(event: Path, tmp_path: Path) -> None:
    text = event.read_text().replace("[141.982, 42.884, 141.999, 42.8965]",
                                     "[141.984, 42.8905, 141.988, 42.893]")  # fmt: skip
    event.write_text(text)
    cube, _ = build(event, tmp_path / "quake.zarr")
    assert max(cube.sizes["y"], cube.sizes["x"]) < 128
    assert np.isfinite(cube["vv"]).all()
    assert int(cube["landslides"].sum()) > 0


def test_no_secret_of_an_address_is_in_the_cube(
    event: Path, tmp_path: Path, http_folder: tuple[str, Path]
) -> None:
    address, folder = http_folder
    (folder / "secret.geojson").write_bytes((tmp_path / "slides.geojson").read_bytes())
    text = event.read_text().replace("slides.geojson", f"{address}/secret.geojson?sig=hush")
    # The server of this test takes no question mark in a file's name for one.
    (folder / "secret.geojson?sig=hush").write_bytes((tmp_path / "slides.geojson").read_bytes())
    event.write_text(text)
    build(event, tmp_path / "quake.zarr")
    for file in (tmp_path / "quake.zarr" / "zarr.json", tmp_path / "quake.stac.json"):
        assert "hush" not in file.read_text()
    assert f"{address}/secret.geojson" in (tmp_path / "quake.zarr" / "zarr.json").read_text()


FULL = r"quake\.zarr cannot be written \(No space left on device\); make room and run again"


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "quake.zarr"
    build(event, out, until="sar")
    whole = writing.record

    def full(growing: str, key: str, done: Any) -> None:
        if key.startswith("dem_slope"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as write() says it: no file
        whole(growing, key, done)

    monkeypatch.setattr(writing, "record", full)
    with pytest.raises(OSError, match=FULL) as said:
        build(event, out)
    assert "\n" not in str(said.value)
    assert set(open_cube(out).data_vars) == {"vv", "vh"}
    assert set(xr.open_zarr(out).data_vars) == {"vv", "vh"}
    monkeypatch.setattr(writing, "record", whole)
    cube, told = build(event, out)
    assert told == ["sar: is there", "terrain: is built", "labels: is built"]
    assert not (out / ".build").exists()
    again, _ = build(event, tmp_path / "at_once.zarr")
    xr.testing.assert_equal(cube.compute(), again.compute())


def test_blocks_that_were_written_are_not_read_again(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole, written = tmp_path / "quake.zarr", writing.record, []

    def breaking(growing: str, key: str, done: Any) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        whole(growing, key, done)
        written.append(key)

    monkeypatch.setattr(writing, "record", breaking)
    with dask.config.set(scheduler="synchronous"), pytest.raises(KeyboardInterrupt):
        build(event, out, until="sar")
    assert not (out / "zarr.json").exists()
    with pytest.raises(ValueError, match="no Zarr group"):
        open_cube(out)
    first = list(written)
    monkeypatch.setattr(
        writing, "record", lambda g, key, done: (whole(g, key, done), written.append(key))
    )
    cube, _ = build(event, out, until="sar")
    assert len(first) == 2
    assert len(set(written)) == len(written) == 4  # two stacks, two shards each
    samples = json.loads(cube.attrs["build"])["layers"]["sar"]["samples"]
    assert set(samples) == {"vv", "vh"}


def test_what_several_layers_are_made_of_is_read_once(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elevation, slope, aspect and curvature of the places of one batch; they are all one here."""
    whole, read = terrain.read_elevation, list[GeoBox]()

    def counted(block: GeoBox, dem: Dem) -> Any:
        read.append(block)
        return whole(block, dem)

    monkeypatch.setattr(terrain, "read_elevation", counted)
    layout = Layout(chip_size=32, shard_pixels=64)
    monkeypatch.setattr(assemble, "layout_of", lambda _: layout)
    cube, _ = build(event, tmp_path / "quake.zarr", until="terrain")
    places = -(-cube.sizes["y"] // 64) * -(-cube.sizes["x"] // 64)
    assert places > 4
    assert len(set(read)) == places
    assert len(read) == places + 1  # the first was looked at for voids before


def elsewhere(graph: Any, keys: Any, **_: object) -> Any:
    """Compute as a cluster does: with what is left of the graph after a journey."""
    return dask.get(cloudpickle.loads(cloudpickle.dumps(graph)), keys)


def test_a_processor_that_is_not_installed_is_named_before_anything_is_built(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.write_text(event.read_text() + 'insar = {source = "isce2", folder = "pairs"}\n')
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"topsApp.*is not on the PATH: install it"):
        build(event, tmp_path / "quake.zarr")
    assert not (tmp_path / "quake.zarr").exists()


def test_layover_shadow_and_water_are_no_data_in_the_labels(event: Path, tmp_path: Path) -> None:
    water = shapely.box(141.9855, 42.8912, 141.9857, 42.8914)
    (tmp_path / "lake.geojson").write_text(json.dumps(shapely.geometry.mapping(water)))
    event.write_text(
        event.read_text() + 'observed = {incidence_degrees = 36, water = "lake.geojson"}\n'
    )
    cube, said = build(event, tmp_path / "quake.zarr", until="terrain")
    assert said == ["sar: is built", "terrain: is built", "observed: is built"]
    cube, _ = build(event, tmp_path / "quake.zarr")
    seen = cube["observed"].to_numpy()
    assert seen.dtype == bool
    assert 0 < (~seen).sum() < seen.size / 2
    labels = cube["landslides"].to_numpy()
    assert (labels[~seen] == 255).all()
    assert set(np.unique(labels[seen])) == {0, 1}


def test_each_orbit_is_looked_along_at_its_own_incidence(
    event: Path, tmp_path: Path, write_tif: Any
) -> None:
    ridges = 40 * np.sin(np.mgrid[:110, :120][1] / 3).astype(np.float32)  # flanks of 24 degrees
    write_tif(tmp_path / "dem.tif", ridges, west=WEST - 600, north=NORTH + 600, pixel=30)
    text = event.read_text()
    seen = {}
    for given in ("incidence_degrees = 15", "descending_incidence_degrees = 15",
                  "incidence_degrees = 45, descending_incidence_degrees = 15"):  # fmt: skip
        event.write_text(text + f"observed = {{{given}}}\n")
        cube, _ = build(event, tmp_path / f"{len(seen)}.zarr", until="terrain")
        seen[given] = cube["observed"].to_numpy()
    first, *others = seen.values()
    assert not first.all()
    assert all((other == first).all() for other in others)
    event.write_text(text + "observed = {ascending_incidence_degrees = 36}\n")
    with pytest.raises(ValueError, match=r"descending passes: give `descending_incidence_degrees`"):
        build(event, tmp_path / "none.zarr")
    assert not (tmp_path / "none.zarr").exists()


def test_the_radar_looks_along_its_orbit_on_a_grid_that_is_turned_from_north(
    event: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views: list[View] = []
    monkeypatch.setattr(stages, "observed_layers", lambda _, **asked: views.extend(asked["views"]))
    # Seven degrees east of the zone's middle: north lies nearly five degrees off the grid's own.
    text = event.read_text().replace("EPSG:32654", "EPSG:32653")
    event.write_text(text + "observed = {incidence_degrees = 36}\n")
    *_, observed = stages.stages(plan_build(load_recipe(event)), "observed")
    observed.load()
    longitude, latitude = 141.9905, 42.89025
    look = sentinel1_look("descending", latitude)
    ahead = Geod(ellps="WGS84").fwd(longitude, latitude, look, 1000)[:2]
    along = Transformer.from_crs("EPSG:4326", "EPSG:32653", always_xy=True)
    (x, ahead_x), (y, ahead_y) = along.transform(*zip((longitude, latitude), ahead, strict=True))
    walked = np.degrees(np.arctan2(ahead_x - x, ahead_y - y)) % 360
    (view,) = views
    assert view.incidence_degrees == 36
    assert view.look_degrees == pytest.approx(walked, abs=0.2)


def test_a_dem_that_may_leave_gaps_may_do_so_for_what_is_observed(
    event: Path, tmp_path: Path, write_tif: Any
) -> None:
    write_tif(tmp_path / "dem.tif", np.full((60, 40), 7, np.float32), west=WEST - 300, pixel=30)
    text = event.read_text() + "observed = {incidence_degrees = 36}\n"
    event.write_text(text)
    with pytest.raises(ValueError, match=r"covers .* of the area .* lower `min_coverage`"):
        build(event, tmp_path / "quake.zarr", until="terrain")
    event.write_text(text.replace('"dem.tif"', '"dem.tif", min_coverage = 0.3'))
    cube, _ = build(event, tmp_path / "quake.zarr", until="terrain")
    assert 0.05 < float(np.isnan(cube["dem"]).mean()) < 0.95
    assert cube["observed"].all()  # level ground hides nothing, and what is unknown neither


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", elsewhere])
def test_any_scheduler_builds_the_same(event: Path, tmp_path: Path, scheduler: Any) -> None:
    cube, _ = build(event, tmp_path / "quake.zarr")
    with dask.config.set(scheduler=scheduler):
        other, _ = build(event, tmp_path / "other.zarr")
    xr.testing.assert_equal(cube.compute(), other.compute())


def on_a_disk_of_its_own(graph: Any, keys: Any, **_: object) -> Any:
    """Compute as a worker does at whose address nothing lies."""
    sent = cloudpickle.dumps(graph).replace(b"quake.zarr", b"alone.zarr")
    return dask.get(cloudpickle.loads(sent), keys)


def test_workers_that_do_not_reach_the_cube_write_nothing_and_end_the_build(
    event: Path, tmp_path: Path
) -> None:
    out = tmp_path / "quake.zarr"
    with (
        dask.config.set(scheduler=on_a_disk_of_its_own),
        pytest.raises(FileNotFoundError, match=r"no build begun at \S*alone\.zarr: name") as caught,
    ):
        build(event, out)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "alone.zarr").exists()
    assert not (out / "zarr.json").exists()


def test_an_object_store_is_written_to_like_a_disk(
    event: Path, tmp_path: Path, s3_bucket: str
) -> None:
    cube, _ = build(event, tmp_path / "quake.zarr")
    other, said = build(event, f"{s3_bucket}/quake.zarr", until="terrain")
    assert said == ["sar: is built", "terrain: is built"]
    other, said = build(event, f"{s3_bucket}/quake.zarr")
    assert said == ["sar: is there", "terrain: is there", "labels: is built"]
    xr.testing.assert_equal(cube.compute(), other.compute())


def test_what_was_not_built_here_is_not_written_over(event: Path, tmp_path: Path) -> None:
    for name, make in (("folder", "file"), ("file", None)):
        path = tmp_path / name
        if make:
            path.mkdir()
            (path / make).write_text("precious")
        else:
            path.write_text("precious")
        with pytest.raises(FileExistsError, match="was not built here"):
            build(event, path)
    zarr.open_group(tmp_path / "cube.zarr", mode="w")
    with pytest.raises(FileExistsError, match="was not built here"):
        build(event, tmp_path / "cube.zarr")
    with pytest.raises(ValueError, match="nothing can be written there"):
        build(event, tmp_path / "cube.zip")


def test_a_damaged_root_is_named(event: Path, tmp_path: Path) -> None:
    out = tmp_path / "quake.zarr"
    build(event, out, until="sar")
    whole = (out / "zarr.json").read_text()
    damaged = r"quake\.zarr/zarr\.json is damaged \({}.*remove .*quake\.zarr and build it again$"
    (out / "zarr.json").write_text(whole[:100])
    with pytest.raises(ValueError, match=damaged.format("it is no JSON")) as raised:
        build(event, out)
    assert "\n" not in str(raised.value)
    for entry, why in (
        ('{"layers": {"sar": {}}}', "of sar it does not say digest, grid, variables"),
        ('{"layers": 1}', "it does not list what was built"),
        ("{", "it does not list what was built"),
    ):
        root = json.loads(whole)
        root["attributes"]["build"] = entry
        (out / "zarr.json").write_text(json.dumps(root))
        with pytest.raises(ValueError, match=damaged.format(why)):
            build(event, out)


def test_the_command_plans_and_builds(
    event: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "quake.zarr"
    assert main(["build", str(event), str(out), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert not out.exists()
    assert "track 46 (descending): 3 before, 3 after" in said
    assert "2018-09-01T20:41:00Z sentinel-1a, 1 scene, 100% of the area" in said
    assert "to read: at most" in said
    assert "cube: about" in said
    assert main(["build", str(event), str(out), "--until", "terrain"]) == 0
    assert "terrain: is built" in capsys.readouterr().out
    assert main(["build", str(event), str(out)]) == 0
    main(["inspect", str(out)])
    said = capsys.readouterr().out
    assert "3 before,   3 after  (descending, relative orbit 46)" in said
    assert "1 of 1 chips of 128 x 128 pixels hold landslides" in said
    event.write_text(event.read_text().replace("rtc", "none"))
    assert main(["build", str(event), str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: no folder")
    assert error.count("\n") == 1

"""A cube rewritten for chips holds the same values, laid out otherwise."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import landslide.chips.optimize.copying
from landslide.chips.images import select_images
from landslide.chips.layout.cube import CubeLayout
from landslide.chips.optimize import Layout, optimize_cube, optimize_plan
from landslide.chips.optimize.access import composite_images
from landslide.chips.optimize.copying import Copying
from landslide.chips.optimize.unfinished import Unfinished
from landslide.cube.events import Event, event_to_attribute, find_event, load_event
from landslide.cube.readers import PIPELINES, pipeline
from landslide.cube.store import open_cube

SMALL = Layout(chip_size=8, shard_pixels=24)
DATES = 3
"""Images in a chunk: the descending ones are 3 before and 3 after."""

MakeCube = Callable[..., xr.Dataset]
Write = Callable[..., str]


@pytest.fixture
def cube(make_cube: MakeCube, event: Event) -> xr.Dataset:
    """A cube of 43 x 61 pixels, with what a cube may hold and what is no backscatter."""
    made = make_cube((43, 61))
    made["vv"][2, 3:5, 7] = [0, -1]
    made["vv"][4, 20, 30] = np.inf
    random = np.random.default_rng(1)
    pairs = random.normal(size=(2, *made["coherence"].shape)).astype(np.float32)
    return (
        made.assign(
            interferogram=(("timepair", "y", "x"), (pairs[0] + 1j * pairs[1]).astype(np.complex64)),
            mapped=(("y", "x"), random.random((43, 61)) < 0.9),
            landcover=(("x", "y"), random.integers(0, 9, (61, 43)).astype(np.int16)),
            latitude=(("y", "x"), random.random((43, 61))),
            crs=((), 0, {"wkt": "somewhere"}),
        )
        .assign_attrs(title="a cube for tests", simulated=1, event=event_to_attribute(event))
        .set_coords("latitude")
    )


@pytest.fixture
def source(cube: xr.Dataset, write_cube: Write, tmp_path: Path) -> str:
    return write_cube(cube, tmp_path / "source.zarr", "v2")


def stored(out: str) -> xr.Dataset:
    """Open a copy as anybody would."""
    return xr.open_zarr(out, consolidated=False, chunks=None).load()


@pytest.mark.parametrize("version", ["v2", "v3", "sharded"])
def test_a_copy_holds_the_same_values(
    version: str, cube: xr.Dataset, write_cube: Write, tmp_path: Path
) -> None:
    if version == "sharded":  # the fixture's shards do not turn
        cube = cube.drop_vars("landcover")
    uri, out = write_cube(cube, tmp_path / "source.zarr", version), str(tmp_path / "out.zarr")
    done = optimize_cube(uri, out, layout=SMALL)
    opened, copy = open_cube(uri), stored(out)
    order = [3, 1, 0, 5, 7, 9, 4, 2, 6, 8]
    np.testing.assert_array_equal(copy["timestep"], cube["timestep"][order])
    np.testing.assert_array_equal(copy["sat:orbit_state"], cube["sat:orbit_state"][order])
    for name in ("vv", "vh"):
        power = opened[name].to_numpy()[order]
        usable = np.isfinite(power) & (power > 0)
        logs = np.log(np.where(usable, power, np.float32(np.nan)))
        np.testing.assert_array_equal(copy[name], logs)
        assert copy[name].dtype == np.float32
        assert copy[name].attrs["units"] == "ln(1)"
        assert copy[name].attrs["long_name"] == "natural logarithm of gamma0 backscatter"
        assert open_cube(out)[name].attrs["long_name"] == "gamma0 backscatter"
    assert done.counts["vv"].rejected == 3
    assert done.counts["vh"].rejected == 0
    assert done.counts["vv"].missing == np.isnan(cube["vv"]).sum()
    for name in set(opened.variables) - {"vv", "vh", "timestep", "sat:orbit_state"}:
        dims = [dim for dim in opened[name].dims if dim not in ("y", "x")]
        wanted = opened[name].transpose(*dims, *[d for d in ("y", "x") if d in opened[name].dims])
        assert copy[name].dims == wanted.dims, name
        assert copy[name].dtype == wanted.dtype, name
        np.testing.assert_array_equal(copy[name], wanted, err_msg=str(name))
    assert set(copy.coords) == set(opened.coords)
    assert copy.attrs.items() >= opened.attrs.items()
    assert copy["crs"].attrs == {"wkt": "somewhere"}


def test_a_copy_opens_as_the_cube_that_it_is(source: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out.zarr")
    optimize_cube(source, out, layout=SMALL)
    before, after = open_cube(source), open_cube(out)
    assert set(before.variables) == set(after.variables)
    for name, variable in before.variables.items():
        wanted, found = variable.to_numpy(), after[name].transpose(*variable.dims).to_numpy()
        if name in ("vv", "vh"):
            wanted = np.where(np.isfinite(wanted) & (wanted > 0), wanted, np.nan)
            np.testing.assert_allclose(found, wanted, rtol=1e-6)
        else:
            np.testing.assert_array_equal(found, wanted, err_msg=str(name))
    # Another copy, of the copy, holds the same logarithms to the bit.
    again = str(tmp_path / "again.zarr")
    optimize_cube(out, again, layout=Layout(chip_size=16, shard_pixels=32))
    for name in ("vv", "vh"):
        np.testing.assert_array_equal(stored(again)[name], stored(out)[name])
        assert stored(again)[name].attrs == stored(out)[name].attrs


def test_a_copy_says_where_it_comes_from(source: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out.zarr")
    optimize_cube(source, out, layout=SMALL)
    about = json.loads(stored(out).attrs["optimized"])
    assert about["source"] == source
    assert len(about["source_digest"]) == 64
    assert about["layout"]["chip_size"] == 8
    assert about["layout_version"] == 1
    assert about["versions"]["zarr"] == zarr.__version__
    assert about["samples"]["vv"]["rejected"] == 3
    assert not (tmp_path / "out.zarr.part").exists()
    assert not list((tmp_path / "out.zarr").rglob(".optimize"))


def test_every_chunk_is_there_and_checks_itself(
    make_cube: MakeCube, event: Event, write_cube: Write, tmp_path: Path
) -> None:
    nothing = make_cube((20, 30), missing=1.0).assign_attrs(event=event_to_attribute(event))
    uri, out = write_cube(nothing, tmp_path / "source.zarr"), tmp_path / "out.zarr"
    optimize_cube(uri, str(out), layout=SMALL, missing="no-data")
    vv = zarr.open_group(out, mode="r")["vv"]
    assert isinstance(vv, zarr.Array)
    assert (vv.chunks, vv.shards) == ((DATES, 8, 8), (DATES, 24, 24))
    codecs = vv.metadata.to_dict()["codecs"][0]["configuration"]  # type: ignore[index,call-overload]
    assert [codec["name"] for codec in codecs["codecs"]] == ["bytes", "blosc", "crc32c"]
    shards = sorted((out / "vv" / "c").rglob("*"))
    shards = [path for path in shards if path.is_file()]
    assert len(shards) == 4 * 1 * 2  # of dates, of rows, of columns
    for shard in shards:
        index = np.frombuffer(shard.read_bytes()[: 16 * 9], "<u8").reshape(3, 3, 2)
        inside = index[:, : 3 if shard.name == "0" else 1, 0]  # beyond the scene there is none
        assert (inside < 2**63).all()


@pytest.mark.parametrize("packing", ["float16", "int16", "power"])
def test_a_packed_copy(packing: str, source: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out.zarr")
    layout = Layout(chip_size=8, shard_pixels=24, packing=packing)
    done = optimize_cube(source, out, layout=layout)
    copy, power = stored(out), open_cube(source)["vv"].to_numpy()[[3, 1, 0, 5, 7, 9, 4, 2, 6, 8]]
    if packing == "power":
        np.testing.assert_array_equal(copy["vv"], power)
        assert copy["vv"].attrs["units"] == "1"
        assert done.counts["vv"].largest_error == 0
        return
    assert zarr.open_group(out, mode="r")["vv"].dtype == packing  # type: ignore[union-attr]
    usable = np.isfinite(power) & (power > 0)
    differences = np.abs(copy["vv"].to_numpy().astype(np.float32)[usable] - np.log(power[usable]))
    assert 0 < differences.max() <= copy["vv"].attrs["packing_error"]
    assert done.counts["vv"].largest_error == pytest.approx(differences.max())
    assert "packing changed a logarithm by" in done.text
    opened = open_cube(out)["vv"].to_numpy()
    reordered = open_cube(source)["vv"].to_numpy()
    usable = np.isfinite(reordered) & (reordered > 0)
    np.testing.assert_allclose(opened[usable], reordered[usable], rtol=0.005)


@pytest.mark.parametrize("dates", [1, 4])
def test_each_chunk_of_the_source_is_read_once(
    dates: int, cube: xr.Dataset, write_cube: Write, tmp_path: Path, reads: list[Any]
) -> None:
    uri = write_cube(cube[["vv", "dem"]], tmp_path / "source.zarr", dates=dates)
    plan = optimize_plan(uri, layout=SMALL)
    reads.clear()
    optimize_cube(uri, str(tmp_path / "out.zarr"), layout=SMALL, reader="plain")
    chunks = [p for v in ("vv", "dem") for p in (tmp_path / "source.zarr" / v).glob("[0-9]*")]
    asked = Counter(key for key, _ in reads)
    assert [asked[f"{path.parent.name}/{path.name}"] for path in chunks] == [1] * len(chunks)
    assert plan.reads == 1
    assert "each chunk is read once" in plan.text


def test_no_more_regions_are_in_memory_than_there_are_threads(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying = landslide.chips.optimize.copying
    calls = running = most = 0
    lock, first_two = threading.Lock(), threading.Barrier(2)
    read, digest = copying.read_region, copying.digest

    def entered(*args: Any) -> Any:
        nonlocal calls, running, most
        with lock:
            calls, running = calls + 1, running + 1
            most, early = max(most, running), calls <= 2
        if early:
            first_two.wait()  # so that two are seen at once
        return read(*args)

    def left(*args: Any) -> Any:
        nonlocal running
        with lock:
            running -= 1
        return digest(*args)

    monkeypatch.setattr(copying, "read_region", entered)
    monkeypatch.setattr(copying.Copying, "verify", lambda *_: None)
    monkeypatch.setattr(copying, "digest", left)
    optimize_cube(source, str(tmp_path / "out.zarr"), layout=SMALL, threads=2)
    assert most == 2


def test_a_copy_waits_for_its_turn_at_zarrs_configuration(source: str, tmp_path: Path) -> None:
    before = zarr.config.get("codec_pipeline.path")
    with ThreadPoolExecutor(1) as pool:
        cube, out = open_cube(source), str(tmp_path / "out.zarr")
        copying = Copying(cube, CubeLayout((), {}), Unfinished(out, out), threads=1)
        with pipeline("plain"):
            started = threading.Event()
            other = pool.submit(lambda: started.set() or copying.write([]))
            assert started.wait(60)
            with pytest.raises(TimeoutError):
                other.result(0.3)
            assert zarr.config.get("codec_pipeline.path") == PIPELINES["plain"]
        assert other.result() == {}
    assert zarr.config.get("codec_pipeline.path") == before


def test_fewer_threads_work_on_large_regions(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import landslide.chips.optimize.run

    monkeypatch.setattr(landslide.chips.optimize.run, "IN_FLIGHT_BYTES", 1)
    seen: list[int] = []
    write = landslide.chips.optimize.copying.Copying.write
    monkeypatch.setattr(
        landslide.chips.optimize.copying.Copying,
        "write",
        lambda self, regions: seen.append(self.threads) or write(self, regions),  # type: ignore[func-returns-value]
    )
    optimize_cube(source, str(tmp_path / "out.zarr"), layout=SMALL, threads=8)
    assert seen == [1]


def test_a_plan_says_what_is_gained(source: str, reads: list[Any]) -> None:
    reads.clear()
    plan = optimize_plan(source, layout=SMALL)
    keys = [key for key, _ in reads]
    assert "timestep/0" in keys
    assert not [key for key in keys if key.startswith(("vv/0", "dem/0", "landslides/0"))]
    assert plan.images == 3
    assert plan.out_chip.chunks == 2 * 2  # VV and VH, before and after
    assert plan.out_chip.bytes == 4 * DATES * 8 * 8 * 4
    assert plan.source_chip.bytes > 10 * plan.out_chip.bytes
    assert plan.source_stored is not None
    assert "a chip of 3 + 3 images" in plan.text
    assert "chunks of 3x8x8 in shards of 3x24x24" in plan.text
    packed = optimize_plan(source, layout=Layout(chip_size=8, packing="int16"))
    assert packed.out_bytes < plan.out_bytes


def test_a_plan_compares_the_images_that_are_streamed(source: str, tmp_path: Path) -> None:
    ascending = tmp_path / "ascending.toml"
    ascending.write_text(
        'name = "ascending"\ntime = 2018-09-05T18:07:59Z\norbit_state = "ascending"\n'
    )
    cube, found = open_cube(source), load_event(str(ascending))
    images = composite_images(cube, found, 4)
    chosen = select_images(cube, found, 2)
    assert images == [*chosen.before, *chosen.after]
    assert optimize_plan(source, layout=SMALL, event=str(ascending)).images == 2


def test_a_plan_of_a_copy_gains_nothing(source: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out.zarr")
    optimize_cube(source, out, layout=SMALL)
    plan = optimize_plan(out, layout=SMALL)
    assert plan.source_chip == plan.out_chip


def test_a_plan_of_images_without_vv_and_vh_compares_nothing(
    cube: xr.Dataset, write_cube: Write, tmp_path: Path
) -> None:
    other = cube[["vv", "dem"]].rename(vv="hh")
    plan = optimize_plan(write_cube(other, tmp_path / "hh.zarr"), layout=SMALL)
    assert plan.images == 3
    assert "a chip of" not in plan.text
    assert "chunks of 3x8x8 in shards of 3x24x24" in plan.text


def test_a_copy_is_about_the_event_that_it_is_laid_out_for(source: str, tmp_path: Path) -> None:
    other, out = tmp_path / "other.toml", str(tmp_path / "out.zarr")
    other.write_text('name = "aftershock"\ntime = 2018-09-15T00:00:00Z\n')
    optimize_cube(source, out, layout=SMALL, event=str(other))
    assert find_event(open_cube(source)).name == "hokkaido"
    assert find_event(open_cube(out)) == load_event(str(other))
    assert json.loads(stored(out).attrs["optimized"])["event"] == stored(out).attrs["event"]


def test_a_chip_larger_than_the_scene_is_refused(source: str, tmp_path: Path) -> None:
    layout, out = Layout(chip_size=62), str(tmp_path / "out.zarr")
    for attempt in (optimize_plan, lambda uri, **how: optimize_cube(uri, out, **how)):
        with pytest.raises(ValueError, match=r"62 pixels .* scene of 43 x 61: .* .--chip-size"):
            attempt(source, layout=layout)
    assert not list(tmp_path.glob("out*"))


def test_planes_without_images_need_no_event(
    cube: xr.Dataset, write_cube: Write, tmp_path: Path
) -> None:
    planes = cube[["dem", "landslides"]]
    del planes.attrs["event"]
    uri, out = write_cube(planes, tmp_path / "planes.zarr"), str(tmp_path / "out.zarr")
    plan = optimize_plan(uri, layout=SMALL)
    assert plan.images == 0
    assert "a chip of" not in plan.text
    optimize_cube(uri, out, layout=SMALL)
    np.testing.assert_array_equal(stored(out)["dem"], cube["dem"])

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr
from scipy.ndimage import binary_erosion

from landslide.cube.events import event_from_attribute
from landslide.simulation import Scene, simulate_cube, whole
from landslide.simulation import cube as cube_module
from landslide.simulation.insar import IN_LANDSLIDE, OVER_EVENT, WINDOW
from landslide.simulation.whole import written_whole

# Enough of a scene for what does not hang on its size.
SMALL = {"shape": (150, 280), "descending": (3, 2), "ascending": (1, 0)}

HOKKAIDO = {"vv": (0.2118, -0.734, 0.211, 0.768), "vh": (0.0528, -1.321, 0.189, 0.186)}


@pytest.mark.parametrize("name", ["vv", "vh"])
def test_backscatter_has_hokkaidos_mean_log_mean_and_spread(cube, name):
    mean, log_mean, log_sd, sd = HOKKAIDO[name]
    power = cube[name].values
    power = power[np.isfinite(power)].astype(np.float64)
    log = np.log10(power)
    assert power.mean() == pytest.approx(mean, rel=0.05)
    assert log.mean() == pytest.approx(log_mean, rel=0.05)
    assert log.std() == pytest.approx(log_sd, rel=0.15)
    # The linear spread is that of few bright scatterers: without them it is a fifth of it.
    assert power.std() == pytest.approx(sd, rel=0.3)
    assert power[power < np.quantile(power, 0.9995)].std() < sd / 2


def test_the_cube_holds_all_that_the_papers_inputs_need(cube):
    planes = {"dem", "dem_slope_radians", "dem_aspect", "dem_curvature", "landslides"}
    assert set(cube.data_vars) == planes | {"vv", "vh", "coherence", "interferogram"}
    assert dict(cube.sizes) == {"timestep": 14, "y": 1024, "x": 1280, "timepair": 4}
    assert set(np.unique(cube.landslides.values)) == {0, 1}
    assert np.all(np.diff(cube.y) < 0)
    assert np.all(np.diff(cube.x) > 0)


def test_each_side_of_the_event_has_five_descending_images_and_some_ascending(cube):
    event = event_from_attribute(cube.attrs["event"])
    assert (event.name, event.orbit_state) == ("simulated", "descending")
    descending = cube["sat:orbit_state"].values == "descending"
    before = cube.timestep.values < event.start
    assert [np.sum(descending & before), np.sum(descending & ~before)] == [5, 5]
    assert [np.sum(~descending & before), np.sum(~descending & ~before)] == [2, 2]
    assert set(cube["sat:relative_orbit"].values[descending]) == {46}


def test_truth_and_cube_are_the_same_without_the_vector_instructions_found_in_the_cpu(tmp_path):
    if not (found := np.show_config(mode="dicts")["SIMD Extensions"].get("found")):
        pytest.skip("NumPy finds no vector instructions here that can be switched off")
    code = """if True:
        import hashlib, pickle, sys
        from landslide.simulation import Scene, simulate_cube
        from landslide.simulation.truth import simulate_truth
        scene = Scene((280, 400), descending=(2, 1), ascending=(1, 0), timepairs=(0, 0))
        cube = simulate_cube(sys.argv[1], scene=scene)
        planes = [plane.values for plane in cube.data_vars.values()]
        print(hashlib.sha256(pickle.dumps((simulate_truth(scene), planes))).hexdigest())
    """
    digests = []
    for disabled in ("", " ".join(found)):
        environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": disabled}
        run = [sys.executable, "-c", code, str(tmp_path / f"{len(digests)}.zarr")]
        digests.append(subprocess.check_output(run, env=environment))
    assert digests[0] == digests[1]


def test_it_says_that_it_is_simulated(cube):
    assert cube.attrs["simulated"] == 1
    assert "Simulated" in cube.attrs["title"]
    assert json.loads(cube.attrs["event"])["start"].startswith("2018-09-05T18:08")


def test_layover_has_no_data_in_all_images_of_its_orbit(cube):
    missing = {}
    for state in ("descending", "ascending"):
        images = np.isnan(cube.vv.values[cube["sat:orbit_state"].values == state])
        assert np.all(images == images[0])
        assert 0.002 < images[0].mean() < 0.03
        missing[state] = images[0]
    assert not np.any(missing["descending"] & missing["ascending"])


def test_the_coherence_is_lower_over_the_event_and_lowest_in_landslides(cube):
    event = event_from_attribute(cube.attrs["event"])
    over = (cube.reference_time.values < event.start) & (cube.secondary_time.values > event.end)
    assert over.sum() == 1
    coherence, slid = cube.coherence.values, cube.landslides.values == 1
    quiet, shaken = np.nanmean(coherence[~over]), np.nanmean(coherence[over][:, ~slid])
    assert quiet == pytest.approx(0.323, rel=0.1)
    assert shaken < 0.9 * quiet
    # What is estimated over a window shows all of a landslide's loss in its middle only.
    middle = binary_erosion(slid, iterations=WINDOW // 2, structure=np.ones((3, 3)))
    assert middle.sum() > 100
    assert np.nanmean(coherence[over][:, middle]) == pytest.approx(
        IN_LANDSLIDE * OVER_EVENT * quiet, rel=0.15
    )
    edge = slid & ~binary_erosion(slid)
    assert np.nanmean(coherence[over][:, edge]) > 1.3 * np.nanmean(coherence[over][:, middle])
    assert np.nanmean(coherence[over][:, slid]) < 0.8 * shaken
    assert np.nanmin(coherence) >= 0
    assert np.nanmax(coherence) <= 1


def test_the_interferogram_is_as_long_as_its_coherence(cube):
    interferogram = cube.interferogram.isel(timepair=0).values
    assert interferogram.dtype == np.complex64
    np.testing.assert_allclose(
        np.abs(interferogram), cube.coherence.isel(timepair=0).values, rtol=1e-5
    )


def small(folder, name="small.zarr", **changes):
    scene = Scene(**({**SMALL, "timepairs": (1, 1)} | changes))
    return simulate_cube(str(folder / name), scene=scene)


def test_the_same_seed_gives_the_same_cube_and_another_seed_another(tmp_path):
    first, again, other = (
        small(tmp_path, f"{number}.zarr", seed=seed) for number, seed in enumerate((3, 3, 4))
    )
    xr.testing.assert_identical(first.load(), again.load())
    assert not np.array_equal(first.landslides, other.landslides)
    assert not np.allclose(first.vv, other.vv, equal_nan=True)


def test_more_dates_leave_the_others_as_they_were(tmp_path):
    few, many = small(tmp_path, "few.zarr"), small(tmp_path, "many.zarr", descending=(4, 4))
    np.testing.assert_array_equal(few.vv, many.vv.sel(timestep=few.timestep))
    np.testing.assert_array_equal(few.landslides, many.landslides)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_both_zarr_formats_hold_the_same_cube_in_chunks_that_fit_the_chips(tmp_path, zarr_format):
    scene = Scene(shape=(600, 700), descending=(1, 1), ascending=(0, 0), timepairs=(0, 0))
    uri = str(tmp_path / "cube.zarr")
    cube = simulate_cube(uri, scene=scene, zarr_format=zarr_format)
    assert (tmp_path / "cube.zarr" / {2: ".zgroup", 3: "zarr.json"}[zarr_format]).exists()
    assert cube.vv.encoding["chunks"] == (1, 512, 512)
    assert cube.landslides.encoding["chunks"] == (512, 512)
    metadata = zarr.open_group(uri, mode="r").metadata
    assert metadata.consolidated_metadata is not None  # a web server lists nothing
    other = simulate_cube(str(tmp_path / "other.zarr"), scene=scene, zarr_format=5 - zarr_format)
    xr.testing.assert_equal(cube.load(), other.load())


def test_an_object_store_gets_the_same_cube(tmp_path):
    scene = Scene(**SMALL, timepairs=(1, 1))
    remote = simulate_cube("memory://simulated/cube.zarr", scene=scene).load()
    xr.testing.assert_equal(remote, small(tmp_path).load())


def test_what_exists_is_not_overwritten_unless_asked(tmp_path):
    folder = tmp_path / "small.zarr"
    folder.mkdir()
    (folder / "mine").write_text("precious")
    with pytest.raises(FileExistsError, match="overwrite"):
        small(tmp_path)
    assert (folder / "mine").read_text() == "precious"
    scene = Scene(**SMALL, timepairs=(1, 1))
    with pytest.raises(FileExistsError, match="no Zarr"):
        simulate_cube(str(folder), scene=scene, overwrite=True)
    assert (folder / "mine").read_text() == "precious"
    (folder / "zarr.json").write_text("{}")
    simulate_cube(str(folder), scene=scene, overwrite=True)
    assert not (folder / "mine").exists()
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch, kind):
    def fail(*_):
        raise RuntimeError("the power went out")

    monkeypatch.setattr(cube_module, "simulate_pair", fail)
    uri = str(tmp_path / "cube.zarr") if kind == "local" else "memory://failed/cube.zarr"
    with pytest.raises(RuntimeError, match="power"):
        simulate_cube(uri, scene=Scene(**SMALL, timepairs=(1, 1)))
    assert list(tmp_path.iterdir()) == []
    assert not fsspec.filesystem("memory").exists("/failed/cube.zarr")


@pytest.mark.parametrize("fails", [False, True])
def test_writing_over_takes_no_neighbour(fails, monkeypatch):
    memory = fsspec.filesystem("memory")
    for name in ("run1.zarr", "run[12].zarr"):
        memory.pipe({f"/written/{name}/zarr.json": b"old", f"/written/{name}/vv/0": b"old"})
    put = memory.put_file

    def put_file(here, there, **how):
        if fails and there.endswith("zarr.json"):
            raise RuntimeError("the power went out")
        put(here, there, **how)

    monkeypatch.setattr(memory, "put_file", put_file)
    with (
        pytest.raises(RuntimeError, match="power") if fails else nullcontext(),
        written_whole("memory://written/run[12].zarr", overwrite=True) as folder,
    ):
        for name in ("zarr.json", "dem"):
            (Path(folder) / name).write_text("new")
    own = [] if fails else ["run[12].zarr/dem", "run[12].zarr/zarr.json"]
    assert [name.removeprefix("/written/") for name in memory.find("/written")] == [
        "run1.zarr/vv/0",
        "run1.zarr/zarr.json",
        *own,
    ]


def write_two(uri, *, overwrite=False, meanwhile=lambda: None):
    with written_whole(uri, overwrite=overwrite) as folder:
        (Path(folder) / "vv" / "c").mkdir(parents=True)
        for name in ("zarr.json", "vv/zarr.json", "vv/c/0"):
            (Path(folder) / name).write_text("new")
        meanwhile()


def test_what_a_killed_run_left_in_a_store_is_overwritten_when_asked(monkeypatch):
    memory, uri = fsspec.filesystem("memory"), "memory://killed/cube.zarr"
    memory.pipe("/killed/cube.zarr/dem/c/9", b"old")
    memory.pipe("/killed/cube.zarr/zarr.json", b"old")
    put = memory.put_file

    def killed(here, there, **how):
        put(here, there, **how)
        monkeypatch.setattr(whole, "remove_all", lambda *_, **__: None)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(memory, "put_file", killed)
        with pytest.raises(KeyboardInterrupt):
            write_two(uri, overwrite=True)
    monkeypatch.undo()
    left = memory.find("/killed")
    assert "/killed/cube.zarr/zarr.json" not in left  # no reader takes it for a cube
    assert len(left) > 1
    with pytest.raises(FileExistsError, match=r"stopped or goes on: .* it \(--overwrite\)"):
        write_two(uri)
    assert memory.find("/killed") == left
    write_two(uri, overwrite=True)
    assert memory.find("/killed") == [
        f"/killed/cube.zarr/{name}" for name in ("vv/c/0", "vv/zarr.json", "zarr.json")
    ]


def test_a_copy_that_another_run_takes_over_ends_in_an_error(monkeypatch):
    memory, uri = fsspec.filesystem("memory"), "memory://twice/cube.zarr"
    put = memory.put_file

    def taken_over(here, there, **how):
        monkeypatch.setattr(memory, "put_file", put)
        put(here, there, **how)
        write_two(uri, overwrite=True)

    monkeypatch.setattr(memory, "put_file", taken_over)
    with pytest.raises(ValueError, match="is written by another run, too"):
        write_two(uri)
    assert memory.find("/twice") == [
        f"/twice/cube.zarr/{name}" for name in ("vv/c/0", "vv/zarr.json", "zarr.json")
    ]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_another_program_left_in_a_store_stays(overwrite):
    memory = fsspec.filesystem("memory")
    memory.pipe({"/other/cube.zarr/vv/zarr.json": b"theirs", "/other/cube.zarr/vv/c/0": b"theirs"})
    with pytest.raises(FileExistsError, match="exists"):
        write_two("memory://other/cube.zarr", overwrite=overwrite)
    assert len(memory.find("/other")) == 2


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_what_came_there_meanwhile_stays(tmp_path, kind):
    uri = str(tmp_path / "cube.zarr") if kind == "local" else "memory://meanwhile/cube.zarr"
    filesystem, path = fsspec.url_to_fs(uri)

    def meanwhile():
        filesystem.makedirs(path, exist_ok=True)
        filesystem.pipe_file(f"{path}/zarr.json", b"theirs")

    with pytest.raises(FileExistsError, match="exists: choose another address"):
        write_two(uri, meanwhile=meanwhile)
    assert filesystem.cat_file(f"{path}/zarr.json") == b"theirs"


def test_more_looks_leave_less_speckle(tmp_path):
    keep = {"shape": (150, 280), "descending": (1, 1), "ascending": (0, 0)}
    change = []
    for looks in (20, 200):
        scene = Scene(**keep, timepairs=(0, 0))
        uri = str(tmp_path / f"{looks}.zarr")
        log = np.log(simulate_cube(uri, scene=scene, looks=(looks, looks)).vv)
        change.append(float((log[1] - log[0]).diff("x").std()))
    assert change[1] < 0.6 * change[0]

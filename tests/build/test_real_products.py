"""Cubes of real products: each of one place, never two of them joined."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from landslide.build.assemble import build_cube
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe


@pytest.fixture(scope="module")
def santa_barbara(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder = tmp_path_factory.mktemp("santa_barbara")
    (folder / "event.toml").write_text(
        f"""
name = "santa_barbara"
time = 2023-01-09T12:00:00Z
relative_orbit = 137

[build]
area = [-119.8815, 34.5985, -119.781, 34.9492]
before_days = 600
after_days = 800
crs = "EPSG:32611"
resolution = 30
terrain = false
sar = {{source = "{real_data}/opera-rtc-santa-barbara", min_coverage = 0.05}}
"""
    )
    plan = plan_build(load_recipe(folder / "event.toml"))
    return build_cube(plan, str(folder / "cube.zarr"))


def test_santa_barbaras_dates_and_bursts_are_one_cube(santa_barbara: xr.Dataset) -> None:
    assert santa_barbara.sizes["timestep"] == 22
    times = santa_barbara["timestep"].values
    assert str(times[0])[:19] == "2021-11-19T01:59:00"
    assert str(times[-1])[:10] == "2025-01-02"
    assert set(santa_barbara["sat:relative_orbit"].values.tolist()) == {137}
    assert set(santa_barbara["sat:orbit_state"].values.tolist()) == {"ascending"}
    assert set(santa_barbara["platform"].values.tolist()) == {"sentinel-1a", "sentinel-1b"}
    assert {"vv", "vh"} <= set(santa_barbara.data_vars)


def test_santa_barbaras_values_are_those_of_the_files(
    santa_barbara: xr.Dataset, real_data: Path
) -> None:
    files = sorted((real_data / "opera-rtc-santa-barbara").glob("*.tif"))
    assert len(files) == 132
    cube, random = santa_barbara.load(), np.random.default_rng(0)
    days = np.datetime_as_string(cube["timestep"].values, "D")
    compared = 0
    for file in files:
        day = file.name.split("_")[4][:8]
        index = days.tolist().index(f"{day[:4]}-{day[4:6]}-{day[6:]}")
        plane = cube[file.stem.rpartition("_")[2].lower()][index]
        with rasterio.open(file) as image:
            values = image.read(1)
            for row, column in random.integers(0, 100, (20, 2)):
                x, y = image.xy(row, column)
                if not (cube["x"][0] <= x <= cube["x"][-1]):
                    continue  # beyond the area
                if not (cube["y"][-1] <= y <= cube["y"][0]):
                    continue
                built = float(plane.sel(x=x, y=y, method="nearest", tolerance=1))
                np.testing.assert_allclose(built, values[row, column], rtol=1e-6)
                compared += 1
    assert compared > 2000


def test_ground_that_no_crop_covers_has_no_data(santa_barbara: xr.Dataset) -> None:
    """The crops of the three bursts lie 15 km apart: they meet nowhere, and nothing is made up."""
    vv = santa_barbara["vv"][0].to_numpy()
    rows = np.isfinite(vv).any(axis=1)
    runs = np.flatnonzero(np.diff(np.concatenate([[0], rows.astype(int), [0]])))
    assert len(runs) == 6  # three bands of rows
    heights = runs[1::2] - runs[::2]
    assert heights.max() == 100
    assert np.isfinite(santa_barbara["vv"]).sum("timestep").max() == 22


@pytest.fixture(scope="module")
def papua(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder = tmp_path_factory.mktemp("papua")
    source = real_data / "opera-rtc-papua-2024"
    (folder / "event.toml").write_text(
        f"""
name = "enga"
time = 2024-05-23T17:00:00Z

[build]
area = [143.347, -5.384, 143.381, -5.363]
before_days = 200
after_days = 30
resolution = 30
terrain = false
sar = {{source = "{source}", pattern = "*_tv_cropped.tif", one_sided = true, min_coverage = 0.5}}
labels = {{inventory = "{source}/papau_new_guinea_landslide_2024.geojson"}}
"""
    )
    plan = plan_build(load_recipe(folder / "event.toml"))
    return build_cube(plan, str(folder / "cube.zarr"))


def test_papua_new_guineas_dates_and_landslide_are_one_cube(papua: xr.Dataset) -> None:
    assert papua.sizes["timestep"] == 10
    assert papua["spatial_ref"].item() == 32754
    assert set(papua["sat:relative_orbit"].values.tolist()) == {9}
    for name in ("vv", "vh"):
        valid = papua[name].to_numpy()
        assert np.isfinite(valid).mean() > 0.9
        assert 0.001 < np.nanmedian(valid) < 1
    slide = papua["landslides"].to_numpy() == 1
    assert 30 < slide.sum() < 1000  # of 900 m2 each


def test_papua_new_guineas_one_side_is_refused_unless_it_is_asked_for(
    real_data: Path, tmp_path: Path
) -> None:
    source = real_data / "opera-rtc-papua-2024"
    (tmp_path / "event.toml").write_text(
        f"""
name = "enga"
time = 2024-05-23T17:00:00Z
[build]
area = [143.347, -5.384, 143.381, -5.363]
before_days = 200
terrain = false
sar = {{source = "{source}", pattern = "*_tv_cropped.tif", min_coverage = 0.5}}
"""
    )
    with pytest.raises(ValueError, match="only one side of the event is covered, before"):
        plan_build(load_recipe(tmp_path / "event.toml"))


@pytest.fixture(scope="module")
def mexico(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """Return a cube of Mexico City's pairs; its images are made up, as there are none of them."""
    folder = tmp_path_factory.mktemp("mexico")
    values = np.full((60, 100), 0.1, np.float32)
    bounds = (-99.18, 19.38, -99.10, 19.43)
    for day in ("20180106", "20180412"):
        for name in ("VV", "VH"):
            path = folder / (
                f"OPERA_L2_RTC-S1_T005-000001-IW1_{day}T004000Z_20260101T000000Z_S1A_30_v1.0_{name}.tif"
            )
            with rasterio.open(
                path, "w", driver="GTiff", width=100, height=60, count=1, dtype="float32",
                crs="EPSG:4326", transform=rasterio.transform.from_bounds(*bounds, 100, 60),
            ) as image:  # fmt: skip
                image.write(values, 1)
    (folder / "event.toml").write_text(
        f"""
name = "mexico_city"
time = 2018-02-16T23:39:39Z
[build]
area = {list(bounds)}
after_days = 110
resolution = 60
terrain = false
sar = {{source = "{folder}", min_coverage = 0.5}}
insar = {{source = "{real_data}/insar-mexico-city"}}
"""
    )
    return build_cube(plan_build(load_recipe(folder / "event.toml")), str(folder / "cube.zarr"))


def test_mexico_citys_pairs_are_coherence_and_unit_interferograms(mexico: xr.Dataset) -> None:
    assert mexico.sizes["timepair"] == 10
    assert (mexico["reference_time"] < mexico["secondary_time"]).all()
    coherence = mexico["coherence"].to_numpy()
    assert np.nanmin(coherence) >= 0
    assert np.nanmax(coherence) <= 1
    size = np.abs(mexico["interferogram"].to_numpy())
    np.testing.assert_allclose(size[np.isfinite(size)], 1, rtol=1e-4)

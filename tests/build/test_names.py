"""OPERA's and ASF's names, and what an orbit number and an hour say of a pass."""

import json
from pathlib import Path

import numpy as np
import pytest

from landslide.build.names import granule_track, orbit_state_at, read_name

OPERA = "OPERA_L2_RTC-S1_T137-292321-IW2_20231109T015914Z_20231109T105731Z_S1A_30_v1.0"
ASF = "S1B_IW_20190527T120103_DVP_RTC10_G_gpuned_12AB"


@pytest.mark.parametrize("rest", ["VH.tif", "VH_tv_cropped.tif", "vh.TIFF"])
def test_operas_name_says_burst_instant_track_and_polarisation(rest: str) -> None:
    said = read_name(f"{OPERA}_{rest}")
    assert said is not None
    assert said.piece == "T137-292321-IW2 20231109T015914"
    assert said.start == np.datetime64("2023-11-09T01:59:14")
    assert (said.produced, said.platform) == ("20231109T105731", "sentinel-1a")
    assert (said.relative_orbit, said.polarisation) == (137, "vh")


def test_asfs_name_says_instant_and_polarisation_but_no_track() -> None:
    said = read_name(f"{ASF}_VV.tif")
    assert said is not None
    assert (said.platform, said.polarisation) == ("sentinel-1b", "vv")
    assert said.start == np.datetime64("2019-05-27T12:01:03")
    assert said.relative_orbit is None


@pytest.mark.parametrize(
    "name", [f"{OPERA}_mask.tif", f"{OPERA}_VH.xml", f"{ASF}_inc_map.tif", "scene_VV.tif"]
)
def test_other_files_are_none_of_these(name: str) -> None:
    assert read_name(name) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (ASF.replace("gpuned", "spuned") + "_VV.tif", "sigma0"),
        (ASF.replace("gpuned", "gduned") + "_VV.tif", "decibels"),
        (ASF.replace("gpuned", "gauned") + "_VV.tif", "amplitude"),
    ],
)
def test_what_is_no_power_of_gamma0_is_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_name(name)


def test_a_product_without_a_files_ending_is_understood() -> None:
    said = read_name(OPERA)
    assert said is not None
    assert (said.relative_orbit, said.pixel_m) == (137, 30)
    assert said.piece == read_name(f"{OPERA}_VV.tif").piece
    assert read_name(ASF) is None


@pytest.mark.parametrize("item", ["S1A_20200103_17RMJ_ASC", "S1B_20161121_12SYJ_ASC"])
def test_orbit_number_and_hour_agree_with_real_items(real_data: Path, item: str) -> None:
    about = json.loads((real_data / "stac-items" / f"{item}.json").read_text())
    properties = about["properties"]
    granule = properties["sentinel:product_ids"][0]
    assert granule_track(f"made from {granule}") == properties["sat:relative_orbit"]
    start = np.datetime64(properties["start_datetime"].rstrip("Z"))
    longitude = about["geometry"]["coordinates"][0][0][0]
    assert orbit_state_at(start, longitude) == properties["sat:orbit_state"]


@pytest.mark.parametrize(
    ("start", "longitude", "state"),
    [
        ("2018-09-05T20:41", 141.9, "descending"),  # Hokkaido, as the published cube has it
        ("2016-11-15T07:14", 173.5, "ascending"),  # Kaikoura, where all are
    ],
)
def test_the_published_cubes_passes_have_their_direction(
    start: str, longitude: float, state: str
) -> None:
    assert orbit_state_at(np.datetime64(start, "s"), longitude) == state

"""Scenes of a real STAC API on loopback, asked by pystac-client as it is."""

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dateutil.parser
import numpy as np
import pystac
import pytest
import shapely

from landslide.build.scenes import scene_of
from landslide.build.search import search_elevation, search_scenes

AREA = shapely.box(141.98, 42.888, 141.99, 42.895)
WINDOW = (np.datetime64("2018-08-01", "ns"), np.datetime64("2018-10-01", "ns"))
RTC = "sentinel-1-rtc"


@pytest.fixture
def filled(archive: Any, write_scene: Any, list_scene: Callable[..., dict[str, Any]]) -> Any:
    """Return an archive of five scenes, twelve days apart, two of them in the window."""
    values = np.full((120, 140), 0.2, np.float32)
    archive.add_collection(RTC)
    for day in ("2018-06-20", "2018-08-25", "2018-09-06", "2018-12-02", "2019-01-02"):
        stem = write_scene(archive.folder, f"{day.replace('-', '')}T204100", values)
        archive.items.append(list_scene(stem, start=f"{day}T20:41:00Z"))
    return archive


def test_all_pages_are_read_and_only_the_window(filled: Any) -> None:
    filled.page = 1
    found = search_scenes(filled.address, RTC, AREA, WINDOW)
    assert [str(scene.start)[:10] for scene in found] == ["2018-08-25", "2018-09-06"]
    assert sum(path == "/search" for path, _ in filled.asked) == 2
    scene = found[0]
    assert (scene.relative_orbit, scene.orbit_state) == (46, "descending")
    assert (scene.platform, scene.pixel_m) == ("sentinel-1a", 10)
    assert scene.licence == "https://example.org/licence"
    assert set(scene.addresses) == {"vv", "vh"}
    assert all(address.startswith(filled.address) for address in scene.addresses.values())


def test_a_box_that_meets_the_area_with_an_outline_that_does_not_is_left_out(filled: Any) -> None:
    corner = shapely.box(141.0, 42.0, 141.1, 42.1)
    filled.items[1]["geometry"] = shapely.geometry.mapping(corner)
    assert len(search_scenes(filled.address, RTC, AREA, WINDOW)) == 1


def test_where_nothing_is_found_the_nearest_is_named(filled: Any) -> None:
    window = (np.datetime64("2018-10-01", "ns"), np.datetime64("2018-11-01", "ns"))
    with pytest.raises(ValueError, match="no scene of sentinel-1-rtc") as refused:
        search_scenes(filled.address, RTC, AREA, window)
    said = str(refused.value)
    assert "2018-10-01 to 2018-11-01" in said
    assert "141.98 to 141.99 degrees east" in said
    assert "nearest before" in said
    assert "2018-09-06; " not in said
    assert "of 2018-09-06 and the nearest after" in said
    assert "of 2018-12-02" in said
    assert "\n" not in said


def test_where_nothing_is_near_the_area_is_doubted(filled: Any) -> None:
    with pytest.raises(ValueError, match=r"nor within a year .* check `area`"):
        search_scenes(filled.address, RTC, shapely.box(10, 10, 10.1, 10.1), WINDOW)


def test_an_unknown_collection_is_named_beside_those_there_are(filled: Any) -> None:
    with pytest.raises(ValueError, match="no such collection; it has sentinel-1-rtc"):
        search_scenes(filled.address, "sentinel-1-grd", AREA, WINDOW)


@pytest.mark.parametrize(("status", "error"), [(403, PermissionError), (404, ConnectionError)])
def test_an_api_that_refuses_or_is_none_is_one_line(
    filled: Any, status: int, error: type[Exception]
) -> None:
    filled.statuses["/search"] = status
    with pytest.raises(error, match=filled.address) as refused:
        search_scenes(filled.address, RTC, AREA, WINDOW)
    assert "\n" not in str(refused.value)


def test_a_page_that_is_no_api_is_named(filled: Any) -> None:
    with pytest.raises(ConnectionError, match="does not answer as a STAC API"):
        search_scenes(f"{filled.address}/files/none", RTC, AREA, WINDOW)


CATALOGUE = (
    '{"type": "Catalog", "id": "x", "stac_version": "1.0.0", "description": "", "links": []}'
)


@pytest.mark.parametrize(
    "answer",
    [json.dumps(CATALOGUE), '{"name": "weather"}', "[1, 2]", "<html>Welcome</html>"],
    ids=["static", "json", "list", "page"],
)
def test_what_answers_with_something_else_is_one_line_with_its_address(
    filled: Any, answer: str
) -> None:
    address = f"{filled.address}/files/catalog.json"
    (filled.folder / "catalog.json").write_text(answer)
    said = rf"^{address} does not answer as a STAC API \(.+\): check `source` and the network$"
    with pytest.raises(ConnectionError, match=said):
        search_scenes(f"{address}?token=secret", RTC, AREA, WINDOW)
    with pytest.raises(ConnectionError, match=said):
        search_elevation(f"{address}?token=secret", "dem", AREA)


def test_an_api_that_cannot_be_reached_says_why_and_no_more() -> None:
    with pytest.raises(ConnectionError) as raised:
        search_scenes("http://127.0.0.1:1/stac", RTC, AREA, WINDOW)
    assert str(raised.value) == (
        "http://127.0.0.1:1/stac does not answer as a STAC API ([Errno 111] Connection refused): "
        "check `source` and the network"
    )


def test_elevation_is_found_by_its_assets_name(filled: Any, write_tif: Any) -> None:
    write_tif(filled.folder / "dem.tif", np.zeros((4, 6), np.float32))
    item = filled.items[0] | {"id": "piece", "collection": "dem", "assets": {
        "data": {"href": "/files/dem.tif"}, "hillshade": {"href": "/files/other.tif"},
    }}  # fmt: skip
    filled.items.append(item)
    filled.add_collection("dem")
    names, addresses, licence = search_elevation(filled.address, "dem", AREA)
    assert (names, addresses) == (["piece"], [f"{filled.address}/files/dem.tif"])
    assert licence == "CC-BY-4.0"
    with pytest.raises(ValueError, match="no height asset: set `asset` to one of data"):
        search_elevation(filled.address, "dem", AREA, "height")
    with pytest.raises(ValueError, match="no elevation of dem"):
        search_elevation(filled.address, "dem", shapely.box(10, 10, 11, 11))


@pytest.mark.parametrize(
    ("name", "track"), [("S1A_20200103_17RMJ_ASC", 121), ("S1B_20161121_12SYJ_ASC", 49)]
)
def test_real_items_of_another_archive_are_understood(
    real_data: Path, name: str, track: int
) -> None:
    item = pystac.Item.from_dict(
        json.loads((real_data / "stac-items" / f"{name}.json").read_text())
    )
    scene = scene_of(item)
    assert scene is not None
    assert (scene.relative_orbit, scene.orbit_state) == (track, "ascending")
    assert scene.platform == f"sentinel-1{name[2].lower()}"
    assert {key: address.rpartition("/")[2] for key, address in scene.addresses.items()} == {
        "vv": "Gamma0_VV.tif",
        "vh": "Gamma0_VH.tif",
    }
    assert (scene.pixel_m, scene.nodata) == (20, 0)
    assert scene.start == np.datetime64(item.properties["start_datetime"].rstrip("Z"))
    assert scene.licence == "https://www.indigoag.com/forms/atlas-sentinel-license"


def test_an_item_without_backscatter_is_none() -> None:
    item = pystac.Item("x", None, None, dt.datetime(2020, 1, 1, tzinfo=dt.UTC), {})
    item.add_asset("preview", pystac.Asset("https://example.org/preview_vv.png"))
    assert scene_of(item) is None


@pytest.fixture
def in_tokyo() -> Iterator[None]:
    """Set this machine's clock to the time of Tokyo, and back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    "text", ["2018-09-06T20:41:00", "2018-09-06T20:41:00Z", "2018-09-07T05:41:00+09:00"]
)
def test_a_time_without_an_offset_is_utc_and_one_with_an_offset_is_turned_to_it(
    text: str, in_tokyo: None
) -> None:
    box = shapely.geometry.mapping(shapely.box(141, 42, 142, 43))
    item = pystac.Item("x", box, [141, 42, 142, 43], dateutil.parser.isoparse(text), {})
    item.add_asset("vv", pystac.Asset("https://example.org/x_vv.tif"))
    scene = scene_of(item)
    assert scene is not None
    assert str(scene.start)[:19] == "2018-09-06T20:41:00"


def test_operas_items_say_their_track_in_their_name() -> None:
    name = "OPERA_L2_RTC-S1_T137-292321-IW2_20231109T015914Z_20231109T105731Z_S1A_30_v1.0"
    box = shapely.geometry.mapping(shapely.box(-120, 34, -119, 35))
    start = dt.datetime(2023, 11, 9, 1, 59, 14, tzinfo=dt.UTC)
    item = pystac.Item(name, box, [-120, 34, -119, 35], start, {})
    item.add_asset("0_VV", pystac.Asset(f"https://example.org/{name}_VV.tif"))
    item.add_asset("0_VH", pystac.Asset(f"https://example.org/{name}_VH.tif"))
    item.add_asset("mask", pystac.Asset(f"https://example.org/{name}_mask.tif"))
    scene = scene_of(item)
    assert scene is not None
    assert (scene.relative_orbit, scene.orbit_state, scene.pixel_m) == (137, "ascending", 30)
    assert set(scene.addresses) == {"vv", "vh"}

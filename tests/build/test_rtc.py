"""Backscatter on a grid, read by the loader as it is, from files served with range requests."""

import base64
import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, override

import dask
import numpy as np
import pytest
import rasterio
import requests
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from planetary_computer.settings import Settings

from landslide.build.folder import folder_scenes
from landslide.build.grid import area_grid
from landslide.build.passes import group_passes
from landslide.build.rasters import describe_raster
from landslide.build.rtc import load_backscatter, open_images
from landslide.build.search import search_scenes
from landslide.build.signing import sign_azure, unsigned
from landslide.build.terrain import terrain_layers
from tests.serving import FolderHandler, serving

AREA = shapely.box(141.98, 42.888, 141.99, 42.895)
WEST, NORTH = 580_000.0, 4_750_000.0
WINDOW = (np.datetime64("2018-01-01", "ns"), np.datetime64("2019-01-01", "ns"))


def speckle(shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(4, 0.05, shape).astype(np.float32)


def grid(shape: tuple[int, int] = (60, 90), pixel: float = 10, shift: float = 0) -> GeoBox:
    top, left = NORTH - 100 + shift, WEST + 200 + shift
    bounds = (left, top - shape[0] * pixel, left + shape[1] * pixel, top)
    return GeoBox.from_bbox(bounds, "EPSG:32654", shape=shape, tight=True)


def load(folder: Path, box: GeoBox, **options: Any) -> xr.Dataset:
    passes = group_passes(folder_scenes(str(folder)), AREA, "EPSG:32654")
    return load_backscatter(tuple(passes), ("vv", "vh"), box, block_pixels=32, **options)


def test_pixels_that_lie_on_the_grid_stay_as_they_are(tmp_path: Path, write_scene: Any) -> None:
    first, second = speckle((120, 140), 1), speckle((120, 140), 2)
    first[30:40, 50:60] = np.nan
    write_scene(tmp_path, "20180913T204100", second, unit="B")
    write_scene(tmp_path, "20180901T204100", first)
    cube = load(tmp_path, grid())
    assert cube["vv"].dims == ("timestep", "y", "x")
    assert cube["vv"].chunks == ((1, 1), (32, 28), (32, 32, 26))
    expected = np.stack([first, second])[:, 10:70, 20:110]
    np.testing.assert_array_equal(cube["vv"], expected)
    np.testing.assert_array_equal(cube["vh"], expected * np.float32(0.25))
    assert cube["timestep"].dtype == "datetime64[ns]"
    assert [str(t)[:16] for t in cube["timestep"].values] == [
        "2018-09-01T20:41", "2018-09-13T20:41",
    ]  # fmt: skip
    assert cube["sat:orbit_state"].values.tolist() == ["descending"] * 2
    assert cube["sat:relative_orbit"].values.tolist() == [46, 46]
    assert cube["platform"].values.tolist() == ["sentinel-1a", "sentinel-1b"]


@pytest.mark.parametrize("fill", [np.nan, 0])
def test_bursts_meet_without_a_seam(tmp_path: Path, write_scene: Any, fill: float) -> None:
    """Of two bursts that overlap, the earlier counts, and the later where it has no data.

    Whatever the files declare, which is NaN here, zero is no data.
    """
    ground = speckle((120, 140), 3)
    north, south = ground[:70].copy(), ground[50:] * np.float32(2)
    north[60:, :30] = fill
    write_scene(tmp_path, "20180901T204100", north, burst="098765-IW2")
    write_scene(tmp_path, "20180901T204103", south, burst="098766-IW2", north=NORTH - 500)
    cube = load(tmp_path, grid((100, 110)))
    assert cube.sizes["timestep"] == 1
    whole = np.full((120, 140), np.nan, np.float32)
    whole[50:] = south
    whole[:70] = np.where(north > 0, north, whole[:70])
    np.testing.assert_array_equal(cube["vv"][0], whole[10:110, 20:130])
    assert np.isfinite(cube["vv"]).all()


@pytest.mark.parametrize("nodata", [0.0, -32768.0])
def test_what_a_file_marks_as_no_data_is_nan(
    tmp_path: Path, write_scene: Any, nodata: float
) -> None:
    values = speckle((120, 140), 4)
    values[20:50, 40:80] = nodata
    write_scene(tmp_path, "20180901T204100", values, nodata=nodata or None)
    for shift in (0, 3):  # as it is, and interpolated
        vv = load(tmp_path, grid(shift=shift))["vv"][0].to_numpy()
        assert np.isnan(vv[12:38, 22:58]).all()
        assert np.nanmin(vv) > 0
        assert np.isfinite(vv[:5]).all()


def test_a_shifted_grid_interpolates_power(tmp_path: Path, write_scene: Any) -> None:
    rows, columns = np.mgrid[:120, :140].astype(np.float32)
    write_scene(tmp_path, "20180901T204100", 0.1 + 0.001 * columns + 0.002 * rows)
    # A pixel of the grid has its middle 3 m east and 3 m north of one of the file.
    vv = load(tmp_path, grid(shift=3))["vv"][0].to_numpy()
    rows, columns = np.mgrid[10:70, 20:110]
    expected = 0.1 + 0.001 * (columns + 0.3) + 0.002 * (rows - 0.3)
    np.testing.assert_allclose(vv, expected, atol=2e-5)


def test_a_coarser_grid_averages_power(tmp_path: Path, write_scene: Any) -> None:
    values = speckle((120, 140), 5)
    write_scene(tmp_path, "20180901T204100", values)
    vv = load(tmp_path, grid((20, 30), pixel=30))["vv"][0].to_numpy()
    blocks = values[10:70, 20:110].reshape(20, 3, 30, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(vv, blocks, rtol=1e-5)


def test_another_zone_is_reprojected(tmp_path: Path, write_scene: Any) -> None:
    write_scene(tmp_path, "20180901T204100", np.full((120, 140), 0.3, np.float32))
    box = area_grid(AREA, "EPSG:32655", 20)
    vv = load(tmp_path, box)["vv"][0].to_numpy()
    assert np.isfinite(vv).mean() > 0.9
    np.testing.assert_allclose(vv[np.isfinite(vv)], 0.3, rtol=1e-5)


@pytest.fixture
def served(archive: Any, write_scene: Any, list_scene: Callable[..., dict[str, Any]]) -> Any:
    """Return an archive of one scene of 2000 x 2400 pixels, and what it holds."""
    archive.values = speckle((2000, 2400), 6)
    archive.collections["sentinel-1-rtc"] = {}
    stem = write_scene(archive.folder, "20180901T204100", archive.values)
    archive.items.append(list_scene(stem, start="2018-09-01T20:41:00Z"))
    return archive


def load_served(archive: Any, box: GeoBox, **options: Any) -> xr.Dataset:
    scenes = search_scenes(archive.address, "sentinel-1-rtc", AREA, WINDOW)
    passes = group_passes(scenes, AREA, "EPSG:32654")
    return load_backscatter(tuple(passes), ("vv", "vh"), box, **options)


def test_only_the_windows_that_are_needed_are_fetched(served: Any) -> None:
    cube = load_served(served, grid())
    before = len(served.asked)
    vv = cube["vv"][0].to_numpy()
    np.testing.assert_array_equal(vv, served.values[10:70, 20:110])
    asked = served.asked[before:]
    assert asked
    assert all(path.endswith("_VV.tif") for path, _ in asked)
    fetched = 0
    for _, window in asked:
        if window.startswith("bytes="):
            first, _, last = window.removeprefix("bytes=").partition("-")
            fetched += int(last) - int(first) + 1
    assert fetched < served.values.nbytes / 8


def test_a_signature_that_expired_is_renewed(served: Any) -> None:
    served.signature = "first"
    calls: list[bool] = []

    def sign(address: str, refused: bool) -> str:
        """Sign as an archive's client does: what it has, until that is refused."""
        calls.append(refused)
        return f"{address}?sig={served.signature if refused else 'first'}"

    cube = load_served(served, grid(), sign=sign)
    served.signature = "second"  # while the graph waited
    with dask.config.set(scheduler="threads"):
        vv = cube["vv"][0].to_numpy()
    np.testing.assert_array_equal(vv, served.values[10:70, 20:110])
    assert True in calls


def test_an_address_that_stays_refused_is_named_without_its_signature(served: Any) -> None:
    served.signature = "wanted"
    cube = load_served(served, grid(), sign=lambda address, _: f"{address}?sig=secret")
    with pytest.raises(PermissionError, match=r"_VV\.tif: access refused \(HTTP 403\)") as said:
        cube["vv"].compute()
    assert "secret" not in str(said.value)
    assert "\n" not in str(said.value)
    # A Dask worker must be able to send it back, and what it was raised from.
    chain = [said.value]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    assert len(chain) > 1
    assert [str(pickle.loads(pickle.dumps(one))) for one in chain] == list(map(str, chain))


@pytest.mark.parametrize("token", ["", "?token=mysecret"])
def test_a_block_that_fails_while_it_is_read_shows_no_signature(
    tmp_path: Path, write_scene: Any, archive: Any, list_scene: Any, token: str
) -> None:
    """By each way in which pixels are read: images, a DEM, and any other raster."""
    stem = write_scene(archive.folder, "20180901T204100", speckle((200, 240), 7))
    file = stem.parent / f"{stem.name}_VV.tif"
    with rasterio.open(file) as image:
        offset, size = (
            int(image.get_tag_item(f"BLOCK_{key}_1_1", "TIFF", bidx=1))
            for key in ("OFFSET", "SIZE")
        )
    content = bytearray(file.read_bytes())
    content[offset : offset + size] = b"\xff" * size
    file.write_bytes(content)
    item = list_scene(stem, start="2018-09-01T20:41:00Z")
    for asset in item["assets"].values():
        asset["href"] += token
    archive.items.append(item)
    archive.collections["sentinel-1-rtc"] = {}

    def sign(address: str, _refused: bool) -> str:
        return f"{address}{'&' if token else '?'}sig=SECRET123"

    address = f"{archive.address}/files/{file.name}{token}"

    def a_dem() -> None:
        terrain_layers([address], grid(), sign=sign).compute()

    def a_raster() -> None:
        with describe_raster(address, sign=sign).open("image") as image:
            image.read(1)

    images = load_served(archive, grid(), sign=sign)["vv"].compute
    for way in (images, a_dem, a_raster):
        with pytest.raises(ValueError, match=r"_VV\.tif is cut off or damaged \(") as raised:
            way()
        assert "secret" not in str(raised.value).lower()


class EarthdataHandler(FolderHandler):
    """Serves files as NASA's archives do: to who comes back from the login with a cookie."""

    def __init__(self, *args: Any, asked: list[tuple[str, str]], **kwargs: Any) -> None:
        self.asked = asked
        super().__init__(*args, **kwargs)

    @override
    def do_GET(self) -> None:
        host, port = self.headers["Host"].split(":")
        path, _, wanted = self.path.partition("?to=")
        self.asked.append((host + path, self.headers.get("Authorization", "")))
        if host == "localhost" and self.headers.get("Authorization") == NETRC_BASIC:
            self.redirect(f"http://127.0.0.1:{port}/back?to={wanted}")
        elif host == "localhost":
            self.answer(None)
        elif path == "/back":
            self.redirect(wanted, "session=planted; Path=/")
        elif "session=planted" in self.headers.get("Cookie", ""):
            super().do_GET()
        else:
            self.redirect(f"http://localhost:{port}/oauth?to={path}")

    do_HEAD = do_GET  # noqa: N815

    def redirect(self, where: str, cookie: str = "") -> None:
        headers = {"Location": where} | ({"Set-Cookie": cookie} if cookie else {})
        self.send(status=302, headers=headers)


NETRC_BASIC = f"Basic {base64.b64encode(b'somebody:secret').decode()}"


def test_an_archive_behind_earthdatas_login_is_read(
    tmp_path: Path, write_scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = speckle((120, 140), 7)
    stem = write_scene(tmp_path, "20180901T204100", values)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine localhost login somebody password secret\n")
    asked: list[tuple[str, str]] = []
    with serving(functools.partial(EarthdataHandler, folder=tmp_path, asked=asked)) as address:
        raster = describe_raster(f"{address}/{Path(stem).name}_VV.tif", "image")
        with raster.open("image") as image:
            np.testing.assert_array_equal(image.read(1), values)
    logins = [host for host, _ in asked if host == "localhost/oauth"]
    assert 0 < len(logins) < len(asked) / 2  # the cookie is kept
    assert {said for host, said in asked if not host.startswith("localhost")} == {""}


@pytest.mark.parametrize("content", [b"<html><body>Maintenance</body></html>", b"II*\0"])
def test_what_is_no_image_is_named(served: Any, content: bytes) -> None:
    for file in served.folder.glob("*_VV.tif"):
        file.write_bytes(content)
    cube = load_served(served, grid())
    what = r"is no GeoTIFF \(it begins with '<html>" if content[:1] == b"<" else "is cut off"
    with pytest.raises(ValueError, match=rf"{served.address}.*_VV\.tif {what}"):
        cube["vv"].compute()


def test_a_file_that_was_cut_off_is_named(served: Any) -> None:
    for file in served.folder.glob("*_VV.tif"):
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 200])
    cube = load_served(served, grid((1900, 2300)))
    with pytest.raises((ValueError, ConnectionError), match=rf"{served.address}.*_VV\.tif"):
        cube["vv"].compute()


def test_an_image_that_lies_nowhere_is_named(served: Any, write_tif: Any) -> None:
    for file in served.folder.glob("*_VV.tif"):
        write_tif(file, served.values[:100, :100], crs=None)
    with pytest.raises(ValueError, match=r"_VV\.tif has no coordinate reference system"):
        load_served(served, grid())["vv"].compute()


def test_backscatter_that_is_scaled_is_refused(tmp_path: Path, write_scene: Any) -> None:
    stem = write_scene(tmp_path, "20180901T204100", speckle((120, 140), 1))
    with rasterio.open(f"{stem}_VH.tif", "r+") as image:
        image.scales = (0.01,)
    passes = tuple(group_passes(folder_scenes(str(tmp_path)), AREA, "EPSG:32654"))
    open_images(passes, ("vv",))
    with pytest.raises(ValueError, match=r"_VH\.tif holds backscatter by a scale of 0\.01 and an"):
        open_images(passes, ("vv", "vh"))


def test_only_azures_addresses_are_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked for a token")

    monkeypatch.setattr(requests.Session, "request", refuse)
    for address in ("https://example.org/a.tif", "/data/a.tif"):
        assert sign_azure(address, False) == unsigned(address, False) == address


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, PermissionError, r"does not sign it \(HTTP 401\): set PC_SDK_SUBSCRIPTION_KEY"),
        (404, PermissionError, r'signs nothing there \(HTTP 404\): set `signing = "none"`'),
        (400, ConnectionError, "signatures cannot be had .* run again"),
    ],
)
def test_an_archive_that_signs_nothing_for_us_says_how_it_would(
    archive: Any, monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception], said: str
) -> None:
    """The Planetary Computer's own client asks a stand-in for its service of signatures."""
    monkeypatch.setattr(Settings.get(), "sas_url", f"{archive.address}/token")
    archive.statuses["/token/account/container"] = status
    address = "https://account.blob.core.windows.net/container/a.tif"
    with pytest.raises(error, match=said) as raised:
        sign_azure(address, True)
    assert str(raised.value).startswith(address)
    assert "\n" not in str(raised.value)

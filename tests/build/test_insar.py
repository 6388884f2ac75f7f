"""InSAR: pairs in folders, complex resampling, ISCE's files, Mexico City."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import transform as transform_points

from landslide.build.insar.layers import insar_layers
from landslide.build.insar.pairs import Pair, find_pairs
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe
from landslide.cube.schema import house_schema
from tests.build.conftest import write_raster
from tests.built_event import NORTH, WEST, build

UTM = "EPSG:32614"
HERE = GeoBox((40, 56), Affine(50, 0, 480_000, 0, -50, 2_150_000), UTM)


def write(path: Path, values: np.ndarray, geobox: GeoBox = HERE, **profile: Any) -> Path:
    return Path(write_raster(path, values, geobox, **profile))


def ramp(geobox: GeoBox, fringe: float = 300.0) -> np.ndarray:
    """Unwrapped phase [radians] that turns once over `fringe` metres east of HERE's corner."""
    rows, columns = np.indices(geobox.shape) + 0.5
    x, y = geobox.affine @ (columns.ravel(), rows.ravel())
    if geobox.crs != HERE.crs:
        x, y = transform_points(str(geobox.crs), UTM, x, y)
    return ((np.reshape(x, geobox.shape) - 480_000) / fringe * 2 * np.pi).astype("f4")


def test_phase_is_resampled_as_complex_numbers_and_never_as_phase(tmp_path: Path) -> None:
    coarse = GeoBox((40, 56), Affine(80, 0, 479_500, 0, -80, 2_150_500), UTM)
    unwrapped = ramp(coarse, 700.0)
    wrapped = np.angle(np.exp(1j * unwrapped)).astype("f4")
    write(tmp_path / "a_20200101-20200113_unw.tif", unwrapped, coarse)
    write(tmp_path / "b_20200113-20200125_wrapped_phase.tif", wrapped, coarse)
    write(tmp_path / "c_20200125-20200206_ifg.tif",
          (0.5 * np.exp(1j * unwrapped)).astype("c8"), coarse)  # fmt: skip
    layers = insar_layers(find_pairs(tmp_path), HERE, block_pixels=16)
    assert layers["interferogram"].dtype == np.complex64
    assert layers["interferogram"].dims == ("timepair", "y", "x")
    assert layers["interferogram"].chunksizes["timepair"] == (1, 1, 1)
    waves = layers["interferogram"].to_numpy()
    true = np.exp(1j * ramp(HERE, 700.0))
    assert abs(np.angle(waves * true.conj())).max() < 0.05
    np.testing.assert_allclose(abs(waves[:2]), 1, atol=1e-5)
    np.testing.assert_allclose(waves[0], waves[1], atol=1e-4)
    assert (abs(waves[2]) <= 0.5 + 1e-5).all()
    assert (abs(waves[2]) > 0.4).all()
    whole = insar_layers(find_pairs(tmp_path), HERE)["interferogram"]
    np.testing.assert_allclose(waves, whole, atol=1e-5)


def test_pairs_are_named_by_their_dates_and_sorted(tmp_path: Path) -> None:
    coherence = np.full(HERE.shape, 0.5, "f4")
    names = (
        "S1AA_20170924T133814_20171006T133815_VVP012_INT80_G_ueF_3A8C_corr.tif",
        "S1AA_20170912T133814_20170924T133814_VVP012_INT80_G_ueF_3A8D_corr.tif",
        "S1AA_20170912T133814_20170924T133814_VVP012_INT80_G_ueF_3A8D_unw_phase.tif",
        "S1_136231_IW2_20200604_20200616_VV_INT80_10C1_wrapped_phase.tif",
        "S1_136231_IW2_20200604_20200616_VV_INT80_10C1_unw_phase.tif",
        "S1AA_20170912T133814_20170924T133814_VVP012_INT80_G_ueF_3A8D_dem.tif",
        "notes.txt",
    )
    for number, name in enumerate(names):
        write(tmp_path / f"{number % 3}" / name, coherence)
    first, second, third = find_pairs(tmp_path)
    assert str(first.reference_time) == "2017-09-12T13:38:14.000000000"
    assert str(first.secondary_time) == "2017-09-24T13:38:14.000000000"
    assert first.interferogram.endswith("3A8D_unw_phase.tif")
    assert first.coherence.endswith("3A8D_corr.tif")
    assert second.interferogram is None
    assert third.coherence is None
    assert third.interferogram.endswith("wrapped_phase.tif")  # rather than the unwrapped
    layers = insar_layers([third, second, first], HERE, block_pixels=16).compute()
    assert list(layers["reference_time"].values) == [
        p.reference_time for p in (first, second, third)
    ]
    # What a pair lacks is no data.
    assert np.isnan(layers["coherence"]).all(("y", "x")).values.tolist() == [False, False, True]
    assert np.isnan(layers["interferogram"]).all(("y", "x")).values.tolist() == [False, True, False]
    cube = house_schema(layers)
    assert cube["coherence"].dtype == np.float32


def test_pairs_that_share_one_image_stay_pairs_of_their_own(tmp_path: Path) -> None:
    shared = {"20200101-20200113": 0.5, "20200101-20200125": 0.7, "20200113-20200125": 0.9}
    for days, value in shared.items():
        write(tmp_path / f"{days}_coh.tif", np.full(HERE.shape, value, "f4"))
    layers = insar_layers(find_pairs(tmp_path), HERE, block_pixels=16)
    assert layers["coherence"].mean(("y", "x")).values == pytest.approx([0.5, 0.7, 0.9])


def test_no_data_stays_no_data_and_does_not_bleed(tmp_path: Path) -> None:
    coherence = np.full(HERE.shape, 0.6, "f4")
    coherence[10:14, 20:25] = 0  # as GAMMA and ISCE leave ground outside the image
    coherence[20, 30] = -9999
    phase = ramp(HERE)
    phase[5, 6] = -9999
    write(tmp_path / "a_20200101-20200113_coh.tif", coherence, nodata=-9999)
    write(tmp_path / "a_20200101-20200113_unw.tif", phase, nodata=-9999)
    layers = insar_layers(find_pairs(tmp_path), HERE, block_pixels=16).compute()
    np.testing.assert_array_equal(
        np.isnan(layers["coherence"][0]), (coherence == 0) | (coherence == -9999)
    )
    np.testing.assert_array_equal(np.isnan(layers["interferogram"][0]), phase == -9999)
    shifted = GeoBox(HERE.shape, HERE.affine @ Affine.translation(0.3, 0.4), HERE.crs)
    there = insar_layers(find_pairs(tmp_path), shifted)["coherence"].to_numpy()
    valid = there[np.isfinite(there)]
    np.testing.assert_allclose(valid, 0.6, atol=1e-5)  # neither 0 nor -9999 mixed in


def test_values_are_what_the_bands_scale_makes_of_them(tmp_path: Path) -> None:
    coherence = np.full(HERE.shape, 200, "u1")
    coherence[3, 4] = 0
    coherence[5, 6] = 255
    phase = np.full(HERE.shape, 12_000, "i2")
    for name, values, scale, nodata in (("coh", coherence, 0.004, 255), ("unw", phase, 1e-4, None)):
        path = write(tmp_path / f"a_20200101-20200113_{name}.tif", values, nodata=nodata)
        with rasterio.open(path, "r+") as out:
            out.scales, out.offsets = (scale,), (0.1 if name == "unw" else 0,)
    layers = insar_layers(find_pairs(tmp_path), HERE, block_pixels=16).compute()
    nothing = np.isin(coherence, (0, 255))
    found = layers["coherence"].to_numpy()[0]
    np.testing.assert_allclose(found, np.where(nothing, np.nan, 0.8), rtol=1e-6)
    np.testing.assert_allclose(np.angle(layers["interferogram"]), 1.3, rtol=1e-5)


def test_a_coherence_of_bytes_without_a_scale_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a_20200101-20200113_coh.tif", np.full(HERE.shape, 200, "u1"))
    said = rf"^{path} holds 200: coherence is 0 to 1; divide it, a byte by 255, or set the band's"
    with pytest.raises(ValueError, match=said):
        insar_layers(find_pairs(tmp_path), HERE).compute()
    write(path, np.full(HERE.shape, 1.001, "f4"))  # as rounding and resampling leave it
    assert (insar_layers(find_pairs(tmp_path), HERE)["coherence"] > 1).all()


def test_a_raster_smaller_than_the_grid_leaves_the_rest_without_data(tmp_path: Path) -> None:
    part = HERE[:, :20]
    write(tmp_path / "a_20200101-20200113_coh.tif", np.full(part.shape, 0.5, "f4"), part)
    coherence = insar_layers(find_pairs(tmp_path), HERE, block_pixels=16)["coherence"].to_numpy()[0]
    assert np.isfinite(coherence[:, :20]).all()
    assert np.isnan(coherence[:, 21:]).all()


ISCE_XML = """<imageFile>
  <property name="WIDTH"><value>{width}</value></property>
  <property name="LENGTH"><value>{height}</value></property>
  <property name="NUMBER_BANDS"><value>{bands}</value></property>
  <property name="DATA_TYPE"><value>{dtype}</value></property>
  <property name="SCHEME"><value>{scheme}</value></property>
  <property name="BYTE_ORDER"><value>l</value></property>
  <property name="ACCESS_MODE"><value>read</value></property>
  <property name="FILE_NAME"><value>{name}</value></property>
  <component name="coordinate1">
    <property name="name"><value>ImageCoordinate_coordinate1</value></property>
    <property name="startingvalue"><value>{west}</value></property>
    <property name="delta"><value>{dx}</value></property>
    <property name="size"><value>{width}</value></property>
  </component>
  <component name="coordinate2">
    <property name="name"><value>ImageCoordinate_coordinate2</value></property>
    <property name="startingvalue"><value>{north}</value></property>
    <property name="delta"><value>{dy}</value></property>
    <property name="size"><value>{height}</value></property>
  </component>
</imageFile>
"""
ISCE_VRT = """<VRTDataset rasterXSize="{width}" rasterYSize="{height}">
  <SRS>EPSG:4326</SRS><GeoTransform>{west}, {dx}, 0, {north}, 0, {dy}</GeoTransform>
  {parts}
</VRTDataset>"""
ISCE_BAND = """<VRTRasterBand band="{band}" dataType="{kind}" subClass="VRTRawRasterBand">
  <SourceFilename relativeToVRT="1">{name}</SourceFilename><ByteOrder>LSB</ByteOrder>
  <ImageOffset>{image}</ImageOffset><PixelOffset>{pixel}</PixelOffset>
  <LineOffset>{line}</LineOffset></VRTRasterBand>"""


def write_isce(path: Path, bands: np.ndarray, geobox: GeoBox, *, xml: bool, vrt: bool) -> None:
    """Write bands (band, y, x) as ISCE does: raw, lines interleaved, described by XML and VRT."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    bands.transpose(1, 0, 2).tofile(path)
    a = geobox.affine
    size = bands.dtype.itemsize
    values = {
        "width": width, "height": height, "bands": count, "name": path.name, "scheme": "BIL",
        "dtype": "CFLOAT" if bands.dtype == np.complex64 else "FLOAT",
        "west": a.c, "north": a.f, "dx": a.a, "dy": a.e,
    }  # fmt: skip
    if xml:
        path.with_name(f"{path.name}.xml").write_text(ISCE_XML.format(**values))
    if vrt:
        kind = "CFloat32" if bands.dtype == np.complex64 else "Float32"
        parts = "".join(
            ISCE_BAND.format(band=band + 1, kind=kind, name=path.name, image=band * width * size,
                             pixel=size, line=count * width * size)
            for band in range(count)
        )  # fmt: skip
        path.with_name(f"{path.name}.vrt").write_text(ISCE_VRT.format(**values, parts=parts))


@pytest.mark.parametrize(("xml", "vrt"), [(True, True), (True, False), (False, True)])
def test_isces_geocoded_output_is_read_through_its_xml_or_its_vrt(
    tmp_path: Path, *, xml: bool, vrt: bool
) -> None:
    (west, east), (south, north) = transform_points(
        UTM, "EPSG:4326", [479_800, 483_000], [2_147_800, 2_150_200]
    )
    step = 1 / 2400
    shape = round((north - south) / step), round((east - west) / step)
    lonlat = GeoBox(shape, Affine(step, 0, west, 0, -step, north), "EPSG:4326")
    merged = tmp_path / "20180101_20180113" / "merged"
    amplitude, coherence = np.full(shape, 77, "f4"), np.full(shape, 0.7, "f4")
    write_isce(
        merged / "topophase.cor.geo", np.stack([amplitude, coherence]), lonlat, xml=xml, vrt=vrt
    )
    waves = (3 * np.exp(1j * ramp(lonlat, 900.0))).astype("c8")
    write_isce(merged / "topophase.flat.geo", waves[None], lonlat, xml=xml, vrt=vrt)
    (pair,) = find_pairs(tmp_path)
    assert pair.coherence_band == 2
    assert str(pair.secondary_time)[:10] == "2018-01-13"
    layers = insar_layers([pair], HERE, block_pixels=16).compute()
    np.testing.assert_allclose(layers["coherence"][0], 0.7, atol=1e-5)
    off = np.angle(layers["interferogram"].to_numpy()[0] * np.exp(-1j * ramp(HERE, 900.0)))
    assert abs(off).max() < 0.05


def test_isces_output_in_radar_geometry_is_refused(tmp_path: Path) -> None:
    merged = tmp_path / "20180101_20180113" / "merged"
    write_isce(merged / "topophase.cor", np.ones((2, 5, 6), "f4"), HERE[:5, :6], xml=True, vrt=True)
    with pytest.raises(ValueError, match=r"radar geometry: run topsApp\.py to its step geocode"):
        find_pairs(tmp_path)


def test_each_bad_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no folder"):
        find_pairs(tmp_path / "absent")
    with pytest.raises(ValueError, match="no interferometric pair"):
        find_pairs(tmp_path)
    values = np.full(HERE.shape, 0.5, "f4")
    one = write(tmp_path / "vv_20200101-20200113_coh.tif", values)
    two = write(tmp_path / "vh_20200101-20200113_coh.tif", values)
    with pytest.raises(ValueError, match="both the coherence of one pair"):
        find_pairs(tmp_path)
    two.unlink()
    elsewhere = GeoBox(HERE.shape, Affine(50, 0, 300_000, 0, -50, 2_000_000), UTM)
    with pytest.raises(ValueError, match="shares no ground"):
        insar_layers(find_pairs(tmp_path), elsewhere)
    one.write_text("<html>login</html>")
    with pytest.raises(ValueError, match=r"the coherence .*coh\.tif is no GeoTIFF"):
        insar_layers(find_pairs(tmp_path), HERE)
    one.rename(tmp_path / "vv_20209901-20200113_coh.tif")
    with pytest.raises(ValueError, match="of no two dates"):
        find_pairs(tmp_path)


def test_mexico_citys_pairs_become_coherence_and_unit_interferograms(real_data: Path) -> None:
    folder = real_data / "insar-mexico-city"
    pairs = find_pairs(folder)
    assert len(pairs) == len(list(folder.glob("*_cc.tif"))) == len(list(folder.glob("*_unw.tif")))
    bounds = transform_points("EPSG:4326", UTM, [-99.19, -99.053], [19.369, 19.451])
    west, north = round(bounds[0][0], -2), round(bounds[1][1], -2)
    here = GeoBox((90, 140), Affine(100, 0, west, 0, -100, north), UTM)
    layers = insar_layers(pairs, here, block_pixels=64).compute()
    assert layers.sizes["timepair"] == len(pairs)
    # Their tags say the time of day, too.
    assert str(layers["reference_time"].values[0])[:19] == "2018-01-06T00:40:21"
    coherence, waves = layers["coherence"].to_numpy(), layers["interferogram"].to_numpy()
    valid = np.isfinite(coherence)
    assert valid.mean() > 0.8
    assert coherence[valid].min() > 0
    assert coherence[valid].max() < 1
    there = np.isfinite(waves)
    np.testing.assert_allclose(abs(waves[there]), 1, atol=1e-5)
    # At the middles of the files' own pixels it is their value: coherence, and the phase wrapped.
    for number, pair in enumerate(pairs):
        with rasterio.open(pair.coherence) as source, rasterio.open(pair.interferogram) as phase:
            cc, unwrapped, transform = source.read(1), phase.read(1), source.transform
        own = insar_at(pair, transform, (30, 40))
        assert own[0] == pytest.approx(cc[30, 40], abs=0.03)
        assert abs(np.angle(own[1] * np.exp(-1j * unwrapped[30, 40]))) < 0.15, number


def insar_at(pair: Pair, transform: Affine, pixel: tuple[int, int]) -> tuple[float, complex]:
    """Read a pair on a grid of one metre around the middle of one pixel of its file."""
    lon, lat = transform @ (pixel[1] + 0.5, pixel[0] + 0.5)
    (x,), (y,) = transform_points("EPSG:4326", UTM, [lon], [lat])
    here = GeoBox((3, 3), Affine(1, 0, x - 1.5, 0, -1, y + 1.5), UTM)
    layers = insar_layers([pair], here).compute()
    return float(layers["coherence"][0, 1, 1]), complex(layers["interferogram"][0, 1, 1])


def test_a_cube_has_the_pairs_of_its_window_and_what_lies_beside_them_is_none(
    event: Path, tmp_path: Path
) -> None:
    here = GeoBox((200, 240), Affine(10, 0, WEST, 0, -10, NORTH), "EPSG:32654")
    plane = np.full(here.shape, 0.5, np.float32)
    event.write_text(event.read_text() + 'insar = {source = "pairs"}\n')
    write(tmp_path / "pairs" / "20170101-20170113_coh.tif", plane, here)
    with pytest.raises(ValueError, match=r"no pair in .*pairs has both images from 2018-07-07 to "
                       r"2018-11-04: .*; widen `before_days`"):  # fmt: skip
        _ = plan_build(load_recipe(event)).text
    for days in ("20180820-20180901", "20180707-20181104", "20180706-20180901"):
        write(tmp_path / "pairs" / f"{days}_coh.tif", plane, here)
    said = plan_build(load_recipe(event)).text.splitlines()
    left = (
        "  left out: 2 pairs beyond `before_days` or `after_days`, such as 2017-01-01 to 2017-01-13"
    )
    assert said[said.index(left) - 1] == f"insar: {tmp_path / 'pairs'}"
    cube, _ = build(event, tmp_path / "quake.zarr")
    days = cube["reference_time"].values.astype("M8[D]").astype(str).tolist()
    assert days == ["2018-07-07", "2018-08-20"]
    (tmp_path / "pairs" / "notes.txt").write_text("of that spring")
    write(tmp_path / "pairs" / "20150101-20150113_coh.tif", plane, here)
    _, said = build(event, tmp_path / "quake.zarr")
    assert "insar: is there" in said
    write(tmp_path / "pairs" / "20180820-20180901_coh.tif", plane[:100, :90] / 2, here[:100, :90])
    _, said = build(event, tmp_path / "quake.zarr")
    assert "insar: is built anew: its files changed" in said


def test_of_isces_output_the_description_counts_too(tmp_path: Path) -> None:
    merged = tmp_path / "20180820-20180901" / "merged"
    merged.mkdir(parents=True)
    for name in ("topophase.cor.geo", "topophase.cor.geo.xml", "topophase.cor.geo.vrt"):
        (merged / name).write_text("")
    (pair,) = find_pairs(tmp_path)
    assert [Path(file).name for file in pair.files] == [
        "topophase.cor.geo", "topophase.cor.geo.xml",
    ]  # fmt: skip
    (merged / "topophase.cor.geo.xml").unlink()
    (pair,) = find_pairs(tmp_path)
    assert [Path(file).name for file in pair.files] == [
        "topophase.cor.geo.vrt", "topophase.cor.geo",
    ]  # fmt: skip

"""A cube opens lazily, from any store and in any layout, or an error says why not."""

import json
import pickle
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import dask
import fsspec
import numpy as np
import pytest
import tenacity
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

from landslide import retries
from landslide.cube.labels import read_labels
from landslide.cube.store import block_shape, open_cube, stored_chunks

LAYOUTS = ("v2", "v2-plain", "v3", "v3-plain", "sharded")
STORES = ("local", "file", "memory", "http", "s3", "gs", "zip", "zip-http", "zip-s3")


def zip_cube(folder: Path) -> Path:
    """Zip `folder` as Zenodo serves it: NAME.zip with NAME.zarr/ inside."""
    name = str(folder.with_suffix(""))
    return Path(shutil.make_archive(name, "zip", folder.parent, folder.name))


def lay(folder: Path, store: str, request: pytest.FixtureRequest) -> str:
    """Bring the cube in `folder` to `store` and return its address."""
    if store in ("local", "file"):
        return str(folder) if store == "local" else f"file://{folder}"
    if store.startswith("zip"):
        folder, store = zip_cube(folder), store.removeprefix("zip").removeprefix("-") or "local"
        if store == "local":
            return str(folder)
    if store == "http":
        address, served = request.getfixturevalue("http_folder")
        if folder.is_dir():
            shutil.copytree(folder, served / folder.name, dirs_exist_ok=True)
        else:
            shutil.copy(folder, served)
        return f"{address}/{folder.name}"
    base = "memory://cubes" if store == "memory" else request.getfixturevalue(f"{store}_bucket")
    address = f"{base}/{folder.name}"
    filesystem, path = fsspec.core.url_to_fs(address)
    if folder.is_dir():
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                filesystem.pipe_file(f"{path}/{file.relative_to(folder)}", file.read_bytes())
    else:
        filesystem.pipe_file(path, folder.read_bytes())
    return address


@pytest.mark.parametrize(
    ("store", "layout"),
    [
        (store, layout)
        for store in STORES
        for layout in LAYOUTS
        # The emulator is slow, and what a listing gives is tried on the other stores.
        if not (store == "gs" and layout.endswith("plain"))
    ],
)
def test_a_cube_reads_the_same_from_every_store_in_every_layout(
    layout: str,
    store: str,
    cube: xr.Dataset,
    stored: dict[str, Path],
    request: pytest.FixtureRequest,
) -> None:
    uri = lay(stored[layout], store, request)
    if store == "http" and layout.endswith("plain"):
        # Without a listing or consolidated metadata nobody can know what is there.
        with pytest.raises(ValueError, match="consolidate_metadata"):
            open_cube(uri)
        return
    opened = open_cube(uri)
    assert opened.encoding["source"] == uri
    assert all(dask.is_dask_collection(opened[name].data) for name in cube.data_vars)
    some = ["vv", "coherence", "landslides"]
    xr.testing.assert_equal(opened[some].compute(), cube[some])
    assert opened.attrs == cube.attrs


@pytest.mark.parametrize("store", ["local", "http", "s3", "gs", "zip", "zip-http"])
def test_an_opened_cube_can_be_sent_to_a_worker(
    store: str, cube: xr.Dataset, stored: dict[str, Path], request: pytest.FixtureRequest
) -> None:
    opened = open_cube(lay(stored["v3"], store, request))
    received = pickle.loads(pickle.dumps(opened))
    xr.testing.assert_equal(received.dem.compute(), cube.dem)


def test_a_cube_opened_by_a_relative_path_is_read_from_another_folder(
    cube: xr.Dataset, stored: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(stored["v2"].parent)
    zip_cube(stored["v2"])
    sent = [pickle.dumps(open_cube(name)) for name in ("hokkaido_v2.zarr", "hokkaido_v2.zip")]
    monkeypatch.chdir(tmp_path)
    for received in map(pickle.loads, sent):
        xr.testing.assert_equal(received.dem.compute(), cube.dem)


def test_missing_credentials_are_said_to_be_missing(
    fresh_s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(PermissionError, match=r"access refused.*set .* credentials in the env"):
        open_cube(f"{fresh_s3}/a.zarr")


def test_opening_reads_no_chunk_of_a_plane(
    cube: xr.Dataset, stored: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "cube.zarr"
    shutil.copytree(stored["v2"], folder)
    for name in cube.data_vars:
        for chunk in (folder / str(name)).glob("[0-9]*"):
            chunk.write_bytes(b"rubbish")
    assert open_cube(str(folder)).sizes["x"] == 56


def test_each_chunk_is_read_once(stored: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    get = zarr.storage.LocalStore.get

    async def counted(self: object, key: str, *args: object, **kwargs: object) -> object:
        asked.append(key)
        return await get(self, key, *args, **kwargs)  # type: ignore[arg-type]

    # By a reader that asks zarr's store, unlike TensorStore.
    opened = open_cube(str(stored["v2"]), block_pixels=32, reader="plain")
    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    opened.vv.load()
    chunks = [
        key for key in asked if key.startswith("vv/") and not key.endswith((".zarray", ".zattrs"))
    ]
    # Of 4 images, 2 x 2 chunks of pixels each.
    assert len(chunks) == len(set(chunks)) == 4 * 4


def test_nothing_is_said_while_a_cube_is_opened_or_read(stored: dict[str, Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for folder in stored.values():
            open_cube(str(folder)).load()


def test_blocks_of_a_sharded_cube_are_whole_shards_or_whole_chunks_of_large_ones(
    stored: dict[str, Path],
) -> None:
    whole = open_cube(str(stored["sharded"]), block_pixels=64)
    assert whole.vv.chunks == ((1,) * 4, (40,), (56,))
    parts = open_cube(str(stored["sharded"]), block_pixels=32)
    assert parts.vv.chunks == ((1,) * 4, (24, 16), (32, 24))


@given(st.data())
def test_a_block_is_a_whole_number_of_stored_pieces_about_the_size_asked_for(
    data: st.DataObject,
) -> None:
    size = st.integers(1, 3000)
    shape = tuple(data.draw(st.tuples(st.integers(1, 30), size, size)))
    inner = tuple(data.draw(st.integers(1, n)) for n in shape)
    times = data.draw(st.none() | st.tuples(*[st.integers(1, 8)] * 3))
    shards = times and tuple(n * k for n, k in zip(inner, times, strict=True))
    asked = data.draw(st.integers(1, 2048))
    block = block_shape(("timestep", "y", "x"), shape, inner, shards, asked)
    assert block[0] == inner[0]
    for axis in (1, 2):
        if block[axis] == shape[axis]:
            continue  # the whole axis
        assert block[axis] % inner[axis] == 0
        if shards and shards[axis] <= asked:
            assert block[axis] % shards[axis] == 0
        assert block[axis] <= max(asked, inner[axis])
        piece = shards[axis] if shards and shards[axis] <= asked else inner[axis]
        assert block[axis] + piece > asked


def test_what_is_stored_can_be_told(stored: dict[str, Path], write: Callable[..., str]) -> None:
    plain = stored_chunks(open_cube(str(stored["v2"])))
    assert plain["vv"].chunks == (1, 24, 32)
    assert plain["vv"].shards is None
    assert "blosc" in plain["vv"].codecs
    assert set(plain) >= {"vv", "dem", "landslides"}
    sharded = stored_chunks(open_cube(str(stored["sharded"])))
    assert sharded["dem"].chunks == (24, 32)
    assert sharded["dem"].shards == (24, 64)
    assert "zstd" in sharded["dem"].codecs
    turned = xr.Dataset({"vv": (("x", "y", "timestep"), np.ones((56, 40, 4), np.float32))})
    turned = turned.assign_coords(timestep=np.arange(4).astype("datetime64[D]").astype("M8[ns]"))
    turned.vv.encoding["chunks"] = (8, 10, 2)
    folder = Path(write(turned, "turned")).with_name("t.zarr")
    turned.to_zarr(folder, zarr_format=2, encoding={"vv": {"chunks": (8, 10, 2)}})
    opened = open_cube(str(folder), block_pixels=20)
    assert stored_chunks(opened)["vv"].chunks == (2, 10, 8)
    assert opened.vv.chunks == ((2, 2), (20, 20), (16, 16, 16, 8))


def test_a_zip_with_the_cube_at_its_top_opens(
    cube: xr.Dataset, stored: dict[str, Path], tmp_path: Path
) -> None:
    made = shutil.make_archive(str(tmp_path / "flat"), "zip", stored["v3"])
    xr.testing.assert_equal(open_cube(made).compute(), cube)
    xr.testing.assert_equal(open_cube(f"zip::{made}").compute(), cube)


def test_the_real_floods_cube_opens(floods: str) -> None:
    opened = open_cube(floods)
    assert dict(opened.sizes) == {"timestep": 2, "y": 2560, "x": 2560}
    assert opened.vv.chunks == ((1, 1), (1024, 1024, 512), (1024, 1024, 512))
    labels = read_labels(opened)
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) == {0, 1}
    assert labels.mean() == pytest.approx(0.16, abs=0.005)


class TestBadAddresses:
    @pytest.mark.parametrize(
        "uri", ["nowhere/a.zarr", "memory://nowhere/a.zarr", "nowhere/a.zip", "{http}/a.zarr",
                "{http}/a.zip", "{s3}/a.zarr", "{gs}/a.zarr", "s3://no-such-bucket/a.zarr"]
    )  # fmt: skip
    def test_no_such_address(self, uri: str, request: pytest.FixtureRequest) -> None:
        for name, fixture in (("s3", "s3_bucket"), ("gs", "gs_bucket")):
            if name in uri:
                uri = uri.replace(f"{{{name}}}", request.getfixturevalue(fixture))
        if "{http}" in uri:
            uri = uri.replace("{http}", request.getfixturevalue("http_folder")[0])
        with pytest.raises(FileNotFoundError) as caught:
            open_cube(uri)
        assert str(caught.value).startswith(f"no cube at {uri}: ")
        assert "\n" not in str(caught.value)

    def test_something_else_than_a_zarr(
        self, tmp_path: Path, s3_bucket: str, http_folder: tuple[str, Path]
    ) -> None:
        (tmp_path / "photo.tif").write_bytes(b"II*")
        fsspec.filesystem("s3").pipe_file(f"{s3_bucket}/photos/photo.tif", b"II*")
        address, served = http_folder
        (served / "photo.tif").write_bytes(b"II*")
        for uri in (
            str(tmp_path),
            str(tmp_path / "photo.tif"),
            f"{s3_bucket}/photos",
            f"{address}/photo.tif",
        ):
            with pytest.raises(ValueError, match=r"is not a cube: no Zarr group lies there; give"):
                open_cube(uri)

    @pytest.mark.parametrize(
        ("file", "content", "said"),
        [
            ("zarr.json", "[]", "TypeError: Expected a JSON object"),
            ("zarr.json", "nonsense", "JSONDecodeError: Expecting value"),
            ("dem/zarr.json", "nonsense", "JSONDecodeError: Expecting value"),
            ("y/c/0", "nonsense", "RuntimeError: "),
            (
                "timestep/zarr.json",
                {"attributes": {"units": "moons since 2018-08-25"}},
                "unable to decode time",
            ),
            ("dem/zarr.json", {"dimension_names": ["timestep", "x"]}, "conflicting sizes"),
            ("dem/zarr.json", {"attributes": {"_FillValue": "AAAA"}}, "unpack requires a buffer"),
        ],
    )
    def test_a_cube_that_a_library_does_not_understand_is_named(
        self,
        file: str,
        content: str | dict[str, object],
        said: str,
        stored: dict[str, Path],
        tmp_path: Path,
    ) -> None:
        uri = tmp_path / "cube.zarr"
        shutil.copytree(stored["v3-plain"], uri)
        if isinstance(content, dict):
            content = json.dumps(json.loads((uri / file).read_text()) | content)
        (uri / file).write_text(content)
        with pytest.raises(ValueError, match=said) as raised:
            open_cube(uri)
        assert str(raised.value).startswith(f"{uri} is not a cube that can be read (")
        assert str(raised.value).endswith("): mend that, or write or fetch the cube again")
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_arrays_without_names_of_dimensions(
        self, zarr_format: Literal[2, 3], tmp_path: Path
    ) -> None:
        uri = tmp_path / "plain.zarr"
        group = zarr.open_group(uri, mode="w", zarr_format=zarr_format)
        group.create_array("dem", data=np.ones((40, 56), np.float32))
        said = f"^{uri} is not a cube that can be read .*: its arrays do not name their dimensions;"
        with pytest.raises(ValueError, match=said):
            open_cube(uri)

    def test_a_dimension_whose_name_is_a_number(
        self, stored: dict[str, Path], tmp_path: Path
    ) -> None:
        uri = tmp_path / "cube.zarr"
        shutil.copytree(stored["v2"], uri)
        zarr.open_group(uri, mode="r+", use_consolidated=False).create_array(
            "other", data=np.ones((2, 3)), attributes={"_ARRAY_DIMENSIONS": ["z", 3]}
        )
        zarr.consolidate_metadata(uri)
        with pytest.raises(ValueError, match=f"^{uri} has a dimension that is called 3, no text"):
            open_cube(uri)

    @pytest.mark.parametrize("kind", ["github", "reference", "jupyter", "generic"])
    def test_an_address_that_is_not_enough(self, kind: str) -> None:
        said = f"^{kind}://x: fsspec reaches no such place by its address alone; use a local path"
        with pytest.raises(ValueError, match=said):
            open_cube(f"{kind}://x")

    @pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_a_zip_whose_metadata_are_damaged(
        self, packed: int, stored: dict[str, Path], tmp_path: Path
    ) -> None:
        uri = tmp_path / "cube.zip"
        with zipfile.ZipFile(uri, "w", packed) as archive:
            archive.write(stored["v3"] / "zarr.json", "zarr.json")
        content = bytearray(uri.read_bytes())
        content[60:100] = bytes(40)
        uri.write_bytes(content)
        with pytest.raises(ValueError, match=f"^{uri} is not a cube that can be read "):
            open_cube(uri)

    @pytest.mark.parametrize("layout", ["v2", "v3"])
    def test_an_array_instead_of_a_group(self, layout: str, stored: dict[str, Path]) -> None:
        with pytest.raises(ValueError, match="is not a cube: no Zarr group lies there"):
            open_cube(str(stored[layout] / "vv"))

    def test_a_zip_that_is_none_holds_none_or_several(
        self, tmp_path: Path, stored: dict[str, Path]
    ) -> None:
        torn = tmp_path / "torn.zip"
        torn.write_bytes(b"PK\x03\x04 and no end")
        with pytest.raises(ValueError, match="not a whole zip archive: fetch it again"):
            open_cube(str(torn))
        with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
            archive.writestr("photo.tif", b"II*")
        with pytest.raises(ValueError, match="holds no Zarr group"):
            open_cube(str(tmp_path / "empty.zip"))
        with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
            for name in ("a", "b"):
                archive.write(stored["v2"] / ".zgroup", f"{name}.zarr/.zgroup")
        with pytest.raises(ValueError, match=r"holds 2 \(a.zarr, b.zarr\)"):
            open_cube(str(tmp_path / "two.zip"))

    def test_an_unknown_kind_of_address(self) -> None:
        with pytest.raises(ValueError, match=r"ftpx://a: fsspec knows no such kind of address"):
            open_cube("ftpx://a")

    @pytest.mark.usefixtures("http_folder")  # which closes what is opened
    def test_a_server_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retries, "WAIT", tenacity.wait_none())
        with pytest.raises(ConnectionError, match=r"http://127.0.0.1:9/a.zarr cannot be reached"):
            open_cube("http://127.0.0.1:9/a.zarr")

    def test_a_block_without_pixels(self, stored: dict[str, Path]) -> None:
        with pytest.raises(ValueError, match="block_pixels is 0"):
            open_cube(str(stored["v2"]), block_pixels=0)

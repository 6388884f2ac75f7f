"""A chunk that is missing or cannot be decoded is named, whoever reads it."""

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr

from landslide.cube.blosc import checked
from landslide.cube.layers import readable
from landslide.cube.readers import READERS
from landslide.cube.store import open_cube
from landslide.cube.stored import DamagedChunkError

CHECKED = [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]
STORES: dict[str, dict[str, Any]] = {
    "v2": {"zarr_format": 2},
    "blosc": {"zarr_format": 3, "compressors": [zarr.codecs.BloscCodec()]},
    "v3": {"zarr_format": 3, "compressors": CHECKED},
    "sharded": {"zarr_format": 3, "compressors": CHECKED, "shards": (1, 24, 64)},
    "zlib": {"zarr_format": 2, "compressors": [numcodecs.Zlib()]},
    "gzip": {"zarr_format": 3, "compressors": [zarr.codecs.GzipCodec()]},
    "bz2": {"zarr_format": 2, "compressors": [numcodecs.BZ2()]},
    "zip": {"zarr_format": 2},
}
CHECKING = tuple(reader for reader in READERS if reader != "zarrs")
"""Readers of stores with checksums."""
FITTING = dict.fromkeys(STORES, READERS) | {
    "v3": CHECKING,
    "sharded": CHECKING,
    "zip": ("fused", "plain"),
}
READ = [(store, reader) for store in STORES for reader in FITTING[store]]
IMAGE = (slice(0, 1), slice(0, 40), slice(0, 56))


@pytest.fixture(scope="session")
def whole(cube: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The cube's `vv` in chunks of 24x32 pixels, whose checksums or codecs show damage."""
    folder = tmp_path_factory.mktemp("whole")
    for name, how in STORES.items():
        options = dict(how)
        zarr_format = options.pop("zarr_format")
        cube[["vv"]].to_zarr(
            folder / name,
            zarr_format=zarr_format,
            consolidated=False,
            encoding={"vv": {"chunks": (1, 24, 32), **options}},
        )
    return {name: folder / name for name in STORES}


def unlink(chunk: Path) -> None:
    chunk.unlink()


def truncate(chunk: Path) -> None:
    chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 2])


def empty(chunk: Path) -> None:
    chunk.write_bytes(b"")


def flip(chunk: Path) -> None:
    content = bytearray(chunk.read_bytes())
    content[len(content) // 3] ^= 255
    chunk.write_bytes(content)


Harm = Callable[[Path], None]


def zip_folder(folder: Path) -> Path:
    """Pack a folder into a zip beside it, uncompressed."""
    packed = folder.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder))
    return packed


@pytest.fixture
def harmed(whole: dict[str, Path], tmp_path: Path) -> Callable[[str, Harm], tuple[str, str]]:
    """Copy a store, and harm a chunk in the lower left of its first image."""

    def harm(store: str, how: Harm) -> tuple[str, str]:
        folder = tmp_path / "cube.zarr"
        shutil.copytree(whole[store], folder)
        key = "vv/0.1.0" if (whole[store] / "vv/.zarray").exists() else "vv/c/0/1/0"
        stored = (folder / key).read_bytes()
        if store == "zip" and how is not unlink:
            archive = zip_folder(folder)
            how(folder / key)
            harmed = (folder / key).read_bytes().ljust(len(stored), b"\0")
            archive.write_bytes(archive.read_bytes().replace(stored, harmed))
            return str(archive), key
        how(folder / key)
        return str(zip_folder(folder) if store == "zip" else folder), key

    return harm


HARMS = [
    *((store, harm) for store in STORES for harm in (unlink, truncate)),
    *((store, flip) for store in ("v3", "sharded", "zlib", "gzip", "zip")),
    *((store, empty) for store in ("v2", "sharded", "gzip")),
]


KINDS = [(*kind, reader) for kind in HARMS for store, reader in READ if store == kind[0]]


@pytest.mark.parametrize(("store", "harm", "reader"), KINDS)
def test_a_damaged_chunk_is_named_in_one_line_and_the_rest_can_be_read(
    store: str,
    harm: Harm,
    reader: str,
    cube: xr.Dataset,
    harmed: Callable[[str, Harm], tuple[str, str]],
) -> None:
    uri, key = harmed(store, harm)
    vv = open_cube(uri, reader=reader, block_pixels=1)["vv"]
    lost = harm is unlink
    problem = r"is missing" if lost else r"cannot be decoded \(.+\)"
    rest = r", or open it with missing 'no-data' \(--missing\) if it was left empty" if lost else ""
    line = rf"{re.escape(uri)}: the chunk {re.escape(key)} {problem}; write or fetch it again{rest}"
    with pytest.raises(DamagedChunkError) as raised:
        vv.isel(timestep=0).load()
    assert re.fullmatch(line, str(raised.value))
    layer = readable(vv)
    with pytest.raises(DamagedChunkError, match=line):
        layer.start(IMAGE)()
    columns = 56 if store == "sharded" and harm is not flip else 32
    values, damages = layer.salvage(IMAGE)
    good = np.ones((1, 40, 56), np.bool_)
    for damage in damages:
        assert re.fullmatch(line, str(damage.error))
        good[np.ix_(*[np.arange(n)[a] for n, a in zip(good.shape, damage.where, strict=True)])] = 0
    expected = np.ones((1, 40, 56), np.bool_)
    expected[:, 24:, :columns] = False
    assert np.array_equal(good, expected)
    assert np.array_equal(values[good], cube["vv"].values[:1][good])
    others = vv.isel(timestep=slice(1, None))
    np.testing.assert_array_equal(others.values, cube["vv"].values[1:], strict=True)
    np.testing.assert_array_equal(vv[0, :24].values, cube["vv"].values[0, :24], strict=True)


@pytest.mark.parametrize(("store", "reader"), READ)
def test_a_missing_chunk_may_count_as_no_data(
    store: str,
    reader: str,
    cube: xr.Dataset,
    harmed: Callable[[str, Harm], tuple[str, str]],
) -> None:
    uri, _ = harmed(store, unlink)
    opened = open_cube(uri, reader=reader, missing="no-data")
    expected = cube["vv"].values.copy()
    expected[0, 24:, : 56 if store == "sharded" else 32] = np.nan
    np.testing.assert_array_equal(opened["vv"].values, expected, strict=True)
    values, damages = readable(opened["vv"]).salvage(IMAGE)
    np.testing.assert_array_equal(values, expected[:1], strict=True)
    assert not damages


@pytest.mark.parametrize("reader", CHECKING)
def test_what_cannot_be_decoded_is_never_no_data(
    reader: str, harmed: Callable[[str, Harm], tuple[str, str]]
) -> None:
    uri, _ = harmed("v3", truncate)
    with pytest.raises(DamagedChunkError, match="cannot be decoded"):
        open_cube(uri, reader=reader, missing="no-data")["vv"].load()


@pytest.mark.parametrize("reader", CHECKING)
def test_a_chunk_that_a_shard_was_left_without_is_no_data(
    reader: str, cube: xr.Dataset, tmp_path: Path
) -> None:
    vv = cube["vv"].copy(deep=True)
    vv[0, 24:, :32] = np.nan  # the half of a shard that zarr does not write
    encoding = {"vv": {"chunks": (1, 24, 32), "shards": (1, 24, 64)}}
    uri = tmp_path / "cube.zarr"
    vv.to_dataset().to_zarr(uri, zarr_format=3, consolidated=False, encoding=encoding)
    opened = open_cube(uri, reader=reader)
    np.testing.assert_array_equal(opened["vv"].values, vv.values, strict=True)


@pytest.mark.parametrize("store", ["v2", "blosc"])
def test_a_cut_off_chunk_is_not_made_whole_from_what_lies_behind_it_in_memory(
    store: str, whole: dict[str, Path]
) -> None:
    key = "vv/0.1.0" if store == "v2" else "vv/c/0/1/0"
    compressed = np.frombuffer((whole[store] / key).read_bytes(), np.uint8)
    cut_off = zarr.core.buffer.cpu.Buffer.from_array_like(compressed[: compressed.size // 2])
    lacking = zarr.storage.StorePath(zarr.storage.MemoryStore({key: cut_off}), "vv")
    metadata = zarr.open_group(whole[store])["vv"].metadata
    region = (0, slice(24, 40), slice(0, 32))
    zarr.Array(zarr.AsyncArray(metadata, lacking))[region]  # for which `checked` is there
    with pytest.raises(ValueError, match=rf"only {len(cut_off)} of {compressed.size} bytes"):
        zarr.Array(zarr.AsyncArray(checked(metadata), lacking))[region]


@pytest.mark.parametrize("harm", [unlink, truncate])
def test_damage_is_named_in_an_object_store(
    harm: Harm, cube: xr.Dataset, harmed: Callable[[str, Harm], tuple[str, str]]
) -> None:
    uri, key = harmed("v3", harm)
    address = f"memory://damage/{harm.__name__}.zarr"
    filesystem, path = fsspec.core.url_to_fs(address)
    filesystem.put(uri, path, recursive=True)
    opened = open_cube(address)
    said = f"^{address}: the chunk {key} (is missing|cannot be decoded)"
    with pytest.raises(DamagedChunkError, match=said):
        opened["vv"].load()
    _, damages = readable(opened["vv"]).salvage(IMAGE)
    assert [damage.where[1:] for damage in damages] == [(slice(24, 40), slice(0, 32))]


@pytest.mark.parametrize("reader", CHECKING)
def test_the_first_damage_alone_is_told_and_all_of_it_is_marked(
    reader: str, whole: dict[str, Path], tmp_path: Path
) -> None:
    uri = tmp_path / "cube.zarr"
    shutil.copytree(whole["v3"], uri)
    (uri / "vv/c/0/0/1").unlink()
    truncate(uri / "vv/c/2/1/1")
    layer = readable(open_cube(uri, reader=reader)["vv"])
    region = (np.array([2, 0]), slice(10, 40), slice(20, 56))
    with pytest.raises(DamagedChunkError, match=r"vv/c/0/0/1 is missing|vv/c/2/1/1 cannot"):
        layer.start(region)()
    values, damages = layer.salvage(region)
    marked = np.zeros(values.shape, np.bool_)
    for damage in damages:
        axes = zip(marked.shape, damage.where, strict=True)
        marked[np.ix_(*[np.arange(size)[along] for size, along in axes])] = True
    expected = np.zeros((2, 30, 36), np.bool_)
    expected[1, :14, 12:] = expected[0, 14:, 12:] = True
    assert np.array_equal(marked, expected)

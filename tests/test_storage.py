"""One object written whole, or not at all."""

import re
from pathlib import Path

import fsspec
import pytest

from landslide.cli import main
from landslide.storage import absolute, read_bytes, write_whole


@pytest.fixture(params=["local", "memory", "s3", "gs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "not" / "yet")
    if request.param == "memory":
        return "memory://storage"
    return f"{request.getfixturevalue(request.param + '_bucket')}/storage"


def test_what_is_written_is_read_and_replaced(folder: str) -> None:
    write_whole(f"{folder}/row.parquet", b"one")
    assert read_bytes(f"{folder}/row.parquet") == b"one"
    write_whole(f"{folder}/row.parquet", b"other")
    assert read_bytes(f"{folder}/row.parquet") == b"other"
    filesystem, path = fsspec.core.url_to_fs(folder)
    filesystem.invalidate_cache()
    assert [name.rpartition("/")[2] for name in filesystem.find(path)] == ["row.parquet"]


@pytest.mark.parametrize("end", [b"", b"\r", b"\n", b"\r\n", b"\n\n", b"\0"])
def test_what_is_read_is_what_was_written_to_the_last_byte(folder: str, end: bytes) -> None:
    write_whole(f"{folder}/row.parquet", b"PAR1" + end)
    assert read_bytes(f"{folder}/row.parquet") == b"PAR1" + end


def test_a_missing_object_is_a_file_not_found_error(folder: str) -> None:
    with pytest.raises(FileNotFoundError):
        read_bytes(f"{folder}/none")


def test_a_write_that_fails_leaves_the_old_object_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "row"
    write_whole(str(target), b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.mv", fail)
    with pytest.raises(OSError, match="no space"):
        write_whole(str(target), b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["row"]
    assert target.read_bytes() == b"old"


def test_an_address_is_absolute_for_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("table") == f"{tmp_path}/table"
    assert absolute(f"file://{tmp_path}/table") == f"{tmp_path}/table"
    assert absolute("memory://a/table/") == "memory://a/table"


def test_an_empty_address_is_not_this_folder() -> None:
    with pytest.raises(ValueError, match=r"^an address is empty, .*: give one") as caught:
        absolute("")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "bare"),
    [
        ("https://me:planted@host/cube.zarr", "https://host/cube.zarr"),
        ("https://planted@host/cube.zarr", "https://host/cube.zarr"),
        ("http://host:80/cube.zarr?sig=planted", "http://host:80/cube.zarr"),
        ("zip::https://host/cube.zip?sig=planted", "zip::https://host/cube.zip"),
        ("sftp://me:planted@host/cube.zarr", "sftp://host/cube.zarr"),
    ],
)
def test_an_address_that_carries_a_secret_is_refused_without_telling_it(
    given: str, bare: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=f"the address {re.escape(bare)} came with") as caught:
        absolute(given)
    assert "planted" not in str(caught.value)
    for command in (["inspect", given], ["train", given, "--out", "model"]):
        assert main(command) == 1
        said = capsys.readouterr()
        assert "planted" not in said.out + said.err
        assert f"error: the address {bare} came with" in said.err


@pytest.mark.parametrize(
    "address",
    ["abfs://container@account.dfs.core.windows.net/a", "s3://bucket/a@b:c", "http://host:80/a"],
)
def test_an_address_without_a_secret_stays(address: str) -> None:
    assert absolute(address) == address

"""One object written whole, or not at all."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
import tenacity
from fsspec.implementations.memory import MemoryFileSystem

from landslide import retries, simulate_cube
from landslide.cli import main
from landslide.storage import (
    absolute,
    exists,
    file_written_whole,
    read_bytes,
    remove,
    remove_all,
    replace_folder,
    write_whole,
)


@pytest.fixture(params=["local", "memory", "s3", "gs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "not" / "yet")
    if request.param == "memory":
        return "memory://storage"
    return f"{request.getfixturevalue(request.param + '_bucket')}/storage"


def fill(uri: str) -> None:
    with file_written_whole(uri) as path:
        Path(path).write_bytes(b"new")


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


@pytest.mark.parametrize(
    ("bucket", "reason"),
    [("cubes", "NoCredentialsError: "), ("No bucket!", "ParamValidationError: ")],
)
def test_what_a_store_raises_is_an_os_error_on_one_line(
    bucket: str, reason: str, fresh_s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if bucket == "cubes":
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
    address = f"s3://{bucket}/row.parquet"

    for call in (
        read_bytes,
        lambda uri: write_whole(uri, b"row"),
        exists,
        remove,
        remove_all,
        fill,
    ):
        with pytest.raises(
            OSError, match=re.escape(f"{address} cannot be reached ({reason}")
        ) as caught:
            call(address)
        assert "\n" not in str(caught.value)
        assert "credentials" in str(caught.value)


def test_a_kind_of_address_that_nobody_knows_is_an_os_error() -> None:
    with pytest.raises(
        OSError, match=r"^nowhere://x cannot be reached \(ValueError: Protocol not "
    ):
        read_bytes("nowhere://x")


@pytest.mark.parametrize(
    "command",
    [
        ["map", "{}/model", "cube.zarr", "map"],
        ["figure5", "{}/model", "cube.zarr", "figure.png"],
        ["train", "cube.zarr", "--split", "{}/split.json", "--out", "model"],
        ["inspect", "{}/cube.zarr"],
        ["simulate", "{}/cube.zarr"],
    ],
)
def test_a_bucket_that_cannot_be_is_one_line_of_every_command(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_bucket: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    simulate_cube("cube.zarr", shape=(64, 96), descending=(1, 1), ascending=(0, 0))
    assert main([part.format("s3://No bucket!") for part in command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "s3://No bucket!/" in line


def test_a_write_that_fails_leaves_the_old_object_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "row"
    write_whole(str(target), b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_whole(str(target), b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["row"]
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("call", "method", "left"),
    [
        (exists, "exists", b"old"),
        (lambda uri: write_whole(uri, b"new"), "pipe_file", b"new"),
        (fill, "put_file", b"new"),
        (remove, "rm_file", None),
        (remove_all, "rm", None),
    ],
)
def test_a_store_that_is_away_for_a_moment_is_asked_again(
    call: Callable[[str], object], method: str, left: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "memory://storage/away/row.parquet"
    write_whole(uri, b"old")
    monkeypatch.setattr(retries, "WAIT", tenacity.wait_none())
    outage, answer = [TimeoutError("too late")], getattr(MemoryFileSystem, method)

    def stumbling(*args: Any, **how: Any) -> Any:
        if outage:
            raise outage.pop()
        return answer(*args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, method, stumbling)
        call(uri)
    assert not outage
    assert (read_bytes(uri) if exists(uri) else None) == left


def test_a_folder_is_no_object_to_replace(tmp_path: Path) -> None:
    (tmp_path / "row").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(str(tmp_path / "row"), b"one")
    assert list(tmp_path.rglob("*")) == [tmp_path / "row"]


def test_what_is_removed_is_no_pattern_for_its_neighbours(folder: str) -> None:
    folder = f"{folder}/removing"
    gone = ("run[12]/cube/vv/c/0", "run[12]/cube/vv/a*", "run?/vv")
    kept = ("run1/cube/vv/c/0", "run2/cube/vv/c/0", "run[12]/cube/vh/c/0", "run[12]/vv", "runs/vv")
    for name in (*gone, *kept):
        write_whole(f"{folder}/{name}", b"mine")
    for name in ("run[12]/cube/vv", "run?/vv", "run[12]/none"):
        remove_all(f"{folder}/{name}")
        remove_all(f"{folder}/{name}")  # where nothing is
    filesystem, path = fsspec.core.url_to_fs(folder)
    filesystem.invalidate_cache()
    found = {name.removeprefix(f"{path}/") for name in filesystem.find(path)}
    assert found == set(kept)
    remove_all(folder)
    filesystem.invalidate_cache()
    assert not exists(folder)


def test_removing_takes_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    remove_all(str(tmp_path / "link"))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (tmp_path / "data" / "file").read_text() == "precious"


def test_two_that_remove_one_folder_do_not_hinder_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / "work" / name).mkdir(parents=True)
        (tmp_path / "work" / name / "chunk").write_text("old")
    unlink = os.unlink

    def after_another(path: str, *args: Any, **kwargs: Any) -> None:
        unlink(path, *args, **kwargs)
        unlink(path, *args, **kwargs)  # which finds nothing

    monkeypatch.setattr("os.unlink", after_another)
    remove_all(str(tmp_path / "work"))
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_takes_the_place_of_another_or_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    new, target = tmp_path / "new", tmp_path / "target"
    for folder in (new, target) if there else (new,):
        folder.mkdir()
        (folder / folder.name).write_text("")
    rename = Path.rename

    def failing(self: Path, other: Path) -> Path:
        if self == new:
            raise PermissionError("the disk says no")
        return rename(self, other)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing)
        with pytest.raises(PermissionError, match="the disk says no"):
            replace_folder(new, target)
    assert target.exists() == there
    assert not there or (target / "target").exists()
    replace_folder(str(new), str(target))
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == [
        "target", "target/new",
    ]  # fmt: skip


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
        ("abfs://c@a.dfs.core.windows.net/x?sig=planted", "abfs://c@a.dfs.core.windows.net/x"),
    ],
)
def test_an_address_that_carries_a_secret_is_refused_without_telling_it(
    given: str, bare: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=f"the address {re.escape(bare)} came with") as caught:
        absolute(given)
    assert "planted" not in str(caught.value)
    for command in (
        ["inspect", given],
        ["train", given, "--out", "model"],
        ["table", given],
        ["figure4", given, "figure.png"],
        ["simulate", given, "--shape", "64", "96"],
    ):
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

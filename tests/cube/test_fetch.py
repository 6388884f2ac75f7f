"""A published cube is fetched whole and verified, or an error says how to go on."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from landslide.cube.fetch import fetch_cube
from landslide.cube.store import open_cube

NAME = "hokkaido_japan"


def zip_of(folder: Path, name: str = f"{NAME}.zarr") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{name}/{file.relative_to(folder)}")
    return buffer.getvalue()


@pytest.fixture
def fetch(
    zenodo: Any, stored: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Fetch from the stand-in for Zenodo, which has Hokkaido; what arrives is kept at once."""
    monkeypatch.setattr("landslide.cube.fetch.PIECE_BYTES", 100)
    zenodo.files[f"{NAME}.zip"] = zip_of(stored["v2"])

    def fetched(event: str = "hokkaido", folder: str = "cubes") -> Path:
        return fetch_cube(event, tmp_path / folder, api=zenodo.api, progress=False)

    return fetched


def downloads(zenodo: Any) -> list[str]:
    """Return the Range header of each request for a file."""
    return [asked for path, asked in zenodo.asked if path.endswith("/content")]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("event", ["hokkaido", "hokkaido_japan"])
def test_a_cube_is_fetched_unpacked_and_found_again(
    event: str, fetch: Callable[..., Path], zenodo: Any, tmp_path: Path, cube: xr.Dataset
) -> None:
    path = fetch(event)
    assert path == tmp_path / "cubes" / f"{NAME}.zarr"
    assert names(path.parent) == [f"{NAME}.zarr"]
    xr.testing.assert_equal(open_cube(str(path)).compute(), cube)
    asked = len(zenodo.asked)
    assert fetch(event) == path
    assert len(zenodo.asked) == asked


def test_a_broken_connection_is_taken_up_where_it_broke(
    fetch: Callable[..., Path], zenodo: Any, cube: xr.Dataset
) -> None:
    zenodo.breaks = [1000, 500]
    xr.testing.assert_equal(open_cube(str(fetch())).compute(), cube)
    assert downloads(zenodo) == ["", "bytes=1000-", "bytes=1500-"]


def test_a_second_run_goes_on_where_the_first_was_stopped(
    fetch: Callable[..., Path], zenodo: Any, tmp_path: Path
) -> None:
    zenodo.breaks = [1000, 0]  # then nothing more comes
    with pytest.raises(ConnectionError, match=r"hokkaido_japan.zip .* run again to go on, or down"):
        fetch()
    assert names(tmp_path / "cubes") == [f".{NAME}.zip.part"]
    assert fetch().name == f"{NAME}.zarr"
    assert downloads(zenodo) == ["", "bytes=1000-", "bytes=1000-"]


def test_a_server_without_ranges_sends_the_whole_file_again(
    fetch: Callable[..., Path], zenodo: Any, tmp_path: Path
) -> None:
    zenodo.ranges = False
    (tmp_path / "cubes").mkdir()
    (tmp_path / "cubes" / f".{NAME}.zip.part").write_bytes(b"the first bytes of something")
    assert fetch().exists()
    assert downloads(zenodo) == ["bytes=28-"]


def test_a_part_that_is_longer_than_the_file_is_thrown_away(
    fetch: Callable[..., Path], zenodo: Any, tmp_path: Path
) -> None:
    (tmp_path / "cubes").mkdir()
    long = b"0" * (len(zenodo.files[f"{NAME}.zip"]) + 1)
    (tmp_path / "cubes" / f".{NAME}.zip.part").write_bytes(long)
    assert fetch().exists()
    assert downloads(zenodo) == [""]


def test_a_wrong_checksum_removes_the_file_and_says_run_again(
    fetch: Callable[..., Path], zenodo: Any, tmp_path: Path
) -> None:
    zenodo.checksums[f"{NAME}.zip"] = "md5:" + "0" * 32
    with pytest.raises(ValueError, match=r"arrived damaged .* was deleted: run again") as caught:
        fetch()
    assert "\n" not in str(caught.value)
    assert names(tmp_path / "cubes") == []
    zenodo.checksums.clear()
    assert fetch().exists()


def test_progress_is_shown_when_asked_for(
    fetch: Callable[..., Path], zenodo: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch()
    assert "%" not in capsys.readouterr().err
    fetch_cube("hokkaido", tmp_path / "other", api=zenodo.api)
    shown = capsys.readouterr().err
    assert f"{NAME}.zip.part: 100%" in shown
    assert f"unpacking {NAME}.zip: 100%" in shown


def test_an_unsafe_archive_is_refused_and_nothing_is_left(
    fetch: Callable[..., Path], zenodo: Any, tmp_path: Path
) -> None:
    buffer = io.BytesIO(zenodo.files[f"{NAME}.zip"])
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(f"{NAME}.zarr/../../evil", "/etc/passwd")
    zenodo.files[f"{NAME}.zip"] = buffer.getvalue()
    with pytest.raises(ValueError, match=r"a link or a path outside its folder: it was not unp"):
        fetch()
    assert names(tmp_path / "cubes") == [f"{NAME}.zip"]
    assert not list(tmp_path.rglob("evil"))


def test_unpacking_that_fails_leaves_no_half_cube(
    fetch: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract, done = zipfile.ZipFile.extract, []

    def fail_late(self: zipfile.ZipFile, *args: Any) -> str:
        done.append(args)
        if len(done) > 5:
            raise OSError(28, "No space left on device")
        return extract(self, *args)

    monkeypatch.setattr(zipfile.ZipFile, "extract", fail_late)
    with pytest.raises(OSError, match="No space left"):
        fetch()
    assert names(tmp_path / "cubes") == [f"{NAME}.zip"]
    monkeypatch.undo()
    assert fetch().exists()


def test_bytes_that_are_no_zip_are_said_to_be_none(fetch: Callable[..., Path], zenodo: Any) -> None:
    zenodo.files[f"{NAME}.zip"] = b"no zip at all"
    with pytest.raises(ValueError, match="is not a whole zip archive"):
        fetch()


def test_an_unknown_event_names_the_four(fetch: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="'haiti': name one of hokkaido, kaikoura, puerto_rico, t"):
        fetch("haiti")


def test_a_record_without_the_event_or_of_another_shape_is_an_error(
    fetch: Callable[..., Path], zenodo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"holds no kaikoura_newzealand.zip but hokkaido_japan"):
        fetch("kaikoura")
    monkeypatch.setattr(type(zenodo), "record", lambda _: {"message": "moved"})
    with pytest.raises(ValueError, match="does not answer like Zenodo"):
        fetch()


@pytest.mark.parametrize("api", ["http://127.0.0.1:9/api", "{zenodo}/v2"])
def test_without_zenodo_the_error_names_the_address_and_the_way_by_hand(
    api: str, zenodo: Any, tmp_path: Path
) -> None:
    api = api.format(zenodo=zenodo.api)
    with pytest.raises(
        ConnectionError, match=r"by hand from https://zenodo.org/records/7"
    ) as caught:
        fetch_cube("hokkaido", tmp_path, api=api, progress=False)
    assert api in str(caught.value)
    assert "\n" not in str(caught.value)

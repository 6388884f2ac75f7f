"""A zip archive is unpacked whole or not at all, whoever else unpacks it."""

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from landslide.archives import unpack_zip

CONTENT = bytes(range(256)) * 8


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A zip of three files."""
    path = tmp_path / "cube.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name in ("a", "b", "deep/c"):
            out.writestr(name, CONTENT)
    return path


def files(folder: Path) -> list[str]:
    """Return what lies in a folder and below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_it_may_be_read_as_any_other_folder(archive: Path, tmp_path: Path) -> None:
    unpack_zip(archive, tmp_path / "cube", lambda folder: folder)
    (tmp_path / "other").mkdir()
    assert files(tmp_path) == ["cube.zip", "cube/a", "cube/b", "cube/deep/c"]
    assert (tmp_path / "cube").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_of_two_that_unpack_at_once_each_finds_all_of_it(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract, extracted = zipfile.ZipFile.extract, list[str]()

    def overtaken(self: zipfile.ZipFile, member: zipfile.ZipInfo, *args: Any) -> str:
        extracted.append(member.filename)
        if len(extracted) == 2:
            unpack_zip(archive, tmp_path / "cube", lambda folder: folder)
        return extract(self, member, *args)

    monkeypatch.setattr(zipfile.ZipFile, "extract", overtaken)
    unpack_zip(archive, tmp_path / "cube", lambda folder: folder)
    assert extracted == ["a", "b", "a", "b", "deep/c", "deep/c"]
    assert files(tmp_path) == ["cube.zip", "cube/a", "cube/b", "cube/deep/c"]


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "C:/evil", "C:\\evil", "..\\evil", "deep/link"]
)
def test_a_link_or_a_path_outside_its_folder_is_refused(
    name: str, archive: Path, tmp_path: Path
) -> None:
    member = zipfile.ZipInfo(name)
    if name == "deep/link":
        member.create_system, member.external_attr = 3, 0o120777 << 16  # as Unix marks one
    with zipfile.ZipFile(archive, "a") as out:
        out.writestr(member, "/etc/passwd")
    said = f"^cube.zip holds {re.escape(repr(name))}, a link or a path outside its folder: it was"
    with pytest.raises(ValueError, match=said):
        unpack_zip(archive, tmp_path / "cube", lambda folder: folder)
    assert files(tmp_path) == ["cube.zip"]


@pytest.mark.parametrize("packing", ["ZIP_DEFLATED", "ZIP_BZIP2", "ZIP_LZMA"])
def test_damage_is_of_one_kind_however_it_is_packed(packing: str, tmp_path: Path) -> None:
    archive = tmp_path / "cube.zip"
    with zipfile.ZipFile(archive, "w", getattr(zipfile, packing)) as out:
        out.writestr("a", CONTENT)
    whole = archive.read_bytes()
    for byte in range(40, 80):
        archive.write_bytes(whole[:byte] + bytes([whole[byte] ^ 0xFF]) + whole[byte + 1 :])
        with pytest.raises(zipfile.BadZipFile):
            unpack_zip(archive, tmp_path / "cube", lambda folder: folder)
    assert files(tmp_path) == ["cube.zip"]


def test_what_another_put_there_is_no_excuse_for_a_file_in_its_place(
    archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "cube").write_text("notes")
    with pytest.raises(NotADirectoryError):
        unpack_zip(archive, tmp_path / "cube", lambda folder: folder)
    assert files(tmp_path) == ["cube", "cube.zip"]


@pytest.mark.parametrize(
    ("offset", "damage"),
    [
        (31, b"\xff"),  # where the compressed bytes begin
        (6, b"\x01"),  # says that it is encrypted
        (8, b"\x63"),  # says that it is packed in a way that nobody knows
    ],
)
def test_damage_of_any_kind_is_a_bad_zip(
    offset: int, damage: bytes, archive: Path, tmp_path: Path
) -> None:
    content = bytearray(archive.read_bytes())
    directory = content.index(b"PK\x01\x02")
    for header in (0, directory + 2) if offset < 10 else (0,):
        content[header + offset : header + offset + len(damage)] = damage
    archive.write_bytes(content)
    with pytest.raises(zipfile.BadZipFile):
        unpack_zip(archive, tmp_path / "cube", lambda folder: folder)
    assert [path.name for path in tmp_path.iterdir()] == ["cube.zip"]

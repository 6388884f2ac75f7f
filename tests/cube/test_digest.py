"""A cube's digest follows what the cube holds, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import tenacity
import xarray as xr
from fsspec.implementations.local import LocalFileSystem

from landslide import retries
from landslide.cube.digest import cube_digest, label_digest, opened_digests
from landslide.cube.labels import label_bands, read_labels
from landslide.cube.store import open_cube

LABELS = np.zeros((4, 6), np.uint8)


@pytest.fixture
def copy(stored: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """Copy a stored cube to where a test may change it."""

    def copied(layout: str, name: str = "copy") -> Path:
        return Path(shutil.copytree(stored[layout], tmp_path / f"{name}.zarr"))

    return copied


@pytest.mark.parametrize("layout", ["v2", "v3", "sharded"])
def test_the_same_cube_has_the_same_digest_at_another_address(
    layout: str, stored: dict[str, Path], copy: Callable[..., Path]
) -> None:
    digest = cube_digest(str(stored[layout]), LABELS)
    assert len(digest) == 64
    elsewhere = copy(layout)
    assert cube_digest(str(elsewhere), LABELS) == digest
    memory = fsspec.filesystem("memory")
    memory.put(str(elsewhere), f"/digest/{layout}.zarr", recursive=True)
    assert cube_digest(f"memory://digest/{layout}.zarr", LABELS) == digest
    zipped = shutil.make_archive(str(elsewhere), "zip", elsewhere.parent, elsewhere.name)
    assert cube_digest(zipped, LABELS) == digest


def test_a_path_that_begins_like_a_web_address_is_a_path(
    stored: dict[str, Path], copy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy("v2")
    monkeypatch.chdir(folder.parent)
    folder.rename("https.zarr")
    assert cube_digest("https.zarr") == cube_digest(str(stored["v2"]))


def test_a_listing_that_fails_for_the_moment_is_made_again(
    stored: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "WAIT", tenacity.wait_none())
    digest, find = cube_digest(str(stored["v2"])), LocalFileSystem.find
    failures: list[Exception] = [TimeoutError("too late")]

    def stumble(*args: Any, **how: Any) -> Any:
        if failures:
            raise failures.pop()
        return find(*args, **how)

    monkeypatch.setattr(LocalFileSystem, "find", stumble)
    assert cube_digest(str(stored["v2"])) == digest
    assert not failures


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_consolidating_metadata_changes_nothing(version: str, stored: dict[str, Path]) -> None:
    assert cube_digest(str(stored[version])) == cube_digest(str(stored[f"{version}-plain"]))


def test_the_same_objects_have_the_same_digest_in_both_clouds(
    s3_bucket: str, gs_bucket: str, stored: dict[str, Path]
) -> None:
    digests = set()
    for bucket, name in ((s3_bucket, "a"), (s3_bucket, "b"), (gs_bucket, "c")):
        filesystem, path = fsspec.core.url_to_fs(f"{bucket}/digest/{name}.zarr")
        for file in sorted(stored["v3"].rglob("*")):
            if file.is_file():
                key = file.relative_to(stored["v3"])
                filesystem.pipe_file(f"{path}/{key}", file.read_bytes())
        digests.add(cube_digest(f"{bucket}/digest/{name}.zarr"))
    assert len(digests) == 1
    # A chunk of the same size, but another content, is another etag.
    chunk = f"{s3_bucket}/digest/b.zarr/vv/c/0/0/0"
    s3 = fsspec.filesystem("s3")
    s3.pipe_file(chunk, b"\0" * s3.info(chunk)["size"])
    assert cube_digest(f"{s3_bucket}/digest/b.zarr") not in digests


def change_attributes(folder: Path) -> None:
    for name in (".zmetadata", ".zattrs"):
        document = json.loads((folder / name).read_text())
        document.get("metadata", {}).get(".zattrs", document)["title"] = "another"
        (folder / name).write_text(json.dumps(document))


def lengthen_a_chunk(folder: Path) -> None:
    with (folder / "vv" / "0.0.0").open("ab") as file:
        file.write(b"\0")


def remove_a_chunk(folder: Path) -> None:
    (folder / "vv" / "0.0.0").unlink()


@pytest.mark.parametrize("change", [change_attributes, lengthen_a_chunk, remove_a_chunk])
def test_another_cube_has_another_digest(
    change: Callable[[Path], None], copy: Callable[..., Path]
) -> None:
    folder = copy("v2")
    before = cube_digest(str(folder))
    change(folder)
    assert cube_digest(str(folder)) != before


def test_a_disk_tells_no_chunk_of_the_same_size_from_another(copy: Callable[..., Path]) -> None:
    folder = copy("v2")
    before, chunk = cube_digest(str(folder)), folder / "vv" / "0.0.0"
    chunk.write_bytes(bytes(chunk.stat().st_size))
    assert cube_digest(str(folder)) == before


def test_a_bucket_and_a_disk_give_one_cube_two_digests(
    s3_bucket: str, stored: dict[str, Path]
) -> None:
    filesystem, path = fsspec.core.url_to_fs(f"{s3_bucket}/digest/d.zarr")
    filesystem.put(f"{stored['v3']}/", path, recursive=True)
    assert cube_digest(f"{s3_bucket}/digest/d.zarr") != cube_digest(str(stored["v3"]))


def test_a_file_that_is_no_chunk_changes_nothing(copy: Callable[..., Path]) -> None:
    folder = copy("v2")
    before = cube_digest(str(folder))
    (folder / "README.md").write_text("a cube")
    assert cube_digest(str(folder)) == before


def test_labels_belong_to_the_digest_with_their_shape(stored: dict[str, Path]) -> None:
    uri = str(stored["v2"])
    other = LABELS.copy()
    other[3, 5] = 1
    digests = {
        cube_digest(uri, labels) for labels in (None, LABELS, other, LABELS.reshape(6, 4), LABELS.T)
    }
    assert len(digests) == 4  # the last two have one shape, and only zeros
    assert cube_digest(uri, np.asfortranarray(other)) == cube_digest(uri, other)


def test_the_order_of_a_listing_does_not_matter(
    stored: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cube_digest(str(stored["v2"]))
    local = fsspec.get_filesystem_class("file")
    find = local.find

    def reversed_find(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return dict(reversed(find(self, *args, **kwargs).items()))

    monkeypatch.setattr(local, "find", reversed_find)
    assert cube_digest(str(stored["v2"])) == before


def test_an_address_that_cannot_be_listed_gives_metadata_and_labels(
    http_folder: tuple[str, Path], stored: dict[str, Path]
) -> None:
    address, served = http_folder
    shutil.copytree(stored["v2"], served / "digest.zarr")
    uri = f"{address}/digest.zarr"
    before = cube_digest(uri, LABELS)
    lengthen_a_chunk(served / "digest.zarr")
    assert cube_digest(uri, LABELS) == before
    assert cube_digest(uri, LABELS + 1) != before
    change_attributes(served / "digest.zarr")
    assert cube_digest(uri, LABELS) != before


@pytest.mark.parametrize("missing", ["damage", "no-data"])
def test_an_opened_cube_has_the_digest_of_its_whole_labels(
    missing: str, cube: xr.Dataset, write: Callable[..., str]
) -> None:
    uri = write(cube)
    opened = open_cube(uri, missing=missing, block_pixels=24)
    assert len(list(label_bands(opened))) == 2
    for skip_damaged in (False, True):
        read_as = ["no-data"] * (missing == "no-data") + ["skip-damaged"] * skip_damaged
        labels = read_labels(opened)
        wanted = cube_digest(uri, labels, read_as), label_digest(labels)
        assert opened_digests(opened, skip_damaged=skip_damaged) == wanted


def test_labels_that_cannot_be_read_are_none_to_the_digest(
    cube: xr.Dataset, write: Callable[..., str]
) -> None:
    labels = np.zeros((cube.sizes["y"], cube.sizes["x"]), np.uint8)
    labels[-1, -1] = 7
    wrong = write(cube.assign(landslides=(("y", "x"), labels)), "wrong")
    none = write(cube.drop_vars("landslides"), "none")
    for uri in (wrong, none):
        assert opened_digests(open_cube(uri)) == (cube_digest(uri), None)


def test_no_cube_has_no_digest(tmp_path: Path, cube: xr.Dataset) -> None:
    assert "vv" in cube
    with pytest.raises(FileNotFoundError, match="no cube at"):
        cube_digest(str(tmp_path / "none.zarr"))

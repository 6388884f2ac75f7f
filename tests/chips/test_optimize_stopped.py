"""A copy that was stopped goes on, opens only when it is whole, and proves what it holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr

from landslide.chips.optimize import Layout, copying, optimize_cube
from landslide.chips.optimize.regions import Region
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.store import open_cube

SMALL = Layout(chip_size=8, shard_pixels=24)
Write = Callable[..., str]


@pytest.fixture
def source(
    make_cube: Callable[..., xr.Dataset], event: Event, write_cube: Write, tmp_path: Path
) -> str:
    cube = make_cube((40, 56))[["vv", "dem"]].assign_attrs(event=event_to_attribute(event))
    return write_cube(cube, tmp_path / "source.zarr")


@pytest.fixture(params=["disk", "memory", "s3"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a copy may go: each kind of address in turn."""
    if request.param == "disk":
        return str(tmp_path / "out.zarr")
    bucket = request.getfixturevalue("s3_bucket") if request.param == "s3" else "memory://optimize"
    return f"{bucket}/{tmp_path.name}/out.zarr"


def stop_after(monkeypatch: pytest.MonkeyPatch, regions: int) -> list[Region]:
    """Have the reading of the source fail after some regions; returns those that were read."""
    seen: list[Region] = []
    read = copying.read_region

    def failing(cube: xr.Dataset, layout: Any, region: Region) -> Any:
        if len(seen) == regions:
            raise ConnectionError("the line is dead: try again")
        seen.append(region)
        return read(cube, layout, region)

    monkeypatch.setattr(copying, "read_region", failing)
    return seen


def same(uri: str, out: str) -> None:
    before, after = open_cube(uri), open_cube(out)
    np.testing.assert_allclose(after["vv"], before["vv"], rtol=1e-6)
    np.testing.assert_array_equal(after["dem"], before["dem"])


def test_a_run_goes_on_where_another_was_stopped(
    source: str, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        first = stop_after(patch, 4)
        with pytest.raises(ConnectionError, match="the line is dead"):
            optimize_cube(source, out, layout=SMALL, threads=1)
    with pytest.raises((FileNotFoundError, ValueError), match=r"is not a cube|no cube at"):
        open_cube(out)
    with monkeypatch.context() as patch:
        second = stop_after(patch, 1000)
        done = optimize_cube(source, out, layout=SMALL, threads=2)
    assert not set(first) & set(second)
    assert done.written == len(second)
    assert done.regions == len(second) + len(first)
    assert done.counts["vv"].missing == int(np.isnan(open_cube(source)["vv"]).sum())
    same(source, out)
    filesystem, path = fsspec.core.url_to_fs(out)
    assert not [name for name in filesystem.find(path) if ".optimize" in name]
    with pytest.raises(FileExistsError, match=r"exists: .* or overwrite it \(--overwrite\)"):
        optimize_cube(source, out, layout=SMALL)
    again = optimize_cube(source, out, layout=Layout(chip_size=16), overwrite=True)
    assert again.written == again.regions
    same(source, out)


def test_what_was_begun_otherwise_is_not_gone_on_with(
    source: str, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(ConnectionError):
            optimize_cube(source, out, layout=SMALL, threads=1)
    other = Layout(chip_size=8, shard_pixels=24, packing="int16")
    with pytest.raises(FileExistsError, match=r"with other options \(layout\.packing\): give"):
        optimize_cube(source, out, layout=other)
    done = optimize_cube(source, out, layout=other, overwrite=True)
    assert done.written == done.regions
    assert open_cube(out)["vv"].notnull().any()


def test_a_run_goes_on_only_where_missing_chunks_count_as_they_did(
    source: str, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(source) / "vv" / "2.1.1").unlink()
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(ConnectionError):
            optimize_cube(source, out, layout=SMALL, threads=1, missing="no-data")
    with pytest.raises(FileExistsError, match=r"with other options \(missing\): give") as caught:
        optimize_cube(source, out, layout=SMALL)
    assert "\n" not in str(caught.value)
    done = optimize_cube(source, out, layout=SMALL, missing="no-data")
    assert done.written == done.regions - 2


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "removed":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[-9] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("how", "key"),
    [
        ("flipped", "vv/c/0/0/0"),
        ("flipped", "vv/c/3/1/2"),  # over the edge
        ("cut", "vv/c/3/1/2"),
        ("removed", "dem/c/1/0"),
    ],
)
def test_a_damaged_region_is_found_and_written_again(
    how: str, key: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.zarr"
    write = copying.Copying.write

    def damaging(self: copying.Copying, regions: list[Region]) -> Any:
        done = write(self, regions)
        damage(tmp_path / "out.zarr.part" / key, how)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(copying.Copying, "write", damaging)
        with pytest.raises(ValueError, match=rf"1 of \d+ regions do not .* such as {key[:2]}.*run"):
            optimize_cube(source, str(out), layout=SMALL)
    assert not out.exists()
    done = optimize_cube(source, str(out), layout=SMALL)
    assert done.written == 1
    same(source, str(out))


def test_the_old_cube_stays_until_the_new_one_is_whole(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "out.zarr")
    optimize_cube(source, out, layout=SMALL)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(ConnectionError):
            optimize_cube(source, out, layout=Layout(chip_size=16), overwrite=True)
    same(source, out)
    optimize_cube(source, out, layout=Layout(chip_size=16), overwrite=True)
    assert open_cube(out)["vv"].encoding["chunks"][1:] == (16, 16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.zarr", "source.zarr"]


def test_nothing_of_somebody_else_s_is_touched(source: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="exists"):
            optimize_cube(source, str(mine), layout=SMALL, overwrite=overwrite)
    mine.rename(tmp_path / "out.zarr.part")
    with pytest.raises(FileExistsError, match="was not begun here: move it away"):
        optimize_cube(source, str(tmp_path / "out.zarr"), layout=SMALL, overwrite=True)
    assert (tmp_path / "out.zarr.part" / "thesis.txt").read_text() == "years"


@pytest.mark.parametrize("address", ["{source}", "{source}/copy.zarr", "{source}/..", "{source}/"])
def test_a_cube_is_not_written_over_its_source(address: str, source: str) -> None:
    with pytest.raises(ValueError, match="is where the source lies"):
        optimize_cube(source, address.format(source=source), layout=SMALL, overwrite=True)
    assert open_cube(source)["dem"].notnull().any()


def test_another_spelling_or_a_link_is_the_source_too(source: str, tmp_path: Path) -> None:
    link = tmp_path / "link.zarr"
    link.symlink_to(source)
    for address in (f"{Path(source).parent}/x/../{Path(source).name}", str(link)):
        with pytest.raises(ValueError, match="is where the source lies"):
            optimize_cube(source, address, layout=SMALL, overwrite=True)


@pytest.mark.parametrize("address", ["https://example.org/out.zarr", "out.zip"])
def test_where_nothing_can_be_written(address: str, source: str) -> None:
    with pytest.raises(ValueError, match="nothing can be written there"):
        optimize_cube(source, address, layout=SMALL)


def test_bad_inputs(source: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out.zarr")
    with pytest.raises(ValueError, match=r"threads is 0 \(--threads\)"):
        optimize_cube(source, out, threads=0)
    with pytest.raises(FileNotFoundError, match="no event 'atlantis'"):
        optimize_cube(source, out, event="atlantis")
    with pytest.raises(FileNotFoundError, match="no cube at"):
        optimize_cube(str(tmp_path / "nowhere.zarr"), out)
    assert not list(tmp_path.glob("out*"))


def test_a_damaged_source_is_named(source: str, tmp_path: Path) -> None:
    (Path(source) / "vv" / "2.1.1").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"vv/2\.1\.1"):
        optimize_cube(source, str(tmp_path / "out.zarr"), layout=SMALL)
    assert not (tmp_path / "out.zarr").exists()


def test_a_cube_that_cannot_be_put_in_its_place_leaves_the_old_one(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.zarr"
    optimize_cube(source, str(out), layout=SMALL)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise PermissionError("the disk says no")
        return rename(self, target)

    again = Layout(chip_size=16)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing)
        with pytest.raises(PermissionError, match="the disk says no"):
            optimize_cube(source, str(out), layout=again, overwrite=True)
    same(source, str(out))
    done = optimize_cube(source, str(out), layout=again, overwrite=True)
    assert done.written == 0
    assert {path.name for path in tmp_path.iterdir()} == {"source.zarr", "out.zarr"}


@pytest.mark.parametrize("bucket", ["memory", "s3"])
def test_beginning_again_takes_no_neighbour(
    bucket: str, source: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = request.getfixturevalue("s3_bucket") if bucket == "s3" else "memory://optimize"
    folder = f"{place}/{tmp_path.name}"
    filesystem, path = fsspec.core.url_to_fs(folder)
    neighbour = f"{path}/run1.zarr/vv/c/0/0/0"
    filesystem.pipe_file(neighbour, b"precious")
    out = f"{folder}/run[12].zarr"
    optimize_cube(source, out, layout=SMALL)
    optimize_cube(source, out, layout=Layout(chip_size=16), overwrite=True)
    same(source, out)
    filesystem.invalidate_cache()
    assert filesystem.cat_file(neighbour) == b"precious"
    assert not [name for name in filesystem.find(path) if ".optimize" in name]


def test_a_bracket_in_an_address_is_no_pattern(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "out[1].zarr")
    with monkeypatch.context() as patch:
        first = stop_after(patch, 4)
        with pytest.raises(ConnectionError, match="the line is dead"):
            optimize_cube(source, out, layout=SMALL, threads=1)
    second = stop_after(monkeypatch, 1000)
    optimize_cube(source, out, layout=SMALL, threads=1)
    assert len(first) == 4
    assert not set(first) & set(second)

"""A cube from a STAC API: searched, signed, read by range requests; the same as from a folder."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from landslide.build.assemble import build_cube
from landslide.build.plan import plan_build
from landslide.build.recipe import load_recipe
from landslide.cli import main
from landslide.cube.store import open_cube
from tests.build.conftest import write_geotiff

AREA = "area = [141.982, 42.884, 141.999, 42.8965]\ncrs = 'EPSG:32654'"
DAYS = ("2018-08-20", "2018-09-01", "2018-09-13", "2018-09-25")


@pytest.fixture
def filled(
    archive: Any, write_scene: Any, write_tif: Any, list_scene: Callable[..., dict[str, Any]]
) -> Any:
    """Return an archive of four passes of two slices each, and of a DEM in two pieces."""
    random = np.random.default_rng(0)
    for day in DAYS:
        for second, top in (("00", 0), ("25", 90)):
            values = random.gamma(4, 0.05, (120, 240)).astype(np.float32)
            start = f"{day}T20:41:{second}"
            stem = write_scene(
                archive.folder, start.translate(str.maketrans("", "", "-:")), values,
                burst=f"0000{second}-IW1", north=4_750_000.0 - 10 * top,
            )  # fmt: skip
            archive.items.append(list_scene(stem, start=f"{start}Z"))
    rows, columns = np.mgrid[:110, :60].astype(np.float32)
    for name, west in (("west", 579_400.0), ("east", 581_200.0)):
        heights = (300 + rows + 0.5 * columns).astype(np.float32)
        write_tif(archive.folder / f"{name}.tif", heights, west=west, north=4_750_600.0, pixel=30)
        archive.items.append(
            archive.items[0] | {
                "id": name, "collection": "cop-dem-glo-30", "bbox": [141, 42, 143, 44],
                "assets": {"data": {"href": f"/files/{name}.tif"}},
            }
        )  # fmt: skip
    for name in ("sentinel-1-rtc", "cop-dem-glo-30"):
        archive.add_collection(name)
    return archive


def test_an_archives_cube_is_its_files(
    filled: Any, event_file: Callable[..., Path], tmp_path: Path
) -> None:
    source = f'source = "{filled.address}"'
    filled.page = 3
    event = event_file(f"{AREA}\nsar = {{{source}}}\nterrain = {{{source}}}")
    plan = plan_build(load_recipe(event))
    assert [len(one.scenes) for one in plan.choice.passes] == [2, 2, 2, 2]
    assert all(one.coverage > 0.99 for one in plan.choice.passes)
    read = [path for path, _ in filled.asked if path.endswith(".tif")]
    assert not read  # a plan reads no pixel
    cube = build_cube(plan, str(tmp_path / "archive.zarr"))
    assert any(window for path, window in filled.asked if path.endswith("_VV.tif"))
    folder = event_file(
        f"{AREA}\nsar = {{source = '{filled.folder}', pattern = 'OPERA*'}}\n"
        f"terrain = {{source = ['{filled.folder}/east.tif', '{filled.folder}/west.tif']}}",
        name="folder.toml",
    )
    other = build_cube(plan_build(load_recipe(folder)), str(tmp_path / "folder.zarr"))
    xr.testing.assert_equal(cube.compute(), other.compute())
    assert np.isfinite(cube["vv"]).all()  # no seam where slices meet
    assert '"https://example.org/licence"' in cube.attrs["build"]
    assert "CC-BY-4.0" in cube.attrs["build"]


def test_a_command_that_is_refused_says_so_on_one_line(
    filled: Any,
    event_file: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = event_file(f'{AREA}\nterrain = false\nsar = {{source = "{filled.address}"}}')
    out = tmp_path / "cube.zarr"
    filled.signature = "wanted"
    assert main(["build", str(event), str(out)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "access refused (HTTP 403)" in error
    assert not (out / "zarr.json").exists()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda file: file.unlink(), "no file at .*: the archive may have moved it"),
        (lambda _: 403, r"access refused \(HTTP 403\)"),
        (lambda file: file.write_text("<html>Maintenance"), "begins with '<html>Maintenance'"),
        (lambda file: file.write_bytes(file.read_bytes()[:100]), "is cut off or damaged"),
        (lambda file: write_geotiff(file, np.ones((9, 9), np.float32), crs=None), "no coordinate"),
    ],
    ids=["404", "403", "page", "cut", "nowhere"],
)
def test_an_image_that_cannot_be_had_costs_nothing(
    filled: Any, event_file: Callable[..., Path], tmp_path: Path, write_scene: Any,
    list_scene: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str],
    fault: Callable[[Path], Any], said: str,
) -> None:  # fmt: skip
    """A pass that is new in the archive, for a cube that is there, on a grid that is another."""
    out = tmp_path / "cube.zarr"
    text = f'{AREA}\nterrain = false\nsar = {{source = "{filled.address}"}}\nresolution = '
    command = ["build", str(event_file(f"{text}10")), str(out)]
    assert main(command) == 0
    kept = open_cube(out).compute(), (tmp_path / "cube.stac.json").read_bytes()
    stem = write_scene(filled.folder, "20181007T204100", np.ones((210, 240), np.float32))
    filled.items.append(list_scene(stem, start="2018-10-07T20:41:00Z"))
    broken = stem.parent / f"{stem.name}_VH.tif"
    filled.statuses |= {f"/files/{broken.name}": 403} if fault(broken) == 403 else {}
    event_file(f"{text}20")
    for dry in ([], ["--dry-run"]):
        capsys.readouterr()
        assert main([*command, *dry]) == 1
        error = capsys.readouterr().err
        assert broken.name in error
        assert re.search(said, error)
        assert error.count("\n") == 1
        xr.testing.assert_identical(open_cube(out).compute(), kept[0])
        assert (tmp_path / "cube.stac.json").read_bytes() == kept[1]


def test_a_server_that_is_busy_is_asked_again(
    filled: Any, event_file: Callable[..., Path], tmp_path: Path
) -> None:
    event = event_file(f'{AREA}\nterrain = {{source = "{filled.address}"}}\n'
                       f'sar = {{source = "{filled.address}"}}')  # fmt: skip
    plan = plan_build(load_recipe(event))
    files = [file.name for file in sorted(filled.folder.glob("*.tif"))]
    busy = [files[0], "west.tif"]
    filled.busy = {f"/files/{name}": 2 for name in busy}
    cube = build_cube(plan, str(tmp_path / "cube.zarr"))
    assert np.isfinite(cube["vv"]).all()
    assert np.isfinite(cube["dem"]).all()
    assert not any(filled.busy.values())
    # And for nothing but the files: a signature serves no other.
    asked = {path.removeprefix("/files/") for path, _ in filled.asked if path.startswith("/files/")}
    assert asked == set(files)

"""What a cube holds is said before any image is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from landslide.chips.inspect import Inspection, inspect_cube
from landslide.cli import main
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.store import open_cube

SHAPE = (288, 416)
SIDE = 128


@pytest.fixture(scope="session")
def scene(make_cube: Callable[..., xr.Dataset], event: Event) -> xr.Dataset:
    """A cube whose chips with landslides are known: 5 of the 2 x 3, of 100 pixels each."""
    cube = make_cube(SHAPE, missing=0)
    labels = np.zeros(SHAPE, np.uint8)
    for y, x in ((0, 0), (0, 128), (128, 0), (128, 128), (0, 256)):
        labels[y + 20 : y + 30, x + 20 : x + 30] = 1
    labels[280:] = 255  # 8 rows that nobody mapped, beyond the whole chips
    cube = cube.assign(landslides=(("y", "x"), labels))
    return cube.assign_attrs(event=event_to_attribute(event))


@pytest.fixture
def inspected(scene: xr.Dataset, tmp_path: Path) -> Callable[..., Inspection]:
    """Write the cube with a change in blocks of 128 pixels, and inspect it."""

    def inspect(
        change: Callable[[xr.Dataset], xr.Dataset] = lambda cube: cube,
        *,
        chunk: int = 128,
        dem_chunk: int | None = None,
        dates: int = 1,
        event: str | None = None,
    ) -> Inspection:
        cube = change(scene)
        chunks = {"y": chunk, "x": chunk, "timestep": dates}
        encoding = {
            name: {"chunks": tuple(chunks.get(str(dim), 1) for dim in variable.dims)}
            for name, variable in cube.data_vars.items()
            if {"y", "x"} <= set(variable.dims)
        }
        if dem_chunk is not None:
            encoding["dem"] = {"chunks": (dem_chunk, dem_chunk)}
        uri = str(tmp_path / "cube.zarr")
        cube.to_zarr(uri, zarr_format=2, encoding=encoding)
        return inspect_cube(open_cube(uri, block_pixels=chunk), event)

    return inspect


def line(inspection: Inspection, start: str) -> str:
    """Return the one line that starts so, its columns closed up."""
    closed_up = [" ".join(each.split()) for each in inspection.lines]
    (found,) = (each for each in closed_up if each.startswith(start))
    return found


def inputs(inspection: Inspection) -> dict[str, str]:
    """Return what is said of each input set."""
    first = inspection.lines.index("inputs (paper: each with 1 to 4 timesteps)") + 1
    return dict(each.split(maxsplit=1) for each in inspection.lines[first : first + 6])


def test_everything_about_a_good_cube_is_said(
    inspected: Callable[..., Inspection], tmp_path: Path
) -> None:
    found = inspected()
    assert found.lines[0] == str(tmp_path / "cube.zarr")
    assert "SIMULATED DATA" not in found.lines
    assert line(found, "dimensions") == "dimensions timestep 10, timepair 5, y 288, x 416"
    assert line(found, "vv chunks") == "vv chunks 1 x 128 x 128, blosc lz4 5"
    assert line(found, "dem chunks") == "dem chunks 128 x 128, blosc lz4 5"
    assert line(found, "event") == "event hokkaido, 2018-09-05T18:07:59 UTC"
    assert line(found, "3 before, 3 after").endswith("(descending, relative orbit unknown)")
    assert line(found, "2 before, 2 after").endswith("(ascending, relative orbit unknown)")
    share = 500 / (280 * 416)
    assert line(found, "labels ") == (
        f"labels {share:.2%} of the mapped pixels are landslide; {8 / 288:.2%} of the scene has "
        "no label"
    )
    assert line(found, "chips ") == (
        "chips 5 of 6 chips of 128 x 128 pixels hold landslides, 0.6% of their pixels"
    )
    assert line(found, "alignment") == "alignment every chip lies in one chunk of the store"
    assert line(found, "reading").endswith("MB decoded")
    # Three descending images on either side: the paper's four timesteps cannot be formed.
    assert "4 timesteps need 4 images before" in inputs(found)["vv"]
    assert inputs(found)["dem"] == "ready"
    assert inputs(found)["coherence"] == "ready"
    assert not found.ready


def one_orbit(cube: xr.Dataset) -> xr.Dataset:
    """Give every image one orbit, so that there are four on each side."""
    return cube.drop_vars("sat:orbit_state")


def test_a_cube_that_serves_the_paper_is_ready(inspected: Callable[..., Inspection]) -> None:
    found = inspected(one_orbit)
    assert found.ready
    assert set(inputs(found).values()) == {"ready"}
    assert found.lines[-1] == "the paper's inputs can be formed"
    assert line(found, "5 before, 5 after").endswith("(unknown, relative orbit unknown)")


@pytest.mark.parametrize(
    ("chunk", "dates", "images"), [(64, 1, 8), (128, 1, 8), (200, 1, 8), (128, 3, 9), (64, 10, 10)]
)
def test_the_bytes_that_a_sweep_reads_are_those_of_the_blocks_with_chips(
    chunk: int, dates: int, images: int, inspected: Callable[..., Inspection], tmp_path: Path
) -> None:
    # Without the sixth chip the blocks that it alone would need are not read.
    found = inspected(one_orbit, chunk=chunk, dates=dates)
    read = np.zeros(SHAPE, bool)
    for y, x in ((0, 0), (0, 128), (128, 0), (128, 128), (0, 256)):
        rows = slice(y // chunk * chunk, -(-(y + SIDE) // chunk) * chunk)
        columns = slice(x // chunk * chunk, -(-(x + SIDE) // chunk) * chunk)
        read[rows, columns] = True
    # Four images on either side, and what lies in their chunks, of ten; and the terrain.
    planes = 2 * images + 4
    decoded = int(read.sum()) * planes * 4
    assert line(found, "reading").endswith(f"{decoded / 1e6:,.0f} MB decoded")
    stored = sum(
        file.stat().st_size
        for name in ("vv", "vh", "dem", "dem_slope_radians", "dem_aspect", "dem_curvature")
        for file in (tmp_path / "cube.zarr" / name).rglob("*")
    )
    said = float(line(found, "reading").split("reads about ")[1].split(" MB")[0])
    assert 0 < said <= stored / 1e6


def test_chips_that_cross_blocks_are_counted(inspected: Callable[..., Inspection]) -> None:
    # Blocks of 200 pixels: the chips from row 0 and column 0 or 256 each lie in one.
    said = line(inspected(one_orbit, chunk=200), "alignment")
    assert said.startswith("alignment 3 of 5 chips cross the store's chunks")


def test_chips_that_cross_the_chunks_of_any_variable_are_counted(
    inspected: Callable[..., Inspection],
) -> None:
    found = inspected(one_orbit, dem_chunk=200)
    assert line(found, "alignment").startswith("alignment 3 of 5 chips cross the store's chunks")


@pytest.mark.parametrize(
    ("missing", "without"),
    [
        (["vv"], {"vv", "vv+vh", "vv+vh+dem"}),
        (["vh"], {"vh", "vv+vh", "vv+vh+dem"}),
        (["dem_aspect", "dem_curvature"], {"vv+vh+dem", "dem"}),
        (["coherence"], {"coherence"}),
    ],
)
def test_what_is_missing_is_said_of_the_inputs_that_need_it(
    missing: list[str], without: set[str], inspected: Callable[..., Inspection]
) -> None:
    found = inspected(lambda cube: one_orbit(cube).drop_vars(missing))
    for name, said in inputs(found).items():
        assert said == (f"missing: {', '.join(missing)}" if name in without else "ready")
    assert found.ready == (without == {"coherence"})  # which the paper does not use


def test_a_cube_of_terrain_alone_has_no_backscatter(
    inspected: Callable[..., Inspection],
) -> None:
    found = inspected(lambda cube: cube.drop_dims("timestep"))
    assert line(found, "dimensions") == "dimensions timepair 5, y 288, x 416"
    assert inputs(found)["vv+vh"] == "missing: vv, vh"
    assert inputs(found)["dem"] == "ready"
    assert not found.ready


def test_without_labels_nothing_can_be_scored(inspected: Callable[..., Inspection]) -> None:
    found = inspected(lambda cube: one_orbit(cube).drop_vars("landslides"))
    assert line(found, "labels").startswith("labels: missing: landslides")
    assert not found.ready


def test_without_landslides_there_are_no_chips(inspected: Callable[..., Inspection]) -> None:
    found = inspected(lambda cube: one_orbit(cube).assign(landslides=cube["landslides"] * 0))
    assert line(found, "chips").startswith("chips 0 of 6 chips")
    assert line(found, "labels:") == "labels: no chip holds a landslide"
    assert not found.ready


def test_too_few_chips_for_the_papers_split_are_said(inspected: Callable[..., Inspection]) -> None:
    found = inspected(lambda cube: one_orbit(cube).isel(x=slice(0, 300)))
    assert line(found, "chips").startswith("chips 4 of 4 chips")
    said = "4 chips with landslides are too few for a split"
    assert line(found, said) == f"{said}: 5 are the least, choose a smaller chip_size (--chip-size)"


def test_a_scene_smaller_than_a_chip_says_so(inspected: Callable[..., Inspection]) -> None:
    found = inspected(lambda cube: one_orbit(cube).isel(y=slice(0, 100)))
    assert line(found, "the scene") == "the scene is smaller than a chip of 128 pixels"
    assert not found.ready


def test_images_during_the_event_are_on_neither_side(
    inspected: Callable[..., Inspection], tmp_path: Path
) -> None:
    rain = tmp_path / "rain.toml"
    rain.write_text('name = "rain"\nstart = 2018-08-17T00:00:00Z\nend = 2018-08-31T00:00:00Z\n')
    found = inspected(one_orbit, event=str(rain))
    said = line(found, "event")
    assert said == "event rain, 2018-08-17T00:00:00 to 2018-08-31T00:00:00 UTC"
    assert line(found, "2 before").startswith("2 before, 5 after, 3 on neither side")


def test_what_is_warned_of_is_said_once(
    inspected: Callable[..., Inspection], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    descending = tmp_path / "quake.toml"
    descending.write_text(
        'name = "quake"\ntime = 2018-09-05T18:07:59Z\norbit_state = "descending"\n'
    )
    assert inspected(one_orbit, event=str(descending)).ready
    assert caplog.text.count("wants orbit descending, but the cube names none") == 1


def test_a_simulated_cube_says_that_it_is(inspected: Callable[..., Inspection]) -> None:
    assert inspected(lambda cube: cube.assign_attrs(simulated=1)).lines[1] == "SIMULATED DATA"


def test_wrong_labels_and_a_missing_event_are_errors(
    inspected: Callable[..., Inspection], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="landslides hold 2"):
        inspected(lambda cube: cube.assign(landslides=cube["landslides"] + np.uint8(2)))
    (tmp_path / "cube.zarr").rename(tmp_path / "other")
    with pytest.raises(ValueError, match=r"give one \(--event\)"):
        inspected(lambda cube: cube.drop_attrs())


# As a command


@pytest.fixture
def published(scene: xr.Dataset, tmp_path: Path) -> Path:
    """A cube under the names of the published ones, and where they say the event: its folder."""
    cube = one_orbit(scene).drop_attrs()
    cube = cube.rename_vars(coherence="topophase.cor_1")
    cube = cube.assign_coords({"sat:orbit_state": ("timestep", ["d"] * 10)})
    cube.to_zarr(tmp_path / "hokkaido_japan.zarr", zarr_format=2)
    return tmp_path / "hokkaido_japan.zarr"


def test_the_published_names_are_understood(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(published)]) == 0
    said = capsys.readouterr()
    assert "event       hokkaido, 2018-09-05T18:07:59 UTC" in said.out
    assert "  coherence   ready" in said.out
    assert "  5 before,   5 after  (descending, " in said.out
    assert said.err == ""


def test_of_the_chunks_only_labels_and_coordinates_are_read(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    get = zarr.storage.LocalStore.get

    async def watched(store: zarr.storage.LocalStore, key: str, *args: Any, **more: Any) -> Any:
        read.add(key)
        return await get(store, key, *args, **more)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", watched)
    assert main(["inspect", str(published), "--reader", "plain"]) == 0
    chunks = {key.split("/")[0] for key in read if not key.rpartition("/")[2].startswith(".")}
    planes = {"vv", "vh", "dem", "dem_slope_radians", "dem_aspect", "dem_curvature"}
    assert "landslides" in chunks
    assert not chunks & {*planes, "topophase.cor_1"}


def test_an_address_that_lists_nothing_is_inspected_without_the_stored_size(
    published: Path,
    http_folder: tuple[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    address, folder = http_folder
    published.rename(folder / "hokkaido_japan.zarr")
    assert main(["inspect", f"{address}/hokkaido_japan.zarr"]) == 0
    said = capsys.readouterr()
    decoded = (2 * 10 + 4) * 4 * SHAPE[0] * SHAPE[1]  # all ten images lie in one chunk
    assert f"reading     a sweep's one pass reads {decoded / 1e6:.0f} MB decoded" in said.out
    assert said.err == ""

"""What is asked of a web server: each needed chunk once and no other, again where it stumbles."""

import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tenacity
import xarray as xr

from landslide import retries
from landslide.chips.inputs import COHERENCE, PAPER_INPUTS, TERRAIN
from landslide.chips.loading import load_chips
from landslide.chips.passing import ChipStream, chip_batches
from landslide.chips.split import Chipping
from landslide.chips.stream import lazy_chips, plan_stream
from landslide.chips.windows import corners_of
from landslide.cube import opening, readers
from landslide.cube.events import Event
from landslide.cube.labels import keep_labels, read_labels
from landslide.cube.retries import ATTEMPTS
from landslide.cube.store import open_cube

EVERYTHING = ("vv+vh+dem", "coherence")
SHAPE, SIZE = (100, 170), 16
LANDSLIDES = [(2, 2), (40, 40), (50, 33), (26, 120), (90, 150), (3, 4), (70, 20)]
IMAGES, PAIRS = (0, 1, 3, 5, 7, 9), (0, 1, 2, 3)
LAYOUTS = {
    "v2": {"layout": "v2"},
    "v3": {"layout": "v3"},
    "dates": {"layout": "v3", "dates": 4},
    "sharded": {"layout": "sharded"},
}


@pytest.fixture(scope="session")
def patchy(make_cube: Callable[..., xr.Dataset]) -> xr.Dataset:
    """A cube with landslides in some places, so that some chunks are needed and some are not."""
    cube = make_cube(SHAPE, missing=0)
    landslides = np.zeros(SHAPE, np.uint8)
    landslides[tuple(zip(*LANDSLIDES, strict=True))] = 1
    return cube.assign(landslides=(("y", "x"), landslides))


@pytest.fixture(scope="session")
def folders(
    patchy: xr.Dataset,
    write_cube: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """The cube in each layout."""
    folder = tmp_path_factory.mktemp("patchy")
    return {
        name: Path(write_cube(patchy, folder / f"{name}.zarr", **how))
        for name, how in LAYOUTS.items()
    }


@pytest.fixture(scope="session")
def undisturbed(folders: dict[str, Path], event: Event) -> xr.Dataset:
    """What a pass over the cube on disk gives."""
    return collected(plan(open_cube(folders["v2"]), event))


def plan(cube: xr.Dataset, event: Event, **how: Any) -> ChipStream:
    options: dict[str, Any] = {"inputs": EVERYTHING, "timesteps": (1, 2, 3)} | how
    return plan_stream(cube, event, chipping=Chipping(chip_size=SIZE), **options)


def collected(stream: ChipStream, **how: Any) -> xr.Dataset:
    return xr.concat(list(chip_batches(stream, **how)), "chip", join="exact").sortby("chip")


def touched() -> set[tuple[int, int]]:
    """The chunks, of 24x32 pixels, that chips with landslides touch."""
    return {
        (row, column)
        for y, x in {(y // SIZE * SIZE, x // SIZE * SIZE) for y, x in LANDSLIDES}
        for row in range(y // 24, (y + SIZE - 1) // 24 + 1)
        for column in range(x // 32, (x + SIZE - 1) // 32 + 1)
    }


def wanted(layout: str) -> list[str]:
    """The chunks of the planes that a pass needs, named as in an unsharded store."""
    dates = LAYOUTS[layout].get("dates", 1)
    leads = {name: sorted({image // dates for image in IMAGES}) for name in ("vv", "vh")}
    chunks = [(n, (lead, *c)) for n, which in leads.items() for lead in which for c in touched()]
    chunks += [("coherence", (pair, *chunk)) for pair in PAIRS for chunk in touched()]
    chunks += [(name, chunk) for name in TERRAIN for chunk in touched()]
    join, prefix = (".", "") if layout == "v2" else ("/", "c/")
    return sorted(f"{name}/{prefix}{join.join(map(str, chunk))}" for name, chunk in chunks)


def fetched(web: Any, names: tuple[str, ...] = ("vv", "vh", "coherence", *TERRAIN)) -> list[Any]:
    """The requests for chunks of planes: key within the cube, and range."""
    asked = [(key.split("/", 1)[1], part) for key, part in web.asked]
    return [(key, part) for key, part in asked if key.split("/")[0] in names and key[-1].isdigit()]


def serve(web: Any, folder: Path) -> str:
    shutil.copytree(folder, web.folder / folder.name)
    return f"{web.address}/{folder.name}"


@pytest.mark.parametrize(
    ("layout", "reader"),
    [
        *((layout, reader) for layout in ("v2", "dates") for reader in ("tensorstore", "fused")),
        *(("v3", reader) for reader in ("tensorstore", "plain")),
    ],
)
def test_a_pass_fetches_each_needed_chunk_once_and_no_other(
    layout: str,
    reader: str,
    folders: dict[str, Path],
    undisturbed: xr.Dataset,
    event: Event,
    web: Any,
) -> None:
    stream = plan(open_cube(serve(web, folders[layout]), reader=reader, block_pixels=48), event)
    assert not fetched(web)
    web.forget()
    xr.testing.assert_identical(collected(stream), undisturbed)
    assert sorted(fetched(web)) == [(key, "") for key in wanted(layout)]


@pytest.mark.parametrize("reader", ["tensorstore", "fused"])
def test_lazy_chips_fetch_nothing_until_they_are_computed_and_then_the_same(
    reader: str, folders: dict[str, Path], undisturbed: xr.Dataset, event: Event, web: Any
) -> None:
    """In the smallest blocks, several of which need the same chunk."""
    uri = serve(web, folders["dates"])
    stream = plan(open_cube(uri, reader=reader, block_pixels=1), event)
    web.forget()
    chips = lazy_chips(stream)
    assert not web.asked
    xr.testing.assert_identical(chips.compute(scheduler="threads"), undisturbed)
    assert sorted(fetched(web)) == [(key, "") for key in wanted("dates")]


def shard_of(key: str) -> str:
    """Return the shard of 48x32 pixels that holds a chunk of 24x32, both by their keys."""
    *lead, row, column = key.split("/")
    return "/".join([*lead, str(int(row) // 2), column])


@pytest.mark.parametrize("reader", ["tensorstore", "fused"])
def test_a_pass_fetches_of_shards_each_needed_chunk_once_and_no_other(
    reader: str,
    folders: dict[str, Path],
    undisturbed: xr.Dataset,
    event: Event,
    web: Any,
) -> None:
    uri = serve(web, folders["sharded"])
    stream = plan(open_cube(uri, reader=reader, block_pixels=24), event)
    web.forget()
    xr.testing.assert_identical(collected(stream), undisturbed)
    sizes = {key: (web.folder / "sharded.zarr" / key).stat().st_size for key, _ in fetched(web)}
    # A chunk by its own range, after the shard's index (the last 16 bytes a chunk and a checksum);
    # or the shard whole, where the pass needs all of it.
    index_bytes = 2 * 16 + 4
    indices, chunks, whole = Counter(), Counter(), Counter()
    for key, part in fetched(web):
        first, last = re.fullmatch(r"(?:bytes=(\d*)-(\d*))?", part).groups()
        if not part:
            whole[key] += 1
        elif part == f"bytes=-{index_bytes}" or first == str(sizes[key] - index_bytes):
            indices[key] += 1
        else:
            chunks[key, first, last] += 1
    needed = Counter(map(shard_of, wanted("sharded")))
    assert set(sizes) == set(needed)
    assert max([*chunks.values(), *whole.values()]) == 1
    of_shard = Counter(key for key, *_ in chunks)
    assert not set(whole) & set(of_shard)
    assert dict(of_shard) | {key: needed[key] for key in whole} == dict(needed)
    assert set(indices) >= set(of_shard)


@pytest.mark.parametrize("reader", ["tensorstore", "fused"])
def test_a_sweep_of_sixteen_configurations_fetches_labels_once_and_then_chunks_once(
    reader: str, folders: dict[str, Path], event: Event, web: Any
) -> None:
    cube = keep_labels(open_cube(serve(web, folders["v2"]), reader=reader))
    labels = [key for key, _ in fetched(web, ("landslides",))]
    assert sorted(labels) == sorted(f"landslides/{y}.{x}" for y in range(5) for x in range(6))
    web.forget()
    stream = plan(cube, event, inputs=PAPER_INPUTS, timesteps=(1, 2, 3))
    loaded = load_chips(stream)
    for inputs in PAPER_INPUTS:
        for timesteps in (1, 2, 3):
            again = plan(cube, event, inputs=inputs, timesteps=[timesteps])
            assert again.chips["corner_y"].equals(stream.chips["corner_y"])
    assert np.isfinite(loaded["sar"]).all()
    keys = [key for key, _ in fetched(web, ("landslides", "vv", "vh", "coherence", *TERRAIN))]
    assert sorted(keys) == [key for key in wanted("v2") if not key.startswith("coherence")]
    assert not set(COHERENCE) & set(loaded["static_channel"].values.tolist())


@pytest.mark.parametrize("block_pixels", [24, 48])
@pytest.mark.parametrize("reader", ["tensorstore", "fused"])
def test_labels_and_masks_in_other_chunks_are_fetched_once(
    reader: str, block_pixels: int, patchy: xr.Dataset, web: Any
) -> None:
    chunks = {"landslides": (24, 32), "mapped": (20, 50), "observed": (16, 170)}
    random = np.random.default_rng(0)
    masks = {name: (("y", "x"), random.random(SHAPE) < 0.9) for name in ("mapped", "observed")}
    planes = patchy[["landslides"]].assign(masks)
    encoding = {name: {"chunks": shape} for name, shape in chunks.items()}
    planes.to_zarr(web.folder / "planes.zarr", zarr_format=2, encoding=encoding)
    cube = open_cube(f"{web.address}/planes.zarr", reader=reader, block_pixels=block_pixels)
    labels = read_labels(cube)
    everywhere = planes["mapped"] & planes["observed"]
    np.testing.assert_array_equal(labels, planes["landslides"].where(everywhere, 255))
    assert sorted(key for key, _ in fetched(web, tuple(chunks))) == sorted(
        f"{name}/{y}.{x}"
        for name, (rows, columns) in chunks.items()
        for y in range(-(-SHAPE[0] // rows))
        for x in range(-(-SHAPE[1] // columns))
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests are made again at once."""
    monkeypatch.setattr(retries, "WAIT", tenacity.wait_none())
    at_once = {"max_retries": ATTEMPTS, "initial_delay": "1us", "max_delay": "2us"}
    monkeypatch.setattr(readers, "HTTP_RETRIES", at_once)
    opening.shared_context.cache_clear()
    yield
    # What was begun in advance and nobody waits for.
    opening.requests().shutdown(cancel_futures=True)
    opening.requests.cache_clear()
    opening.shared_context.cache_clear()


def troubles(seed: int) -> Callable[[str, int], object]:
    """Trouble with up to three requests of each key, the same whichever comes first."""

    def stumble(key: str, number: int) -> object:
        dice = random.Random(f"{seed} {key} {number}")
        return dice.choice([503, 429, 500, "reset", "short", None]) if number < 3 else None

    return stumble


@pytest.mark.parametrize("reader", ["tensorstore", "fused"])
@pytest.mark.parametrize("layout", ["v2", "sharded"])
def test_chips_are_equal_from_a_server_that_stumbles(
    layout: str,
    reader: str,
    folders: dict[str, Path],
    undisturbed: xr.Dataset,
    event: Event,
    web: Any,
    impatient: None,
) -> None:
    uri = serve(web, folders[layout])
    web.stumble = troubles(seed=3)
    cube = open_cube(uri, reader=reader, block_pixels=24)
    xr.testing.assert_identical(collected(plan(cube, event)), undisturbed)
    assert max(web.times.values()) > 1


@pytest.mark.parametrize("reader", ["tensorstore", "fused"])
@pytest.mark.parametrize(
    ("trouble", "layout"),
    [
        (503, "v2"),
        (503, "sharded"),
        ("reset", "v2"),
        ("short", "v2"),
        (401, "v2"),
        (403, "sharded"),
    ],
)
def test_trouble_that_does_not_end_is_one_line_and_no_damage(
    trouble: object,
    layout: str,
    reader: str,
    folders: dict[str, Path],
    event: Event,
    web: Any,
    impatient: None,
) -> None:
    stream = plan(
        open_cube(serve(web, folders[layout]), reader=reader),
        event,
        inputs="vh",
        timesteps=[1],
        skip_damaged=True,  # which is not to take an outage for damage
    )
    web.forget()
    web.stumble = lambda key, _: trouble if "/vh/" in key and key[-1].isdigit() else None
    refused = trouble in (401, 403)
    error, said = (
        (PermissionError, "access refused") if refused else (ConnectionError, "cannot be reached")
    )
    with pytest.raises(error, match=f"^{re.escape(web.address)}.*{said}.*; ") as raised:
        collected(stream, look_ahead=1)
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)
    assert "skip-damaged" not in str(raised.value)
    most = max(web.times[key] for key in web.times if key[-1].isdigit())
    # Several regions may lie in one shard, and each asks for its part of it.
    assert most <= (1 if layout == "v2" else 3) if refused else most >= ATTEMPTS


@pytest.mark.parametrize("reader", ["tensorstore", "fused"])
def test_a_server_that_is_busy_has_lost_no_chunk(
    reader: str,
    folders: dict[str, Path],
    undisturbed: xr.Dataset,
    event: Event,
    web: Any,
    impatient: None,
) -> None:
    uri = serve(web, folders["dates"])
    (web.folder / "dates.zarr/vv/c/0/0/0").unlink()
    stream = plan(open_cube(uri, reader=reader), event, skip_damaged=True)
    web.forget()
    web.stumble = troubles(seed=5)
    chips = collected(stream)
    corners = corners_of(chips)
    assert chips["damaged"].values.tolist() == [y < 24 and x < 32 for y, x in corners.tolist()]
    kept = ~chips["damaged"].values
    assert 0 < kept.sum() < kept.size
    xr.testing.assert_identical(chips.isel(chip=kept), undisturbed.isel(chip=kept))

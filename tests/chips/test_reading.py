"""What is fetched from the store, and when: each needed chunk once, in one pass."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from dask.base import is_dask_collection

from landslide.chips.inputs import TERRAIN
from landslide.chips.split import Chipping
from landslide.chips.stream import stream_chips
from landslide.cube.events import Event
from landslide.cube.store import open_cube

EVERYTHING = ("vv+vh+dem", "coherence")


def patchy(
    make_cube: Callable[..., xr.Dataset],
    write_cube: Callable[..., str],
    folder: Path,
    **how: Any,
) -> tuple[str, set[tuple[int, int]]]:
    """Write a cube with landslides in some places; return the chunks that their chips touch."""
    cube = make_cube((100, 170), missing=0)
    landslides = np.zeros((100, 170), np.uint8)
    for y, x in [(2, 2), (40, 40), (50, 33), (26, 120), (90, 150), (3, 4), (70, 20)]:
        landslides[y, x] = 1
    cube["landslides"] = (("y", "x"), landslides)
    touched = set()
    for y, x in {(y // 16 * 16, x // 16 * 16) for y, x in np.argwhere(landslides).tolist()}:
        for row in range(y // 24, (y + 15) // 24 + 1):
            touched |= {(row, c) for c in range(x // 32, (x + 15) // 32 + 1)}
    return write_cube(cube, folder / "patchy.zarr", **how), touched


@pytest.mark.parametrize("reader", ["plain", "fused"])
@pytest.mark.parametrize(("scheduler", "dates"), [("synchronous", 1), ("threads", 4)])
def test_one_pass_fetches_each_needed_chunk_once_and_no_other(
    scheduler: str,
    dates: int,
    reader: str,
    make_cube: Callable[..., xr.Dataset],
    write_cube: Callable[..., str],
    event: Event,
    tmp_path: Path,
    reads: list[tuple[str, object]],
) -> None:
    uri, touched = patchy(make_cube, write_cube, tmp_path, dates=dates)
    cube = open_cube(uri, block_pixels=1, reader=reader)
    chips = stream_chips(
        cube, event, inputs=EVERYTHING, timesteps=(1, 2, 3), chipping=Chipping(chip_size=16)
    )
    assert not [key for key, _ in reads if key[:2] in ("vv", "vh", "de") and key[-1].isdigit()]
    reads.clear()
    chips.compute(scheduler=scheduler)
    fetched = [key for key, _ in reads if key[-1].isdigit()]
    images = {image // dates for image in (0, 1, 3, 5, 7, 9)}
    wanted = {f"{n}/{i}.{y}.{x}" for n in ("vv", "vh") for i in images for y, x in touched}
    wanted |= {f"{name}/{y}.{x}" for name in TERRAIN for y, x in touched}
    wanted |= {f"coherence/{pair}.{y}.{x}" for pair in range(4) for y, x in touched}
    assert sorted(fetched) == sorted(wanted)


def test_shards_give_each_inner_chunk_once(
    make_cube: Callable[..., xr.Dataset],
    write_cube: Callable[..., str],
    event: Event,
    tmp_path: Path,
    reads: list[tuple[str, object]],
) -> None:
    uri, touched = patchy(make_cube, write_cube, tmp_path, layout="sharded")
    chips = stream_chips(
        open_cube(uri, block_pixels=48, reader="plain"),
        event,
        inputs="vv+vh+dem",
        timesteps=(1, 2, 3),
        chipping=Chipping(chip_size=16),
    )
    reads.clear()
    chips.compute(scheduler="synchronous")
    fetched = [(key, repr(part)) for key, part in reads if key[-1].isdigit()]
    assert len(set(fetched)) == len(fetched)
    shards = {"/".join(key.split("/")[-2:]) for key, _ in fetched}
    assert shards == {f"{y // 2}/{x}" for y, x in touched}


def test_the_graph_does_not_grow_with_channels_or_timesteps(
    make_cube: Callable[..., xr.Dataset], event: Event
) -> None:
    cube = make_cube((48, 64), missing=0).chunk({"timestep": 1, "y": 24, "x": 32})

    def tasks(inputs: str, timesteps: Sequence[int]) -> int:
        chipping = Chipping(chip_size=8)
        chips = stream_chips(cube, event, inputs=inputs, timesteps=timesteps, chipping=chipping)
        return len(dict(chips["sar"].data.dask))

    assert tasks("vv", [1]) == tasks("vv+vh", [1, 2, 3])


def test_every_channel_is_read_lazily(event: Event, make_cube: Callable[..., xr.Dataset]) -> None:
    cube = make_cube().chunk({"y": 16, "x": 24})
    chips = stream_chips(
        cube, event, inputs=EVERYTHING, timesteps=[1], chipping=Chipping(chip_size=8)
    )
    assert all(is_dask_collection(chips[name].data) for name in ("sar", "static"))
    assert not is_dask_collection(chips["label"].data)

"""How fast chips stream: beside a Dask graph a chip, beside loading the cube, beside the limit.

All chips with landslides, each with all four timestep counts; every way reads the same layout with
the same cores, from a warm page cache. We stream with as many threads as `map_chips` takes unasked;
the limit is the fastest of all readers, with a thread a core and with two.
"""

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import tensorstore
import xarray as xr
import xbatcher
import zarr
from measure import arguments, medians_in_turn, report, seconds
from noise import CHIPS, SIZE, optimised, published

from landslide.chips.inputs import PAPER_INPUTS, PAPER_TIMESTEPS, TERRAIN, parse_inputs
from landslide.chips.loading import load_chips
from landslide.chips.passing import ChipStream, chip_batches, map_chips
from landslide.chips.stream import plan_stream
from landslide.chips.windows import corners_of
from landslide.cube.events import find_event
from landslide.cube.labels import keep_labels
from landslide.cube.readers import PIPELINES, pipeline
from landslide.cube.schema import POLARISATIONS
from landslide.cube.store import open_cube

SAMPLE = 12  # chips that the slowest way is timed on
CORES = os.cpu_count() or 1
READING_THREADS = (CORES, 2 * CORES)
TARGETS = {
    "published": {"chip_by_chip": 60, "whole_composites": 30, "limit": 0.7},
    "optimised": {"chip_by_chip": 250, "limit": 0.6},
}


def plan(path: Path) -> ChipStream:
    """Open the cube and plan its chips."""
    cube = keep_labels(open_cube(str(path)))
    return plan_stream(cube, find_event(cube, None))


def stream(chips: ChipStream) -> None:
    """Take every batch, and drop it."""
    assert sum(batch.sizes["chip"] for batch in chip_batches(chips)) == CHIPS


def default_threads(chips: ChipStream) -> int:
    """Return how many threads a pass has where nobody says: seen, so that the row is right."""
    used = set(map_chips(chips, lambda _: threading.get_ident()))
    return len(used - {threading.get_ident()})


def used_images(cube: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the four descending images nearest the event on either side."""
    event = find_event(cube, None)
    order = np.argsort(cube["timestep"].to_numpy())
    order = order[cube["sat:orbit_state"].to_numpy()[order] == "descending"]
    after = cube["timestep"].to_numpy()[order] > event.end
    return order[~after][::-1][:4], order[after][:4]


def composite(cube: xr.Dataset, names: tuple[str, ...], counts: tuple[int, ...]) -> xr.Dataset:
    """Compose the whole scene, as one would with xarray: lazily, in Dask's chunks."""
    logs = cube[list(names)]
    if cube["vv"].attrs.get("units") != "ln(1)":
        logs = logs.map(np.log)
    channels = [
        xr.concat(
            [logs[name].isel(timestep=side[:count]).mean("timestep") for count in counts], "n"
        )
        for name in names
        for side in used_images(cube)
    ]
    return xr.Dataset({"sar": xr.concat(channels, "channel")})


def opened(path: Path) -> xr.Dataset:
    """Open a cube as anybody would."""
    return xr.open_dataset(path, engine="zarr", chunks={}, decode_timedelta=False)


def chip_numbers(cube: xr.Dataset) -> list[int]:
    """Return which of xbatcher's batches hold landslides; x is its outer loop."""
    labels = cube["landslides"].to_numpy()
    rows, columns = (n // SIZE for n in labels.shape)
    return [
        j * rows + i
        for j, i in product(range(columns), range(rows))
        if (labels[i * SIZE : (i + 1) * SIZE, j * SIZE : (j + 1) * SIZE] == 1).any()
    ]


def batches(data: xr.Dataset) -> xbatcher.BatchGenerator:
    """Let xbatcher cut a scene."""
    return xbatcher.BatchGenerator(data, {"x": SIZE, "y": SIZE}, preload_batch=False)


def chip_by_chip(path: Path) -> float:
    """Return the seconds for all chips by one Dask compute each, from a sample of them."""
    cube = opened(path)
    scene = composite(cube, POLARISATIONS, PAPER_TIMESTEPS).merge(cube[list(TERRAIN)])
    generator = batches(scene)
    numbers = chip_numbers(cube)
    numbers = np.random.default_rng(0).permutation(numbers).tolist()
    generator[numbers[0]].compute()
    taken = seconds(lambda: [generator[n].compute() for n in numbers[1 : SAMPLE + 1]])
    return taken * CHIPS / SAMPLE


def whole_composites(path: Path) -> float:
    """Return the seconds for the authors' way: load each run's scene, then cut it."""

    def run(name: str, count: int) -> None:
        cube = opened(path)
        inputs = parse_inputs(name)
        scene = composite(cube, inputs.polarisations, (count,)).merge(cube[list(inputs.static)])
        scene = scene.load()
        generator = batches(scene)
        for number in chip_numbers(cube):
            generator[number].load()

    return sum(
        seconds(lambda name=name, count=count: run(name, count))  # type: ignore[misc]
        for name, count in product(PAPER_INPUTS, PAPER_TIMESTEPS)
    )


Job = tuple[str, tuple[slice, ...]]


def needed(path: Path, chips: ChipStream) -> list[Job]:
    """List the chunks that the chips need, by brute force: variable and box."""
    group = zarr.open_group(path, mode="r")
    images = np.concatenate(used_images(opened(path)))
    corners = corners_of(chips.chips)
    jobs = []
    for name in (*POLARISATIONS, *TERRAIN):
        array = group[name]
        assert isinstance(array, zarr.Array)
        *date, rows, columns = array.chunks
        places = {
            (i, j)
            for y, x in corners.tolist()
            for i in range(y // rows, (y + SIZE - 1) // rows + 1)
            for j in range(x // columns, (x + SIZE - 1) // columns + 1)
        }
        leads = (
            [(t,) for t in sorted({int(image) // date[0] for image in images})] if date else [()]
        )
        for position in ((*lead, *place) for lead in leads for place in sorted(places)):
            box = zip(position, array.chunks, array.shape, strict=True)
            jobs.append((name, tuple(slice(p * c, min((p + 1) * c, n)) for p, c, n in box)))
    return jobs


def only_reading(path: Path, jobs: list[Job]) -> dict[str, Callable[[], None]]:
    """Return the ways to read the needed chunks once and to do nothing with them."""
    version = zarr.open_group(path, mode="r").metadata.zarr_format
    stores = {
        name: tensorstore.open(
            {
                "driver": "zarr" if version == 2 else "zarr3",
                "kvstore": {"driver": "file", "path": f"{path}/{name}/"},
            },
            read=True,
        ).result()
        for name in {name for name, _ in jobs}
    }
    readers: dict[str, Callable[[Job], object]] = {
        "tensorstore": lambda job: stores[job[0]][job[1]].read().result()
    }
    for name in PIPELINES:
        with pipeline(name):
            group = zarr.open_group(path, mode="r")
            arrays = {key: group[key] for key in stores}
        readers[name] = lambda job, arrays=arrays: arrays[job[0]][job[1]]  # type: ignore[misc]

    def run(read: Callable[[Job], object], threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(read, jobs):
                pass

    return {
        f"{name}, {threads} threads": partial(run, read, threads)
        for (name, read), threads in product(readers.items(), READING_THREADS)
    }


def layouts(folder: Path) -> Iterator[tuple[str, Path]]:
    """Give both layouts of the cube."""
    yield "published", published(folder)
    yield "optimised", optimised(folder)


def main() -> None:
    """Measure, and print."""
    warnings.simplefilter("ignore")
    args = arguments(__doc__).parse_args()
    rows, ratios = [], {}
    for layout, path in layouts(args.folder):
        chips = plan(path)
        reading = only_reading(path, needed(path, chips))
        ways: dict[str, Callable[[], object]] = {
            "streamed": partial(stream, chips),
            "loaded": partial(load_chips, chips),
        }
        taken = medians_in_turn(ways | reading, args.runs)
        ours, loaded = taken.pop("streamed"), taken.pop("loaded")
        fastest = min(taken, key=taken.__getitem__)
        baselines = {"chip_by_chip": chip_by_chip(path)}
        if layout == "published":
            baselines["whole_composites"] = whole_composites(path)
        threads = f"{default_threads(chips)} threads"
        for name, each in (("streamed", ours), ("loaded into place, masked", loaded)):
            rows.append((f"{layout}: {name}, {threads}", f"{CHIPS / each:.0f} chips/s", ""))
        for name, each in taken.items():
            rows.append((f"{layout}: only read by {name}", f"{CHIPS / each:.0f} chips/s", ""))
        for name, each in baselines.items():
            ratio = each / ours
            ratios[f"{layout}_over_{name}"] = ratio
            target = f"target {TARGETS[layout][name]}" if name in TARGETS[layout] else ""
            rows.append((f"{layout}: over {name}", f"{ratio:.0f}", target))
        ratio = taken[fastest] / ours
        ratios[f"{layout}_of_limit"] = ratio
        target = f"target {TARGETS[layout]['limit']}"
        rows.append((f"{layout}: of the limit ({fastest})", f"{ratio:.2f}", target))
    report("Streaming chips from a simulated cube of Hokkaido's size", rows, ratios)


if __name__ == "__main__":
    main()

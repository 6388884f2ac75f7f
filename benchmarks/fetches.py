"""What a whole sweep fetches of a cube, counted at the store: each needed chunk once, no other.

The sweep is real, with 16 configurations and the baseline, one epoch each, on a small simulated
cube. Beside it, without training, the pass over the cube of Hokkaido's size.
"""

import shutil
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import zarr
from measure import arguments, output, report
from slow_server import Server, slow_server
from streaming import Job, layouts, needed, plan, stream

from landslide.chips.inputs import TERRAIN
from landslide.chips.stream import plan_stream
from landslide.cube.events import find_event
from landslide.cube.labels import keep_labels
from landslide.cube.schema import POLARISATIONS
from landslide.cube.store import open_cube
from landslide.simulation import simulate_cube

METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")
PLANES = (*POLARISATIONS, *TERRAIN, "landslides")


def chunk_requests(server: Server) -> Counter[tuple[str, str]]:
    """Count the requests for chunks of planes; those for shards' indices apart."""
    return Counter(
        (key, part)
        for key, part in server.asked()
        if key.split("/")[0] in PLANES and not key.endswith(METADATA)
    )


def chunks_in(path: Path, key: str, part: str) -> tuple[int, bool]:
    """Return how many chunks a request fetched, and whether it was for a shard's index instead.

    A reader may ask for neighbours in a shard by one range: the index, which lies at the shard's
    start, says which they are.
    """
    array = zarr.open_group(path, mode="r")[key.split("/", maxsplit=1)[0]]
    assert isinstance(array, zarr.Array)
    if array.shards is None:
        return 1, False
    inner = int(np.prod([s // c for s, c in zip(array.shards, array.chunks, strict=True)]))
    index = (path / key).read_bytes()[: 16 * inner]
    offsets, sizes = np.frombuffer(index, "<u8").reshape(-1, 2).T
    if not part:
        return inner, False
    first, last = (int(number) for number in part.removeprefix("bytes=").split("-"))
    if last < 16 * inner + 4:
        return 0, True
    return int(((offsets >= first) & (offsets + sizes <= last + 1)).sum()), False


def ratio(path: Path, asked: Counter[tuple[str, str]], jobs: list[Job]) -> tuple[float, int]:
    """Return chunks fetched over chunks needed, and how many indices were fetched beside.

    Of the labels every chunk is needed, once.
    """
    fetched, indices = 0, 0
    for (key, part), times in asked.items():
        chunks, index = chunks_in(path, key, part)
        fetched += times * chunks
        indices += times * index
    labels = zarr.open_group(path, mode="r")["landslides"]
    assert isinstance(labels, zarr.Array)
    plane = np.prod([-(-n // c) for n, c in zip(labels.shape, labels.chunks, strict=True)])
    return fetched / (len(jobs) + int(plane)), indices


def sweep(folder: Path) -> float:
    """Run the whole ablation on a simulated cube behind a counting server."""
    path = folder / "small.zarr"
    shutil.rmtree(path, ignore_errors=True)
    simulate_cube(str(path), shape=(768, 1024), zarr_format=2)
    with slow_server(path, 0) as server, tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            str(Path(__file__).parent.parent / "sweeps" / "ablation.py"),
            *(server.cube, "--table", f"{out}/table", "--preset", "quick", "--epochs", "1"),
        ]
        output(command)
        return ratio(path, chunk_requests(server), needed(path, plan(path)))[0]


def main() -> None:
    warnings.simplefilter("ignore")
    args = arguments(__doc__).parse_args()
    rows, ratios = [], {}
    whole = sweep(args.folder)
    ratios["sweep"] = whole
    rows.append(
        ("simulated: a sweep of 16 and the baseline, fetched / needed", f"{whole:.2f}", "1.00")
    )
    for layout, path in layouts(args.folder):
        jobs = needed(path, plan(path))
        with slow_server(path, 0) as server:
            for reader in ("tensorstore", "fused"):
                server.asked()
                cube = keep_labels(open_cube(server.cube, reader=reader))
                stream(plan_stream(cube, find_event(cube, None)))
                found, indices = ratio(path, chunk_requests(server), jobs)
                ratios[f"{layout}_{reader}"] = found
                what = f"{layout}, {reader}: fetched / needed, and {indices} indices of shards"
                rows.append((what, f"{found:.2f}", "1.00"))
    report("Chunks fetched over chunks needed, counted at a loopback server", rows, ratios)


if __name__ == "__main__":
    main()

"""A store that answers each request after 50 ms: how near streaming comes to what bounds it.

The bound is the larger of two: the requests' waiting, so many at a time as the readers allow, and
the decoding of the same chunks from a disk.
"""

import warnings

from measure import arguments, median_seconds, report, seconds
from noise import CHIPS
from slow_server import slow_server
from streaming import layouts, limits, needed, plan, stream

from landslide.chips.stream import plan_stream
from landslide.cube.events import find_event
from landslide.cube.labels import keep_labels
from landslide.cube.readers import CONCURRENCY
from landslide.cube.store import open_cube

DELAY = 0.05  # seconds
TARGET = 0.7


def main() -> None:
    warnings.simplefilter("ignore")
    args = arguments(__doc__).parse_args()
    rows, ratios = [], {}
    for layout, path in layouts(args.folder):
        jobs = needed(path, plan(path))
        codec = min(limits(path, jobs, 1).values())
        with slow_server(path, DELAY) as server:
            cube = keep_labels(open_cube(server.cube))
            for reader in ("tensorstore", "fused"):
                chips = plan_stream(
                    keep_labels(open_cube(server.cube, reader=reader)), find_event(cube, None)
                )
                server.asked()
                first = seconds(lambda: stream(chips))  # noqa: B023
                requests = len(server.asked())
                taken = first if args.runs < 2 else median_seconds(lambda: stream(chips), 2)  # noqa: B023
                waiting = requests * DELAY / CONCURRENCY
                bound = max(waiting, codec)
                of = bound / taken
                ratios[f"{layout}_{reader}"] = of
                what = f"{CHIPS} chips, {len(jobs)} chunks, {requests} requests"
                bounds = f"waiting {waiting:.2f} s with {CONCURRENCY} at a time"
                bounds += f", decoding {codec:.2f} s"
                rows.append((f"{layout}, {reader}: {what}", f"{taken:.2f} s", ""))
                rows.append((f"  bound: {bounds}", f"{of:.2f}", f"target {TARGET}"))
    report(f"Streaming from a store that answers after {1000 * DELAY:.0f} ms", rows, ratios)


if __name__ == "__main__":
    main()

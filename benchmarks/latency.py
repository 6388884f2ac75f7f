"""A store that answers each request after 50 ms: how near streaming comes to what bounds it.

The bound is the larger of two: the requests' waiting, so many at a time as the readers allow, and
the decoding of the same chunks from a disk. Beside it stands the time that the same requests take
when their answers are thrown away: on loopback the server shares the cores with the client.
"""

import asyncio
import warnings

import aiohttp
from measure import arguments, median_seconds, medians_in_turn, report, seconds
from noise import CHIPS
from slow_server import slow_server
from streaming import layouts, needed, only_reading, plan, stream

from landslide.chips.stream import plan_stream
from landslide.cube.events import find_event
from landslide.cube.labels import keep_labels
from landslide.cube.readers import CONCURRENCY
from landslide.cube.store import open_cube

DELAY = 0.05  # seconds
TARGET = 0.7


async def fetch(address: str, asked: list[tuple[str, str]]) -> None:
    """Make requests again, as many at a time as the readers do, and drop what comes."""
    allowed = asyncio.Semaphore(CONCURRENCY)
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1 << 22) as session:

        async def one(key: str, part: str) -> None:
            headers = {"Range": part} if part else {}
            async with allowed, session.get(f"{address}/{key}", headers=headers) as answer:
                await answer.read()

        await asyncio.gather(*(one(key, part) for key, part in asked))


def main() -> None:
    warnings.simplefilter("ignore")
    args = arguments(__doc__).parse_args()
    rows, ratios = [], {}
    for layout, path in layouts(args.folder):
        jobs = needed(path, plan(path))
        codec = min(medians_in_turn(only_reading(path, jobs), 2).values())
        with slow_server(path, DELAY) as server:
            for reader in ("tensorstore", "fused"):
                cube = keep_labels(open_cube(server.cube, reader=reader))
                chips = plan_stream(cube, find_event(cube, None))
                server.asked()
                first = seconds(lambda: stream(chips))  # noqa: B023
                asked = server.asked()
                taken = first
                if args.runs > 1:
                    taken = median_seconds(lambda: stream(chips), args.runs // 2)  # noqa: B023
                thrown = seconds(lambda: asyncio.run(fetch(server.cube, asked)))  # noqa: B023
                waiting = len(asked) * DELAY / CONCURRENCY
                of = max(waiting, codec) / taken
                ratios[f"{layout}_{reader}"] = of
                ratios[f"{layout}_{reader}_of_fetching"] = thrown / taken
                what = f"{CHIPS} chips, {len(jobs)} chunks, {len(asked)} requests"
                bounds = f"waiting {waiting:.2f} s with {CONCURRENCY} at a time"
                bounds += f", decoding {codec:.2f} s"
                rows.append((f"{layout}, {reader}: {what}", f"{taken:.2f} s", ""))
                rows.append((f"  of the bound: {bounds}", f"{of:.2f}", f"target {TARGET}"))
                alone = f"  of the same requests alone: {thrown:.2f} s"
                rows.append((alone, f"{thrown / taken:.2f}", ""))
    report(f"Streaming from a store that answers after {1000 * DELAY:.0f} ms", rows, ratios)


if __name__ == "__main__":
    main()

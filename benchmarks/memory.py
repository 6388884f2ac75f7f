"""How much memory streaming takes, over the idle process: of one cube, and of one four times it."""

import json
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from statistics import median

from measure import arguments, report
from noise import fourfold, published

from landslide.chips.loading import load_chips
from landslide.chips.passing import chip_batches
from landslide.chips.stream import plan_stream
from landslide.cube.events import find_event
from landslide.cube.labels import keep_labels
from landslide.cube.store import open_cube


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(path: str, what: str) -> None:
    """Stream a cube in this process, and print what it took."""
    warnings.simplefilter("ignore")
    idle = peak()
    cube = keep_labels(open_cube(path))
    stream = plan_stream(cube, find_event(cube, None))
    del cube  # as the sweep does
    planned = peak() - idle
    if what == "load":
        load_chips(stream)
    else:
        for _ in chip_batches(stream):
            pass
    print(json.dumps({"idle": idle, "planned": planned, "peak": peak() - idle}))


def measured(path: Path, what: str) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(path), what]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def medians(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure over several processes."""
    return {name: median(each[name] for each in found) for name in found[0]}


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
        return
    args = arguments(__doc__).parse_args()
    one, four = published(args.folder), fourfold(args.folder)
    rows, ratios = [], {}
    # A process's memory differs from run to run: freed memory is kept, more or less of it.
    streamed = [
        medians([measured(path, "stream") for _ in range(args.runs)]) for path in (one, four)
    ]
    for name, found in zip(("one", "four times"), streamed, strict=True):
        rows.append((f"{name}: process at rest", f"{found['idle']:.0f} MB", ""))
        rows.append((f"{name}: more after planning", f"{found['planned']:.0f} MB", ""))
        rows.append((f"{name}: more at its peak, streaming", f"{found['peak']:.0f} MB", ""))
    loaded = measured(one, "load")["peak"]
    rows.append(("one: more at its peak, loading all chips", f"{loaded:.0f} MB", "under 1000"))
    ratio = streamed[1]["peak"] / streamed[0]["peak"]
    rows.append(("four times over one, streaming", f"{ratio:.2f}", "at most 1.1"))
    ratios = {
        "peak_gb": streamed[0]["peak"] / 1000,
        "peak_gb_loaded": loaded / 1000,
        "fourfold_over_one": ratio,
    }
    report("Memory of streaming simulated cubes", rows, ratios)


if __name__ == "__main__":
    main()

"""How much memory chips take, over the idle process: of one cube, and of two four times its size.

Four cubes in a column have rows of blocks as long as one has, two by two have longer ones: the
first halves of chips that cross blocks wait for a row. Without overlap no chip crosses blocks.
"""

import json
import sys
import warnings
from collections import Counter
from statistics import median

from measure import arguments, in_own_process, memory, report, spread
from noise import fourfold, published, square

from landslide.chips.loading import load_chips
from landslide.chips.passing import chip_batches
from landslide.chips.split import Chipping
from landslide.chips.stream import plan_stream
from landslide.cube.events import find_event
from landslide.cube.labels import keep_labels
from landslide.cube.store import open_cube

CUBES = {"one": published, "fourfold": fourfold, "square": square}
NAMES = {"one": "one", "fourfold": "four in a column", "square": "two by two"}
OVERLAP = 32  # pixels: chips then cross blocks
WAYS = {"streaming": 0, f"streaming, overlap {OVERLAP}": OVERLAP, "loading": 0}
KEYS = dict(zip(WAYS, ("", "_crossing", "_loaded"), strict=True))


def measure(path: str, way: str) -> None:
    """Stream a cube in this process, and print what it took."""
    warnings.simplefilter("ignore")
    idle = memory("VmRSS")
    cube = keep_labels(open_cube(path))
    stream = plan_stream(cube, find_event(cube, None), chipping=Chipping(overlap=WAYS[way]))
    del cube  # as the sweep does
    found = {"idle": idle, "planned": memory("VmHWM") - idle}
    if way == "loading":
        load_chips(stream)
    else:
        for _ in chip_batches(stream):
            pass
    found["peak"] = memory("VmHWM") - idle
    blocks = Counter(chip for _, block in stream.blocks() for chip in block.chips)
    found |= {"chips": len(blocks), "crossing": sum(count > 1 for count in blocks.values())}
    print(json.dumps(found))


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
        return
    args = arguments(__doc__).parse_args()
    paths = {name: make(args.folder) for name, make in CUBES.items()}
    rows, ratios = [], {}
    for way, key in KEYS.items():
        # A process's memory differs from run to run: freed memory is kept, more or less of it.
        runs = [
            {name: in_own_process(str(path), way) for name, path in paths.items()}
            for _ in range(args.runs)
        ]
        for name in paths:
            found = [run[name] for run in runs]
            over = [run[name]["peak"] / run["one"]["peak"] for run in runs]
            of_all = {field: median(each[field] for each in found) for field in found[0]}
            what = "{chips:.0f} chips, {crossing:.0f} cross blocks".format(**of_all)
            rows.append((f"{way}, {NAMES[name]}: {what}", "", ""))
            rest = "{idle:.0f} MB, {planned:.0f} MB more once planned".format(**of_all)
            rows.append(("  at rest", rest, ""))
            peaks = spread([each["peak"] for each in found], 0)
            target = "under 1000" if (name, way) == ("one", "loading") else ""
            rows.append(("  more than at rest, at the peak", f"{peaks} MB", target))
            if name == "one":
                ratios[f"peak_gb{key}"] = of_all["peak"] / 1000
                continue
            target = "" if way == "loading" else "at most 1.1"
            rows.append(("  over one", spread(over, 2), target))
            ratios[f"{name}_over_one{key}"] = median(over)
    report("Memory that the chips of simulated cubes take", rows, ratios)


if __name__ == "__main__":
    main()

"""Epochs from a chip store, from the cube and from memory.

The loader of the chip store may hold a bounded number of chips; the store is several times as
large. The ways take turns, and a ratio is of two that followed each other: beside other work an
epoch takes many times as long.
"""

import os
import tempfile
import time
import warnings
from itertools import pairwise
from statistics import median

from measure import arguments, report, spread
from noise import optimised

from landslide.chips.chip_store import open_chip_store, write_chip_store
from landslide.chips.loading import load_chips
from landslide.chips.sizes import chip_bytes
from landslide.chips.stream import plan_stream
from landslide.chips.survey import Chips
from landslide.cube.events import find_event
from landslide.cube.labels import keep_labels
from landslide.cube.store import open_cube
from landslide.training.config import training_config
from landslide.training.feeding import AHEAD
from landslide.training.train import train

EPOCHS = 4
TARGET = 0.8


def epoch_seconds(chips: Chips, inputs: str, timesteps: int) -> float:
    """Return the median time of the epochs after the first."""
    config = training_config(
        "quick", inputs=inputs, timesteps=timesteps, epochs=EPOCHS, threads=2, seed=0
    )
    ends: list[float] = []
    train(chips, config, report=lambda _: ends.append(time.perf_counter()))
    return median(b - a for a, b in pairwise(ends))


def main() -> None:
    warnings.simplefilter("ignore")
    args = arguments(__doc__).parse_args()
    cube = keep_labels(open_cube(str(optimised(args.folder))))
    stream = plan_stream(cube, find_event(cube, None))
    config = training_config("quick")
    held = (AHEAD + 1) * config.batch_size
    count = int((stream.chips["part"] == "train").sum())
    size = chip_bytes(stream) / stream.chips.sizes["chip"] / 1e6
    rows = [
        ("chips to train on", str(count), f"{count * size:.0f} MB"),
        ("chips that the loader of the store may hold", str(held), f"{held * size:.0f} MB"),
    ]
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        start = time.perf_counter()
        write_chip_store(stream, f"{folder}/chips.zarr")
        rows.append(("chip store written", f"{time.perf_counter() - start:.1f} s", "once"))
        # Its pages are on the disk before anything is timed, so that no epoch shares the disk, or
        # the cores, with the system that writes them back.
        os.sync()
        ways: dict[str, Chips] = {
            "memory": load_chips(stream),
            "store": open_chip_store(f"{folder}/chips.zarr"),
            "stream": stream,
        }
        for inputs, timesteps in (("vv", 1), ("vv+vh+dem", 4)):
            runs = [
                {way: epoch_seconds(chips, inputs, timesteps) for way, chips in ways.items()}
                for _ in range(args.runs)
            ]
            for way in ways:
                speeds = [count / run[way] for run in runs]
                rows.append((f"{inputs} at {timesteps}: {way}", f"{spread(speeds, 0)} chips/s", ""))
                if way == "memory":
                    continue
                of = [run["memory"] / run[way] for run in runs]
                target = f"target {TARGET}" if way == "store" else ""
                rows.append((f"  of memory, {len(of)} runs", spread(of, 2), target))
                key = f"{inputs}_{timesteps}_{way}"
                ratios |= {key: median(of), f"{key}_least": min(of), f"{key}_most": max(of)}
    report("Epochs after the first, quick preset, two threads", rows, ratios)


if __name__ == "__main__":
    main()

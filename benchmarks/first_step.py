"""How long a sweep takes from its start to its first training step, and where the time goes.

From the start of its process to the end of the first optimiser step of whichever trial is first;
the whole sweep of the quick preset, and a warm page cache. The parts are those of one run, so that
they add up: the run whose time is the median.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import TAIL, arguments, report
from noise import optimised, published
from watched_sweep import LAST

FIRST = "process started"
PARTS = {
    "Python and imports": (FIRST, "imports done"),
    "cube opened, labels read": ("opened_cube called", "opened_cube done"),
    "split planned, cube digested": ("plan_experiment called", "plan_experiment done"),
    "stream planned": ("stream_of called", "stream_of done"),
    "network tried": ("require_network called", "require_network done"),
    "Ray started": ("ray_cluster called", "ray_cluster done"),
    "table looked into, Dask started": ("ray_cluster done", "gather_chips called"),
    "pass over the cube, chips in memory": ("gather_chips called", "gather_chips done"),
    "chips shared, Tune set up": ("run_trials called", "setup called"),
    "trial's process started, its imports": ("setup called", "trial called"),
    "network built, channels normalised": ("trial called", "advance called"),
    "first batch and step": ("advance called", LAST),
}
REST = "the rest"


def measured(path: Path) -> dict[str, float]:
    """Return the seconds that each part took, to a tenth; all of them are the whole."""
    watched = str(Path(__file__).with_name("watched_sweep.py"))
    with tempfile.TemporaryDirectory() as out:
        notes = Path(out) / "notes"
        options = ["--table", f"{out}/table", "--preset", "quick"]
        moments = {FIRST: time.time()}
        answer = subprocess.run(  # noqa: S603
            [sys.executable, watched, str(notes), str(path), *options],
            check=False,
            capture_output=True,
            text=True,
        )
        for line in notes.read_text().splitlines() if notes.exists() else ():
            what, moment = json.loads(line)
            moments.setdefault(what, moment)  # the first of several trials
    if LAST not in moments:
        tail = "\n".join(answer.stderr.splitlines()[-TAIL:])
        raise RuntimeError(f"no trial made a step; the sweep ended with\n{tail}")
    found = {name: round(moments[end] - moments[start], 1) for name, (start, end) in PARTS.items()}
    whole = round(moments[LAST] - moments[FIRST], 1)
    return found | {REST: round(whole - sum(found.values()), 1)}


def main() -> None:
    args = arguments(__doc__).parse_args()
    paths = published(args.folder), optimised(args.folder)
    rows: list[tuple[str, str, str]] = []
    ratios: dict[str, float] = {}
    # One to warm up. About half as many count as of shorter benchmarks: each takes a minute.
    runs = [{path: measured(path) for path in paths} for _ in range(args.runs // 2 + 2)][1:]
    for path in paths:
        ordered = sorted((run[path] for run in runs), key=lambda found: sum(found.values()))
        wholes = [sum(found.values()) for found in ordered]
        middle = len(ordered) // 2
        found, whole = ordered[middle], wholes[middle]
        rows += [(f"{path.stem}: {name}", f"{taken:.1f} s", "") for name, taken in found.items()]
        spread = f"{whole:.1f} s ({wholes[0]:.1f} to {wholes[-1]:.1f}, {len(wholes)} runs)"
        rows.append((f"{path.stem}: until the first training step", spread, "stated"))
        ratios |= {f"{path.stem}_{name}": taken / whole for name, taken in found.items()}
        ratios[f"{path.stem}_seconds"] = whole
    report("From a sweep's start to its first training step, quick preset", rows, ratios)


if __name__ == "__main__":
    main()

"""How long a sweep takes from its start to its first training step, and where the time goes."""

import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import arguments, report
from noise import optimised, published

PHASES = {
    "opened_cube": "cube opened, labels read",
    "plan_experiment": "split planned, cube digested",
    "plan_stream": "stream planned",
    "require_network": "network tried",
    "gather_chips": "chips read into memory",
}


def measure(path: str) -> None:
    """Run a sweep in this process until its first epoch ends, and print what took how long."""
    started = time.time() - time.process_time()
    from sweeps import ablation, trial  # noqa: PLC0415 - importing is part of the time

    warnings.simplefilter("ignore")
    lines = [("imports", time.time() - started)]

    def timed(name: str) -> Callable[..., Any]:
        function = getattr(ablation, name)

        def wrapper(*args: Any, **how: Any) -> Any:
            start = time.time()
            result = function(*args, **how)
            lines.append((PHASES[name], time.time() - start))
            return result

        return wrapper

    for name in PHASES:
        setattr(ablation, name, timed(name))
    opened = ablation.ray_cluster

    @contextmanager
    def cluster(address: str | None) -> Iterator[None]:
        start = time.time()
        with opened(address):
            lines.append(("Ray started", time.time() - start))
            yield

    ablation.ray_cluster = cluster
    launched = ablation.run_trials

    def run_trials(*args: Any, **how: Any) -> int:
        lines.append(("", time.time()))
        return launched(*args, **how)

    ablation.run_trials = run_trials

    def first_result(_: Any, *, result: dict[str, float], **__: Any) -> None:
        now = time.time()
        (start,) = (taken for name, taken in lines if not name)
        found = [line for line in lines if line[0]]
        found.append(("first trial started", now - start - result["time_this_iter_s"]))
        whole = now - started - result["time_this_iter_s"]
        found.append(("all else", whole - sum(taken for _, taken in found)))
        for name, taken in found:
            print(f"MEASURED\t{name}\t{taken}", flush=True)
        print(f"MEASURED\twhole\t{whole}", flush=True)
        raise KeyboardInterrupt  # what it was for is said

    trial.Progress.on_trial_result = first_result  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as out:
        options = ["--preset", "quick", "--epochs", "1", "--inputs", "vv", "--timesteps", "1", "2"]
        ablation.main([path, "--table", f"{out}/table", *options])


def measured(path: Path) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(path)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    lines = [line.split("\t")[1:] for line in answer.stdout.splitlines() if "MEASURED" in line]
    if not lines:
        raise RuntimeError(answer.stderr)
    return {name: float(taken) for name, taken in lines}


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
        return
    args = arguments(__doc__).parse_args()
    rows, ratios = [], {}
    for path in (published(args.folder), optimised(args.folder)):
        measured(path)
        found = measured(path)
        whole = found.pop("whole")
        rows += [(f"{path.stem}: {name}", f"{taken:.1f} s", "") for name, taken in found.items()]
        rows.append((f"{path.stem}: until the first training step", f"{whole:.1f} s", "stated"))
        ratios |= {f"{path.stem}_{name}": taken / whole for name, taken in found.items()}
        ratios[f"{path.stem}_seconds"] = whole
    report("From a sweep's start to its first training step, quick preset", rows, ratios)


if __name__ == "__main__":
    main()

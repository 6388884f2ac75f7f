"""What all benchmarks share: medians of warm runs, a table, one JSON object at the end."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from landslide.results.layout import columns

FOLDER = Path(__file__).with_name("cubes")
TAIL = 30  # lines that are shown of a failed command


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the cubes are kept")
    parser.add_argument("--runs", type=int, default=5, help="counted runs, after one to warm up")
    return parser


def seconds(function: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def median_seconds(function: Callable[[], Any], runs: int) -> float:
    """Return the median time of several calls, after one to warm up."""
    function()
    return statistics.median(seconds(function) for _ in range(runs))


def medians_in_turn(functions: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Return the median time of each function, called in turn: a machine's speed may drift."""
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(runs + 1):
        for name, function in functions.items():
            taken[name].append(seconds(function))
    return {name: statistics.median(each[1:]) for name, each in taken.items()}


def spread(values: list[float], digits: int) -> str:
    """Say the median, and between what the values lie."""
    low, middle, high = (f"{each(values):.{digits}f}" for each in (min, statistics.median, max))
    return f"{middle} ({low} to {high})"


def output(command: list[str]) -> str:
    """Run a command and return its standard output; where it fails, say what it complained of.

    Raises
    ------
    RuntimeError
        With the last lines of its standard error, and of its output where that is short.
    """
    answer = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if answer.returncode:
        tail = "\n".join((answer.stdout + answer.stderr).splitlines()[-TAIL:])
        raise RuntimeError(f"{' '.join(command)} ended with {answer.returncode}:\n{tail}")
    return answer.stdout


def in_own_process(*given: str) -> Any:
    """Call this very benchmark with `--measure` in a process of its own; return what it printed.

    Raises
    ------
    RuntimeError
        As `output` does.
    """
    printed = output([sys.executable, sys.argv[0], "--measure", *given])
    return json.loads(printed.splitlines()[-1])


def memory(field: str) -> float:
    """Return a field of this process's status, in MB.

    `ru_maxrss` will not do: a process inherits it from the one that starts it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def report(title: str, rows: list[tuple[str, str, str]], ratios: dict[str, float]) -> None:
    """Print what was measured: (what, how much, of which target), then the ratios as JSON."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print("", title, machine, *columns(rows), sep="\n")
    print(json.dumps({name: round(value, 3) for name, value in ratios.items()}), flush=True)

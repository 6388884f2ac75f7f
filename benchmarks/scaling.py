"""How a sweep scales: trials that sleep instead of training, and tables of many rows.

`--slots 16 --trials 17 --seconds 900` is the paper's sweep on 16 V100s, which take a quarter of an
hour each. Here all slots' processes start on the cores of one machine: that is told
apart, as a cluster has more of them.
"""

import logging
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
from measure import arguments, report, seconds

from cluster.ray import ray_cluster
from cluster.resources import Resources
from landslide import results_table, simulate_cube
from landslide.chips.gathering import gather_chips
from landslide.chips.sizes import Room, memory_bytes
from landslide.experiment.rows import failed_row
from landslide.results.row import Row
from landslide.results.table import row_keys, write_row
from landslide.training.config import training_config
from sweeps.choices import SweepChoices
from sweeps.planning import Sweep, plan_sweep
from sweeps.trial import run_trials

CHIPS, BINS = 61, 512
"""Of a row of the paper's experiment: its test chips, and their histograms."""
ONE = Resources(cpus=1)
PAPER = 900
"""Seconds that a V100 trained one of the paper's models."""


def sleeping(length: float) -> Callable[..., None]:
    """Return a trial that sleeps for some seconds, and writes a row that says so."""

    def trial(parameters: dict[str, Any], *, experiment: Any, table: str, **_: Any) -> None:
        from ray import tune  # noqa: PLC0415 - here `cluster.ray` must come first

        time.sleep(length)
        key, config = parameters["trial"]["key"], parameters["trial"]["config"]
        write_row(table, failed_row(experiment, config, key, "slept, and did not train"))
        tune.report({"epoch": config.epochs})

    return trial


def planned(cube: str, table: str, trials: int) -> Sweep:
    """Plan a sweep of as many trials."""
    seeds, base = tuple(range(trials)), training_config("quick")
    return plan_sweep(SweepChoices(cube, table, base, inputs=("vv",), timesteps=(1,), seeds=seeds))


def makespan(
    cube: str, folder: str, *, slots: int, trials: int, length: float
) -> tuple[float, float]:
    """Return how long trials that sleep take over so many slots, and when all slots had begun [s].

    The cluster runs already, with no trial's process on it.
    """
    table = f"{folder}/{slots}-{trials}-{length:g}/table"
    sweep = planned(cube, table, trials)
    chips = gather_chips(sweep.stream, "memory", sweep.choices.runs, room=Room(memory_bytes()))
    configs = sweep.keyed(ONE)
    with ray_cluster(cpus=slots):
        start = pd.Timestamp.now("UTC")
        body = sleeping(length)
        taken = seconds(lambda: run_trials(sweep, configs, chips, ONE, deadline=0, body=body))
    written = results_table(table)["written_at"].sort_values()
    if len(written) != trials:
        raise RuntimeError(f"{len(written)} rows of {trials} trials")
    return taken, (written.iloc[min(slots, trials) - 1] - start).total_seconds() - length


def stored_rows(table: str, count: int, seed: int = 0) -> None:
    """Write rows as large as those of the paper's experiment; their scores are random."""
    filesystem, path = fsspec.core.url_to_fs(table)
    generator = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as local:
        for number in range(count):
            histogram = generator.poisson(8, (CHIPS, BINS)).astype(np.int32)
            row = Row(
                key=f"{number:032x}",
                event="random",
                cube="none",
                simulated=True,
                cube_digest="none",
                protocol="paper",
                split_digest="none",
                inputs="vv",
                timesteps=1,
                seed=number,
                test_chips=CHIPS,
                auprc=float(generator.random()),
                histogram_edges=np.linspace(-9, 9, BINS + 1, dtype=np.float32),
                histogram_negative=histogram.ravel(),
                histogram_positive=histogram.ravel(),
            )
            write_row(local, row)
        filesystem.put(f"{local}/", path, recursive=True)


def table_times(address: str, count: int) -> dict[str, float]:
    """Return what a sweep's start (its keys) and a report (all of it) take of a large table."""
    stored_rows(address, count)
    found: dict[str, float] = {"keys": seconds(lambda: row_keys(address))}
    return found | {"rows": seconds(lambda: results_table(address))}


def served(folder: str) -> str:
    """Start an S3 server on loopback; return a bucket's address."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
    fsspec.filesystem("s3").mkdir("bench")
    return f"s3://bench/{Path(folder).name}"


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--slots", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument(
        "--seconds", type=float, default=30, help=f"a trial's; the paper's: {PAPER}"
    )
    parser.add_argument("--near-empty", type=int, default=1000, help="trials that do nothing")
    parser.add_argument("--near-empty-slots", type=int, default=4)
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000])
    args = parser.parse_args()
    rows, ratios = [], {}
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        cube = f"{folder}/simulated.zarr"
        simulate_cube(cube, shape=(512, 640))
        for slots in args.slots:
            taken, begun = makespan(
                cube, folder, slots=slots, trials=args.trials, length=args.seconds
            )
            ideal = math.ceil(args.trials / slots) * args.seconds
            ratios[f"ideal_over_makespan_{slots}"] = ideal / taken
            ratios[f"ideal_over_rest_{slots}"] = ideal / (taken - begun)
            wanted = "0.9" if slots == 16 and args.seconds >= PAPER else ""
            what = f"{args.trials} trials of {args.seconds:g} s over {slots} slots"
            rows += [
                (what, f"{taken:.1f} s, {ideal / taken:.3f} of the ideal", wanted),
                (
                    f"  once {slots} processes had started, on {os.cpu_count()} cores",
                    f"after {begun:.1f} s, {ideal / (taken - begun):.3f} of the ideal",
                    "",
                ),
            ]
        if args.near_empty:
            slots = args.near_empty_slots
            taken, _ = makespan(cube, folder, slots=slots, trials=args.near_empty, length=0)
            ratios["near_empty_trials_per_second"] = args.near_empty / taken
            rows.append(
                (
                    f"{args.near_empty} near-empty trials over {slots} slots",
                    f"{taken:.1f} s, {1e3 * taken / args.near_empty:.0f} ms a trial",
                    "",
                )
            )
        if args.rows:
            bucket = served(folder)
            for place, address in (("a disk", folder), ("S3 (moto)", bucket)):
                for count in args.rows:
                    times = table_times(f"{address}/table-{count}", count)
                    said = f"keys {times['keys']:.2f} s, all {times['rows']:.2f} s"
                    rows.append((f"a table of {count} rows on {place}", said, ""))
    report("Scaling (simulated)", rows, ratios)


if __name__ == "__main__":
    main()

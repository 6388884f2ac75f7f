#!/usr/bin/env python
"""The ablation of Boehm et al. 2022: which channels, and how many images, find landslides.

Four input sets, each with one to four images averaged before and after the event, and the terrain
alone: all are trained on the same chips, which stream out of the cube in one pass, and scored on
the same pixels. Each trial writes its row into the shared AUPRC table.

    sweeps/ablation.py CUBE
    ray job submit --working-dir . -- python sweeps/ablation.py gs://…/CUBE --table gs://…/TABLE
"""

import argparse
import sys
from dataclasses import replace

from cluster.dask import dask_client, executor_of
from cluster.ray import (
    Resources,
    cluster_has_gpus,
    in_job,
    ray_cluster,
    require_resources,
    smallest_node_bytes,
)
from landslide.chips.gathering import gather_chips
from landslide.chips.inputs import PAPER_INPUTS, PAPER_TIMESTEPS
from landslide.chips.sizes import memory_bytes
from landslide.chips.stream import plan_stream
from landslide.command import run_command
from landslide.cube.events import find_event
from landslide.experiment import configurations, plan_experiment, row_key, with_baseline
from landslide.options import (
    Parser,
    add_experiment_options,
    chipping_of,
    config_of,
    opened_cube,
    seed,
    split_text,
)
from landslide.results.figures import figure4
from landslide.results.summary import report
from landslide.results.table import check_writable, results_table, row_keys
from landslide.storage import absolute, write_whole
from landslide.trial import require_network
from sweeps.trial import run_trials


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__.split("\n")[0])
    add_experiment_options(parser)
    sweep = parser.add_argument_group("sweep")
    sweep.add_argument("--table", help="folder of the shared table; ./table where run by hand")
    sweep.add_argument("--inputs", nargs="+", default=list(PAPER_INPUTS))
    sweep.add_argument("--timesteps", nargs="+", type=int, default=list(PAPER_TIMESTEPS))
    sweep.add_argument("--seeds", nargs="+", type=seed, default=[0])
    sweep.add_argument("--force", action="store_true", help="train what the table holds, too")
    sweep.add_argument("--storage", help="folder of checkpoints; runs/ beside the table")
    ray_options = parser.add_argument_group("cluster")
    ray_options.add_argument("--gpus-per-trial", type=float, help="default: 1 where there are any")
    ray_options.add_argument("--cpus-per-trial", type=int, help="default: the preset's threads")
    ray_options.add_argument("--address", help="a running Ray; default: the job's, or a local one")
    ray_options.add_argument("--accelerator", help="Ray's accelerator type, such as V100")
    ray_options.add_argument(
        "--dask", metavar="ADDRESS", help="a scheduler, or kubernetes:NAMESPACE/NAME; default: here"
    )
    ray_options.add_argument(
        "--dask-workers", type=int, nargs=2, metavar=("LEAST", "MOST"), help="scale in between"
    )
    args = parser.parse_args(arguments)
    if args.table is None and in_job():
        parser.error("a submitted job needs --table, an address that every worker can reach")
    return args


def main(arguments: list[str] | None = None) -> int:
    """Run the sweep; 1 where a trial failed."""
    args = options(arguments)
    table = absolute(args.table or "table")
    beside = table.rsplit("/", 1)[0]
    if beside.endswith(":/"):
        raise ValueError(f"the table {table} is a whole bucket: name a folder in it")
    runs = absolute(args.storage or f"{beside}/runs")

    cube = opened_cube(args)
    event = find_event(cube, args.event)
    chipping, inputs = chipping_of(args), with_baseline(args.inputs)
    experiment = plan_experiment(
        cube,
        event,
        chipping,
        inputs,
        args.timesteps,
        orbit=args.orbit,
        split=split_text(args),
        skip_damaged=args.skip_damaged,
    )
    stream = plan_stream(
        cube,
        event,
        inputs=inputs,
        timesteps=args.timesteps,
        chipping=chipping,
        orbit=args.orbit,
        split=experiment.split,
        skip_damaged=args.skip_damaged,
    )
    del cube  # the plane of labels, which the stream has cut
    base = config_of(args, threads=args.cpus_per_trial)
    require_network(base, inputs, chipping.chip_size)
    check_writable(table)
    split_address = f"{beside}/split-{experiment.split_digest}.json"
    write_whole(split_address, experiment.split.encode())

    print(f"{experiment.cube}: event {event.name}, {stream.chips.sizes['chip']} chips", flush=True)
    with ray_cluster(args.address):
        gpus = args.gpus_per_trial
        gpus = float(bool(args.accelerator) or cluster_has_gpus()) if gpus is None else gpus
        resources = Resources(base.threads, gpus, args.accelerator)
        require_resources(resources)

        precision = "mixed" if gpus and base.precision != "float32" else "float32"
        base = replace(base, precision=precision)
        configs = configurations(base, inputs, args.timesteps, args.seeds)
        keys = {row_key(experiment, config, precision): config for config in configs}
        done = set() if args.force else row_keys(table)
        waiting = {key: config for key, config in keys.items() if key not in done}
        print(f"{len(configs)} configurations, {len(keys) - len(waiting)} in the table already")
        failures = 0
        if waiting:
            with dask_client(args.dask, adapt=args.dask_workers) as client:
                address = f"{runs}/{experiment.chip_store}"
                memory = min(memory_bytes(), smallest_node_bytes())
                reading = executor_of(client, max(args.dask_workers or (0,)))
                chips = gather_chips(stream, args.chips, address, *reading, memory=memory)
            failures = run_trials(experiment, waiting, chips, resources, table=table, runs=runs)

    rows = results_table(table)
    print(report(rows))
    figure4(rows, f"{beside}/figure4.png")
    print(f"table:  {table}\nfigure: {beside}/figure4.png\nsplit:  {split_address}")
    return int(failures > 0)


def command(arguments: list[str] | None = None) -> int:
    """Run `main`; what is wrong with the input is one line on standard error."""
    return run_command(lambda: main(arguments), verbose=True)


if __name__ == "__main__":
    sys.exit(command())

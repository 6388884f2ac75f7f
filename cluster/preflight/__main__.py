"""Try what a sweep needs, from here and from every node, before money is spent on it.

It takes the sweep's own command line:

    python -m cluster.preflight CUBE --table TABLE
    ray job submit --working-dir . -- python -m cluster.preflight gs://…/CUBE --table gs://…/TABLE
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext, redirect_stdout
from dataclasses import asdict, replace
from typing import Any

from distributed import Client

from cluster.dask import ADDRESS, dask_client
from cluster.preflight.checks import (
    Check,
    Place,
    as_table,
    examine,
    marked,
    same_versions,
    versions,
)
from cluster.preflight.estimate import (
    beside_network,
    decoded_bytes,
    duration,
    fit,
    gigabytes,
    training_seconds,
)
from cluster.preflight.gpus import gpus
from cluster.preflight.places import nodes, on_a_trial, on_nodes, on_workers
from cluster.preflight.step import Step, trial_step
from cluster.ray import ray_cluster
from cluster.resources import Resources, await_node, trials_at_once
from landslide.chips.inputs import parse_inputs
from landslide.chips.sizes import MEMORY, chip_bytes, choose_chips
from landslide.command import run_command
from landslide.errors import one_line
from landslide.options import Parser
from landslide.training.config import TrainingConfig
from landslide.training.device import resolved_precision
from sweeps.options import add_sweep_options, chosen, parsed
from sweeps.planning import Sweep, plan_sweep
from sweeps.resources import resources_of, room_for_chips
from sweeps.workers import Cluster

DRIVER = "driver"


def main(arguments: list[str] | None = None) -> int:
    """Print a table of checks; 1 where one fails."""
    parser = Parser(prog="python -m cluster.preflight", description=__doc__.split("\n")[0])
    add_sweep_options(parser)
    preflight = parser.add_argument_group("preflight")
    preflight.add_argument("--json", action="store_true", help="say it as one JSON object")
    args = parsed(parser, arguments)
    with redirect_stdout(sys.stderr) if args.json else nullcontext():
        checks = checked(args)
    if args.json:
        passed = all(check.passed for check in checks)
        print(json.dumps({"passed": passed, "checks": [asdict(check) for check in checks]}))
    else:
        print(as_table(checks))
    return int(not all(check.passed for check in checks))


def checked(args: argparse.Namespace) -> list[Check]:
    """Connect as the sweep would, and try all; what stops it is the last check."""
    checks, trying = list[Check](), (DRIVER, "sweep")
    try:
        choices, cluster = chosen(args)
        sweep = plan_sweep(choices)
        here = examine(*order_of(sweep))
        checks += _told(DRIVER, here, versions(), trains=True)
        with ExitStack() as opened:
            marks = opened.enter_context(marked(writable_of(sweep, here)))
            trying = ("Ray", "cluster")
            opened.enter_context(ray_cluster(cluster.address))
            trying, client = ("Dask", "cluster"), None
            if cluster.dask or os.environ.get(ADDRESS):
                client = opened.enter_context(
                    dask_client(cluster.dask, adapt=cluster.dask_workers, deadline=cluster.deadline)
                )
            trying = ("a trial", "resources")
            require_worth(cluster, choices.base.threads, checks)
            resources = resources_of(cluster, choices.base.threads)
            await_node(resources, cluster.deadline)
            for check in check_places(sweep, resources, client, here, marks, cluster.deadline):
                checks.append(check)
    except (ValueError, OSError, ImportError) as error:
        checks.append(Check(*trying, passed=False, said=one_line(error, 300)))
    return checks


def require_worth(cluster: Cluster, cpus: float, checks: list[Check]) -> None:
    """Raise a ValueError where a node would have to come, and the driver has failed already."""
    asked = Resources(cpus, cluster.gpus or 0, cluster.accelerator)
    if not all(check.passed for check in checks) and not trials_at_once(asked):
        raise ValueError("no node is asked for before what failed on the driver is mended")


def check_places(
    sweep: Sweep,
    resources: Resources,
    client: Client | None,
    here: Place,
    marks: dict[str, str],
    deadline: float,
) -> Iterator[Check]:
    """Try all other places; what a trial needs may add nodes, which are then tried too."""
    trial, step = check_trial(sweep, resources, deadline)
    order = (*order_of(sweep), marks)
    known = nodes()
    found = on_nodes(examine, dict.fromkeys(known, order), seconds=deadline)
    for node, place in found.items():
        yield from _told(f"node {known[node].name}", place, here.versions, trains=True)
    offered = {node: about.gpus for node, about in known.items() if about.gpus}
    tried = on_nodes(
        gpus,
        {node: (count, *step_of(sweep)) for node, count in offered.items()},
        seconds=deadline,
        gpus=offered,
    )
    for node, answer in tried.items():
        told = (("GPUs", False, answer),) if isinstance(answer, str) else answer
        yield from (Check(f"node {known[node].name}", *each) for each in told)
    reading = order_of(sweep)  # with chips in memory, Dask's workers may write elsewhere
    workers = on_workers(client, examine, *reading, seconds=deadline) if client else {}
    if client is not None and not workers:
        yield Check("Dask", "workers", passed=True, said="none now: they come with the work")
    for name, place in workers.items():
        yield from _told(f"Dask {name}", place, here.versions, trains=False)
    yield trial
    rates = [p.rate for p in [*found.values(), *workers.values(), here] if isinstance(p, Place)]
    threads = sum(client.nthreads().values()) if client else os.cpu_count() or 1
    yield from estimates(sweep, resources, step, rates=rates, threads=threads)


def _told(where: str, place: Place | str, here: Any, *, trains: bool) -> Iterator[Check]:
    if isinstance(place, str):
        yield Check(where, "answer", passed=False, said=place)
        return
    yield Check(where, *same_versions(here, place.versions, trains=trains))
    yield from (Check(where, *each) for each in place.checks)


def order_of(sweep: Sweep) -> tuple[str, str, str, dict[str, str]]:
    """Return what every place is to examine: the cube, how it is read, and what is written to."""
    choices = sweep.choices
    return sweep.experiment.cube, choices.reader, choices.missing, folders_of(sweep)


def folders_of(sweep: Sweep) -> dict[str, str]:
    """Return the addresses that a sweep writes to, by the options that name them."""
    return {"table": sweep.choices.table, "storage": sweep.choices.runs}


def writable_of(sweep: Sweep, here: Place) -> dict[str, str]:
    """Return those of them that the driver could write to."""
    passed = {what for what, passed, _ in here.checks if passed}
    return {name: folder for name, folder in folders_of(sweep).items() if name in passed}


def step_of(sweep: Sweep) -> tuple[TrainingConfig, int]:
    """Return what the sweep's largest training step takes: a configuration, and the chips' size."""
    choices = sweep.choices
    widest = max(choices.inputs, key=lambda name: len(parse_inputs(name).channels))
    return replace(choices.base, inputs=widest), choices.chipping.chip_size


def check_trial(sweep: Sweep, resources: Resources, deadline: float) -> tuple[Check, Step | None]:
    """Make training steps with what a trial is given."""
    config, size = step_of(sweep)
    precision = resolved_precision(config.precision, gpu=resources.gpus > 0)
    order = (replace(config, precision=precision), size, resources.gpus)
    step = on_a_trial(trial_step, *order, resources=resources, seconds=deadline)
    if isinstance(step, str):
        return Check("a trial", "training", passed=False, said=f"with {resources}: {step}"), None
    said = f"with {resources}: a step of {config.batch_size} chips takes {step.seconds:.3f} s"
    said += f" on {step.device} in {step.precision}"
    said += f", and {gigabytes(step.peak)} of its memory" if step.peak else ""
    if config.compile:
        said += ", compiled" if step.compiled else ", and could not be compiled"
    if resources.gpus and step.device == "cpu":
        return Check("a trial", "training", passed=False, said=f"{said}, not on a GPU"), step
    return Check("a trial", "training", passed=True, said=said), step


def estimates(
    sweep: Sweep,
    resources: Resources,
    step: Step | None,
    *,
    rates: list[float],
    threads: int,
) -> Iterator[Check]:
    """Say what the sweep will hold, read and take."""
    choices, configs = sweep.choices, sweep.keyed(resources)
    room = room_for_chips(resources, len(configs))
    yield Check("sweep", *fit(sweep.stream, choices.chips, room, choices.runs))
    in_memory = choose_chips(choices.chips, chip_bytes(sweep.stream), room) == MEMORY
    if step is not None and math.isfinite(step.room) and in_memory:
        channels = len(parse_inputs(step_of(sweep)[0].inputs).channels)
        yield Check("sweep", *beside_network(sweep.stream, channels, step))
    size, rate = decoded_bytes(sweep.stream), min(filter(math.isfinite, rates), default=math.nan)
    said = f"one pass decodes {gigabytes(size)}"
    if math.isfinite(rate):
        said += (
            f": {duration(size / rate / threads)} at the slowest place's rate, {threads} "
            f"chunk{'s' if threads > 1 else ''} at a time"
        )
    yield Check("sweep", "reading", passed=True, said=said)
    try:
        waiting = sweep.lacking(configs)
    except OSError:  # told of already, by every place
        waiting = configs
    except ValueError as error:  # it may be written, and holds what is no row
        yield Check("sweep", "table", passed=False, said=one_line(error, 300))
        waiting = configs
    said = f"{len(waiting)} of {len(configs)} configurations are not in the table"
    said += f"; {trials_at_once(resources)} at once on the nodes that run"
    if step is not None and waiting:
        seconds = training_seconds(sweep.stream, waiting, step.seconds)
        said += f"; training takes {duration(sum(seconds))} one after another, "
        said += f"{duration(max(seconds))} all at once, and each trial's start"
    yield Check("sweep", "training", passed=True, said=said)


if __name__ == "__main__":
    sys.exit(run_command(main))

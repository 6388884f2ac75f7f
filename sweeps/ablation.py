#!/usr/bin/env python
"""The ablation of Boehm et al. 2022: which channels, and how many images, find landslides.

Four input sets, each with one to four images averaged before and after the event, and the terrain
alone: all are trained on the same chips, which stream out of the cube in one pass, and scored on
the same pixels. Each trial writes its row into the shared AUPRC table.

    sweeps/ablation.py CUBE
    ray job submit --working-dir . -- python sweeps/ablation.py gs://…/CUBE --table gs://…/TABLE
"""

import argparse
import logging
import sys
from collections.abc import Sequence

from cluster.ray import ray_cluster
from cluster.resources import node_coming
from landslide.chips.gathering import gather_chips
from landslide.chips.inputs import PAPER_INPUTS
from landslide.command import run_command
from landslide.options import Parser
from landslide.results.ablation_figure import figure4
from landslide.results.sections import sections
from landslide.results.summary import report
from landslide.results.table import results_table
from landslide.retries import patiently
from landslide.storage import write_whole
from sweeps.options import add_sweep_options, chosen, parsed
from sweeps.planning import Sweep, plan_sweep
from sweeps.resources import resources_of, room_for_chips
from sweeps.trial import run_trials
from sweeps.workers import Cluster, dask_executor

log = logging.getLogger(__name__)


def options(
    arguments: list[str] | None, what: str = __doc__, inputs: Sequence[str] = PAPER_INPUTS
) -> argparse.Namespace:
    """Read the command line of a sweep over these inputs, unless it names others."""
    parser = Parser(description=what.split("\n", maxsplit=1)[0])
    add_sweep_options(parser, inputs)
    return parsed(parser, arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the ablation; 1 where a trial failed."""
    choices, cluster = chosen(options(arguments))
    return run(plan_sweep(choices), cluster)


def run(sweep: Sweep, cluster: Cluster) -> int:
    """Run a sweep over inputs, timesteps and seeds; 1 where a trial failed."""
    choices, experiment = sweep.choices, sweep.experiment
    sweep.require_writable()
    split_address = f"{choices.beside}/split-{experiment.split_digest}.json"
    write_whole(split_address, experiment.split.encode())

    chips_planned = sweep.stream.chips.sizes["chip"]
    print(f"{experiment.cube}: event {experiment.event.name}, {chips_planned} chips", flush=True)
    with ray_cluster(cluster.address):
        resources = resources_of(cluster, choices.base.threads)
        configs = sweep.keyed(resources)
        waiting = sweep.lacking(configs)
        print(f"{len(configs)} configurations, {len(configs) - len(waiting)} in the table already")
        if others := sweep.scored_in_mixed([*waiting.values()], resources):
            log.warning(
                "%d of those to train are in the table in mixed precision, and are trained anew in "
                "float32: --gpus-per-trial 1 waits for a GPU; a CPU with AMX or AVX-512 BF16 takes "
                "--precision mixed, too",
                others,
            )
        failures = 0
        if waiting:
            with (
                node_coming(resources),  # it may come while the chips are read
                dask_executor(cluster) as (executor, look_ahead),
            ):
                chips = gather_chips(
                    sweep.stream,
                    choices.chips,
                    f"{choices.runs}/{experiment.chip_store}",
                    executor=executor,
                    look_ahead=look_ahead,
                    room=room_for_chips(resources, len(waiting)),
                )
            failures = run_trials(sweep, waiting, chips, resources, deadline=cluster.deadline)

    rows = patiently(lambda: results_table(choices.table))
    print(report(rows))
    print(f"table:  {choices.table}\nsplit:  {split_address}")
    if any(len(each.scored) and each.as_the_paper for each in sections(rows)):
        figure4(rows, f"{choices.beside}/figure4.png")
        print(f"figure: {choices.beside}/figure4.png")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(run_command(main, verbose=True))

#!/usr/bin/env python
"""The paper's experiment: its ablation under both protocols, or one, on a page of results.

Each protocol is swept as `sweeps/ablation.py` does, into one table, `blocked` in as many optimiser
steps as `paper`; the page says what was found beside what the paper claims, with Figures 4 and 5.
Started again it goes on from the table.

    sweeps/experiment.py CUBE
    sweeps/experiment.py hokkaido      # which is downloaded first
"""

import argparse
import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cluster import in_job
from cluster.ray import ray_cluster
from cluster.resources import Resources
from landslide.command import run_command
from landslide.cube.address import METADATA_FILES
from landslide.cube.events import published_name
from landslide.cube.fetch import fetch_cube
from landslide.options import Parser
from landslide.storage import exists
from landslide.training.labelled import chips_trained, with_steps_of
from sweeps.ablation import run
from sweeps.choices import SweepChoices
from sweeps.experiment_page import check_page, example_model, write_page
from sweeps.options import add_sweep_options, chosen, parsed
from sweeps.planning import Sweep, plan_sweep
from sweeps.resources import resources_of

log = logging.getLogger(__name__)

PROTOCOLS = ("paper", "blocked")


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_sweep_options(parser)
    results = parser.add_argument_group("page")
    results.add_argument(
        "--results", help="address of the page; default: RESULTS.md, beside the table"
    )
    results.add_argument(
        "--download-to",
        default="data",
        help="folder of a published cube; default: %(default)s",
    )
    parser.set_defaults(protocol=None, seeds=[0, 1, 2])  # no protocol is both
    args = parsed(parser, arguments)
    if args.split and args.protocol is None:
        parser.error("a saved --split is of one protocol: name it with --protocol")
    if in_job() and _is_published(args.cube) and not Path(args.download_to).is_absolute():
        parser.error(
            f"--download-to {args.download_to} would go with the job: give a folder, from / on, "
            "that every worker can reach"
        )
    return args


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment and write its page; 1 where a trial failed."""
    args = options(arguments)
    choices, cluster = chosen(args)
    page = args.results or f"{choices.beside}/RESULTS.md"
    words = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["sweeps/experiment.py", *words])
    check_page(page)
    if _is_published(args.cube):
        choices = replace(choices, cube=str(fetch_cube(args.cube, args.download_to)))
    planned = plan_protocols(choices, [args.protocol] if args.protocol else PROTOCOLS)
    with ray_cluster(cluster.address):
        resources = resources_of(cluster, choices.base.threads)
        cluster = replace(cluster, gpus=resources.gpus)  # the same, whatever nodes come and go
        show = partial(show_page, page, command, resources, cluster.deadline)
        code, complete = 0, dict[str, Sweep]()
        for name, sweep in planned.items():
            if complete and not code and not exists(page):
                # What trains the next for hours may be taken away meanwhile.
                try:
                    show(complete)
                except (ValueError, OSError) as error:
                    log.warning("no page yet: %s", error)
            code = max(code, run(sweep, cluster))
            complete[name] = sweep
        whole = show(complete)
    return max(code, int(not whole))


def show_page(
    page: str, command: str, resources: Resources, deadline: float, planned: dict[str, Sweep]
) -> bool:
    """Write the page of the protocols that are complete; say whether it has its Figure 5."""
    keys = {key for sweep in planned.values() for key in sweep.keyed(resources)}
    rows = next(iter(planned.values())).rows(keys)
    model = example_model(planned, rows, resources, deadline)
    write_page(page, planned, rows, model, command)
    print(f"page:   {page}")
    return model is not None


def plan_protocols(choices: SweepChoices, protocols: Sequence[str] = PROTOCOLS) -> dict[str, Sweep]:
    """Plan the sweep of each protocol asked for, all in as many optimiser steps as `paper`."""
    planned = {
        name: plan_sweep(replace(choices, chipping=replace(choices.chipping, protocol=name)))
        for name in protocols
    }
    if "blocked" in planned:
        paper = planned.get("paper") or _paper_beside(choices)
        blocked = planned["blocked"]
        counts = (chips_trained(each.stream.chips) for each in (paper, blocked))
        base = with_steps_of(choices.base, *counts)
        planned["blocked"] = replace(blocked, choices=replace(blocked.choices, base=base))
    return planned


def _paper_beside(choices: SweepChoices) -> Sweep:
    """Plan `paper`, which nobody asked for, to know how many optimiser steps it makes."""
    # Chips without landslides, which `blocked` may ask for, it has none.
    least = choices.chipping.minimum_landslide_pixels or None
    chipping = replace(choices.chipping, protocol="paper", minimum_landslide_pixels=least)
    try:
        return plan_sweep(replace(choices, chipping=chipping, split=None))
    except ValueError as error:
        raise ValueError(
            f"blocked is to make as many optimiser steps as paper, which cannot be planned: {error}"
            "; or sweep it alone, with sweeps/ablation.py --protocol blocked"
        ) from error


def _is_published(cube: str | None) -> bool:
    """Say whether a published cube is asked for by its name."""
    return bool(cube and published_name(cube) and not _holds_cube(Path(cube)))


def _holds_cube(path: Path) -> bool:
    """Say whether a path that is named like a published event is a cube, and not its results."""
    return path.is_file() or any((path / name).exists() for name in METADATA_FILES)


if __name__ == "__main__":
    sys.exit(run_command(main, verbose=True))

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
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster import in_job
from cluster.ray import ray_cluster
from cluster.resources import Resources
from landslide.command import run_command
from landslide.cube.address import METADATA_FILES
from landslide.cube.events import published_name
from landslide.cube.fetch import fetch_cube
from landslide.options import Parser, cube_address
from landslide.storage import exists
from landslide.training.labelled import chips_trained, with_steps_of
from sweeps.ablation import run
from sweeps.planning import Sweep, add_sweep_options, parsed, plan_sweep, resources_of, table_of
from sweeps.showing import check_page, example_model, write_page

log = logging.getLogger(__name__)

PROTOCOLS = ("paper", "blocked")


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_sweep_options(parser)
    page = parser.add_argument_group("page")
    page.add_argument(
        "--results", help="address of the page; default: RESULTS.md, beside the table"
    )
    page.add_argument(
        "--download-to", default="data", help="folder of a published cube; default: %(default)s"
    )
    parser.set_defaults(protocol=None, seeds=[0, 1, 2])  # no protocol is both
    args = parsed(parser, arguments)
    if args.split and args.protocol is None:
        parser.error("a saved --split is of one protocol: name it with --protocol")
    if in_job() and _is_downloaded(args) and not Path(args.download_to).is_absolute():
        parser.error(
            f"--download-to {args.download_to} would go with the job: give a folder, from / on, "
            "that every worker can reach"
        )
    return args


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment and write its page; 1 where a trial failed."""
    args = options(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    args.results = args.results or f"{table_of(args)[1]}/RESULTS.md"
    check_page(args.results)
    if _is_downloaded(args):
        args.cube = str(fetch_cube(args.cube, args.download_to))
    args.cube = cube_address(args)  # a worker's folder is another
    planned = plan_protocols(args)
    with ray_cluster(args.address):
        first = next(iter(planned.values()))
        resources = resources_of(args, first.base)
        args.gpus_per_trial = resources.gpus  # all of it the same, whatever nodes come and go
        code, complete = 0, dict[str, Sweep]()
        for name, sweep in planned.items():
            if complete and not code and not exists(args.results):
                # What trains the next for hours may be taken away meanwhile.
                try:
                    show(args, complete, resources, words)
                except (ValueError, OSError) as error:
                    log.warning("no page yet: %s", error)
            code = max(code, run(args, sweep))
            complete[name] = sweep
        whole = show(args, complete, resources, words)
    return max(code, int(not whole))


def show(
    args: argparse.Namespace, planned: dict[str, Sweep], resources: Resources, words: list[str]
) -> bool:
    """Write the page of the protocols that are complete; say whether it has its Figure 5."""
    keys = {key for sweep in planned.values() for key in sweep.keyed(resources)}
    rows = next(iter(planned.values())).rows(keys)
    model = example_model(args, planned, rows, resources)
    write_page(args, planned, rows, model, shlex.join(["sweeps/experiment.py", *words]))
    print(f"page:   {args.results}")
    return model is not None


def plan_protocols(args: argparse.Namespace) -> dict[str, Sweep]:
    """Plan the sweep of each protocol asked for, all in as many optimiser steps as `paper`."""
    wanted = [args.protocol] if args.protocol else PROTOCOLS
    planned = {name: plan_sweep(_under(args, name)) for name in wanted}
    if "blocked" in planned:
        paper = planned.get("paper") or _paper_beside(args)
        blocked = planned["blocked"]
        counts = (chips_trained(each.stream.chips) for each in (paper, blocked))
        base = with_steps_of(blocked.base, *counts)
        planned["blocked"] = replace(blocked, base=base)
    return planned


def _paper_beside(args: argparse.Namespace) -> Sweep:
    """Plan `paper`, which nobody asked for, to know how many optimiser steps it makes."""
    # Chips without landslides, which `blocked` may ask for, it has none.
    least = args.min_landslide_pixels or None
    try:
        return plan_sweep(_under(args, "paper", split=None, min_landslide_pixels=least))
    except ValueError as error:
        raise ValueError(
            f"blocked is to make as many optimiser steps as paper, which cannot be planned: {error}"
            "; or sweep it alone, with sweeps/ablation.py --protocol blocked"
        ) from error


def _is_downloaded(args: argparse.Namespace) -> bool:
    """Say whether a published cube is asked for by its name."""
    return bool(args.cube and published_name(args.cube) and not _holds_cube(Path(args.cube)))


def _holds_cube(path: Path) -> bool:
    """Say whether a path that is named like a published event is a cube, and not its results."""
    return path.is_file() or any((path / name).exists() for name in METADATA_FILES)


def _under(args: argparse.Namespace, protocol: str, **changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**vars(args) | {"protocol": protocol} | changes)


if __name__ == "__main__":
    sys.exit(run_command(main, verbose=True))

"""What a sweep's command line says."""

import argparse
from collections.abc import Sequence

from cluster import goes_with_job, in_job
from landslide.chips.inputs import PAPER_INPUTS
from landslide.options import (
    INPUTS,
    add_experiment_options,
    chipping_of,
    config_of,
    cube_address,
    seed,
    split_text,
)
from sweeps.choices import SweepChoices, table_address
from sweeps.workers import Cluster, add_dask_options, add_ray_options, cluster_of


def add_sweep_options(
    parser: argparse.ArgumentParser, inputs: Sequence[str] = PAPER_INPUTS
) -> None:
    """Add what says how chips are cut and trained on, which configurations, and where."""
    add_experiment_options(parser)
    sweep = parser.add_argument_group("sweep")
    sweep.add_argument("--table", help="folder of the shared table; ./table where run by hand")
    sweep.add_argument("--inputs", nargs="+", default=list(inputs), help=f"each {INPUTS}")
    sweep.add_argument(
        "--timesteps",
        nargs="+",
        type=int,
        default=list(SweepChoices.timesteps),
        help="images on either side of the event",
    )
    sweep.add_argument(
        "--seeds",
        nargs="+",
        type=seed,
        default=list(SweepChoices.seeds),
        help="of weights and batches, one trial each",
    )
    sweep.add_argument("--force", action="store_true", help="train what the table holds, too")
    sweep.add_argument("--storage", help="folder of checkpoints; runs/ beside the table")
    cluster = parser.add_argument_group("cluster")
    add_ray_options(cluster, "trial")
    cluster.add_argument("--cpus-per-trial", type=int, help="default: the preset's threads")
    add_dask_options(cluster)


def parsed(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """Read a command line; a submitted job has no folder of its own that others would know."""
    args = parser.parse_args(arguments)
    if args.table is None and in_job():
        parser.error("a submitted job needs --table, an address that every worker can reach")
    for name in ("table", "storage", "results"):
        given = getattr(args, name, None)
        if given is not None and goes_with_job(given):
            parser.error(
                f"--{name} {given} would go with the job: give an address that every worker can "
                "reach, or a path from / on"
            )
    return args


def chosen(args: argparse.Namespace) -> tuple[SweepChoices, Cluster]:
    """Return what the options of a sweep say: what is swept, and on what it runs.

    Raises
    ------
    ValueError, OSError
        Where an option or an address is wrong; no cube is opened, and no cluster asked.
    """
    cluster = cluster_of(args)
    choices = SweepChoices(
        table=table_address(SweepChoices.table if args.table is None else args.table),
        cube=cube_address(args.cube, args.event),
        chipping=chipping_of(args),
        split=split_text(args),
        base=config_of(args, threads=args.cpus_per_trial),
        inputs=tuple(args.inputs),
        timesteps=tuple(args.timesteps),
        seeds=tuple(args.seeds),
        event=args.event,
        orbit=args.orbit,
        reader=args.reader,
        missing=args.missing,
        chips=args.chips,
        skip_damaged=args.skip_damaged,
        force=args.force,
        storage=args.storage,
    )
    return choices, cluster

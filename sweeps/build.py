#!/usr/bin/env python
"""A cube built by many workers: `landslide build`, its blocks spread over a Dask cluster.

The cube is that of `landslide build`, to the bit. The workers must reach the sources and OUT:
archives and a bucket, or a disk that they share. ISCE2 runs where this runs.

    sweeps/build.py EVENT.toml gs://…/CUBE.zarr --dask tcp://scheduler:8786
"""

import argparse
import sys

from cluster.dask import dask_client, executor_of
from landslide.build.options import add_build_options
from landslide.command import run_command
from landslide.options import Parser


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__.split("\n")[0])
    add_build_options(parser)
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="a scheduler, or kubernetes:NAMESPACE/NAME; default: DASK_SCHEDULER_ADDRESS, else "
        "threads of this process",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Say what is built from what, build it, and say where it lies."""
    args = options(arguments)
    from landslide.build.assemble import build_cube, plan_changes  # noqa: PLC0415 - after the options are read
    from landslide.build.changes import changes_text  # noqa: PLC0415
    from landslide.build.plan import plan_build  # noqa: PLC0415
    from landslide.build.recipe import load_recipe  # noqa: PLC0415

    plan = plan_build(load_recipe(args.event))
    print(plan.text)
    if args.dry_run:
        print(changes_text(args.out, plan_changes(plan, args.out, until=args.until)))
        return
    with dask_client(args.dask) as client:  # which is from here on what Dask computes with
        _, ahead = executor_of(client)
        build_cube(plan, args.out, until=args.until, blocks_at_once=ahead, said=print)
    print(args.out)


def command(arguments: list[str] | None = None) -> int:
    """Run `main`; what is wrong with the input is one line on standard error."""
    return run_command(lambda: main(arguments), verbose=True)


if __name__ == "__main__":
    sys.exit(command())

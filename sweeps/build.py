#!/usr/bin/env python
"""A cube built by many workers: `landslide build`, its blocks spread over a Dask cluster.

The cube is that of `landslide build`, to the bit. The workers must reach the sources and OUT:
archives and a bucket, or a disk that they share. ISCE2 runs where this runs.

    sweeps/build.py EVENT.toml gs://…/CUBE.zarr --dask tcp://scheduler:8786
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cluster import goes_with_job
from landslide.build.options import add_build_options
from landslide.command import run_command
from landslide.options import Parser
from sweeps.workers import Cluster, add_dask_options, cluster_of, dask_executor


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; what a job writes into its own folder nobody would find."""
    parser = Parser(description=__doc__.split("\n")[0])
    add_build_options(parser)
    add_dask_options(parser)
    args = parser.parse_args(arguments)
    if goes_with_job(args.out):
        parser.error("a submitted job needs an OUT that stays: an address, or a path from / on")
    return args


def main(arguments: list[str] | None = None) -> None:
    """Say what is built from what, build it, and say where it lies."""
    args = options(arguments)
    cluster = cluster_of(args)
    from landslide.build.asked import build_asked  # noqa: PLC0415 - after the options are read

    build_asked(
        args.event,
        args.out,
        until=args.until,
        dry_run=args.dry_run,
        report=print,
        blocks_at_once=_blocks_at_once(cluster),
    )


@contextmanager
def _blocks_at_once(cluster: Cluster) -> Iterator[int]:
    """Have Dask compute on a cluster, and give how many blocks keep it busy."""
    with dask_executor(cluster) as (_, blocks):
        yield blocks


if __name__ == "__main__":
    sys.exit(run_command(main, verbose=True))

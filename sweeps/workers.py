"""How many Dask workers a command may have: its option, and what is wrong with it."""

import argparse
from collections.abc import Sequence
from typing import Any

from cluster.dask import require_scalable


def add_dask_workers(parser: Any) -> None:
    """Add `--dask-workers` to a parser, or to a group of one."""
    parser.add_argument(
        "--dask-workers",
        type=int,
        nargs=2,
        metavar=("LEAST", "MOST"),
        help="fewest and most Dask workers: the operator's clusters are scaled between them, "
        "another scheduler is only given work enough for the most",
    )


def require_workers(address: str | None, workers: Sequence[int] | None) -> None:
    """Raise a ValueError where workers come in no order, or no address says of which cluster."""
    if workers is not None and not 0 <= workers[0] <= workers[1]:
        least, most = workers
        raise ValueError(f"--dask-workers {least} {most}: give the fewest and the most, in order")
    require_scalable(address, workers)


def most_workers(args: argparse.Namespace) -> int:
    """Return how many workers may come; 0 where nobody says."""
    return max(args.dask_workers or (0,))

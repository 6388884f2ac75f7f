"""Which cluster a command computes on, with how many workers: its options, and what is wrong."""

import argparse
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from cluster.dask import DEADLINE, dask_client, executor_of, require_scheduler
from landslide.options import positive


def add_dask_options(parser: Any, otherwise: str = "threads of this process") -> None:
    """Add the options of a Dask cluster to a parser, or to a group of one."""
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="a scheduler, or kubernetes:NAMESPACE/NAME; default: DASK_SCHEDULER_ADDRESS, else "
        f"{otherwise}",
    )
    parser.add_argument(
        "--dask-workers",
        type=int,
        nargs=2,
        metavar=("LEAST", "MOST"),
        help="fewest and most Dask workers: the operator's clusters are scaled between them, "
        "another scheduler is only given work enough for the most",
    )
    parser.add_argument(
        "--deadline",
        type=positive,
        default=DEADLINE,
        help="seconds in which an autoscaler must add the first Dask worker, or node of Ray",
    )


def add_ray_options(parser: Any, whose: str) -> None:
    """Add the options of a Ray cluster: what it gives each `trial` or `actor`."""
    parser.add_argument("--address", help="a running Ray; default: the job's, or a local one")
    parser.add_argument(
        f"--gpus-per-{whose}",
        type=gpus,
        help="default: 1 where there are any, or the autoscaler adds some",
    )
    parser.add_argument("--accelerator", help="Ray's accelerator type, such as V100")


def gpus(text: str) -> float:
    """Return the GPUs that `text` says: a share of one, or whole ones, as Ray has it."""
    number = float(text)
    whole = number % 1 == 0 if number > 1 else number == round(number, 4)
    if not 0 <= number < math.inf or not whole:
        raise argparse.ArgumentTypeError(
            f"{text} GPUs cannot be: give 0, a share of four decimals at most, or whole ones"
        )
    return number


def require_workers(address: str | None, workers: Sequence[int] | None) -> None:
    """Raise a ValueError where workers come in no order, and what `require_scheduler` does."""
    if workers is not None and not 0 <= workers[0] <= workers[1]:
        least, most = workers
        raise ValueError(f"--dask-workers {least} {most}: give the fewest and the most, in order")
    require_scheduler(address, workers)


@contextmanager
def dask_executor(args: argparse.Namespace) -> Iterator[tuple[Executor, int]]:
    """Give an executor on the Dask cluster that the options name, and how many tasks keep it busy.

    Raises
    ------
    OSError, ValueError, ImportError
        As `dask_client` does.
    """
    with dask_client(args.dask, adapt=args.dask_workers, deadline=args.deadline) as client:
        yield executor_of(client, max(args.dask_workers or (0,)))

"""Which clusters a command computes on: their options, and Dask's workers as an executor."""

import argparse
import math
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cluster.dask import DEADLINE, dask_client, executor_of, require_scheduler
from landslide.options import positive


@dataclass(frozen=True)
class Cluster:
    """What a command runs on: a Ray, whose nodes train or map, and a Dask, whose workers read.

    Raises
    ------
    ValueError
        Where Dask's workers come in no order.
    """

    address: str | None = None
    """A running Ray; None: the job's, or a local one."""
    gpus: float | None = None
    """Of each trial or actor, or what share of one; None: 1 where there are any."""
    accelerator: str | None = None
    """Ray's accelerator type, such as V100."""
    dask: str | None = None
    """A scheduler, as for `dask_client`; None: the environment's, else threads of this process."""
    dask_workers: tuple[int, int] | None = None
    """The fewest and the most of Dask's workers."""
    deadline: float = DEADLINE
    """Seconds in which an autoscaler must add the first Dask worker, or node of Ray."""

    def __post_init__(self) -> None:
        least, most = self.dask_workers or (0, 0)
        if not 0 <= least <= most:
            raise ValueError(
                f"dask_workers {least} {most} (--dask-workers): give the fewest and the most, in "
                "order"
            )


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
        dest="gpus",
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


def cluster_of(args: argparse.Namespace, *, on_dask: bool = True) -> Cluster:
    """Return the clusters that the options say, Dask's alone where a command has no others.

    Raises
    ------
    ValueError, OSError
        As `Cluster` does and, where Dask is to compute, `require_scheduler`.
    """
    said = vars(args)
    cluster = Cluster(
        address=said.get("address"),
        gpus=said.get("gpus"),
        accelerator=said.get("accelerator"),
        dask=args.dask,
        dask_workers=args.dask_workers and tuple(args.dask_workers),
        deadline=args.deadline,
    )
    if on_dask:
        require_scheduler(cluster.dask, cluster.dask_workers)
    return cluster


@contextmanager
def dask_executor(cluster: Cluster) -> Iterator[tuple[Executor, int]]:
    """Give an executor on a Dask cluster, and how many tasks keep it busy.

    Raises
    ------
    OSError, ValueError, ImportError
        As `dask_client` does.
    """
    workers = cluster.dask_workers
    with dask_client(cluster.dask, adapt=workers, deadline=cluster.deadline) as client:
        yield executor_of(client, max(workers or (0,)))

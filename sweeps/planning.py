"""What a sweep's command line says, and the plan that follows from it: no image is read yet."""

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from cluster import goes_with_job, in_job
from cluster.resources import Resources, smallest_node_bytes, trials_on_a_node, usual_gpus
from landslide.chips.inputs import PAPER_INPUTS, PAPER_TIMESTEPS
from landslide.chips.passing import ChipStream
from landslide.chips.sizes import Room, memory_bytes
from landslide.cube.events import find_event
from landslide.experiment.configurations import configurations, with_baseline
from landslide.experiment.keys import row_key
from landslide.experiment.plan import Experiment, plan_experiment, stream_of
from landslide.options import (
    INPUTS,
    add_experiment_options,
    chipping_of,
    config_of,
    opened_cube,
    seed,
    split_text,
)
from landslide.results.table import check_writable, results_table, row_keys
from landslide.retries import patiently
from landslide.storage import absolute, require_writable
from landslide.training.config import TrainingConfig
from landslide.training.device import resolved_precision
from landslide.training.labelled import chips_trained
from landslide.training.network import require_network
from landslide.training.start import start_digest
from sweeps.workers import add_dask_options, add_ray_options, require_workers


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
        default=list(PAPER_TIMESTEPS),
        help="images on either side of the event",
    )
    sweep.add_argument(
        "--seeds", nargs="+", type=seed, default=[0], help="of weights and batches, one trial each"
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


@dataclass(frozen=True)
class Sweep:
    """What all of a sweep follows from."""

    experiment: Experiment
    stream: ChipStream
    base: TrainingConfig
    """What the configurations have in common."""
    inputs: tuple[str, ...]
    timesteps: tuple[int, ...]
    seeds: tuple[int, ...]
    table: str
    """Address of the shared table."""
    beside: str
    """Folder that the table lies in: of the figure and the split."""
    runs: str
    """Address of the checkpoints, and of the chip store."""

    @property
    def configs(self) -> list[TrainingConfig]:
        """The configurations: inputs x timesteps x seeds."""
        return configurations(self.base, self.inputs, self.timesteps, self.seeds)

    def keyed(
        self,
        resources: Resources,
        configs: Sequence[TrainingConfig] | None = None,
        experiment: Experiment | None = None,
    ) -> dict[str, TrainingConfig]:
        """Return configurations by the keys of their rows, as trials with these resources."""
        configs = self.configs if configs is None else configs
        precision = resolved_precision(self.base.precision, gpu=resources.gpus > 0)
        chosen = [replace(each, precision=precision) for each in configs]
        # Once for all that begin with the same weights.
        starts = {start: start_digest(start) for start in {c.start for c in chosen} - {"none"}}
        return {
            row_key(experiment or self.experiment, c, precision, start=starts.get(c.start)): c
            for c in chosen
        }

    def lacking(
        self, keyed: dict[str, TrainingConfig], *, force: bool
    ) -> dict[str, TrainingConfig]:
        """Return those of `keyed` that the table holds no score of; all, if they are forced."""
        done = set() if force else patiently(lambda: row_keys(self.table))
        return {key: config for key, config in keyed.items() if key not in done}

    def rows(self, keys: Collection[str]) -> pd.DataFrame:
        """Return the rows of the table under these keys: others' may stand beside them."""
        rows = patiently(lambda: results_table(self.table))
        return rows[rows["key"].isin(keys)]

    def require_writable(self) -> None:
        """Probe what trials write to, before anything is read for them.

        Raises
        ------
        OSError
            Where the table's folder, or that of the checkpoints, cannot be written.
        """
        check_writable(self.table)
        require_writable(
            self.runs,
            f"checkpoints to {self.runs}",
            "name a folder that every worker may write to with --storage",
        )

    def scored_in_mixed(self, waiting: Sequence[TrainingConfig], resources: Resources) -> int:
        """Return how many of these, which float32 is to train, the table has in mixed precision."""
        gpu = resources.gpus > 0
        wanted = self.base.precision
        if wanted == "float32" or resolved_precision(wanted, gpu=gpu) == "mixed":
            return 0
        mixed = self.keyed(replace(resources, gpus=1), waiting)
        return len(mixed) - len(self.lacking(mixed, force=False))


def table_of(args: argparse.Namespace) -> tuple[str, str]:
    """Return the addresses of the shared table, and of the folder that it lies in.

    Raises
    ------
    ValueError
        Where the table is a whole bucket.
    """
    table = absolute("table" if args.table is None else args.table)
    beside = table.rsplit("/", 1)[0]
    if beside.endswith(":/"):
        raise ValueError(f"the table {table} is a whole bucket: name a folder in it")
    return table, beside


def plan_sweep(args: argparse.Namespace) -> Sweep:
    """Open the cube and plan: what is wrong with either shows here.

    Raises
    ------
    ValueError, OSError
        Where the cube, the event, the options or the addresses are wrong.
    """
    require_workers(args.dask, args.dask_workers)
    table, beside = table_of(args)
    cube = opened_cube(args)
    event = find_event(cube, args.event)
    chipping, inputs = chipping_of(args), with_baseline(args.inputs)
    experiment = plan_experiment(
        cube,
        event,
        chipping,
        inputs,
        args.timesteps,
        orbit=args.orbit,
        split=split_text(args),
        skip_damaged=args.skip_damaged,
    )
    stream = stream_of(cube, experiment)
    base = config_of(args, threads=args.cpus_per_trial)
    require_network(base, inputs, chipping.chip_size, chips_trained(stream.chips))
    return Sweep(
        experiment=experiment,
        stream=stream,
        base=base,
        inputs=tuple(inputs),
        timesteps=tuple(args.timesteps),
        seeds=tuple(args.seeds),
        table=table,
        beside=beside,
        runs=absolute(f"{beside}/runs" if args.storage is None else args.storage),
    )


def room_for_chips(resources: Resources, trials: int) -> Room:
    """Return what this process and the smallest node of the Ray cluster have for chips.

    At once at most so many trials run as a node has room for, or as there are.
    """
    memory, shared = smallest_node_bytes()
    at_once = min(trials_on_a_node(resources), max(trials, 1))
    return Room(min(memory_bytes(), memory), shared, at_once)


def resources_of(args: argparse.Namespace, base: TrainingConfig) -> Resources:
    """Return what one trial is given on the Ray cluster that this process is connected to.

    Raises
    ------
    ValueError
        Where the options do not say how many GPUs, and neither does the cluster.
    """
    gpus = args.gpus_per_trial
    if gpus is None:
        gpus = usual_gpus(base.threads, args.accelerator)
    return Resources(base.threads, gpus, args.accelerator)

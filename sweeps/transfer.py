#!/usr/bin/env python
"""Transfer: trained on one event or several, scored on another.

The target's test chips score what was trained on the sources as it is (zero-shot), with the
target's own statistics of its channels, fine-tuned on a few labelled chips of the target, and
trained on all cubes together; beside what begins at random on as many labels. What begins at random
makes as many optimiser steps whatever it is trained on, as far as whole epochs allow and one at
least. What is fine-tuned makes more after them, so what begins at random on the target is trained,
too, for as many in all.
Statistics need no labels, but under the `paper` protocol it is labels that say which chips there
are: `--protocol blocked` takes all.

    sweeps/transfer.py TARGET --from SOURCE [SOURCE …] --inputs vv+vh --timesteps 2 --seeds 0 1 2
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import xarray as xr

from cluster.dask import dask_client, executor_of
from cluster.ray import ray_cluster
from cluster.resources import Resources, node_coming
from landslide.chips.gathering import gather_chips
from landslide.chips.joining import join_cubes
from landslide.chips.sizes import MEMORY
from landslide.chips.split import TEST, TRAIN
from landslide.chips.survey import known_of
from landslide.command import run_command
from landslide.experiment.keys import origin_digest
from landslide.experiment.plan import Experiment
from landslide.options import Parser, count, positive
from landslide.results.labels import AS_LONG
from landslide.storage import exists
from landslide.training.config import TrainingConfig
from landslide.training.labelled import with_labels, with_more_steps, with_steps_of
from sweeps.curves import show_curves
from sweeps.planning import (
    Sweep,
    add_sweep_options,
    parsed,
    plan_sweep,
    resources_of,
    room_for_chips,
)
from sweeps.trial import run_trials, weights_of
from sweeps.workers import most_workers

LABELLED = (1, 4, 16, 64)


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_sweep_options(parser, ("vv+vh",))
    transfer = parser.add_argument_group("transfer")
    transfer.add_argument(
        "--from", dest="sources", nargs="+", required=True, metavar="SOURCE",
        help="cubes to train on, or event files that name theirs; the first argument is the "
        "cube to score on",
    )  # fmt: skip
    transfer.add_argument(
        "--labelled", nargs="+", type=count, default=list(LABELLED),
        help="labelled chips of the target to fine-tune on, besides none; those that it lacks are "
        "left out",
    )  # fmt: skip
    transfer.add_argument(
        "--fine-tuning-rate",
        type=positive,
        help="initial learning rate; default: a hundredth of the rest",
    )
    transfer.add_argument(
        "--fine-tuning-epochs", type=count,
        help="fine-tune for the optimiser steps of so many passes over all of the target's "
        "training chips; default: an eighth of --epochs",
    )  # fmt: skip
    parser.set_defaults(timesteps=[4])
    args = parsed(parser, arguments)
    if args.chips not in {"auto", MEMORY}:
        parser.error("chips of several cubes are trained on from memory: leave out --chips")
    return args


@dataclass(frozen=True)
class Stage:
    """Configurations on one set of chips, which wait for what an earlier stage leaves."""

    experiment: Experiment
    chips: xr.Dataset
    configs: Sequence[TrainingConfig]
    keep: bool = False
    """Whether its weights are begun with later."""


def main(arguments: list[str] | None = None) -> int:
    """Run the sweep; 1 where a trial failed."""
    args = options(arguments)
    target = plan_sweep(args)
    sources = [plan_source(args, address) for address in args.sources]
    names = names_of([target, *sources])
    target.require_writable()
    with ray_cluster(args.address):
        resources = resources_of(args, target.base)
        with node_coming(resources):  # it may come while the chips are read
            own, *others = [load(args, sweep) for sweep in (target, *sources)]
        keys, failures = [], 0
        first = list(joint_stages(target, sources, names[1:], own, others))
        for stage in first:
            found, failed = run_stage(args, stage, target, resources)
            keys += found
            failures += failed
        weights = {
            (config.origin, config.inputs, config.timesteps, config.seed): (
                weights_of(target.runs, key),
                origin_digest(stage.experiment, config),
            )
            for stage in first
            if stage.keep
            for key, config in target.keyed(resources, stage.configs, stage.experiment).items()
        }
        configs = list(few_labels(args, target, own, weights))
        found, failed = run_stage(args, Stage(target.experiment, own, configs), target, resources)
        keys += found
        failures += failed

    show_curves(target, keys, "transfer.png")
    return int(failures > 0)


def plan_source(args: argparse.Namespace, address: str) -> Sweep:
    """Plan a source as the target is: the same inputs, timesteps, protocol and chips."""
    its_event = address.endswith(".toml")
    changed = {
        "cube": None if its_event else address,
        "event": address if its_event else None,
        "split": None,
    }
    return plan_sweep(argparse.Namespace(**vars(args) | changed))


def names_of(sweeps: Sequence[Sweep]) -> list[str]:
    """Name each cube by its event, or where two have events of one name by its address.

    Raises
    ------
    ValueError
        Where one cube is given twice, or a copy of it, in whatever layout: its labels would be
        trained on and scored.
    """
    events = [sweep.experiment.event.name for sweep in sweeps]
    cubes = [sweep.experiment.cube for sweep in sweeps]
    digests = [sweep.experiment.label_digest for sweep in sweeps]
    for number, digest in enumerate(digests):
        if (earlier := digests.index(digest)) < number:
            raise ValueError(
                f"{cubes[number]} has the labels of {cubes[earlier]}, as the same cube and its "
                "copies have: name each of target and sources once"
            )
    short = [address.rsplit("/", 1)[-1].removesuffix(".zarr") for address in cubes]
    return next(names for names in (events, short, cubes) if len(set(names)) == len(names))


def load(args: argparse.Namespace, sweep: Sweep) -> xr.Dataset:
    """Read the chips of one cube into memory."""
    with dask_client(args.dask, adapt=args.dask_workers, deadline=args.deadline) as client:
        chips = gather_chips(
            sweep.stream,
            MEMORY,
            "",
            *executor_of(client, most_workers(args)),
            room=room_for_chips(),
        )
    return known_of(chips)  # chips in memory are all there is to know


def joint_stages(
    target: Sweep,
    sources: Sequence[Sweep],
    names: Sequence[str],
    own: xr.Dataset,
    others: Sequence[xr.Dataset],
) -> list[Stage]:
    """Return what is trained on the sources: each alone, all, and all with the target's own.

    All but the last is trained on none of the target's labels, and scored on it zero-shot. Each
    makes as many optimiser steps as the target alone, see `with_steps_of`.
    """
    everyone = list(range(len(sources)))
    stages = []
    for group in [[number] for number in everyone] + [everyone] * (len(sources) > 1):
        digests = tuple(sources[number].experiment.chips_digest for number in group)
        origin = f"zero-shot from {'+'.join(names[number] for number in group)}"
        chips = join_cubes(
            own.isel(chip=(own["part"] == TEST).to_numpy()), [others[number] for number in group]
        )
        stages.append(
            Stage(
                replace(target.experiment, sources=digests, without_own=True),
                chips,
                in_as_many_steps(target.configs, own, chips, origin),
                keep=True,
            )
        )
    digests = tuple(source.experiment.chips_digest for source in sources)
    chips = join_cubes(own, others)
    with_own = in_as_many_steps(target.configs, own, chips, f"with {'+'.join(names)}")
    return [*stages, Stage(replace(target.experiment, sources=digests), chips, with_own)]


def in_as_many_steps(
    configs: Sequence[TrainingConfig], own: xr.Dataset, chips: xr.Dataset, origin: str
) -> list[TrainingConfig]:
    """Return what trains on some chips in as many optimiser steps as on the target's own."""
    counts = chips_trained(own), chips_trained(chips)
    return [replace(with_steps_of(config, *counts), origin=origin) for config in configs]


def chips_trained(chips: xr.Dataset) -> int:
    """Return how many chips of the training part there are."""
    return int((chips["part"] == TRAIN).sum())


def few_labels(
    args: argparse.Namespace,
    target: Sweep,
    own: xr.Dataset,
    weights: dict[tuple[str, str, int, int], tuple[str, str]],
) -> list[TrainingConfig]:
    """Return what is trained on the target alone, on few labels and all, or on none at all.

    However many steps tuning makes, its rate waits for as many as that of the rest.
    """
    own_chips = chips_trained(own)
    labelled = [k for k in sorted(set(args.labelled)) if k < own_chips]
    rate = args.fine_tuning_rate or target.base.learning_rate / 100
    epochs = args.fine_tuning_epochs or max(1, target.base.epochs // 8)
    configs = []
    for base in target.configs:
        as_long = replace(with_more_steps(base, epochs, own_chips, own_chips), origin=AS_LONG)
        for at_random in (base, as_long):
            configs += [with_labels(at_random, k, own_chips) for k in (*labelled, None)]
        for (origin, *which), (address, begun_on) in weights.items():
            if which == [base.inputs, base.timesteps, base.seed] and exists(address):
                begun = replace(
                    base,
                    start=address,
                    origin=origin.removeprefix("zero-shot "),
                    begun_on=begun_on,
                    epochs=epochs,
                    learning_rate=rate,
                )
                configs += [with_labels(begun, k, own_chips) for k in (0, *labelled)]
    return configs


def run_stage(
    args: argparse.Namespace, stage: Stage, target: Sweep, resources: Resources
) -> tuple[list[str], int]:
    """Train what the table lacks; return the keys of all of it, and how many trials failed."""
    keyed = target.keyed(resources, stage.configs, stage.experiment)
    waiting = target.lacking(keyed, force=args.force)
    if stage.keep:  # what lost the weights that others begin with is trained again
        waiting = {
            key: config
            for key, config in keyed.items()
            if key in waiting or not exists(weights_of(target.runs, key))
        }
    names = dict.fromkeys(config.origin or "the target alone" for config in stage.configs)
    print(f"{', '.join(names)}: {len(keyed)} configurations, {len(waiting)} to train", flush=True)
    if not waiting:
        return list(keyed), 0
    failed = run_trials(
        stage.experiment,
        waiting,
        stage.chips,
        resources,
        table=target.table,
        runs=target.runs,
        deadline=args.deadline,
        keep=stage.keep,
    )
    return list(keyed), failed


def command(arguments: list[str] | None = None) -> int:
    """Run `main`; what is wrong with the input is one line on standard error."""
    return run_command(lambda: main(arguments), verbose=True)


if __name__ == "__main__":
    sys.exit(command())

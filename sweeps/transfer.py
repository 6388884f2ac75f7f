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
from dataclasses import replace

import xarray as xr

from cluster.ray import ray_cluster
from cluster.resources import Resources, node_coming
from landslide.chips.loading import load_chips, require_landslides
from landslide.chips.sizes import MEMORY, Room, chip_bytes
from landslide.command import run_command
from landslide.options import Parser, count, cube_address, positive
from landslide.storage import exists
from landslide.training.config import TrainingConfig
from landslide.training.labelled import chips_trained
from sweeps.choices import SweepChoices
from sweeps.curves import show_curves
from sweeps.options import add_sweep_options, chosen, parsed
from sweeps.planning import Sweep, plan_sweep
from sweeps.resources import resources_of, room_for_chips
from sweeps.transfer_stages import Stage, Tuning, stages_of
from sweeps.trial import run_trials, weights_of
from sweeps.workers import Cluster, dask_executor


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
        "--labelled", nargs="+", type=count, default=list(Tuning.labelled),
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


def main(arguments: list[str] | None = None) -> int:
    """Run the sweep; 1 where a trial failed."""
    args = options(arguments)
    choices, cluster = chosen(args)
    tuning = Tuning(tuple(args.labelled), args.fine_tuning_rate, args.fine_tuning_epochs)
    asked = [choices, *(source_of(choices, address) for address in args.sources)]
    sweeps = [plan_sweep(each) for each in asked]
    target, *sources = sweeps
    _, *names = names_of(sweeps)
    target.require_writable()
    with ray_cluster(cluster.address):
        resources = resources_of(cluster, choices.base.threads)
        known = (tuning, target, sources, names, resources)
        # As planned: those that turn out to be unused are left out once the chips are read.
        trained = [chips_trained(sweep.stream.chips) for sweep in sweeps]
        cubes: list[xr.Dataset] = []
        stages = stages_of(*known, trained)
        # What is to be tuned, on few chips, is not known before the weights that it begins with.
        most = max(len(waiting(stage, resources)[1]) for stage in stages)
        if most:
            room = room_for_chips(resources, most)
            require_room(sweeps, room)
            with node_coming(resources):  # it may come while the chips are read
                cubes = load(sweeps, cluster)
            trained = [chips_trained(chips) for chips in cubes]
        keys, failures = [], 0
        for stage in stages_of(*known, trained):
            found, failed = run_stage(stage, cubes, resources, cluster.deadline)
            keys += found
            failures += failed

    show_curves(target, keys, "transfer.png")
    return int(failures > 0)


def source_of(target: SweepChoices, address: str) -> SweepChoices:
    """Choose of a source what is chosen of the target: the same inputs, protocol and chips."""
    cube, event = (None, address) if address.endswith(".toml") else (address, None)
    return replace(target, cube=cube_address(cube, event), event=event, split=None)


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


def require_room(sweeps: Sequence[Sweep], room: Room) -> None:
    """Raise a ValueError where the chips of all cubes do not fit: each is kept till the end.

    What is trained on together is a copy more.
    """
    size = sum(chip_bytes(sweep.stream) for sweep in sweeps)
    if not replace(room, memory=room.memory - size).holds(size):
        raise ValueError(
            f"the chips of {len(sweeps)} cubes, {size / 1e9:.3g} GB in all, are trained on from "
            f"memory, {room.copies + 1} copies at a time: the smallest node has "
            f"{room.memory / 1e9:.3g} GB, {room.shared / 1e9:.3g} GB of it for Ray's object store; "
            "name fewer sources, inputs or timesteps, or take larger nodes"
        )


def load(sweeps: Sequence[Sweep], cluster: Cluster) -> list[xr.Dataset]:
    """Read the chips of each cube into memory.

    Raises
    ------
    ValueError
        Where those of one can train or score no model.
    """
    with dask_executor(cluster) as (executor, look_ahead):
        cubes = [
            load_chips(sweep.stream, executor=executor, look_ahead=look_ahead, progress=True)
            for sweep in sweeps
        ]
    for chips in cubes:
        require_landslides(chips)
    return cubes


def waiting(stage: Stage, resources: Resources) -> tuple[list[str], dict[str, TrainingConfig]]:
    """Return the keys of a stage's rows, and what is to be trained for them."""
    keyed = stage.sweep.keyed(resources, stage.configs)
    lacking = stage.sweep.lacking(keyed)
    if stage.keep:  # what lost the weights that others begin with is trained again
        lacking = {
            key: config
            for key, config in keyed.items()
            if key in lacking or not exists(weights_of(stage.sweep.choices.runs, key))
        }
    return list(keyed), lacking


def run_stage(
    stage: Stage, cubes: Sequence[xr.Dataset], resources: Resources, deadline: float
) -> tuple[list[str], int]:
    """Train what the table lacks; return the keys of all of it, and how many trials failed."""
    keys, lacking = waiting(stage, resources)
    names = dict.fromkeys(config.origin or "the target alone" for config in stage.configs)
    print(f"{', '.join(names)}: {len(keys)} configurations, {len(lacking)} to train", flush=True)
    if not lacking:
        return keys, 0
    own, *others = cubes
    chips, keep = stage.chips(own, others), stage.keep
    failed = run_trials(stage.sweep, lacking, chips, resources, deadline=deadline, keep=keep)
    return keys, failed


if __name__ == "__main__":
    sys.exit(run_command(main, verbose=True))

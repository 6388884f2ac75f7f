#!/usr/bin/env python
"""Pretraining without labels on the cube's own chips, and what it saves of labels.

Each configuration is trained on a few labelled chips and on all: from random weights, from weights
that learned to fill in hidden squares of the scene's chips, those of the test part left out, and
from random weights for as many optimiser steps more as that took.

    sweeps/pretraining.py CUBE --inputs vv+vh --timesteps 2 --seeds 0 1 2
"""

import argparse
import sys
from dataclasses import replace
from typing import Any

import xarray as xr

from cluster.ray import last_line, ray_cluster
from cluster.resources import Resources, await_node, node_coming
from landslide.chips.gathering import gather_chips
from landslide.chips.loading import load_chips
from landslide.chips.passing import ChipStream
from landslide.chips.sizes import Room, chip_bytes
from landslide.chips.survey import Chips, known_of
from landslide.command import run_command
from landslide.experiment.rows import failed_row
from landslide.options import Parser, count
from landslide.storage import remove
from landslide.training.config import TrainingConfig
from landslide.training.device import begin_as_planned
from landslide.training.pretraining import HIDDEN, SQUARE, pretrain
from sweeps.curves import show_curves
from sweeps.options import add_sweep_options, chosen, parsed
from sweeps.planning import Sweep, plan_sweep
from sweeps.pretraining_plan import (
    Pretraining,
    configs_of,
    lacking,
    plan_scene,
    weights_to_begin_with,
)
from sweeps.resources import resources_of, room_for_chips
from sweeps.trial import MAX_FAILURES, run_trials, write_failure
from sweeps.workers import Cluster, dask_executor


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_sweep_options(parser)
    pretraining = parser.add_argument_group("pretraining")
    pretraining.add_argument(
        "--labelled", nargs="+", type=count, default=list(Pretraining.labelled),
        help="numbers of labelled chips to train on, besides all; those larger than the training "
        "part are left out",
    )  # fmt: skip
    pretraining.add_argument(
        "--pretraining-epochs",
        type=count,
        help="passes over the unlabelled chips; default: --epochs",
    )
    parser.set_defaults(timesteps=[4])
    return parsed(parser, arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the sweep; 1 where a trial failed."""
    args = options(arguments)
    choices, cluster = chosen(args)
    pretraining = Pretraining(tuple(args.labelled), args.pretraining_epochs)
    sweep = plan_sweep(choices)
    scene = plan_scene(sweep)
    sweep.require_writable()
    with ray_cluster(cluster.address):
        resources = resources_of(cluster, choices.base.threads)
        weights = weights_to_begin_with(pretraining, sweep, scene[0], resources)
        # As planned: what turns out to be unused is left out once the chips are read.
        planned = configs_of(pretraining, sweep, scene, weights, sweep.stream.chips)
        keyed, failures = sweep.keyed(resources, planned), 0
        wanted, waiting = lacking(weights), sweep.lacking(keyed)
        if wanted or waiting:
            with node_coming(resources):  # it may come while the chips are read
                # What is pretrained comes first, and leaves its room to the trials.
                room = room_for_chips(resources, len(wanted or waiting))
                chips, unlabelled = load(sweep, scene[1] if wanted else None, room, cluster)
            failed = pretrained(wanted, unlabelled, resources, cluster.deadline)
            del unlabelled  # the trials have its room
            configs = configs_of(pretraining, sweep, scene, weights, known_of(chips))
            keyed = sweep.keyed(resources, configs)
            failures = train(sweep, keyed, failed, chips, resources, cluster.deadline)
        else:
            print(f"{len(keyed)} configurations, {len(keyed)} in the table already")

    show_curves(sweep, keyed, "labels.png")
    return int(failures > 0)


def train(
    sweep: Sweep,
    keyed: dict[str, TrainingConfig],
    failed: dict[str, str],
    chips: Chips,
    resources: Resources,
    deadline: float,
) -> int:
    """Train what the table lacks, but for what was to begin with weights that could not be made.

    Return how many failed.
    """
    waiting = sweep.lacking(keyed)
    print(f"{len(keyed)} configurations, {len(keyed) - len(waiting)} in the table already")
    lost = [key for key, config in waiting.items() if config.start in failed]
    for key in lost:
        config = waiting.pop(key)
        row = failed_row(sweep.experiment, config, key, failed[config.start])
        write_failure(sweep.choices.table, row)
    if not waiting:
        return len(lost)
    return len(lost) + run_trials(sweep, waiting, chips, resources, deadline=deadline)


def load(
    sweep: Sweep, scene: ChipStream | None, room: Room, cluster: Cluster
) -> tuple[Chips, xr.Dataset | None]:
    """Read the sweep's chips, and into memory those of a scene to pretrain on, if there is any.

    Raises
    ------
    ValueError
        Where those do not fit.
    """
    size = chip_bytes(scene) if scene else 0
    if not room.holds(size):
        raise ValueError(
            f"the scene's chips, {size / 1e9:.3g} GB in all, are pretrained on from memory, "
            f"{room.copies} copies at a time: the smallest node has {room.memory / 1e9:.3g} GB, "
            f"{room.shared / 1e9:.3g} GB of it for Ray's object store; ask for fewer inputs or "
            "timesteps, or take larger nodes"
        )
    with dask_executor(cluster) as (executor, look_ahead):
        chips = gather_chips(
            sweep.stream,
            sweep.choices.chips,
            f"{sweep.choices.runs}/{sweep.experiment.chip_store}",
            executor=executor,
            look_ahead=look_ahead,
            room=replace(room, memory=room.memory - room.copies * size, shared=room.shared - size),
        )
        if scene is None:
            return chips, None
        return chips, load_chips(scene, executor=executor, look_ahead=look_ahead, progress=True)


def pretrained(
    weights: dict[str, TrainingConfig],
    chips: xr.Dataset | None,
    resources: Resources,
    deadline: float,
) -> dict[str, str]:
    """Pretrain on some chips; return by the address of weights that could not be made why."""
    import ray  # noqa: PLC0415 - after cluster.ray, which sets what it reads when imported

    if chips is None:
        return {}
    print(
        f"pretraining on {chips.sizes['chip']} chips without labels: {HIDDEN:.0%} of the squares "
        f"of {SQUARE} pixels are hidden",
        flush=True,
    )
    await_node(resources, deadline)
    shared = ray.put(chips)
    # The device's errors are RuntimeErrors; a mistake of ours that is one is tried as often.
    again: dict[str, Any] = {"max_retries": MAX_FAILURES, "retry_exceptions": [RuntimeError]}
    task = ray.remote(**resources.options(), **again)(pretrain_one)
    waiting = {
        task.remote(shared, config, address, resources.gpus): (config, address)
        for address, config in weights.items()
    }
    left, failed = list(waiting), dict[str, str]()
    while left:
        (ended,), left = ray.wait(left)
        config, address = waiting[ended]
        try:
            said = f"error of hidden pixels {ray.get(ended):.3f} standard deviations"
        except ray.exceptions.RayError as error:  # whatever it is, the others go on
            failed[address] = f"pretraining: {last_line(error)}"
            said = f"FAILED, {failed[address]}"
        print(
            f"{config.inputs}, timesteps {config.timesteps}, seed {config.seed}: {said}",
            flush=True,
        )
    return failed


def pretrain_one(chips: xr.Dataset, config: TrainingConfig, address: str, gpus: float) -> float:
    """Pretrain one configuration where Ray says; a worker that died goes on where it was."""
    begin_as_planned(config.precision, gpus)
    checkpoint = address.replace(".safetensors", ".checkpoint")
    error = pretrain(chips, config, address, checkpoint=checkpoint)
    remove(checkpoint)
    return error


if __name__ == "__main__":
    sys.exit(run_command(main, verbose=True))

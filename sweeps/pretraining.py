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

from cluster.dask import dask_client, executor_of
from cluster.ray import ray_cluster
from cluster.resources import Resources, await_node, node_coming
from landslide.chips.gathering import gather_chips
from landslide.chips.loading import load_chips
from landslide.chips.plan import plan_unlabelled
from landslide.chips.split import TRAIN
from landslide.chips.survey import known_of
from landslide.command import run_command
from landslide.experiment.keys import origin_digest, row_key
from landslide.experiment.plan import Experiment, stream_of
from landslide.experiment.rows import failed_row
from landslide.options import Parser, count, opened_cube
from landslide.results.labels import AS_LONG
from landslide.storage import exists, remove
from landslide.training.config import TrainingConfig
from landslide.training.device import begin_as_planned
from landslide.training.labelled import with_labels, with_more_steps
from landslide.training.pretraining import HIDDEN, SQUARE, pretrain
from sweeps.curves import show_curves
from sweeps.planning import (
    Sweep,
    add_sweep_options,
    parsed,
    plan_sweep,
    resources_of,
    room_for_chips,
)
from sweeps.trial import MAX_FAILURES, run_trials, write_failure
from sweeps.workers import most_workers

LABELLED = (2, 10, 50)
ORIGIN = "pretrained without labels"


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    add_sweep_options(parser)
    pretraining = parser.add_argument_group("pretraining")
    pretraining.add_argument(
        "--labelled", nargs="+", type=count, default=list(LABELLED),
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
    sweep = plan_sweep(args)
    sweep.require_writable()
    with ray_cluster(args.address):
        resources = resources_of(args, sweep.base)
        with node_coming(resources):  # it may come while the chips are read
            unlabelled, chips = load(args, sweep)
        known = known_of(chips)
        own_chips = int((known["part"] == TRAIN).sum())
        begun, failed = pretrained(args, sweep, unlabelled, resources)
        epochs, scene = epochs_of(args, sweep), unlabelled[1].sizes["chip"]
        as_long = [
            replace(with_more_steps(config, epochs, scene, own_chips), origin=AS_LONG)
            for config in sweep.configs
        ]
        labelled = [k for k in sorted(set(args.labelled)) if k < own_chips]
        configs = [
            with_labels(config, k, own_chips)
            for config in (*sweep.configs, *as_long, *begun)
            for k in (*labelled, None)
        ]
        keyed = sweep.keyed(resources, configs)
        waiting = sweep.lacking(keyed, force=args.force)
        print(f"{len(keyed)} configurations, {len(keyed) - len(waiting)} in the table already")
        lost = [key for key, config in waiting.items() if config.start in failed]
        for key in lost:
            config = waiting.pop(key)
            write_failure(
                sweep.table, failed_row(sweep.experiment, config, key, failed[config.start])
            )
        failures = len(lost)
        if waiting:
            failures += run_trials(
                sweep.experiment,
                waiting,
                chips,
                resources,
                table=sweep.table,
                runs=sweep.runs,
                deadline=args.deadline,
            )

    show_curves(sweep, keyed, "labels.png")
    return int(failures > 0)


def load(args: argparse.Namespace, sweep: Sweep) -> tuple[tuple[Experiment, xr.Dataset], Any]:
    """Read the scene's chips without labels, and those of the sweep; the first into memory."""
    experiment = sweep.experiment
    cube = opened_cube(args)
    split = plan_unlabelled(
        (cube.sizes["y"], cube.sizes["x"]), sweep.stream.chips, experiment.chipping
    )
    unlabelled = replace(experiment, split=split)
    stream = stream_of(cube, unlabelled)
    with dask_client(args.dask, adapt=args.dask_workers, deadline=args.deadline) as client:
        executor = executor_of(client, most_workers(args))
        scene = load_chips(stream, *executor, progress=True)
        chips = gather_chips(
            sweep.stream,
            args.chips,
            f"{sweep.runs}/{experiment.chip_store}",
            *executor,
            room=room_for_chips(),
        )
    return (unlabelled, scene), chips


def epochs_of(args: argparse.Namespace, sweep: Sweep) -> int:
    """Return how often pretraining passes over the unlabelled chips."""
    epochs: int = args.pretraining_epochs or sweep.base.epochs
    return epochs


def pretrained(
    args: argparse.Namespace,
    sweep: Sweep,
    unlabelled: tuple[Experiment, xr.Dataset],
    resources: Resources,
) -> tuple[list[TrainingConfig], dict[str, str]]:
    """Pretrain what has not been.

    Returns
    -------
    configs : list of TrainingConfig
        Each to begin with its weights.
    failed : dict
        By the address of weights that could not be made: why.
    """
    import ray  # noqa: PLC0415 - after cluster.ray, which sets what it reads when imported

    experiment, chips = unlabelled
    epochs = epochs_of(args, sweep)
    origin = ORIGIN if args.pretraining_epochs is None else f"{ORIGIN} for {epochs} epochs"
    print(
        f"pretraining on {chips.sizes['chip']} chips without labels: {HIDDEN:.0%} of the squares "
        f"of {SQUARE} pixels are hidden",
        flush=True,
    )
    begun, lacking = [], []
    for config in sweep.keyed(resources).values():
        key = row_key(experiment, replace(config, epochs=epochs), config.precision)
        address = f"{sweep.runs}/{ORIGIN.split(maxsplit=1)[0]}-{key}.safetensors"
        begun_on = origin_digest(experiment, replace(config, epochs=epochs))
        begun.append(replace(config, start=address, origin=origin, begun_on=begun_on))
        if not exists(address):
            lacking.append((config, address))
    if not lacking:
        return begun, {}
    await_node(resources, args.deadline)
    shared = ray.put(chips)
    # The device's errors are RuntimeErrors; a mistake of ours that is one is tried as often.
    again: dict[str, Any] = {"max_retries": MAX_FAILURES, "retry_exceptions": [RuntimeError]}
    task = ray.remote(**resources.options(), **again)(pretrain_one)
    gpus = resources.gpus
    waiting = {
        task.remote(shared, replace(config, epochs=epochs), address, gpus): (config, address)
        for config, address in lacking
    }
    left, failed = list(waiting), dict[str, str]()
    while left:
        (ended,), left = ray.wait(left)
        config, address = waiting[ended]
        try:
            said = f"error of hidden pixels {ray.get(ended):.3f} standard deviations"
        except ray.exceptions.RayError as error:  # whatever it is, the others go on
            failed[address] = f"pretraining: {str(error).strip().splitlines()[-1]}"
            said = f"FAILED, {failed[address]}"
        print(
            f"{config.inputs}, timesteps {config.timesteps}, seed {config.seed}: {said}",
            flush=True,
        )
    return begun, failed


def pretrain_one(chips: xr.Dataset, config: TrainingConfig, address: str, gpus: float) -> float:
    """Pretrain one configuration where Ray says; a worker that died goes on where it was."""
    begin_as_planned(config.precision, gpus)
    checkpoint = address.replace(".safetensors", ".checkpoint")
    error = pretrain(chips, config, address, checkpoint=checkpoint)
    remove(checkpoint)
    return error


def command(arguments: list[str] | None = None) -> int:
    """Run `main`; what is wrong with the input is one line on standard error."""
    return run_command(lambda: main(arguments), verbose=True)


if __name__ == "__main__":
    sys.exit(command())

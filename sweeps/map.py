#!/usr/bin/env python
"""A landslide map made by many workers: `landslide map`, its strips spread over a cluster.

The products are those of `landslide map`. The workers must reach the models, the cube and the work
store, which lies in OUT unless --work says another place. A Dask worker computes on the first GPU
that it sees: start one for each, with its own CUDA_VISIBLE_DEVICES. Of actors each sees its own.

    sweeps/map.py MODEL CUBE OUT --dask tcp://scheduler:8786
    ray job submit --working-dir . -- \
        python sweeps/map.py gs://…/MODEL gs://…/CUBE gs://…/OUT --actors 4
"""

import argparse
import os
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from cluster import goes_with_job
from cluster.dask import ADDRESS
from cluster.executors import RayActors
from cluster.ray import ray_cluster
from cluster.resources import await_node
from landslide.command import run_command
from landslide.mapping.inference.arena import one_arena
from landslide.mapping.options import add_map_options, cube_to_map, map_choices
from landslide.mapping.plan import plan_map
from landslide.mapping.run import predict_scene, write_map
from landslide.options import Parser
from landslide.training.device import hold_to_gpus
from sweeps.resources import resources_of
from sweeps.workers import add_dask_options, add_ray_options, cluster_of, dask_executor

if TYPE_CHECKING:
    from concurrent.futures import Executor


def options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__.split("\n")[0])
    add_map_options(parser)
    cluster = parser.add_argument_group("cluster")
    add_dask_options(cluster, "give --actors")
    cluster.add_argument("--actors", type=int, help="instead of Dask: how many Ray actors")
    add_ray_options(cluster, "actor")
    cluster.add_argument("--cpus-per-actor", type=float, help="default: 1")
    cluster.add_argument("--work", help="where the map grows, if workers do not reach OUT")
    args = parser.parse_args(arguments)
    on_dask = args.dask or (args.actors is None and os.environ.get(ADDRESS))
    if (args.actors is not None) == bool(on_dask):
        parser.error("give either --actors or --dask")
    if args.actors is not None and args.actors < 1:
        parser.error("--actors is at least 1")
    if args.actors is not None and args.dask_workers is not None:
        parser.error("--dask-workers goes with --dask")
    for name, of_actors in (
        ("address", args.address),
        ("gpus-per-actor", args.gpus),
        ("accelerator", args.accelerator),
        ("cpus-per-actor", args.cpus_per_actor),
    ):
        if args.actors is None and of_actors is not None:
            parser.error(f"--{name} goes with --actors")
    if goes_with_job(args.out):
        parser.error("a submitted job needs an OUT that stays: an address, or a path from / on")
    if args.work is not None and goes_with_job(args.work):
        parser.error("a submitted job needs a --work that stays: an address, or a path from / on")
    return args


def main(arguments: list[str] | None = None) -> None:
    """Map, and print where each product lies."""
    one_arena()
    args = options(arguments)
    cluster = cluster_of(args, on_dask=args.actors is None)
    models = [args.model, *args.members]
    # What is wrong is found before a node is waited for.
    plan = plan_map(models, cube_to_map(args), args.out, map_choices(args), work=args.work)
    executor: Executor
    with ExitStack() as opened:  # and closed again before the products are made, here
        if args.actors:
            opened.enter_context(ray_cluster(cluster.address))
            cpus = 1 if args.cpus_per_actor is None else args.cpus_per_actor
            resources = resources_of(cluster, cpus)
            await_node(resources, cluster.deadline)
            begin = partial(hold_to_gpus, resources.gpus)
            executor = opened.enter_context(RayActors(args.actors, resources, begin))
            look_ahead = 2 * args.actors
        else:
            executor, look_ahead = opened.enter_context(dask_executor(cluster))
        scene, facts = predict_scene(plan, executor, look_ahead=look_ahead, progress=True)
    written = write_map(plan, scene, facts)
    print("\n".join(written.values()))


if __name__ == "__main__":
    sys.exit(run_command(main, verbose=True))

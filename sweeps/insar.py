#!/usr/bin/env python
"""What InSAR adds: coherence before and over the event, alone and beside backscatter and terrain.

The same sweep as the ablation, over other inputs: one pass over the cube, one split, one mask.

    sweeps/insar.py CUBE --seeds 0 1 2
"""

import sys
from dataclasses import replace

from cluster.ray import ray_cluster
from landslide.command import run_command
from landslide.results.comparing import compare
from sweeps.ablation import options, run
from sweeps.options import chosen
from sweeps.planning import plan_sweep
from sweeps.resources import resources_of

INPUTS = ("coherence", "vv+vh", "vv+vh+coherence", "vv+vh+dem", "vv+vh+dem+coherence")
COMPARED = (("vv+vh+coherence", "vv+vh"), ("vv+vh+dem+coherence", "vv+vh+dem"))


def main(arguments: list[str] | None = None) -> int:
    """Run the sweep, and say what coherence adds; 1 where a trial failed."""
    choices, cluster = chosen(options(arguments, __doc__, INPUTS))
    sweep = plan_sweep(choices)
    sweep.require_writable()
    with ray_cluster(cluster.address):
        resources = resources_of(cluster, choices.base.threads)
        code = run(sweep, replace(cluster, gpus=resources.gpus))  # whatever nodes come and go
    rows = sweep.rows(sweep.keyed(resources))
    scored = set(rows.loc[rows["error"].isna(), "inputs"])
    for first, second in COMPARED:
        if {first, second} <= scored:
            print(f"\nDoes coherence help {second}?\n")
            try:
                print(compare(rows, first, second), end="")
            except ValueError as error:  # a row of either is of another setting
                print(f"not compared: {error}")
    return code


if __name__ == "__main__":
    sys.exit(run_command(main, verbose=True))

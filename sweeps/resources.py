"""What a trial or actor is given on Ray, and what its nodes have for chips."""

from cluster.resources import Resources, smallest_node_bytes, trials_on_a_node, usual_gpus
from landslide.chips.sizes import Room, memory_bytes
from sweeps.workers import Cluster


def resources_of(cluster: Cluster, cpus: float) -> Resources:
    """Return what one trial or actor is given on the Ray that this process is connected to.

    Raises
    ------
    ValueError
        Where nobody says how many GPUs: neither `cluster`, nor Ray.
    """
    gpus = cluster.gpus
    if gpus is None:
        gpus = usual_gpus(cpus, cluster.accelerator)
    return Resources(cpus, gpus, cluster.accelerator)


def room_for_chips(resources: Resources, trials: int) -> Room:
    """Return what this process and the smallest node of the Ray cluster have for chips.

    At once at most so many trials run as a node has room for, or as there are.
    """
    memory, shared = smallest_node_bytes()
    at_once = min(trials_on_a_node(resources), max(trials, 1))
    return Room(min(memory_bytes(), memory), shared, at_once)

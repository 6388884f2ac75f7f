"""A cluster that Dask's operator runs on Kubernetes, for a while."""

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from typing import Any

WAY_OUT = "`kubectl get daskclusters -A` lists what there is"


@contextlib.contextmanager
def operator_cluster(place: str, adapt: Sequence[int] | None = None) -> Iterator[Any]:
    """Connect to a cluster, which stays when we leave.

    Parameters
    ----------
    place : str
        Its namespace and name, `NAMESPACE/NAME`; only its name for the namespace that kubectl uses.
    adapt : sequence of 2 int, optional
        The fewest and the most workers meanwhile; after that it scales as it did.

    Raises
    ------
    ValueError
        Where no name is given, or a package is missing.
    OSError
        Where there is no such cluster, or Kubernetes refuses.
    """
    namespace, _, name = place.rpartition("/")
    if not name or "/" in namespace:
        raise ValueError(f"kubernetes:{place} names no cluster: give kubernetes:NAMESPACE/NAME")
    try:
        operator = importlib.import_module("dask_kubernetes.operator")
    except ImportError:
        raise ValueError(
            f"kubernetes:{place} needs the package dask-kubernetes: install it, or give the "
            "scheduler's own address"
        ) from None
    with _refusals(f"no Dask cluster {place} in Kubernetes"):
        cluster = operator.KubeCluster.from_name(name, namespace=namespace or None, quiet=True)
    with contextlib.ExitStack() as opened:
        opened.enter_context(contextlib.closing(cluster))
        if adapt is not None:
            opened.enter_context(_adapted(cluster, adapt))
        yield cluster


@contextlib.contextmanager
def _adapted(cluster: Any, adapt: Sequence[int]) -> Iterator[None]:
    least, most = adapt
    place = f"{cluster.namespace}/{cluster.name}"
    with _refusals(f"the Dask cluster {place} cannot be scaled"):
        before = scaling_of(cluster.name, cluster.namespace)
        cluster.adapt(minimum=least, maximum=most)
    try:
        yield
    finally:
        with _refusals(f"the autoscaler of the Dask cluster {place} still has {least} to {most}"):
            match before:
                case (fewest, largest):
                    cluster.adapt(minimum=fewest, maximum=largest)
                case workers:
                    cluster.scale(workers)  # which also ends the autoscaler


def scaling_of(name: str, namespace: str) -> tuple[int, int] | int:
    """Return the fewest and the most workers of a cluster's autoscaler, else how many it has."""
    import kr8s  # noqa: PLC0415 - comes with dask-kubernetes, which not all have

    try:
        scaler = _asked("DaskAutoscaler", name, namespace)
    except kr8s.NotFoundError:
        return int(_asked("DaskWorkerGroup", f"{name}-default", namespace).worker.replicas)
    return int(scaler.minimum), int(scaler.maximum)


def _asked(kind: str, name: str, namespace: str) -> Any:
    """Return what one of the operator's objects is to be."""
    from kr8s.objects import new_class  # noqa: PLC0415 - as above

    cls: Any = new_class(kind, version="kubernetes.dask.org/v1", namespaced=True, asyncio=False)
    return cls.get(name, namespace=namespace, timeout=1).spec


@contextlib.contextmanager
def _refusals(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of several Kubernetes clients, each with its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise OSError(f"{what} ({reason}): {WAY_OUT}") from error

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
        The fewest and the most workers meanwhile; after that its autoscaler is as it was.

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
        before = autoscaler_of(cluster.name, cluster.namespace)
        cluster.adapt(minimum=least, maximum=most)
    try:
        yield
    finally:
        with _refusals(f"the autoscaler of the Dask cluster {place} still has {least} to {most}"):
            if before:
                cluster.adapt(minimum=before[0], maximum=before[1])
            else:
                cluster.scale(least)  # which also ends the autoscaler


def autoscaler_of(name: str, namespace: str) -> tuple[int, int] | None:
    """Return the fewest and the most workers of a cluster's autoscaler, None where it has none."""
    import kr8s  # noqa: PLC0415 - comes with dask-kubernetes, which not all have
    from kr8s.objects import new_class  # noqa: PLC0415

    kind: Any = new_class(
        "DaskAutoscaler", version="kubernetes.dask.org/v1", namespaced=True, asyncio=False
    )
    try:
        found = kind.get(name, namespace=namespace, timeout=1)
    except kr8s.NotFoundError:
        return None
    return int(found.spec.minimum), int(found.spec.maximum)


@contextlib.contextmanager
def _refusals(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of several Kubernetes clients, each with its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise OSError(f"{what} ({reason}): {WAY_OUT}") from error

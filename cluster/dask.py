"""A Dask client for a while: of a scheduler that runs, of Kubernetes, or of this machine."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from distributed.security import Security
from distributed.versions import VersionMismatchWarning

from cluster.dask_operator import operator_cluster
from cluster.head import LAST_PORT

ADDRESS = "DASK_SCHEDULER_ADDRESS"
KUBERNETES = "kubernetes:"
TIMEOUT = 30  # seconds
DEADLINE = 1200
"""Seconds that an autoscaler may take for the first worker: a node starts, and pulls its image."""
LOCAL_DASHBOARD = "http://127.0.0.1:{port}/status"
RETRIES = 2
"""Of a block whose reading fails: another worker may reach what one does not."""
SAME = ("python", "dask", "distributed", "cloudpickle", "numpy", "xarray", "zarr", "numcodecs")
"""What a task, its arguments or its result are made of: equal everywhere, or they may not pass."""


@contextlib.contextmanager
def dask_client(
    address: str | None = None,
    *,
    adapt: Sequence[int] | None = None,
    deadline: float = DEADLINE,
) -> Iterator[Client]:
    """Give a client, and print where its dashboard is; only what was opened here is closed.

    Parameters
    ----------
    address : str, optional
        A scheduler such as `tcp://scheduler:8786`, or `kubernetes:NAMESPACE/NAME`, a cluster that
        Dask's operator runs there; by default `DASK_SCHEDULER_ADDRESS`, else threads of this
        process, as many as the machine has cores, which share its memory and listen on loopback
        alone.
    adapt : sequence of 2 int, optional
        The fewest and the most workers; between them as many as there is work for. The operator's
        clusters are told so: who runs a scheduler at an address sees to its workers.
    deadline : float
        Seconds in which the first worker must be there; an autoscaler is given work for one.

    Raises
    ------
    OSError
        Where no scheduler answers or it goes away, no worker comes, or a block of the cube kills
        whoever reads it.
    ValueError
        Where the address is none, scheduler or workers have other versions than this process, or
        threads of this process are to adapt.
    """
    way_out = "name another" if address else f"unset {ADDRESS}"
    require_scheduler(address, adapt)
    address = address or os.environ.get(ADDRESS) or None
    with contextlib.ExitStack() as opened:
        if address is None:
            target: Any = opened.enter_context(_local())
        elif address.startswith(KUBERNETES):
            place = address.removeprefix(KUBERNETES)
            target = opened.enter_context(operator_cluster(place, adapt))
        else:
            target = address
        opened.enter_context(_quiet("distributed.client"))  # what it has to say is raised, too
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # said below, in one line
            try:
                client = opened.enter_context(Client(target, timeout=TIMEOUT))
            except OSError:
                if address is None:
                    raise  # our own: there is no other to start or to name
                raise OSError(
                    f"no Dask scheduler answers at {address}: start one, or {way_out}"
                ) from None
        opened.enter_context(_losses(client))
        print(f"Dask dashboard: {client.dashboard_link}")
        require_same_versions(client)
        if not client.nthreads():
            await_worker(client, deadline)
            require_same_versions(client)
        yield client


def require_scheduler(address: str | None, adapt: Sequence[int] | None) -> None:
    """Raise what `dask_client` would, as far as no cluster need be asked for it.

    Raises
    ------
    ValueError
        Where the address is none, or workers are to adapt and no address says of which cluster.
    OSError
        Where Dask's settings do not let it connect.
    """
    address = address or os.environ.get(ADDRESS)
    if adapt is not None and not address:
        raise ValueError(
            "threads of this process cannot be scaled: give the address of a Dask cluster, or "
            f"{KUBERNETES}NAMESPACE/NAME"
        )
    if address and not address.startswith(KUBERNETES):
        require_address(address)
        require_security(address)


@contextlib.contextmanager
def _losses(client: Client) -> Iterator[None]:
    """Say on one line what of a cluster was lost."""
    address = client.scheduler_info()["address"]
    try:
        yield
    except KilledWorker as error:
        raise OSError(
            f"every Dask worker that tried {error.task} died: give the workers more memory, or "
            "fewer threads each"
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise OSError(
            f"the Dask scheduler at {address} went away, and its work with it: see its logs, start "
            "one again, and run again to go on"
        ) from error


@contextlib.contextmanager
def _local() -> Iterator[LocalCluster]:
    with (
        dask.config.set({"distributed.dashboard.link": LOCAL_DASHBOARD}),
        LocalCluster(
            processes=False,
            n_workers=1,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
    ):
        yield cluster


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    log = logging.getLogger(name)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def require_address(address: str) -> None:
    """Raise where an address is not that of a scheduler, whether one answers there or not.

    Raises
    ------
    ValueError
        Says how one is written.
    """
    scheme, _, rest = address.rpartition("://")
    host, _, port = rest.rpartition(":")
    known = scheme in {"", "tcp", "tls", "ws", "wss"}
    if not known or not host or not port.isdigit() or not 0 < int(port) <= LAST_PORT:
        raise ValueError(
            f"{address!r} is no address of a Dask scheduler: give tcp://HOST:PORT, or "
            f"{KUBERNETES}NAMESPACE/NAME"
        )


def require_security(address: str) -> None:
    """Raise where Dask's settings do not let it connect: to TLS without anything to show, say.

    A client that finds out by itself stays half open, and what later collects it may wait for a
    lock of the one that is opened just then.

    Raises
    ------
    OSError
        Says what is missing.
    """
    if dask.config.get("distributed.client.security-loader", None):
        return  # what that gives is known to it alone
    if not address.startswith(("tls://", "wss://")):
        if dask.config.get("distributed.comm.require-encryption", None):
            raise OSError(
                f"no way to {address} by Dask's distributed.comm.require-encryption: give "
                "tls://HOST:PORT"
            )
        return
    try:
        found = Security().get_connection_args("client")["ssl_context"]
        missing = "without certificates" if found is None else None
    except OSError as error:  # those that are configured cannot be read
        missing = f"({error})"
    if missing:
        raise OSError(f"no way to {address} {missing}: set Dask's distributed.comm.tls")


def await_worker(client: Client, seconds: float) -> None:
    """Give an autoscaler work for a worker, and wait until one has done it.

    Raises
    ------
    OSError
        Where none has come in time.
    """
    print(f"Dask has no worker yet: waiting for one, {seconds:g} s at most", flush=True)
    asked = client.submit(int, pure=False)
    try:
        asked.result(timeout=seconds)
    except TimeoutError:
        asked.cancel()
        address = client.scheduler_info()["address"]
        raise OSError(
            f"no Dask worker came to {address} within {seconds:g} s: start one (`dask worker "
            f"{address}`), or see what its autoscaler lacks"
        ) from None


def require_same_versions(client: Client) -> None:
    """Raise where what passes between here, the scheduler and the workers is of other versions.

    Raises
    ------
    ValueError
        Says who has which.
    """
    found: Any = client.get_versions(packages=["xarray", "zarr", "numcodecs"])
    here = _versions(found["client"])
    others = {"the scheduler": found["scheduler"], **found["workers"]}
    for who, host in others.items():
        there = _versions(host)
        differing = [
            f"{name} {there[name]} (here {here[name]})"
            for name in SAME
            if there[name] != here[name]
        ]
        if differing:
            raise ValueError(
                f"{who} of the Dask cluster has {', '.join(differing)}: run it from the same image "
                "or requirements.txt as this"
            )


def _versions(host: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of what must be the same; Python's without its patch level."""
    said = dict(host["packages"])
    found = {name: str(said.get(name)) for name in SAME}
    return found | {"python": ".".join(found["python"].split(".")[:2])}


def executor_of(client: Client, most_workers: int = 0) -> tuple[Executor, int]:
    """Return an executor whose tasks run on a client's cluster, and how many keep it busy.

    A cluster that grows with its work needs work for `most_workers`, of which few may be there:
    each is to have as many threads as the largest that is.
    """
    threads = client.nthreads().values()
    most = max(sum(threads), most_workers * max(threads, default=1), 1)
    return client.get_executor(pure=False, retries=RETRIES), 2 * most

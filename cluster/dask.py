"""A Dask client for a while: of a scheduler that runs already, or of this machine."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor

import dask
from distributed import Client, LocalCluster

ADDRESS = "DASK_SCHEDULER_ADDRESS"
TIMEOUT = 30  # seconds
LOCAL_DASHBOARD = "http://127.0.0.1:{port}/status"


@contextlib.contextmanager
def dask_client(address: str | None = None) -> Iterator[Client]:
    """Give a client, and print where its dashboard is; only what was opened here is closed.

    Parameters
    ----------
    address : str, optional
        A scheduler such as `tcp://scheduler:8786`; by default `DASK_SCHEDULER_ADDRESS`, else
        threads of this process, which share its memory and listen on loopback alone.

    Raises
    ------
    OSError
        Where no scheduler answers.
    """
    address = address or os.environ.get(ADDRESS)
    with contextlib.ExitStack() as opened:
        if address is None:
            opened.enter_context(dask.config.set({"distributed.dashboard.link": LOCAL_DASHBOARD}))
            cluster = opened.enter_context(
                LocalCluster(
                    processes=False,
                    n_workers=1,
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address="127.0.0.1:0",
                )
            )
            client = opened.enter_context(Client(cluster))
        else:
            try:
                client = opened.enter_context(Client(address, timeout=TIMEOUT))
            except OSError:
                raise OSError(
                    f"no Dask scheduler answers at {address}: start one, or unset {ADDRESS}"
                ) from None
        print(f"Dask dashboard: {client.dashboard_link}")
        yield client


def executor_of(client: Client) -> tuple[Executor, int]:
    """Return an executor whose tasks run on a client's cluster, and how many keep it busy."""
    threads = sum(client.nthreads().values())
    return client.get_executor(pure=False), 2 * max(threads, 1)

"""A Ray cluster for a while: the one a job was submitted to, one at an address, or a local one."""

import contextlib
import logging
import os
from collections.abc import Iterator

import ray
from ray.exceptions import RayError

from cluster import in_job
from cluster.head import cluster_status, host_and_port

AUTH = "RAY_AUTH_MODE"


@contextlib.contextmanager
def ray_cluster(address: str | None = None, cpus: int | None = None) -> Iterator[None]:
    """Connect to Ray and print where its dashboard is; what was opened here is closed.

    Parameters
    ----------
    address : str, optional
        A running cluster. By default the one that this process is connected to already, that of
        the submitted job, or else a local one of our own: never one that happens to run here.
    cpus : int, optional
        CPUs of a local Ray; by default the machine's.

    Raises
    ------
    OSError
        Where no Ray answers, or none that knows our token.
    ValueError
        Where the address is none.
    """
    if ray.is_initialized():
        yield
        return
    ours = address is None and not in_job()
    if address is not None:
        cluster_status(host_and_port(address))  # says at once what ray.init tries for minutes
    try:
        if ours:
            context = ray.init(
                address="local",
                num_cpus=cpus,
                dashboard_host="127.0.0.1",
                include_dashboard=None,  # wanted, but no reason to fail
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
        else:
            context = ray.init(
                address=address or "auto", log_to_driver=False, logging_level=logging.WARNING
            )
    except (RayError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise OSError(f"no Ray cluster at {address or 'this machine'}: {reason}") from None
    try:
        token = " (its token: `ray get-auth-token`)" if os.environ.get(AUTH) == "token" else ""
        at = f"http://{context.dashboard_url}{token}"
        print(
            f"Ray dashboard:  {at if context.dashboard_url else 'none, it did not start in time'}"
        )
        yield
    finally:
        ray.shutdown()


def last_line(error: BaseException) -> str:
    """Return what an error of Ray's comes to: before that are particulars, or a traceback."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1]

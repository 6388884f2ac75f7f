"""Dask and Ray, on this machine or elsewhere."""

import os
from pathlib import Path

JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set for the entry point of a submitted job."""


def in_job() -> bool:
    """Return whether this process is the entry point of a submitted Ray job."""
    return JOB in os.environ


def goes_with_job(address: str) -> bool:
    """Return whether what is written to an address would lie in a submitted job's own folder."""
    return in_job() and "://" not in address and not Path(address).is_absolute()


# Ray reads these when it is imported, by whichever module here comes first. A Ray that listens
# without a token lets anyone run code; what asks for no GPU would see all of them. In a job it is
# the cluster that says what holds.
if not in_job():
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")

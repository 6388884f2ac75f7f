"""Failures of a store: where they come from, which pass by themselves, waiting until they have."""

import asyncio
import errno
import logging
from collections.abc import Callable

import aiohttp
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_exponential_jitter,
)

from landslide.errors import one_line

log = logging.getLogger(__name__)

PATIENCE = 300  # seconds
WAIT = wait_exponential_jitter(multiplier=0.2, max=10)  # seconds, doubled each time
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONNECTION = (
    ConnectionError,
    TimeoutError,
    asyncio.IncompleteReadError,
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
)
_BOTOCORE = frozenset({"ConnectionError", "HTTPClientError"})
"""Roots of what botocore raises where no server answers; they are no OSErrors."""


def is_transient(error: BaseException) -> bool:
    """Say whether a request that failed so may well succeed if it is made again."""
    if error.__cause__ is not None and is_transient(error.__cause__):
        return True
    return (
        isinstance(error, _CONNECTION)
        or status_of(error) in BUSY
        or (isinstance(error, OSError) and error.errno in {errno.EBUSY, errno.EREMOTEIO})  # s3fs
        or any(
            kind.__module__ == "botocore.exceptions" and kind.__name__ in _BOTOCORE
            for kind in type(error).__mro__
        )
    )


def status_of(error: BaseException) -> object:
    """Return what a server answered, where it did."""
    return error.status if hasattr(error, "status") else getattr(error, "code", None)


def innermost(error: BaseException) -> BaseException:
    """Return what an error came of: the outer ones say little more than that they failed."""
    cause = error.__cause__ or error.__context__
    return innermost(cause) if cause is not None and str(cause) else error


def patiently[Answer](call: Callable[[], Answer]) -> Answer:
    """Call again, for five minutes, while a store is away: for what would be lost otherwise.

    Raises
    ------
    Exception
        What `call` raises that does not pass, or still after that time.
    """
    return Retrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_delay(PATIENCE),
        wait=WAIT,
        before_sleep=_say,
        reraise=True,
    )(call)


def _say(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning(
        "a store does not answer (%s): asked again, for %d s in all", one_line(error, 200), PATIENCE
    )

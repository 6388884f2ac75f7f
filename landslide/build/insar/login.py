"""Earthdata's login, and what the clients of its archives raise."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import requests

HOST = "https://urs.earthdata.nasa.gov"


def earthdata_token(who_needs: str) -> str | None:
    """Return the bearer token of EARTHDATA_TOKEN; None where ~/.netrc has a login in its place.

    Raises
    ------
    ValueError
        Where there are no credentials: it begins with `who_needs`, as in "HyP3 needs".
    """
    token = os.environ.get("EARTHDATA_TOKEN")
    if not token and requests.utils.get_netrc_auth(HOST) is None:
        raise ValueError(
            f"{who_needs} an Earthdata login: set EARTHDATA_TOKEN, or put urs.earthdata.nasa.gov "
            f"with your login into ~/.netrc (free at {HOST})"
        )
    return token or None


@contextmanager
def plain_errors(what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn what a client raises, errors of such kinds or of the network, into one line.

    Raises
    ------
    OSError
        It begins with `what` went wrong.
    """
    caught: tuple[type[Exception], ...] = (requests.RequestException, *kinds)
    try:
        yield
    except caught as problem:
        reason = " ".join(f"{type(problem).__name__}: {problem}".split())[:300]
        raise OSError(f"{what} ({reason}): run again to go on") from problem

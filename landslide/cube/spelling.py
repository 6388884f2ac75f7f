"""How people and archives spell an instant and an orbit state."""

import datetime as dt
from types import MappingProxyType

import numpy as np
import pandas as pd

ORBIT_STATES = MappingProxyType({"a": "ascending", "d": "descending"})
_DAYS = np.dtype("datetime64[D]")  # a coarser one, which compares as less, is no date


def read_window(value: object, key: str, where: str) -> tuple[np.datetime64, np.datetime64]:
    """Return the first and last instant [ns, UTC] that a TOML or ISO time or a datetime64 means.

    An instant is both; a date, as a datetime64 in whole days is, too, is its whole day, to the next
    midnight. A time without an offset is UTC.

    Raises
    ------
    ValueError
        Where `value` of `key` in `where` is neither a date nor an instant, or its year is not one
        of 1678 to 2261.
    """
    wrong = f"{where}: `{key}` is {value!r}; write an instant such as 2018-09-05T18:07:59Z"
    if isinstance(value, str):
        try:
            # The standard library refuses the words ("now") that pandas would understand.
            dt.datetime.fromisoformat(value)
            stamp = pd.Timestamp(value)
        except ValueError as error:
            raise ValueError(wrong) from error
        whole_day = len(value) <= len("2018-09-05")
    elif isinstance(value, dt.date):  # a datetime is a date too
        stamp, whole_day = pd.Timestamp(value), not isinstance(value, dt.datetime)
    elif isinstance(value, np.datetime64) and not np.isnat(value) and value.dtype >= _DAYS:
        stamp, whole_day = pd.Timestamp(value), value.dtype == _DAYS
    else:
        raise ValueError(wrong)
    if pd.isna(stamp):
        raise ValueError(wrong)
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC").tz_localize(None)
    try:
        start = stamp.as_unit("ns").to_datetime64()
    except pd.errors.OutOfBoundsDatetime as error:
        raise ValueError(wrong) from error
    return start, start + np.timedelta64(1, "D") if whole_day else start


def decode_orbit_state(value: object) -> str | None:
    """Return "ascending" or "descending" for any spelling of it (d, A, b"descending"), or None."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    text = text.strip().strip("\0").lower()
    return next((s for short, s in ORBIT_STATES.items() if text in (short, s)), None)

"""What an error says."""

from collections.abc import Mapping
from typing import Any

_LACKING = object()


def one_line(error: BaseException | None, most: int | None = None) -> str:
    """Return what an error says on one line, of so many characters at most; else its kind."""
    return " ".join(str(error).split())[:most] or type(error).__name__


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the keys under which two records differ, `outer.inner` where both hold records."""
    names: list[str] = []
    for key in {**one, **other}:
        a, b = one.get(key, _LACKING), other.get(key, _LACKING)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            names += [f"{key}.{name}" for name in differing(a, b)]
        elif a != b:
            names.append(key)
    return names

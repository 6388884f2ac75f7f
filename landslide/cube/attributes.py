"""Attributes of a stored variable that say what its values mean."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALING = ("scale_factor", "add_offset")
FILLS = ("_FillValue", "missing_value")


def numbers(key: str, attrs: Mapping[str, Any], name: str) -> NDArray[Any]:
    """Return the numbers, one or several, of an attribute that changes values; none without it.

    Raises
    ------
    ValueError
        Where it is no number; `name` is the variable's.
    """
    value = attrs.get(key)
    found = np.ravel([] if value is None else value)
    if found.dtype.kind not in "biuf":
        raise ValueError(
            f"the cube's {name} has the {key} {value!r}, which is no number: correct the attribute"
        )
    return found


def fill_values(attrs: Mapping[str, Any], name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values of a type that mean no data, but for NaN, which says so itself.

    Raises
    ------
    ValueError
        As `numbers` does.
    """
    values = np.concatenate([numbers(key, attrs, name) for key in FILLS])
    if dtype.kind == "f":  # JSON's -9999.9 is no float32: as stored it is the nearest one
        with np.errstate(over="ignore"):
            values = values.astype(dtype)
    return np.unique(values[~np.isnan(values)])

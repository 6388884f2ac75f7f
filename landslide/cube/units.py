"""Units that a cube's variables may come in, and the way from each to the house's."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr

Conversion = Callable[[xr.DataArray], xr.DataArray]


def as_is(array: xr.DataArray) -> xr.DataArray:
    """Return what is in the house's unit already."""
    return array


def power_from_decibels(decibels: xr.DataArray) -> xr.DataArray:
    """Return linear power from decibels: 10 ** (dB / 10)."""
    return np.float32(10) ** (decibels / 10)


def power_from_logarithm(logarithm: xr.DataArray) -> xr.DataArray:
    """Return linear power from its natural logarithm."""
    return xr.ufuncs.exp(logarithm)


def _times(factor: float) -> Conversion:
    return lambda array: array * np.float32(factor)


def _spellings(conversion: Conversion, *names: str) -> dict[str, Conversion]:
    return dict.fromkeys(names, conversion)


POWER = "1"
LOGARITHM = "ln(1)"
"""Natural logarithm of linear power: `ln(re 1)` in the spelling of a unit."""
OF_LOGARITHM = "natural logarithm of "
"""What the long name of such a variable begins with."""
METRES = "m"
RADIANS = "radians"
DEGREES = "degrees"
CURVATURE = "1/100 m"

_POWER_NAMES = (
    *("", "1", "linear", "power", "linear power", "linear_power", "gamma0", "sigma0"),
    *("none", "unitless", "dimensionless", "m2/m2", "m2 m-2", "m^2/m^2"),
)
METRE_NAMES = ("m", "metre", "metres", "meter", "meters")
_RADIAN_NAMES = ("rad", "radian", "radians")
_DEGREE_NAMES = ("deg", "degree", "degrees", "°", "degrees clockwise from north")
CONVERSIONS: Mapping[str, Mapping[str, Conversion]] = MappingProxyType(
    {
        POWER: _spellings(as_is, *_POWER_NAMES)
        | _spellings(power_from_decibels, "db", "decibel", "decibels")
        | _spellings(power_from_logarithm, LOGARITHM),
        METRES: _spellings(as_is, "", *METRE_NAMES),
        RADIANS: _spellings(as_is, "", *_RADIAN_NAMES)
        | _spellings(_times(np.pi / 180), *_DEGREE_NAMES),
        DEGREES: _spellings(as_is, "", *_DEGREE_NAMES)
        | _spellings(_times(180 / np.pi), *_RADIAN_NAMES),
        CURVATURE: _spellings(as_is, "", "1/100 m", "0.01/m", "0.01 m-1")
        | _spellings(_times(100), "1/m", "m-1", "m^-1", "1 / m"),
    }
)
"""For each house unit, the spellings that are understood and what each takes."""


def conversion_to(unit: str, attrs: Mapping[Any, Any], name: object) -> Conversion:
    """Return the way to `unit` from the one that a variable's `units` attribute says.

    Raises
    ------
    ValueError
        Where the `units` attribute is none that is understood.
    """
    known = CONVERSIONS[unit]
    given = str(attrs.get("units", ""))
    conversion = known.get(" ".join(given.lower().split()))
    if conversion is None:
        raise ValueError(
            f"the cube's {name} is in {given!r}: convert it to {unit!r}, or set its "
            f"`units` to one of {', '.join(sorted(name for name in known if name))}"
        )
    return conversion


def to_house_unit(array: xr.DataArray, unit: str) -> xr.DataArray:
    """Return `array` in `unit`, lazily; its `units` attribute says what it is in now.

    Raises
    ------
    ValueError
        Where the `units` attribute is none that is understood.
    """
    conversion = conversion_to(unit, array.attrs, array.name)
    attrs = array.attrs | {"units": unit}
    if conversion is power_from_logarithm and "long_name" in attrs:
        attrs["long_name"] = str(attrs["long_name"]).removeprefix(OF_LOGARITHM)
    return conversion(array).assign_attrs(attrs)

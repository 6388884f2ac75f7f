"""From the variables of a Zarr group to layers in the house's form."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.cube.attributes import FILLS, SCALING, fill_values, numbers
from landslide.cube.coordinates import decode_orbits, order_axes, order_timesteps
from landslide.cube.layers import Layer
from landslide.cube.schema import ALIASES, LABEL_NAMES, VARIABLES, in_house_form
from landslide.cube.stored import StoredArray
from landslide.cube.units import POWER, as_is, conversion_to, power_from_logarithm


def layered_names(names: Mapping[str, Any]) -> dict[str, str]:
    """Return which stored variables are read as layers, and the house's name of each.

    What is made of two variables is not.
    """
    types = (np.float32, np.uint8, np.bool_)
    plain = {n: n for n in names if n in VARIABLES and VARIABLES[n].dtype in types}
    return plain | {old: new for old, new in ALIASES.items() if old in names and new not in names}


def house_order(dataset: xr.Dataset) -> tuple[xr.Dataset, dict[str, NDArray[np.int64]]]:
    """Sort a dataset's axes; return it, and where each index now lies, for axes that changed."""
    numbered = {f"_{d}": (d, np.arange(n)) for d, n in dataset.sizes.items()}
    ordered = order_axes(order_timesteps(decode_orbits(dataset.assign(numbered))))
    positions = {str(d): ordered[f"_{d}"].to_numpy() for d in dataset.sizes}
    changed = {d: p for d, p in positions.items() if (p != np.arange(p.size)).any()}
    return ordered.drop_vars(list(numbered)), changed


def make_layer(
    stored: StoredArray, variable: xr.Variable, name: str, positions: Mapping[str, Any]
) -> tuple[Layer, xr.DataArray]:
    """Return a stored variable's layer, and a sample of it: no pixels, but all that describes it.

    Parameters
    ----------
    stored : StoredArray
    variable : Variable
        As stored, neither masked nor scaled.
    name : str
        The house's.
    positions : mapping
        As `house_order` gives them.

    Raises
    ------
    ValueError
        Where the variable's dimensions, type or unit cannot be understood.
    """
    house = VARIABLES[name]
    none = np.empty((0,) * variable.ndim, variable.dtype)
    empty = xr.Variable(variable.dims, none, variable.attrs)
    if name in LABEL_NAMES:  # decoded with their masks, once they are read
        sample = in_house_form(xr.DataArray(empty, name=name))
    else:
        sample = _decoded(name, empty)
    attrs = dict(variable.attrs)
    conversion = as_is if house.unit is None else conversion_to(house.unit, attrs, name)
    logarithm = conversion is power_from_logarithm
    if logarithm:
        conversion, attrs["units"] = as_is, POWER
    plain = name in LABEL_NAMES or (
        variable.dtype == np.float32
        and conversion is as_is
        and name != "dem_aspect"  # a negative one means none
        and not any(numbers(key, attrs, name).size for key in SCALING)
        and not fill_values(attrs, name, variable.dtype).size
    )
    layer = Layer(
        name=f"{name}-{stored.token}",
        stored=stored,
        axes=tuple(variable.dims.index(dim) for dim in house.dims),
        positions=tuple(positions.get(dim) for dim in house.dims),
        decode=None if plain else functools.partial(_decode, name, house.dims, attrs),
        to_power=np.exp if logarithm else None,
    )
    return layer, sample


def _decoded(name: str, variable: xr.Variable) -> xr.DataArray:
    for key in SCALING:
        numbers(key, variable.attrs, name)
    fills = fill_values(variable.attrs, name, variable.dtype)
    attrs = {key: value for key, value in variable.attrs.items() if key not in FILLS}
    if fills.size:  # xarray takes one, and warns of several
        attrs[FILLS[0]] = fills[0]
    values = variable.to_numpy()
    if fills.size > 1:
        values = np.where(np.isin(values, fills[1:]), fills[0], values)
    one = xr.Variable(variable.dims, values, attrs)
    decoded = xr.conventions.decode_cf_variable(name, one, decode_timedelta=False)
    return in_house_form(xr.DataArray(decoded, name=name))


def _decode(
    name: str, dims: tuple[str, ...], attrs: dict[str, Any], values: NDArray[Any]
) -> NDArray[Any]:
    return np.asarray(_decoded(name, xr.Variable(dims, values, attrs)).to_numpy())

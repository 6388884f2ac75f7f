"""The axes of a cube: its instants, its orbits, north up and east right."""

from collections import Counter

import numpy as np
import xarray as xr

from landslide.cube.spelling import decode_orbit_state

ORBIT_STATE = "sat:orbit_state"
RELATIVE_ORBIT = "sat:relative_orbit"


def _along_timesteps(cube: xr.Dataset, name: str) -> list[object]:
    """Return a coordinate's value at each timestep; one value for all is every image's."""
    coordinate = cube[name]
    if coordinate.dims not in ((), ("timestep",)):
        raise ValueError(
            f"the cube's {name} has the dimensions ({', '.join(map(str, coordinate.dims))}), "
            "not (timestep): give one value for each image"
        )
    return np.broadcast_to(coordinate.values, cube.sizes["timestep"]).tolist()


def _decode_orbit_states(cube: xr.Dataset) -> xr.Dataset:
    values = _along_timesteps(cube, ORBIT_STATE)
    decoded = [decode_orbit_state(value) for value in values]
    without = cube.drop_vars(ORBIT_STATE)
    if not any(decoded) and len({str(value) for value in values}) <= 1:
        return without  # a dummy value for every image says nothing
    if not all(decoded):
        unknown = sorted({str(v) for v, state in zip(values, decoded, strict=True) if not state})
        raise ValueError(
            f"the cube's {ORBIT_STATE} holds {', '.join(map(repr, unknown))}: "
            "write ascending or descending for each image, or leave the coordinate out"
        )
    return without.assign_coords({ORBIT_STATE: ("timestep", np.array(decoded, dtype=np.str_))})


def _decode_relative_orbits(cube: xr.Dataset) -> xr.Dataset:
    values = _along_timesteps(cube, RELATIVE_ORBIT)
    without = cube.drop_vars(RELATIVE_ORBIT)
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return without
    if not np.isfinite(numbers).all():
        return without
    return without.assign_coords({RELATIVE_ORBIT: ("timestep", numbers.astype(np.int64))})


def decode_orbits(cube: xr.Dataset) -> xr.Dataset:
    """Return `cube` with its orbit coordinates spelt out, or without them where they are dummies.

    Raises
    ------
    ValueError
        Where some images have an orbit state and others none that is understood.
    """
    if "timestep" not in cube.dims:
        return cube
    if ORBIT_STATE in cube.variables:
        cube = _decode_orbit_states(cube)
    if RELATIVE_ORBIT in cube.variables:
        cube = _decode_relative_orbits(cube)
    return cube


def order_timesteps(cube: xr.Dataset) -> xr.Dataset:
    """Return `cube` with its images sorted by instant.

    Raises
    ------
    ValueError
        Where `timestep` holds no instants, or one image twice.
    """
    if "timestep" not in cube.dims:
        return cube
    if "timestep" not in cube.coords or cube["timestep"].dtype.kind != "M":
        raise ValueError(
            "the cube's timestep holds no dates: give it as a coordinate of type datetime64, in UTC"
        )
    written = cube["timestep"].values
    years = written[~np.isnat(written)].astype("datetime64[Y]").astype(int) + 1970
    if ((years < 1678) | (years > 2261)).any():  # in ns they would be of another century
        raise ValueError("the cube's timestep holds a date outside of 1678 to 2261: mend it")
    instants = written.astype("datetime64[ns]")
    if np.isnat(instants).any():
        raise ValueError("the cube's timestep holds a missing date: fill it in or drop the image")
    cube = cube.assign_coords(timestep=("timestep", instants, cube["timestep"].attrs))
    known = ORBIT_STATE in cube.coords
    orbits = cube[ORBIT_STATE].values.tolist() if known else [""] * instants.size
    repeats = Counter(zip(instants.tolist(), orbits, strict=True))
    # Without orbit states, one date may stand for an ascending and a descending image.
    twice = [instant for (instant, _), n in repeats.items() if n > (1 if known else 2)]
    if twice:
        raise ValueError(
            f"the cube's timestep holds {np.datetime64(twice[0], 'ns')} more than once: "
            "keep one image of each instant and orbit"
        )
    order = np.argsort(instants, kind="stable")
    return cube if (np.diff(order) > 0).all() else cube.isel(timestep=order)


def order_axes(cube: xr.Dataset) -> xr.Dataset:
    """Return `cube` with y descending and x ascending; an axis without coordinate stays.

    Raises
    ------
    ValueError
        Where an axis runs both ways.
    """
    for axis, upward in (("y", False), ("x", True)):
        if axis not in cube.coords or axis not in cube.dims:
            continue
        values = cube[axis].values
        # Compared, for the difference of two unsigned numbers is never negative.
        ascends, descends = (values[1:] > values[:-1]).all(), (values[1:] < values[:-1]).all()
        if ascends if upward else descends:
            continue
        if not (descends if upward else ascends):
            raise ValueError(f"the cube's {axis} neither ascends nor descends: sort the cube by it")
        cube = cube.isel({axis: slice(None, None, -1)})
    return cube

"""What a cube holds: the names, dimensions and units of its variables, and their aliases.

A cube is an `xr.Dataset` with the dimensions `timestep` (an image), `timepair` (an
interferogram), `y` (descends: north is up) and `x` (ascends), under the names of the cubes that
Boehm et al. published. `house_schema` brings a dataset to that form, lazily.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr

from landslide.cube.coordinates import decode_orbits, order_axes, order_timesteps
from landslide.cube.labels import MASK_NAMES, decode_labels, decode_mask
from landslide.cube.layers import LAYER
from landslide.cube.units import CURVATURE, DEGREES, METRES, POWER, RADIANS, to_house_unit

PLANE = ("y", "x")
IMAGES = ("timestep", *PLANE)
PAIRS = ("timepair", *PLANE)


@dataclass(frozen=True)
class CubeVariable:
    """One variable of a cube."""

    dims: tuple[str, ...]
    """Its dimensions, in order."""
    dtype: type[np.generic]
    """What its values are once opened."""
    unit: str | None
    """The unit once opened, and where no `units` attribute says otherwise; None: it has none."""
    meaning: str
    """What it is, for people."""


VARIABLES: Mapping[str, CubeVariable] = MappingProxyType(
    {
        "vv": CubeVariable(IMAGES, np.float32, POWER, "gamma0 backscatter, sent and received V"),
        "vh": CubeVariable(IMAGES, np.float32, POWER, "gamma0 backscatter, sent V, received H"),
        "dem": CubeVariable(PLANE, np.float32, METRES, "elevation"),
        "dem_slope_radians": CubeVariable(PLANE, np.float32, RADIANS, "steepest slope"),
        "dem_aspect": CubeVariable(
            PLANE,
            np.float32,
            DEGREES,
            "downslope direction, clockwise from grid north; NaN if flat",
        ),
        "dem_curvature": CubeVariable(
            PLANE, np.float32, CURVATURE, "curvature after Zevenbergen and Thorne (1987)"
        ),
        "coherence": CubeVariable(PAIRS, np.float32, None, "interferometric coherence, 0 to 1"),
        "interferogram": CubeVariable(PAIRS, np.complex64, None, "wrapped interferogram"),
        "landslides": CubeVariable(PLANE, np.uint8, None, "1 landslide, 0 none, 255 no data"),
        "mapped": CubeVariable(PLANE, np.bool_, None, "where somebody looked for landslides"),
        "observed": CubeVariable(PLANE, np.bool_, None, "free of layover, shadow and water"),
    }
)
"""Every variable that the house understands; a cube need only hold what its use needs."""

POLARISATIONS = ("vv", "vh")
"""The variables of backscatter, in this order everywhere."""

ALIASES: Mapping[str, str] = MappingProxyType({"topophase.cor_1": "coherence"})
"""ISCE's names in the published cubes. `topophase.flat_real` and `topophase.flat_imag` become
`interferogram`; all others stay as they are."""

LABEL_NAMES = ("landslides", *MASK_NAMES)
"""Variables whose stored fill value is a value: no-data as xarray masks it would lose it."""

STORED = ("chunks", "shards", "compressors", "filters", "serializer", "preferred_chunks", LAYER)


def _known_names(dataset: xr.Dataset) -> xr.Dataset:
    names = {old: new for old, new in ALIASES.items() if old in dataset and new not in dataset}
    dataset = dataset.rename_vars(names)
    parts = ["topophase.flat_real", "topophase.flat_imag"]
    if "interferogram" not in dataset and set(parts) <= set(dataset):
        real, imaginary = (dataset[part] for part in parts)
        interferogram = (real + np.complex64(1j) * imaginary).astype(np.complex64)
        interferogram.encoding = real.encoding
        dataset = dataset.drop_vars(parts).assign(interferogram=interferogram)
    return dataset


def _with_dims(array: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
    """Return `array` with its dimensions in the house's order, and its stored chunks with it."""
    if array.dims == dims:
        return array
    if set(array.dims) != set(dims):
        raise ValueError(
            f"the cube's {array.name} has the dimensions ({', '.join(map(str, array.dims))}), "
            f"not ({', '.join(dims)}): rename them"
        )
    order = [array.dims.index(dim) for dim in dims]
    turned = array.transpose(*dims)
    turned.encoding = dict(array.encoding)
    for key in ("chunks", "shards"):
        if array.encoding.get(key) is not None:
            turned.encoding[key] = tuple(array.encoding[key][axis] for axis in order)
    return turned


def _with_dtype(array: xr.DataArray, dtype: type[np.generic]) -> xr.DataArray:
    wanted = np.dtype(dtype)
    # Whole metres of elevation are common; whole numbers of backscatter are some sensor's counts.
    kinds = "c" if wanted.kind == "c" else "f" if array.name in POLARISATIONS else "fiu"
    if array.dtype.kind not in kinds:
        raise ValueError(
            f"the cube's {array.name} is of type {array.dtype}, not {wanted}: "
            "convert it to its physical values"
        )
    return array if array.dtype == wanted else array.astype(wanted)


def in_house_form(array: xr.DataArray) -> xr.DataArray:
    """Return one variable, under its name, with the house's dimensions, type and unit, lazily.

    Raises
    ------
    ValueError
        Where any of them cannot be understood.
    """
    variable = VARIABLES[str(array.name)]
    array = _with_dims(array, variable.dims)
    stored = {key: value for key, value in array.encoding.items() if key in STORED}
    if array.name in MASK_NAMES:
        array = decode_mask(array)
    elif array.name not in LABEL_NAMES:
        array = _with_dtype(array, variable.dtype)
    if variable.unit is not None:
        array = to_house_unit(array, variable.unit)
    if array.name == "dem_aspect" and LAYER not in stored:
        array = array.where(array >= 0)  # RichDEM marks flat ground with a negative number
    array.encoding = stored
    return array


def house_schema(dataset: xr.Dataset) -> xr.Dataset:
    """Return `dataset` as a cube in the house's form, lazily where it is lazy.

    Aliases are renamed, orbit states decoded, dimensions put in order, images sorted by time,
    y made to descend and x to ascend, units converted, labels made uint8 {0, 1, 255} with
    ground outside `mapped` or `observed` as 255. Variables that the house does not know stay.

    Raises
    ------
    ValueError
        Where a variable, a coordinate or a unit cannot be understood, or no variable is known.
    """
    source = dataset.encoding.get("source", "given")
    cube = _known_names(dataset)
    known = [name for name in VARIABLES if name in cube.variables]
    if not known:
        raise ValueError(
            f"the cube {source} holds no variable that is known: "
            f"it needs some of {', '.join(VARIABLES)}"
        )
    cube = decode_orbits(cube.reset_coords(known))
    cube = cube.assign({name: in_house_form(cube[name]) for name in known})
    cube = order_axes(order_timesteps(cube))
    if "landslides" in cube:
        stored = cube["landslides"].encoding
        masks = [cube[name] for name in MASK_NAMES if name in cube]
        cube = cube.assign(landslides=decode_labels(cube["landslides"], masks))
        cube["landslides"].encoding = stored
    cube.encoding = dict(dataset.encoding)
    return cube

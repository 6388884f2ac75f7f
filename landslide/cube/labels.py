"""Labels: 0 is no landslide, 1 a landslide, 255 ground that nobody mapped."""

import functools
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from landslide.cube.attributes import fill_values

NO_DATA = 255
MASK_NAMES = ("mapped", "observed")
"""Planes that say which ground counts: outside either, a label is no data."""
BAND = 1024  # rows


def decode_label_values(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return labels as uint8 {0, 1, 255}; NaN reads as no landslide, as published cubes store it.

    Raises
    ------
    ValueError
        Where another value occurs; the message names the values.
    """
    known = (values == 0) | (values == 1) | (values == NO_DATA)
    if values.dtype.kind == "f":
        known |= np.isnan(values)
        values = np.where(np.isnan(values), 0, values)
    if not known.all():
        raise ValueError(
            f"the cube's landslides hold {_shown(values[~known])}: a label is 0 (none), 1 "
            "(landslide) or 255 (no data); correct the values and write the variable again"
        )
    return values.astype(np.uint8)


def _shown(wrong: NDArray[np.generic]) -> str:
    wrong = np.unique(wrong)
    return ", ".join(f"{value:g}" for value in wrong[:5]) + (", ..." if wrong.size > 5 else "")


def _decode_mask(
    values: NDArray[np.generic], name: str, fills: NDArray[np.generic]
) -> NDArray[np.bool_]:
    """Return a mask as bool; no data, which NaN and its own fill values mean, is False."""
    known = (values == 0) | (values == 1) | np.isin(values, fills)
    if values.dtype.kind == "f":
        known |= np.isnan(values)
    if not known.all():
        raise ValueError(
            f"the cube's {name} holds {_shown(values[~known])}: a mask is 1 (yes), 0 (no) or what "
            "its _FillValue says is no data; correct either, and write the variable again"
        )
    return np.asarray(values == 1)


def _lazily(
    function: Callable[..., object], array: xr.DataArray, dtype: type[np.generic]
) -> xr.DataArray:
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"the cube's {array.name} is of type {array.dtype}: it must be a number or a bool"
        )
    return xr.apply_ufunc(
        function, array, dask="parallelized", output_dtypes=[dtype], keep_attrs=True
    )


def decode_mask(array: xr.DataArray) -> xr.DataArray:
    """Return the mask `array (y, x)` as bool, lazily; reading another value is a ValueError."""
    name = str(array.name)
    fills = fill_values(array.attrs, name, array.dtype)
    decode = functools.partial(_decode_mask, name=name, fills=fills)
    return _lazily(decode, array, np.bool_)


def decode_labels(labels: xr.DataArray, masks: list[xr.DataArray]) -> xr.DataArray:
    """Return `labels (y, x)` as uint8, lazily; ground outside any of the bool `masks` is 255."""
    decoded = _lazily(decode_label_values, labels, np.uint8)
    for mask in masks:
        # In the labels' own blocks: `read_labels` sees by them which rows it may not part.
        alike = mask.chunk(decoded.chunksizes) if decoded.chunks else mask
        decoded = decoded.where(alike, np.uint8(NO_DATA))
    return decoded


def _band_edges(cube: xr.Dataset) -> list[int]:
    """Return the rows at which bands of the labels end, so that none cuts a block of any plane."""
    names = [name for name in MASK_NAMES if name in cube]
    planes = [cube["landslides"], *(cube[name] for name in names)]
    ends = [set(np.cumsum(plane.chunksizes["y"]).tolist()) for plane in planes if plane.chunks]
    return sorted(set.intersection(*ends))


def _labels(cube: xr.Dataset) -> xr.DataArray:
    if "landslides" not in cube:
        source = cube.encoding.get("source", "given")
        raise ValueError(
            f"the cube {source} has no `landslides`: labels are needed to train and to score"
        )
    return cube["landslides"].transpose("y", "x")


def label_bands(cube: xr.Dataset) -> Iterator[NDArray[np.uint8]]:
    """Yield the label plane `(y, x)` of an opened cube, a band of rows at a time.

    No chunk is read for two bands, each of which is small beside the plane, unless the planes'
    chunks have no edge in common but the last.

    Raises
    ------
    ValueError
        As `read_labels` does.
    """
    labels = _labels(cube)
    height = labels.sizes["y"]
    ends = _band_edges(cube) if labels.chunks else [*range(BAND, height, BAND), height]
    for start, stop in pairwise([0, *ends]):
        yield decode_label_values(labels[start:stop].to_numpy())


def read_labels(cube: xr.Dataset) -> NDArray[np.uint8]:
    """Load the label plane `(y, x)` of an opened cube, once.

    Raises
    ------
    ValueError
        Where the cube has no labels, or holds values other than 0, 1 and 255; the message
        names them.
    """
    labels = _labels(cube)
    kept = labels.chunks is None and labels.dtype == np.uint8
    plane = labels.to_numpy() if kept else np.empty(labels.shape, np.uint8)
    start = 0
    for band in label_bands(cube):
        stop = start + len(band)
        if not kept:
            plane[start:stop] = band
        start = stop
    return plane


def keep_labels(cube: xr.Dataset) -> xr.Dataset:
    """Return `cube` with its labels in memory, so that who reads them again reads no chunk twice.

    Raises
    ------
    ValueError
        As `read_labels` does.
    """
    labels = read_labels(cube)
    return cube.assign(landslides=(("y", "x"), labels))

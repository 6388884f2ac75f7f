"""Coherence and wrapped interferograms on a cube's grid."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from landslide.build.blocks import BLOCK_PIXELS, by_block, variable
from landslide.build.insar.pairs import Pair, group_pairs
from landslide.build.insar.reading import read_coherence, read_interferogram
from landslide.build.rasters import Raster, describe_raster, touches
from landslide.storage import without_secrets

KINDS = (
    ("coherence", read_coherence, np.float32),
    ("interferogram", read_interferogram, np.complex64),
)


def insar_layers(
    pairs: Sequence[Pair], geobox: GeoBox, *, block_pixels: int = BLOCK_PIXELS
) -> xr.Dataset:
    """Return the interferometric layers of a cube, lazily.

    An interferogram is resampled as complex numbers, never as phase: between 179 and -179 degrees
    lies 180, and not 0. From a file of phase, wrapped or not, it is exp(i phase), of amplitude 1
    after resampling, too; one of complex numbers keeps its amplitude.

    Pairs of the same two passes, made of scenes along a track, are one: where they overlap the
    earlier one counts, like images of backscatter. Each was processed by itself, so that the
    phase may step where they meet.

    Parameters
    ----------
    pairs
        One or more, as `find_pairs` gives them. Where a raster's tags say at what time its images
        were taken (GAMMA's FIRST_TIME), that is taken.
    geobox
        The grid: metric, north up.
    block_pixels
        Side [pixels] of the Dask blocks.

    Returns
    -------
    xr.Dataset
        `coherence` float32 and `interferogram` complex64 (timepair, y, x), NaN without data,
        those of them that any pair has; and along `timepair`, by time, the coordinates
        `reference_time` and `secondary_time` [UTC], of the first scene.

    Raises
    ------
    ValueError
        Where a raster has no CRS or lies elsewhere.
    OSError
        Where a raster cannot be read.
    """
    described = dict(map(_described, pairs))
    groups = group_pairs(described)
    layers = {}
    for place, (name, read, dtype) in enumerate(KINDS):
        rasters = {pair: both[place] for pair, both in described.items()}
        if any(rasters.values()):
            planes = [
                [_layer(read, rasters[pair], geobox, dtype, block_pixels) for pair in group]
                for group in groups
            ]
            layers[name] = da.stack(list(map(_joined, planes)))
    times = {
        name: ("timepair", np.array([getattr(group[0], name) for group in groups]))
        for name in ("reference_time", "secondary_time")
    }
    return xr.Dataset(
        {name: variable(data, geobox, name) for name, data in layers.items()}
    ).assign_coords(times)


def _described(pair: Pair) -> tuple[Pair, tuple[Raster | None, Raster | None]]:
    """Return a pair with its images' instants, and what its rasters declare."""
    coherence, phase = (
        describe_raster(address, what, isce_crs(address), band=band) if address else None
        for address, what, band in (
            (pair.coherence, "coherence", pair.coherence_band),
            (pair.interferogram, "interferogram", 1),
        )
    )
    for raster in (coherence, phase):
        tags = dict(raster.tags) if raster else {}
        if {"FIRST_DATE", "FIRST_TIME", "SECOND_DATE", "SECOND_TIME"} <= set(tags):
            first = np.datetime64(f"{tags['FIRST_DATE']}T{tags['FIRST_TIME']}", "ns")
            second = np.datetime64(f"{tags['SECOND_DATE']}T{tags['SECOND_TIME']}", "ns")
            pair = replace(pair, reference_time=first, secondary_time=second)
    return pair, (coherence, phase)


def isce_crs(address: str) -> str | None:
    """Return the reference system of ISCE's geocoded output, which its .xml leaves unsaid."""
    return "EPSG:4326" if address.removesuffix(".vrt").endswith(".geo") else None


def _joined(planes: Sequence[da.Array]) -> da.Array:
    """Return the planes of one pass's scenes as one; where they overlap the earlier one counts."""
    return functools.reduce(lambda first, next_: da.where(da.isnan(first), next_, first), planes)


def _layer(
    read: Any, raster: Raster | None, grid: GeoBox, dtype: Any, block_pixels: int
) -> da.Array:
    """Return one pair's plane, of no data where the pair lacks it."""
    if raster is None:
        return da.full(tuple(grid.shape), np.nan, dtype, chunks=block_pixels)
    if not touches(raster, grid):
        raise ValueError(
            f"{without_secrets(raster.address)} shares no ground with the area: leave it out, or "
            "see its CRS"
        )
    return by_block(read, grid, dtype, name=read.__name__, block_pixels=block_pixels, raster=raster)

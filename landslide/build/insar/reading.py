"""One block of a coherence or an interferogram, resampled from its raster."""

import math

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.windows import Window

from landslide.build.elevation import pixel_metres
from landslide.build.rasters import Raster, resample, window_over

NO_COHERENCE = 0.0
"""An estimated coherence is never exactly zero: that is ground outside the image."""


def read_coherence(block: GeoBox, raster: Raster, band: int) -> NDArray[np.float32]:
    """Return the coherence (y, x) on a block's grid, NaN without data."""
    found = _window(raster, block)
    if found is None:
        return np.full(block.shape, np.nan, np.float32)
    window, around = found
    with raster.open("coherence") as source:
        values = source.read(band, window=window).astype(np.float32)
    values[_void(values, raster.nodata) | (values == NO_COHERENCE)] = np.nan
    return resample(values, block, Resampling.bilinear, source=around)


def read_interferogram(block: GeoBox, raster: Raster) -> NDArray[np.complex64]:
    """Return the interferogram (y, x) on a block's grid, NaN without data.

    Its real and imaginary parts are interpolated, which wraps cannot disturb. What comes from a
    phase has amplitude 1 before, and is given it again after.
    """
    found = _window(raster, block)
    if found is None:
        return np.full(block.shape, np.nan, np.complex64)
    window, around = found
    with raster.open("interferogram") as source:
        values = source.read(1, window=window)
    void = _void(values, raster.nodata)
    of_phase = not np.iscomplexobj(values)
    # Before float32: an unwrapped phase of hundreds of turns keeps its fraction.
    waves = np.exp(1j * values.astype(np.float64)) if of_phase else values
    if not of_phase:
        void |= values == 0
    parts = []
    for part in (waves.real, waves.imag):
        plane = part.astype(np.float32)
        plane[void] = np.nan
        parts.append(resample(plane, block, Resampling.bilinear, source=around))
    out = (parts[0] + 1j * parts[1]).astype(np.complex64)
    if of_phase:
        size = np.abs(out)
        out = np.where(size > 0, out / np.where(size > 0, size, 1), np.nan).astype(np.complex64)
    return out


def _void(values: NDArray[np.generic], nodata: float | None) -> NDArray[np.bool_]:
    void = np.isnan(values)
    return void if nodata is None else void | (values == nodata)


def _window(raster: Raster, block: GeoBox) -> tuple[Window, GeoBox] | None:
    """Return the pixels of a raster that a block is interpolated from, and their grid."""
    # A grid coarser than the raster widens the kernel.
    margin = 2 * math.ceil(max(1.0, abs(block.resolution.x) / pixel_metres(raster, block)))
    wanted = window_over(raster.geobox, block, margin)
    left, top = (round(edge) for edge in raster.geobox.wld2pix(*(wanted.affine @ (0, 0))))
    height, width = raster.geobox.shape
    rows = max(0, top), min(height, top + wanted.shape[0])
    columns = max(0, left), min(width, left + wanted.shape[1])
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return None
    return Window.from_slices(rows, columns), raster.geobox[slice(*rows), slice(*columns)]

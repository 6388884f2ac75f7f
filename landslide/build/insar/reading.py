"""One block of a coherence or an interferogram, resampled from its raster."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from landslide.build.rasters import Raster, read_onto, resample
from landslide.storage import without_secrets

KERNEL = 2  # samples beyond a block that bilinear interpolation may want
NO_COHERENCE = 0.0
"""An estimated coherence is never exactly zero: that is ground outside the image."""
MOST = 1.01
"""More than 1 by rounding, or where it was resampled before, is no other measure yet."""


def read_coherence(block: GeoBox, raster: Raster) -> NDArray[np.float32]:
    """Return the coherence (y, x) on a block's grid, NaN without data.

    Raises
    ------
    ValueError
        Where values are not 0 to 1, as those of bytes without a scale.
    """

    def coherent(stored: NDArray[Any], around: GeoBox) -> NDArray[np.float32]:
        values = raster.physical(stored).astype(np.float32)
        values[_void(stored, raster.nodata) | (values == NO_COHERENCE)] = np.nan
        highest = values.max(where=np.isfinite(values), initial=0)
        if highest > MOST:
            raise ValueError(
                f"{without_secrets(raster.address)} holds {highest:g}: coherence is 0 to 1; divide "
                "it, a byte by 255, or set the band's scale (gdal_edit.py -scale)"
            )
        return resample(values, block, Resampling.bilinear, source=around)

    return read_onto(raster, block, "coherence", KERNEL, np.float32, coherent)


def read_interferogram(block: GeoBox, raster: Raster) -> NDArray[np.complex64]:
    """Return the interferogram (y, x) on a block's grid, NaN without data.

    Its real and imaginary parts are interpolated, which wraps cannot disturb. What comes from a
    phase has amplitude 1 before, and is given it again after.
    """

    def waves(stored: NDArray[Any], around: GeoBox) -> NDArray[np.complex64]:
        return _waves(raster.physical(stored), _void(stored, raster.nodata), block, around)

    return read_onto(raster, block, "interferogram", KERNEL, np.complex64, waves)


def _waves(
    values: NDArray[Any], void: NDArray[np.bool_], block: GeoBox, around: GeoBox
) -> NDArray[np.complex64]:
    """Return an interferogram on a block's grid from the values of its raster about there."""
    of_phase = not np.iscomplexobj(values)
    # Before float32: an unwrapped phase of hundreds of turns keeps its fraction.
    waves = np.exp(1j * values.astype(np.float64)) if of_phase else values
    if not of_phase:
        void = void | (values == 0)
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

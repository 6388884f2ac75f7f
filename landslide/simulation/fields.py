"""Random fields with a stated spread and correlation, by filtering white noise."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Field = NDArray[np.float32]
Spectrum = NDArray[np.float64]

TRUNCATE = 3.0
"""Half-width of a Gaussian filter, in its sigmas."""


def in_double(function: np.ufunc, *fields: NDArray[np.floating] | float) -> Field:
    """Return an elementary function of fields (y, x), computed in double precision and rounded.

    In single precision the last bit depends on the vector instructions that NumPy finds in the
    CPU, for many values; rounded from double, for less than one in 10^9.
    """
    return np.asarray(function(*fields, dtype=np.float64), dtype=np.float32)


def smooth_noise(random: np.random.Generator, shape: tuple[int, int], sigma: float) -> Field:
    """Return Gaussian noise (y, x) of mean 0, spread 1 and correlation exp(-r^2 / 4 sigma^2).

    `sigma` is the Gaussian filter's width [pixels]; the field is periodic. Narrow filters run in
    space, wide ones in frequency, where their width costs nothing.
    """
    white = random.standard_normal(shape, dtype=np.float32)
    if sigma <= 0:
        return white
    if sigma > 8:
        return filter_spectrum(white, lambda k: np.exp(-0.5 * (2 * np.pi * sigma * k) ** 2))
    # The filter of each axis keeps the sum of its squared weights of the variance.
    impulse = np.zeros(2 * int(np.ceil(TRUNCATE * sigma)) + 3)
    impulse[impulse.size // 2] = 1
    kept = np.sum(ndimage.gaussian_filter1d(impulse, sigma, truncate=TRUNCATE) ** 2)
    smooth: Field = ndimage.gaussian_filter(white, sigma, mode="wrap", truncate=TRUNCATE)
    smooth /= np.float32(kept)
    return smooth


def filter_spectrum(white: Field, response: Callable[[Spectrum], Spectrum]) -> Field:
    """Return white noise (y, x) filtered in frequency to mean 0 and spread 1.

    `response` gives the filter's gain for each wavenumber [1/pixel], in double precision.
    """
    rows, columns = white.shape
    wavenumber = np.hypot(fft.fftfreq(rows)[:, None], fft.rfftfreq(columns)[None, :])
    gain = np.asarray(response(wavenumber), dtype=np.float32)
    gain[0, 0] = 0
    # Columns of the half spectrum stand for two, but for the first and the middle one.
    weight = np.full(gain.shape[1], 2.0)
    weight[0] = 1
    weight[-1] = 1 if columns % 2 == 0 else 2
    power = float(np.sum(np.square(gain, dtype=np.float64) * weight)) / white.size
    spectrum = fft.rfft2(white, workers=1)
    spectrum *= gain / np.float32(np.sqrt(power))
    return np.asarray(fft.irfft2(spectrum, white.shape, workers=1), dtype=np.float32)


def standardise(field: Field) -> Field:
    """Return `field` shifted and scaled to mean 0 and spread 1 exactly."""
    mean = float(np.mean(field, dtype=np.float64))
    spread = float(np.std(field, dtype=np.float64))
    return ((field - np.float32(mean)) / np.float32(spread)).astype(np.float32)

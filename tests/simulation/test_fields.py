import numpy as np
import pytest

from landslide.simulation.fields import smooth_noise, standardise


@pytest.mark.parametrize("sigma", [0.0, 0.6, 4.0, 9.0])
@pytest.mark.parametrize("shape", [(400, 561), (401, 560)])
def test_smooth_noise_has_spread_one_whatever_its_width(sigma, shape):
    field = smooth_noise(np.random.default_rng(0), shape, sigma)
    independent = field.size / max(1, 4 * np.pi * sigma**2)
    assert field.shape == shape
    assert field.dtype == np.float32
    assert np.var(field) == pytest.approx(1, abs=4 * np.sqrt(2 / independent))


@pytest.mark.parametrize("sigma", [2.0, 9.0])
def test_smooth_noise_has_the_gaussian_correlation_of_its_width(sigma):
    field = smooth_noise(np.random.default_rng(1), (1000, 1200), sigma)
    lag = round(2 * sigma)
    for axis in (0, 1):
        correlation = np.mean(field * np.roll(field, lag, axis)) / np.var(field)
        assert correlation == pytest.approx(np.exp(-(lag**2) / (4 * sigma**2)), abs=0.05)


def test_standardise_gives_mean_zero_and_spread_one_exactly():
    field = np.random.default_rng(2).gamma(2, 3, (40, 56)).astype(np.float32)
    assert np.mean(standardise(field)) == pytest.approx(0, abs=1e-5)
    assert np.std(standardise(field)) == pytest.approx(1, abs=1e-5)

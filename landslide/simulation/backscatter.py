"""Backscatter of one date: ground, weather, landslides and speckle, in one polarisation.

The natural logarithm of gamma0 is a sum of

- the lasting ground: land cover, texture and incidence, scaled to the wanted mean and spread;
- the season, one slow cycle for each land cover;
- the weather, a correlated field of its own for each date;
- after the event, the landslides' change and a drift that no landslide made;
- speckle, gamma-distributed and drawn anew for each date.

Bright point scatterers add their power to it. Weather and speckle limit the detection at one
timestep, and averaging over dates takes them down; the drift stays.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from landslide.cube.schema import POLARISATIONS
from landslide.simulation.fields import Field, in_double, smooth_noise
from landslide.simulation.landcover import COVERS, by_cover
from landslide.simulation.scene import INSTANT, Scene, stream
from landslide.simulation.truth import Truth, statistics_of

SCATTERER_SPREAD = 1.3
"""Spread of the logarithm of the scatterers' power: lognormal, so rare ones are very bright."""


def expected_season(cover: NDArray[np.uint8], date: np.datetime64) -> Field:
    """Return each cover's yearly cycle (y, x) on a date, relative to the event's [ln]."""

    def phase(instant: np.datetime64) -> float:
        days = (instant - np.datetime64("2018-07-25T00:00", "ns")) / np.timedelta64(1, "D")
        return float(np.cos(2 * np.pi * days / 365.25))

    change = phase(date) - phase(INSTANT)
    return by_cover(cover, [kind.season * change for kind in COVERS])


def weather(scene: Scene, cover: NDArray[np.uint8], date: np.datetime64) -> dict[str, Field]:
    """Return the weather (y, x) of a date in each polarisation [ln]."""
    scale = by_cover(cover, [kind.weather for kind in COVERS])
    shared = np.float32(scene.weather_correlation)
    first, second = (
        smooth_noise(stream(scene, "weather", date, number), scene.shape, scene.weather_sigma)
        for number in range(2)
    )
    crossed = shared * first + np.sqrt(1 - shared**2) * second
    return {
        "vv": first * scale * np.float32(scene.vv.weather_sd),
        "vh": crossed * scale * np.float32(scene.vh.weather_sd),
    }


def log_speckle(scene: Scene, polarisation: str, date: np.datetime64) -> Field:
    """Return the logarithm of speckle (y, x) of mean power 1, spatially correlated [ln].

    Correlated Gaussian noise is mapped through the quantiles of the gamma law, which keeps its
    correlation and gives each pixel exactly the gamma law of the polarisation's looks.
    """
    looks = statistics_of(scene, polarisation).looks
    noise = smooth_noise(
        stream(scene, "speckle", polarisation, date), scene.shape, scene.speckle_sigma
    )
    reach, steps = 6.0, 1 << 14
    knots = np.linspace(-reach, reach, steps)
    quantiles = np.where(
        knots < 0,
        stats.gamma.ppf(special.ndtr(knots), looks),
        stats.gamma.isf(special.ndtr(-knots), looks),
    )
    table = np.log(quantiles / looks).astype(np.float32)
    noise *= np.float32((steps - 1) / (2 * reach))
    noise += np.float32((steps - 1) / 2)
    return table[np.clip(np.rint(noise), 0, steps - 1).astype(np.int32)]


def simulate_image(
    scene: Scene, truth: Truth, changes: dict[str, Field], date: np.datetime64, state: str
) -> Iterator[tuple[str, Field]]:
    """Yield gamma0 (y, x), linear power, of one date and polarisation after another.

    Layover is NaN. `changes` holds what the event changed in each polarisation, landslides and
    drift [ln].
    """
    passing = weather(scene, truth.cover, date)
    season = expected_season(truth.cover, date)
    for name in POLARISATIONS:
        power = truth.ground[name] + truth.views[state].brightness
        power += season
        power += passing.pop(name)
        power += log_speckle(scene, name, date)
        if date > INSTANT:
            power += changes[name]
        power = in_double(np.exp, power)
        where, deviates = truth.scatterers
        median = statistics_of(scene, name).scatterer
        power.ravel()[where] += (median * np.exp(SCATTERER_SPREAD * deviates)).astype(np.float32)
        power[truth.views[state].layover] = np.nan
        yield name, power

"""The exact detector: what the change of a pixel says, read with all that the simulation knows.

It is Bayes' rule for one pixel, untrained. The change of the log composites is the sum of known
parts, so it is normal given land cover and label, with a mean and a covariance that follow from
the scene's parameters (the logarithm of L-look speckle is taken as normal with its exact
variance; at 20 looks its skewness is 0.2). The prior and the shares of the land covers are known
of each kind of ground: all is one kind, or pixels of the same susceptibility are, or of the same
land cover, or of both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from landslide.simulation.changes import JOINT_AMPLITUDE
from landslide.simulation.landcover import COVERS, Cover
from landslide.simulation.scene import Scene
from landslide.simulation.truth import statistics_of

Change = NDArray[np.float64]


def change_covariance(scene: Scene, cover: Cover, timesteps: int, inputs: list[str]) -> Change:
    """Return the covariance of the change without a landslide, over `timesteps` each side [ln2].

    Weather and speckle are drawn for each of the 2n images, so their part is 2 / n; the drift
    does not average out.
    """
    known = [statistics_of(scene, name) for name in inputs]
    spread = np.array([one.weather_sd for one in known]) * cover.weather
    passing = scene.weather_correlation * np.outer(spread, spread)
    np.fill_diagonal(passing, spread**2 + special.polygamma(1, [one.looks for one in known]))
    return 2 / timesteps * passing + np.diag([one.drift_sd**2 for one in known])


def landslide_moments(scene: Scene, inputs: list[str]) -> tuple[Change, Change]:
    """Return mean [ln] and covariance [ln2] of what a landslide adds to the change."""
    known = [statistics_of(scene, name) for name in inputs]
    mean = np.array([one.change_mean for one in known])
    spread = np.sign(mean) * [one.change_sd for one in known]
    covariance = JOINT_AMPLITUDE * np.outer(spread, spread)
    np.fill_diagonal(covariance, spread**2)
    return mean, covariance


@dataclass(frozen=True)
class Ground:
    """Which land cover a detector expects, and how often a landslide, on one kind of ground."""

    landslide: float
    """Share of pixels that are landslide."""
    with_landslide: NDArray[np.float64]
    """Share of each land cover among them."""
    without: NDArray[np.float64]
    """Share of each land cover among the others."""


def ground_of(cover: NDArray[np.uint8], label: NDArray[np.bool_]) -> Ground:
    """Return the shares in pixels (n) of known land cover and label."""
    count = len(COVERS)
    both = [
        np.bincount(cover[label == yes], minlength=count).astype(float) for yes in (True, False)
    ]
    shares = [one / max(1.0, one.sum()) for one in both]
    return Ground(float(np.mean(label)) if label.size else 0.0, *shares)


def log_odds(
    change: Change, scene: Scene, ground: Ground, timesteps: int, inputs: list[str]
) -> NDArray[np.float64]:
    """Return the logarithm of the posterior odds of a landslide for each change (n, channel)."""
    mean, covariance = landslide_moments(scene, inputs)
    quiet, slid = [], []
    for number, cover in enumerate(COVERS):
        base = change_covariance(scene, cover, timesteps, inputs)
        with np.errstate(divide="ignore"):
            quiet.append(np.log(ground.without[number]) + _log_normal(change, base))
            slid.append(
                np.log(ground.with_landslide[number])
                + _log_normal(change - mean, base + covariance)
            )
    prior = special.logit(np.clip(ground.landslide, 1e-9, 1 - 1e-9))
    evidence = special.logsumexp(slid, axis=0) - special.logsumexp(quiet, axis=0)
    return np.asarray(prior + evidence)


def _log_normal(values: Change, covariance: Change) -> NDArray[np.float64]:
    """Return the log of a normal density of mean 0 at `values` (n, channel), less a constant."""
    _, determinant = np.linalg.slogdet(covariance)
    distance = np.einsum("ni,ij,nj->n", values, np.linalg.inv(covariance), values)
    return -0.5 * (distance + determinant)


def terrain_kinds(susceptibility: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return which of 40 equally large classes of susceptibility each pixel (n) is of."""
    edges = np.quantile(susceptibility, np.linspace(0, 1, 41)[1:-1])
    return np.searchsorted(edges, susceptibility)


def detect(
    change: Change,
    scene: Scene,
    cover: NDArray[np.uint8],
    label: NDArray[np.bool_],
    kind: NDArray[np.intp],
    timesteps: int,
    inputs: list[str],
) -> NDArray[np.float64]:
    """Return the log odds (n) of pixels with the given change (n, channel).

    `cover` and `label` (n) give the shares that the detector knows, those of each `kind` (n) of
    ground. Without inputs the kind decides alone.
    """
    odds = np.empty(label.shape)
    for number in np.unique(kind):
        here = kind == number
        ground = ground_of(cover[here], label[here])
        if inputs:
            odds[here] = log_odds(change[here], scene, ground, timesteps, inputs)
        else:
            odds[here] = special.logit(np.clip(ground.landslide, 1e-9, 1 - 1e-9))
    return odds

"""All of a scene that lasts from date to date: terrain, land cover, landslides, views, ground."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from landslide.cube.schema import POLARISATIONS
from landslide.simulation.fields import Field, standardise
from landslide.simulation.geometry import LOOKS_EAST, View, simulate_view
from landslide.simulation.inventory import Inventory, simulate_inventory
from landslide.simulation.landcover import COVERS, by_cover, simulate_cover, texture
from landslide.simulation.scene import Polarisation, Scene, stream
from landslide.simulation.terrain import Terrain, simulate_terrain


@dataclass(frozen=True)
class Truth:
    """All that does not change from date to date, and that the cube's user does not see."""

    terrain: Terrain
    """The terrain."""
    cover: NDArray[np.uint8]
    """Land cover (y, x), a number into `COVERS`."""
    inventory: Inventory
    """The landslides."""
    views: dict[str, View]
    """What each orbit state sees."""
    ground: dict[str, Field]
    """Lasting log gamma0 (y, x) of each polarisation, but for the incidence's part [ln]."""
    scatterers: tuple[NDArray[np.intp], NDArray[np.float64]]
    """Flat indices of the bright scatterers, and their power as normal deviates."""


def simulate_truth(scene: Scene) -> Truth:
    """Return everything of `scene` that lasts."""
    terrain = simulate_terrain(scene)
    cover = simulate_cover(scene, terrain)
    views = {state: simulate_view(scene, terrain, state) for state in LOOKS_EAST}
    ground = {name: _ground(scene, cover, name) for name in POLARISATIONS}
    inventory = simulate_inventory(scene, terrain)
    return Truth(terrain, cover, inventory, views, ground, _scatterers(scene, cover))


def statistics_of(scene: Scene, polarisation: str) -> Polarisation:
    """Return the wanted statistics of `vv` or `vh`."""
    return scene.vv if polarisation == "vv" else scene.vh


def _ground(scene: Scene, cover: NDArray[np.uint8], polarisation: str) -> Field:
    """Return the lasting log gamma0 (y, x), which gets the spread that all else leaves [ln]."""
    wanted = statistics_of(scene, polarisation)
    weather = by_cover(cover, [kind.weather for kind in COVERS]) * np.float32(wanted.weather_sd)
    passing = (
        float(np.mean(weather**2)) + wanted.drift_sd**2 / 2 + special.polygamma(1, wanted.looks)
    )
    lasting = wanted.log_sd**2 - passing
    if lasting <= 0:
        raise ValueError(
            f"{polarisation}: weather and speckle alone spread gamma0 by more than "
            f"{wanted.log_sd:.3f} in natural logarithm: raise its looks or lower its weather_sd"
        )
    levels = by_cover(cover, [getattr(kind, polarisation) for kind in COVERS])
    levels += texture(scene, cover, polarisation)
    # Speckle of mean 1 has a logarithm of mean digamma(L) - ln L.
    mean = wanted.log_mean - (special.digamma(wanted.looks) - np.log(wanted.looks))
    return (standardise(levels) * np.float32(np.sqrt(lasting)) + np.float32(mean)).astype(
        np.float32
    )


def _scatterers(
    scene: Scene, cover: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return where the bright scatterers stand, mostly in settlements, and how bright they are.

    Their brightnesses are the quantiles of a lognormal law rather than draws from it, so that
    the linear mean and spread hang little on the seed.
    """
    random = stream(scene, "scatterers")
    count = round(scene.scatterer_share * cover.size)
    built = np.flatnonzero(cover == len(COVERS) - 1)
    mostly = random.choice(built, min(built.size, count * 3 // 4), replace=False)
    rest = random.choice(cover.size, count - mostly.size, replace=False)
    where = np.concatenate([mostly, rest])
    deviates = special.ndtri((np.arange(where.size) + 0.5) / max(1, where.size))
    return where, random.permutation(deviates)

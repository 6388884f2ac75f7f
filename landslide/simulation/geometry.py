"""How the radar looks at the terrain: incidence and layover."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from landslide.simulation.fields import Field, in_double
from landslide.simulation.scene import Scene
from landslide.simulation.terrain import Terrain

# Sentinel-1 looks to the right: eastward as it climbs north, westward as it comes down.
LOOKS_EAST = {"ascending": 1.0, "descending": -1.0}
NEAR_DEGREES, FAR_DEGREES = 34.4, 37.4
"""Incidence on level ground at the near and the far edge, Hokkaido's [degrees]."""
FALL_OFF = 0.25
"""What is left in gamma0 after terrain correction of one radian of local incidence [ln]."""


@dataclass(frozen=True)
class View:
    """What one orbit sees."""

    brightness: Field
    """Change (y, x) of log gamma0 by the angle between the beam and the ground's normal [ln]."""
    layover: NDArray[np.bool_]
    """Where (y, x) echoes of different places arrive together: no data."""


def simulate_view(scene: Scene, terrain: Terrain, state: str) -> View:
    """Return brightness and layover of the ascending or descending orbit.

    The beam is taken as coming from due west or east, where the satellite's own heading of 10
    to 12 degrees off north is neglected. A slope that faces the radar lies over where it is
    steeper than the incidence on level ground; the ground a few pixels around shares its echoes.
    """
    east = LOOKS_EAST[state]
    columns = scene.shape[1]
    ramp = np.linspace(NEAR_DEGREES, FAR_DEGREES, columns, dtype=np.float32)
    level = np.radians(ramp if east > 0 else ramp[::-1])[None, :]
    rise = np.float32(east) * terrain.east
    # The ground's normal is (-east, -north, 1) normalised, the direction to the satellite
    # (-+sin, 0, cos) of the level incidence.
    toward = rise * in_double(np.sin, level) + in_double(np.cos, level)
    cosine = toward * in_double(np.cos, terrain.slope)
    incidence = in_double(np.arccos, np.clip(cosine, -1, 1))
    brightness = (np.float32(-FALL_OFF) * (incidence - level)).astype(np.float32)
    layover = ndimage.binary_dilation(rise > in_double(np.tan, level), iterations=2)
    return View(brightness, np.asarray(layover, dtype=bool))

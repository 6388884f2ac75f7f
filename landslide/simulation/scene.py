"""What is simulated: one frozen description, from which and from whose seed everything follows.

The defaults are Hokkaido's: its event, its tracks, and the backscatter statistics published for
its cube.
"""

import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from landslide.cube.events import Event
from landslide.cube.schema import POLARISATIONS

CHIP = 128
"""Side of the paper's chips [pixels], on whose grid the share of landslides is counted."""


@dataclass(frozen=True)
class Polarisation:
    """Backscatter statistics of one polarisation, as the logarithm of gamma0 [ln of power]."""

    log_mean: float
    """Mean over all pixels and dates."""
    log_sd: float
    """Spread over all pixels and dates: land cover, texture, weather and speckle together."""
    looks: float
    """Equivalent number of looks of the speckle."""
    weather_sd: float
    """Spread of the ground's change from date to date in a forest; other covers scale it."""
    drift_sd: float
    """Spread of the change over the event that no landslide made, and no averaging removes."""
    change_mean: float
    """Mean change where a landslide is."""
    change_sd: float
    """Spread of that change from landslide to landslide."""
    scatterer: float
    """Median gamma0 of a bright point scatterer, linear power."""


# Mean and spread are those published for Hokkaido, as log10. A landslide strips the canopy: volume
# scattering, which is most of VH, falls, while wet, broken debris is rough at 5.5 cm and raises the
# surface scattering that VV adds to it. Debris keeps some volume scattering of its own (trunks,
# blocks), so VV changes more clearly than VH. Both are this project's choice, not a measurement.
VV = Polarisation(
    log_mean=-0.734 * np.log(10.0),
    log_sd=0.211 * np.log(10.0),
    looks=24.0,
    weather_sd=0.115,
    drift_sd=0.16,
    change_mean=0.64,
    change_sd=0.36,
    scatterer=11.0,
)
VH = Polarisation(
    log_mean=-1.321 * np.log(10.0),
    log_sd=0.189 * np.log(10.0),
    looks=24.0,
    weather_sd=0.115,
    drift_sd=0.16,
    change_mean=-0.52,
    change_sd=0.30,
    scatterer=2.6,
)


@dataclass(frozen=True)
class Scene:
    """A simulated scene.

    Two equal scenes give equal cubes, to the bit, whatever vector instructions NumPy finds in the
    CPU.

    Raises
    ------
    ValueError
        Where a number cannot be, naming it.
    """

    shape: tuple[int, int] = (1024, 1280)
    """Rows (northing) and columns (easting) [pixels]."""
    seed: int = 0
    """What all randomness follows from."""
    pixel_m: float = 10.0
    """Spacing of the square pixels [m]."""
    descending: tuple[int, int] = (5, 5)
    """Descending images before and after the event."""
    ascending: tuple[int, int] = (2, 2)
    """Ascending images before and after the event."""
    timepairs: tuple[int, int] = (2, 1)
    """InSAR pairs of neighbouring descending images before and after the one over the event."""
    steepest_degrees: float = 45.0
    """Slope of the steepest pixel [degrees]."""
    relief_scale_m: float = 1500.0
    """Wavelength [m] beyond which the terrain stops growing: the distance between ridges."""
    landslide_chips: int | None = None
    """Chips of 128x128 that hold landslides; None for as many as an Mw 6.6 earthquake shakes,
    309 as at Hokkaido, or 82 % of a smaller scene, which is a cut-out of the shaken zone."""
    landslide_share: float = 0.09
    """Share of those chips' pixels that are landslide."""
    area_limits_m2: tuple[float, float] = (1500.0, 1.5e5)
    """Smallest and largest landslide [m2]."""
    vv: Polarisation = VV
    """Statistics of VV."""
    vh: Polarisation = VH
    """Statistics of VH."""
    speckle_sigma: float = 0.6
    """Width of the Gaussian that correlates the speckle of neighbouring pixels [pixels]."""
    weather_sigma: float = 4.0
    """Width of the Gaussian that correlates the weather of neighbouring pixels [pixels]."""
    weather_correlation: float = 0.3
    """Correlation of the weather in VV and VH: both see the same rain."""
    scatterer_share: float = 1.6e-4
    """Share of pixels that hold a bright point scatterer."""
    coherence_scale: float = 1.0
    """Coherence of a pair, relative to Hokkaido's."""
    event: str = "simulated"
    """Name of the event."""

    def __post_init__(self) -> None:
        if min(self.shape) < 16:
            raise ValueError(f"shape {self.shape} is too small for a scene: give at least 16 16")
        if min(self.descending) < 1 or min(self.ascending) < 0:
            raise ValueError(
                f"descending {self.descending}, ascending {self.ascending}: "
                "give at least 1 descending image on either side of the event, and no negative"
            )
        if self.landslide_chips is not None and self.landslide_chips < 1:
            raise ValueError(f"landslide_chips is {self.landslide_chips}: give at least 1")
        if not 0 < self.coherence_scale < np.inf:
            raise ValueError(f"coherence_scale is {self.coherence_scale}: give more than 0")
        if not all(1 <= looks < np.inf for looks in (self.vv.looks, self.vh.looks)):
            raise ValueError("looks are finite numbers from 1 on: change the looks of vv and vh")
        pairs = (self.descending[0] - 1, self.descending[1] - 1)
        if self.timepairs[0] > pairs[0] or self.timepairs[1] > pairs[1] or min(self.timepairs) < 0:
            raise ValueError(
                f"timepairs {self.timepairs}: {self.descending} descending images give "
                f"0 to {pairs[0]} pairs before and 0 to {pairs[1]} after the event"
            )


INSTANT = np.datetime64("2018-09-05T18:08", "ns")
"""The simulated earthquake [UTC]."""
REPEAT = np.timedelta64(12, "D").astype("timedelta64[ns]")
"""Repeat cycle of a Sentinel-1 track."""
TRACKS = {
    # The first descending image is of the event's own day, 154 minutes after it, as at Hokkaido:
    # whoever counts days instead of instants takes it for an image from before.
    "descending": (46, np.datetime64("2018-09-05T20:42:15", "ns")),
    "ascending": (68, np.datetime64("2018-09-13T08:42:40", "ns")),
}
"""Relative orbit of each track, and its first overpass after the event [UTC]."""


def event_of(scene: Scene) -> Event:
    """Return the simulated event: an earthquake, to be seen on the descending track."""
    return Event(scene.event, INSTANT, INSTANT, orbit_state="descending")


def overpasses(scene: Scene) -> list[tuple[np.datetime64, str, int]]:
    """Return the instant [ns, UTC], orbit state and relative orbit of each image, by time."""
    images = []
    for state, (before, after) in (
        ("descending", scene.descending),
        ("ascending", scene.ascending),
    ):
        orbit, first_after = TRACKS[state]
        images += [(first_after + REPEAT * cycle, state, orbit) for cycle in range(-before, after)]
    return sorted(images)


def stream(scene: Scene, *names: object) -> np.random.Generator:
    """Return the random numbers of what `names` names, independent of all others' by seed.

    A date more or a variable more leaves all others as they were.
    """
    keys = [zlib.crc32(str(name).encode()) for name in names]
    return np.random.default_rng([scene.seed, *keys])


def scene_to_attribute(scene: Scene) -> str:
    """Return the JSON that a simulated cube's `simulated_scene` attribute holds."""
    return json.dumps(asdict(scene))


def scene_from_attribute(text: str) -> Scene:
    """Return the scene that `scene_to_attribute` wrote down.

    Raises
    ------
    ValueError
        Where another version of the simulator wrote it.
    """
    try:
        known: dict[str, Any] = json.loads(text)
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in known.items()
        }
        for name in POLARISATIONS:
            plain[name] = Polarisation(**known[name])
        return Scene(**plain)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"another version of the simulator made this cube ({error}): simulate it again"
        ) from None

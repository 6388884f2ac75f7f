"""What may be chosen of a map."""

import math
from dataclasses import dataclass

from landslide.cube.events import Event
from landslide.training.config import require_precision

AUTO = "auto"
"""The threshold that maximised F1 on validation, which a bundle carries."""
FORMATS = ("gpkg", "geojson", "parquet", "qgis", "report")
"""What may be written beside the rasters and the summary, which always are."""
USUAL_FORMATS = ("gpkg", "qgis", "report")
USUAL_AREA_M2 = 400.0
"""Smallest polygon [m2]."""


@dataclass(frozen=True)
class MapChoices:
    """How a map is made, and into which products.

    Raises
    ------
    ValueError
        Where a number or a format cannot be.
    """

    event: Event | str | None = None
    """The event, a published one's name, or a TOML file's address; None: the cube's own."""
    bbox: tuple[float, float, float, float] | None = None
    """West, south, east and north [degrees; without a CRS, the cube's coordinates]; None: all."""
    threshold: str | float = AUTO
    """Probability from which on ground is a landslide; `auto` is the models' own."""
    minimum_area: float | None = None
    """Smallest polygon [m2; in the unit of coordinates that are not in metres, where the cube names
    no CRS]; None: `USUAL_AREA_M2`."""
    formats: tuple[str, ...] = USUAL_FORMATS
    """Some of `FORMATS`; one may be given as it is."""
    no_crs: bool = False
    """Map a cube without coordinate reference system."""
    resample: bool = False
    """Map a cube of pixels of another size."""
    orbit: str | None = None
    """A relative orbit, an orbit state, or `any`; as for `plan_stream`."""
    overlap: int | None = None
    """Pixels that neighbouring chips share; None: half a chip."""
    batch_size: int | None = None
    """Chips that pass through a network together; None: as many as suit the device."""
    threads: int | None = None
    """CPU threads of the networks; None: torch's own number."""
    precision: str | None = None
    """What networks compute in, as for training; None: as each was trained."""
    skip_damaged: bool = False
    """Leave out what damaged chunks held, rather than stop."""

    def __post_init__(self) -> None:
        if isinstance(self.formats, str):
            object.__setattr__(self, "formats", (self.formats,))
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown:
            raise ValueError(f"unknown format {unknown[0]!r}: choose some of {', '.join(FORMATS)}")
        smallest = self.minimum_area
        if smallest is not None and not 0 <= smallest < math.inf:
            raise ValueError(f"a smallest area of {smallest:g} cannot be: give 0 or more")
        if any(number is not None and number < 1 for number in (self.batch_size, self.threads)):
            raise ValueError("the batch size and the threads are at least 1")
        if self.precision is not None:
            require_precision(self.precision)


PLAIN = MapChoices()
"""Nothing chosen."""

"""Where each layer of a cube comes from: the tables under `[build]` of an event file."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from landslide.build.signing import SIGNERS
from landslide.build.viewing import FLATTEST, STEEPEST
from landslide.cube.schema import POLARISATIONS
from landslide.storage import without_secrets

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
PROCESSORS = ("hyp3", "isce2")
ORBITS = ("ascending", "descending")
RESAMPLINGS = ("auto", "nearest", "bilinear", "cubic", "average")


def _require_signer(name: str) -> None:
    if name not in SIGNERS:
        raise ValueError(f"`signing` is {name!r}: give one of {', '.join(SIGNERS)}")


def _several(addresses: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (addresses,) if isinstance(addresses, str) else addresses or ()


def _refuse_idle(source: Any, keys: Sequence[str], of: str, way_out: str) -> None:
    """Refuse keys that are given and would do nothing."""
    for one in fields(source):
        if one.name in keys and getattr(source, one.name) != one.default:
            raise ValueError(f"`{one.name}` is of no {of}: {way_out}, or leave it out")


@dataclass(frozen=True)
class SarSource:
    """Where backscatter comes from.

    Raises
    ------
    ValueError
        Where a value is none that is understood, or would do nothing.
    """

    source: str = PLANETARY_COMPUTER
    """A STAC API's address, or a folder of RTC GeoTIFFs with OPERA's or ASF's names."""
    collection: str = "sentinel-1-rtc"
    """Of the STAC API."""
    pattern: str = "*.tif"
    """Which files of a folder, as a shell would match them."""
    signing: str = "planetary-computer"
    """Who signs addresses: planetary-computer (only Azure's are touched), or none."""
    polarisations: tuple[str, ...] | None = None
    """Which of vv and vh the cube holds; None for both where passes on both sides have both, else
    for the one that has them."""
    min_coverage: float = 0.8
    """Part of the area that a pass must cover."""
    images: int | None = None
    """Passes kept on each side of the event in each orbit, the nearest; None for all."""
    one_sided: bool = False
    """Build even where no orbit has images on both sides: to look at, not to train with."""
    resampling: str = "auto"
    """How pixels move onto the grid: auto is average where the grid is coarser, else bilinear."""

    def __post_init__(self) -> None:
        if "://" in self.source and not self.source.startswith(("http://", "https://")):
            raise ValueError(
                f"`source` is {without_secrets(self.source)}: give a STAC API's https:// address, "
                "or a folder on a disk, to which the files are fetched first"
            )
        if "://" in self.source:
            _refuse_idle(self, ("pattern",), "folder", "give one as `source`")
        else:
            _refuse_idle(self, ("collection",), "STAC API", "give one as `source`")
        if not 0 <= self.min_coverage <= 1:
            raise ValueError(f"`min_coverage` is {self.min_coverage}: give 0 to 1")
        chosen = self.polarisations
        if chosen is not None and not set() < set(chosen) <= set(POLARISATIONS):
            raise ValueError(
                f"`polarisations` is {list(chosen)}: give {' or '.join(POLARISATIONS)} or both"
            )
        if self.images is not None and self.images < 1:
            raise ValueError(f"`images` is {self.images}: give 1 or more, or leave it out")
        _require_signer(self.signing)
        if self.resampling not in RESAMPLINGS:
            raise ValueError(
                f"`resampling` is {self.resampling!r}: give one of {', '.join(RESAMPLINGS)}"
            )


@dataclass(frozen=True)
class TerrainSource:
    """Where elevation comes from.

    Raises
    ------
    ValueError
        Where a value is none that is understood, or would do nothing.
    """

    source: str | tuple[str, ...] = PLANETARY_COMPUTER
    """A STAC API's address, or the files of a DEM."""
    collection: str = "cop-dem-glo-30"
    """Of the STAC API."""
    asset: str | None = None
    """Which of an item's assets; None for `data`, `elevation`, `dem`, or the only GeoTIFF."""
    signing: str = "planetary-computer"
    """As for backscatter."""
    min_coverage: float = 1.0
    """Part of the grid that the DEM must cover; Copernicus has no pieces over open sea."""

    def __post_init__(self) -> None:
        if not self.of_archive:
            _refuse_idle(self, ("collection", "asset"), "STAC API", "give one as `source`")
        if not 0 <= self.min_coverage <= 1:
            raise ValueError(f"`min_coverage` is {self.min_coverage}: give 0 to 1")
        _require_signer(self.signing)

    @property
    def of_archive(self) -> bool:
        """Whether it is looked for in a STAC API; else its files are named."""
        return isinstance(self.source, str) and "://" in self.source

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of the STAC API, or of each of the DEM's files."""
        return _several(self.source)


@dataclass(frozen=True)
class ObservedSource:
    """Which ground the radar cannot have seen: layover, shadow, water.

    Raises
    ------
    ValueError
        Where a value is none that is understood, or would do nothing.
    """

    incidence_degrees: float | None = None
    """Between the beam and the vertical at the area's middle; None: no layover, no shadow."""
    ascending_incidence_degrees: float | None = None
    """The same of the ascending passes, where theirs is another."""
    descending_incidence_degrees: float | None = None
    """The same of the descending passes, where theirs is another."""
    water: str | tuple[str, ...] | None = None
    """Polygons in a vector file or, with one of the next two, the GeoTIFFs of a raster."""
    water_values: tuple[float, ...] | None = None
    """The raster's values that mean water: 80 in ESA WorldCover."""
    water_above: float | None = None
    """The raster's value above which it is water: 50 per cent of JRC's occurrence, say."""
    signing: str = "planetary-computer"
    """Who signs the addresses of water, as for backscatter."""

    def __post_init__(self) -> None:
        _require_signer(self.signing)
        if not self.angles and self.water is None:
            raise ValueError("give `incidence_degrees`, for layover and shadow, or `water`")
        if self.water is None:
            _refuse_idle(self, ("water_values", "water_above"), "raster", "give `water`, too")
        if self.water_values is not None and self.water_above is not None:
            raise ValueError("water is told by `water_values` or by `water_above`: give one")
        for key in ("incidence_degrees", *(f"{one}_incidence_degrees" for one in ORBITS)):
            degrees = getattr(self, key)
            if degrees is not None and not FLATTEST <= degrees <= STEEPEST:
                raise ValueError(
                    f"`{key}` is {degrees:g}: give degrees from the vertical, {FLATTEST:g} to "
                    f"{STEEPEST:g}"
                )

    @property
    def files(self) -> tuple[str, ...]:
        """The files of water."""
        return _several(self.water)

    @property
    def angles(self) -> list[float]:
        """All incidence angles [degrees]; without any, layover and shadow are not wanted."""
        found = (self._incidence(state) for state in ORBITS)
        return sorted({degrees for degrees in found if degrees is not None})

    def incidence_of(self, orbit_state: str) -> float:
        """Return the incidence angle [degrees] of the passes of an orbit.

        Raises
        ------
        ValueError
            Where there is none.
        """
        degrees = self._incidence(orbit_state)
        if degrees is None:
            raise ValueError(
                f"the cube has {orbit_state} passes: give `{orbit_state}_incidence_degrees` under "
                "[build.observed], too, or choose the other `orbit_state`"
            )
        return degrees

    def _incidence(self, orbit_state: str) -> float | None:
        own: float | None = getattr(self, f"{orbit_state}_incidence_degrees")
        return self.incidence_degrees if own is None else own


@dataclass(frozen=True)
class InsarSource:
    """Where coherence and interferograms come from.

    Raises
    ------
    ValueError
        Where a processor has no folder to work in, or something is said of a processor that is
        not given.
    """

    source: str
    """A folder of products; or `hyp3` or `isce2`, which make those of all consecutive passes."""
    folder: str | None = None
    """Where a processor's products are kept; a second run goes on from what is there."""
    relative_orbit: int | None = None
    """The track that is processed; None for the event's, or the only one of the images."""

    def __post_init__(self) -> None:
        if self.source in PROCESSORS and self.folder is None:
            raise ValueError(f"`folder` is missing: say where the products of {self.source} go")
        if self.source not in PROCESSORS:
            way_out = f"give {' or '.join(PROCESSORS)} as `source`"
            _refuse_idle(self, ("folder", "relative_orbit"), "processor", way_out)


@dataclass(frozen=True)
class LabelSource:
    """Where the landslides are mapped.

    Raises
    ------
    ValueError
        Where something is said of a mapped area that is not given.
    """

    inventory: str
    """A vector file of polygons: shapefile, GeoPackage, GeoJSON or KMZ."""
    mapped: str | None = None
    """A vector file of the area that was mapped; None: all of the grid was."""
    all_touched: bool = False
    """Whether a pixel that a polygon only touches is a landslide."""
    crs: str | None = None
    """The inventory's reference system, where its file declares none."""
    layer: str | None = None
    """Which of several layers of the inventory."""
    mapped_crs: str | None = None
    """The mapped area's reference system, where its file declares none."""
    mapped_layer: str | None = None
    """Which of several layers of the mapped area's file."""

    def __post_init__(self) -> None:
        if self.mapped is None:
            _refuse_idle(self, ("mapped_crs", "mapped_layer"), "file", "give `mapped`, too")

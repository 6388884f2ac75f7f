"""Interferometric pairs in a folder: which file is what, and of which two instants."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landslide.build.passes import ONE_PASS

COHERENCE, COMPLEX, WRAPPED, UNWRAPPED = "coherence", "interferogram", "wrapped", "unwrapped"
ENDINGS = (
    (COHERENCE, ("cc", "cor", "corr", "coh", "coherence")),
    (UNWRAPPED, ("unw", "unw_phase", "unwrapped", "unwrapped_phase")),
    (WRAPPED, ("wrapped", "wrapped_phase", "phase")),
    (COMPLEX, ("ifg", "int", "interferogram", "flat")),
)
"""How the names of GAMMA's, HyP3's and PyRate's GeoTIFFs end; the first that fits says the kind."""
ISCE = {"topophase.cor.geo": COHERENCE, "topophase.flat.geo": COMPLEX}
IN_RADAR_GEOMETRY = ("topophase.cor", "topophase.flat")
BEST_FIRST = (COMPLEX, WRAPPED, UNWRAPPED)
DATES = re.compile(r"(?<!\d)(\d{8})(?:T(\d{6}))?[-_](\d{8})(?:T(\d{6}))?(?!\d)")
ISCE_COHERENCE_BAND = 2  # its first band is the amplitude


@dataclass(frozen=True)
class Pair:
    """Two images of one track, and what was made of them."""

    reference_time: np.datetime64
    """Instant [ns, UTC] of the first image; midnight where only its day is known."""
    secondary_time: np.datetime64
    """Instant [ns, UTC] of the second."""
    coherence: str | None = None
    """Address of the raster of the coherence."""
    coherence_band: int = 1
    """Which of its bands."""
    interferogram: str | None = None
    """Address of a raster of complex numbers, or of phase [radians], wrapped or not."""

    @property
    def files(self) -> list[str]:
        """The files that are read of it, ISCE's description or raw file beside each among them."""
        rasters = [one for one in (self.coherence, self.interferogram) if one]
        beside = (
            one.removesuffix(".vrt") if one.endswith(".vrt") else f"{one}.xml" for one in rasters
        )
        return [*rasters, *(one for one in beside if Path(one).is_file())]

    @property
    def text(self) -> str:
        """Of which days it is, for people."""
        days = (self.reference_time, self.secondary_time)
        return " to ".join(str(np.datetime_as_string(day, "D")) for day in days)


def find_pairs(folder: str | Path) -> list[Pair]:
    """Return the pairs whose files lie in a folder or below it, by time.

    GeoTIFFs have both dates in their names (`20180106-20180130`, `20180106T004021_…`), and
    end in what they are (see `ENDINGS`); ISCE's geocoded output has them in the name of a folder
    above it. Of several kinds of phase the complex one is taken, then wrapped, then unwrapped.

    Raises
    ------
    ValueError
        Where there is none, one kind occurs twice for one pair, or ISCE's output is in radar
        geometry.
    OSError
        Where there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"no folder {folder}: name one that holds interferometric pairs")
    found: dict[tuple[np.datetime64, np.datetime64], dict[str, Path]] = {}
    for path, kind, dates in _files(folder):
        files = found.setdefault(dates, {})
        if kind in files:
            raise ValueError(
                f"{files[kind].name} and {path.name} are both the {kind} of one pair: keep one "
                "polarisation of one track in the folder"
            )
        files[kind] = path
    if not found:
        raise ValueError(
            f"the folder {folder} holds no interferometric pair: their names must have two dates "
            "(20180106-20180130) and end in what they are (_coh.tif, _ifg.tif, _unw.tif, ...)"
        )
    return [_pair(*dates, found[dates]) for dates in sorted(found)]


def pairs_within(
    pairs: Iterable[Pair], first: np.datetime64, last: np.datetime64
) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs both of whose images are of the days from first to last, and the others."""
    within, beyond = list[Pair](), list[Pair]()
    # Of many only the day is known; of the first a part may lie within.
    first, last = (first - ONE_PASS).astype("M8[D]"), last.astype("M8[D]")
    for pair in pairs:
        days = [t.astype("M8[D]") for t in (pair.reference_time, pair.secondary_time)]
        (within if first <= min(days) and max(days) <= last else beyond).append(pair)
    return within, beyond


def group_pairs(pairs: Iterable[Pair]) -> list[list[Pair]]:
    """Return the pairs by time, those of the same two passes together: of scenes along a track."""
    groups: list[list[Pair]] = []
    for pair in sorted(pairs, key=lambda each: (each.reference_time, each.secondary_time)):
        for group in groups:
            first = pair.reference_time - group[-1].reference_time
            second = pair.secondary_time - group[-1].secondary_time
            if first <= ONE_PASS and abs(second) <= ONE_PASS:
                group.append(pair)
                break
        else:
            groups.append([pair])
    return groups


def _pair(first: np.datetime64, second: np.datetime64, files: dict[str, Path]) -> Pair:
    coherence = files.get(COHERENCE)
    phase = next((files[kind] for kind in BEST_FIRST if kind in files), None)
    isce = coherence is not None and coherence.name.startswith("topophase")
    return Pair(
        first,
        second,
        str(coherence) if coherence else None,
        ISCE_COHERENCE_BAND if isce else 1,
        str(phase) if phase else None,
    )


def _files(folder: Path) -> Iterator[tuple[Path, str, tuple[np.datetime64, np.datetime64]]]:
    """Give each file that is part of a pair, its kind, and the two instants."""
    for path in sorted(folder.rglob("*")):
        name = path.name.removesuffix(".vrt")
        if name in IN_RADAR_GEOMETRY and not path.with_name(f"{name}.geo").exists():
            raise ValueError(
                f"{path} is in radar geometry: run topsApp.py to its step geocode, with "
                f"merged/{name} in its geocode list"
            )
        if name in ISCE:
            # GDAL reads the raw file through ISCE's .xml, or else through its .vrt.
            described = path.with_name(f"{name}.xml").exists()
            if described != (path.suffix == ".vrt"):
                yield path, ISCE[name], _dates(path)
        elif path.suffix.lower() in (".tif", ".tiff") and DATES.search(path.stem):
            kind = _kind(path.stem.lower())
            if kind is not None:
                yield path, kind, _dates(path)


def _kind(stem: str) -> str | None:
    for kind, endings in ENDINGS:
        if stem.endswith(tuple(f"{mark}{ending}" for ending in endings for mark in "_-.")):
            return kind
    return None


def _dates(path: Path) -> tuple[np.datetime64, np.datetime64]:
    """Return the two instants in a file's name, or in that of the nearest folder that has them."""
    for name in (path.stem, *reversed(path.parts[:-1])):
        if match := DATES.search(name):
            days = match[1], match[3]
            clocks = match[2] or "000000", match[4] or "000000"
            try:
                first, second = (
                    np.datetime64(f"{d[:4]}-{d[4:6]}-{d[6:]}T{c[:2]}:{c[2:4]}:{c[4:]}", "ns")
                    for d, c in zip(days, clocks, strict=True)
                )
            except ValueError as problem:
                raise ValueError(f"{path} is of no two dates ({match[0]}): rename it") from problem
            return first, second
    raise ValueError(
        f"{path} says nowhere of which dates it is: put it below a folder whose name has both, "
        "such as 20180106_20180130"
    )

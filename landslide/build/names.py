"""What the file names of RTC products say: OPERA's bursts, and ASF's (HyP3's) scenes."""

import re
from dataclasses import dataclass

import numpy as np

OPERA = re.compile(
    r"OPERA_L2_RTC-S1_T(?P<track>\d{3})-(?P<burst>\d{6}-IW\d)_(?P<start>\d{8}T\d{6})Z_"
    r"(?P<produced>\d{8}T\d{6})Z_S1(?P<unit>[A-D])_(?P<pixel>\d+)_v[\d.]+"
    r"(?:_(?P<polarisation>[VH]{2})(?P<rest>_[\w-]+)?\.tiff?)?$",
    re.IGNORECASE,
)
ASF = re.compile(
    r"S1(?P<unit>[A-D])_(?P<mode>IW|EW|S\d)_(?P<start>\d{8}T\d{6})_(?P<kind>\w{3})_"
    r"RTC(?P<pixel>\d+)_\w_(?P<radiometry>[gs])(?P<scale>[pad])\w{4}_(?P<job>\w{4})"
    r"_(?P<polarisation>[VH]{2})(?P<rest>_[\w-]+)?\.tiff?$",
    re.IGNORECASE,
)
GRANULE = re.compile(
    r"S1(?P<unit>[A-D])_IW_(?:SLC_|GRD[A-Z])_\w{4}_\d{8}T\d{6}_\d{8}T\d{6}_(?P<orbit>\d{6})_"
)
FIRST_ORBITS = {"A": 73, "B": 27}
"""Absolute orbit whose relative orbit is 1, of the satellites for which ESA's numbering holds."""
SCALES = {"a": "amplitude", "d": "decibels"}


@dataclass(frozen=True)
class ProductName:
    """What one file's name says."""

    piece: str
    """The burst or scene at its instant: two files of one piece are the same ground."""
    start: np.datetime64
    """Instant of the first line [s, UTC]."""
    produced: str
    """When it was made, as its name says; of two, the later counts."""
    platform: str
    relative_orbit: int | None
    polarisation: str
    """`vv`, `vh`, `hh` or `hv`; empty of a product whose files are not told apart."""
    pixel_m: float


def instant(text: str) -> np.datetime64:
    """Return the instant [s, UTC] of a name's 20231109T015914."""
    date, time = text.upper().split("T")
    return np.datetime64(
        f"{date[:4]}-{date[4:6]}-{date[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}", "s"
    )


def read_name(name: str) -> ProductName | None:
    """Return what the name of an RTC GeoTIFF or OPERA product says, or None where it is none.

    Raises
    ------
    ValueError
        Where it says that the file holds no gamma0 in linear power.
    """
    if found := OPERA.fullmatch(name):
        burst = f"T{found['track']}-{found['burst']} {found['start']}".upper()
        return _named(found, burst, found["produced"], int(found["track"]))
    if found := ASF.fullmatch(name):
        if found["radiometry"].lower() != "g":
            raise ValueError(f"{name} holds sigma0: order gamma0 (`radiometry` of the RTC job)")
        if scale := SCALES.get(found["scale"].lower()):
            raise ValueError(f"{name} holds {scale}: order power (`scale` of the RTC job)")
        return _named(found, f"S1{found['unit']} {found['start']}".upper(), "", None)
    return None


def _named(
    found: re.Match[str], piece: str, produced: str, relative_orbit: int | None
) -> ProductName:
    return ProductName(
        piece,
        instant(found["start"]),
        produced,
        f"sentinel-1{found['unit'].lower()}",
        relative_orbit,
        (found["polarisation"] or "").lower(),
        float(found["pixel"]),
    )


def granule_track(text: str) -> int | None:
    """Return the relative orbit of the granule that a text names, as HyP3's READMEs do, or None.

    From the absolute orbit: Sentinel-1 repeats its ground track after 175 orbits.
    """
    for found in GRANULE.finditer(text):
        if found["unit"] in FIRST_ORBITS:
            return (int(found["orbit"]) - FIRST_ORBITS[found["unit"]]) % 175 + 1
    return None


def orbit_state_at(start: np.datetime64, longitude: float) -> str:
    """Return the direction of a Sentinel-1 pass by its local solar time.

    The satellites cross the equator northwards at 18:00 mean local solar time and southwards at
    06:00, and no latitude that they map moves that by six hours.
    """
    seconds = (start - start.astype("datetime64[D]")) / np.timedelta64(1, "s")
    return "ascending" if (seconds / 3600 + longitude / 15) % 24 >= 12 else "descending"

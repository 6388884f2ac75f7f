"""A scene: one piece of a pass, a slice or a burst, wherever its pixels lie."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac
import shapely
from shapely.geometry.base import BaseGeometry

from landslide.build.names import orbit_state_at, read_name
from landslide.build.outlines import one_piece
from landslide.cube.schema import POLARISATIONS
from landslide.cube.spelling import decode_orbit_state

PIXEL_M = 10.0
MARGIN_DEGREES = 0.01
"""An archive's outline cuts corners; a scene is asked for pixels a little beyond it."""


@dataclass(frozen=True)
class Scene:
    """One piece of a pass."""

    name: str
    """The archive's name of it."""
    piece: str
    """Two scenes of one piece show the same ground at the same instant."""
    produced: str
    """Of two scenes of a piece the one counts that sorts later."""
    start: np.datetime64
    """Instant of its first line [ns, UTC]."""
    platform: str
    """`sentinel-1a`, …"""
    relative_orbit: int | None
    orbit_state: str
    """`ascending` or `descending`."""
    footprint: BaseGeometry
    """Longitude and latitude [degrees]."""
    addresses: Mapping[str, str]
    """The file of each of `vv` and `vh` that there is, not signed."""
    pixel_m: float = PIXEL_M
    """Side of its own pixels [m]."""
    nodata: float | None = None
    """What stands for no data where the file does not say; 0 where this is None, too."""
    licence: str = ""
    """An address or a name, where the archive tells one."""
    bytes: Mapping[str, int] | None = None
    """Size of each file, where the archive tells it."""
    filled: BaseGeometry | None = None
    """Where over the area it has data, in the same degrees; None where nobody looked."""

    def item(self) -> pystac.Item:
        """Return it as the STAC item that the loader takes."""
        geometry = self.footprint.buffer(MARGIN_DEGREES)
        item = pystac.Item(
            self.name,
            shapely.geometry.mapping(geometry),
            list(geometry.bounds),
            self.start.astype("datetime64[us]").item(),
            {},
            collection="scenes",
        )
        for polarisation, address in self.addresses.items():
            band = {"data_type": "float32", "nodata": 0 if self.nodata is None else self.nodata}
            item.add_asset(
                polarisation,
                pystac.Asset(
                    address, media_type="image/tiff", roles=["data"],
                    extra_fields={"raster:bands": [band]},
                ),
            )  # fmt: skip
        return item


def _polarisation(key: str, asset: pystac.Asset) -> str | None:
    """Return the polarisation of an asset, by its key or by its file's name, or None."""
    stem = asset.href.partition("?")[0].rpartition("/")[2].lower()
    if not stem.endswith((".tif", ".tiff")):
        return None
    ends = (key.lower(), stem.rpartition(".")[0])
    for polarisation in POLARISATIONS:
        if any(end == polarisation or end.endswith(f"_{polarisation}") for end in ends):
            return polarisation
    return None


def _pixel(transform: Sequence[float] | None, otherwise: float) -> float:
    """Return the side of a pixel [m]; of one in degrees it is not known here."""
    return abs(transform[0]) if transform and abs(transform[0]) >= 1 else otherwise


def _licence(item: pystac.Item) -> str:
    named = item.properties.get("license")
    link = item.get_single_link("license")
    return str(link.get_target_str() if link is not None else named or "")


def scene_of(item: pystac.Item) -> Scene | None:
    """Return the scene of a STAC item; None where it has neither VV nor VH.

    Raises
    ------
    ValueError
        Where the item has no date or no outline.
    """
    assets: dict[str, pystac.Asset] = {}
    for key, asset in item.assets.items():
        polarisation = _polarisation(key, asset)
        if polarisation is not None:
            assets.setdefault(polarisation, asset)
    if not assets:
        return None
    about = item.properties
    when = item.common_metadata.start_datetime or item.datetime
    if when is None or item.geometry is None:
        lacks = "date" if when is None else "outline"
        raise ValueError(f"the STAC item {item.id} has no {lacks}: report it to its archive")
    if when.tzinfo is not None:  # else it is UTC, as everywhere in the house
        when = when.astimezone(dt.UTC).replace(tzinfo=None)
    start = np.datetime64(when, "ns")
    footprint = shapely.geometry.shape(item.geometry)
    opera = read_name(item.id)
    track: int | None = opera.relative_orbit if opera else None
    number: Any = about.get("sat:relative_orbit")
    if number is not None:
        track = int(number)
    state = decode_orbit_state(about.get("sat:orbit_state", ""))
    first = next(iter(assets.values())).extra_fields
    transform = first.get("proj:transform", about.get("proj:transform"))
    bands = first.get("raster:bands") or first.get("bands") or [{}]
    nodata = bands[0].get("nodata", first.get("nodata"))
    sizes: Any = {name: one.extra_fields.get("file:size") for name, one in assets.items()}
    return Scene(
        name=item.id,
        piece=opera.piece if opera else item.id,
        produced=opera.produced if opera else str(about.get("created", "")),
        start=start,
        platform=str(about.get("platform", "sentinel-1")).lower(),
        relative_orbit=track,
        orbit_state=state or orbit_state_at(start, one_piece(footprint).centroid.x),
        footprint=footprint,
        addresses={name: str(asset.get_absolute_href()) for name, asset in assets.items()},
        pixel_m=_pixel(transform, opera.pixel_m if opera else PIXEL_M),
        nodata=None if nodata is None else float(nodata),
        licence=_licence(item),
        bytes=None if None in sizes.values() else sizes,
    )

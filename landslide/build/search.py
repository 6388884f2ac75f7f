"""Scenes and elevation of an area, from any STAC API."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pystac
import pystac_client
import requests
import shapely
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.warnings import PystacClientWarning
from shapely.geometry.base import BaseGeometry

from landslide.build.outlines import one_turn
from landslide.build.scenes import Scene, scene_of
from landslide.retries import innermost
from landslide.storage import text_without_secrets, without_secrets

PAGE = 100
TIMEOUT_S = 60
YEAR = np.timedelta64(365, "D")
ELEVATION_ASSETS = ("data", "elevation", "dem")
UNANSWERED = (
    APIError, ClientTypeError, PystacClientWarning, pystac.STACError, pystac.STACTypeError,
    requests.RequestException, AttributeError, KeyError, TypeError, ValueError,
)  # fmt: skip
"""What the client raises of an answer that is no STAC API's."""


@contextmanager
def api_errors(api: str) -> Iterator[None]:
    """Turn what a STAC API answers wrongly into one line with the way out.

    What is no API may answer with anything, in which the client then misses keys and methods.
    """
    plain = without_secrets(api)
    try:
        with warnings.catch_warnings(action="ignore", category=PystacClientWarning):
            yield
    except UNANSWERED as error:
        status = getattr(error, "status_code", None)
        said = " ".join(text_without_secrets(str(innermost(error))).split())[:160]
        if status in (401, 403):
            raise PermissionError(
                f"{plain}: access refused (HTTP {status}): set the archive's credentials"
            ) from error
        raise ConnectionError(
            f"{plain} does not answer as a STAC API ({said}): check `source` and the network"
        ) from error


def search_scenes(
    api: str,
    collection: str,
    area: BaseGeometry,
    window: tuple[np.datetime64, np.datetime64],
) -> list[Scene]:
    """Return the scenes of a STAC API that meet an area in a span of time, VV or VH.

    Parameters
    ----------
    api : str
        Its address.
    collection : str
    area : geometry
        Longitude and latitude [degrees].
    window
        First and last instant [UTC].

    Raises
    ------
    ValueError
        Where there is none; the message says what was searched, and the nearest there is.
    ConnectionError, PermissionError
        Where the API does not answer, or refuses.
    """
    with api_errors(api):
        client = pystac_client.Client.open(api, timeout=TIMEOUT_S)
    found = _search(client, api, collection, area, window)
    if found:
        return found
    hint = _nearest(client, api, collection, area, window)
    west, south, east, north = area.bounds
    raise ValueError(
        f"no scene of {collection} at {without_secrets(api)} from {_day(window[0])} to "
        f"{_day(window[1])} within {west:g} to {east:g} degrees east, {south:g} to {north:g} "
        f"north: {hint}"
    )


def _search(
    client: pystac_client.Client,
    api: str,
    collection: str,
    area: BaseGeometry,
    window: tuple[np.datetime64, np.datetime64],
) -> list[Scene]:
    span = "/".join(f"{np.datetime_as_string(end, 's')}Z" for end in window)
    with api_errors(api):
        search = client.search(
            collections=[collection], bbox=list(area.bounds), datetime=span, limit=PAGE
        )
        items = list(search.items())
    scenes = filter(None, map(scene_of, items))
    return [scene for scene in scenes if shapely.intersects(scene.footprint, area)]


def _nearest(
    client: pystac_client.Client,
    api: str,
    collection: str,
    area: BaseGeometry,
    window: tuple[np.datetime64, np.datetime64],
) -> str:
    """Say what there is beside the window, or that the collection is none."""
    with api_errors(api):
        known = sorted(one.id for one in client.get_collections())
    if known and collection not in known:
        return f"it has no such collection; it has {', '.join(known[:8])}"
    first, last = window
    before = _search(client, api, collection, area, (first - YEAR, first))
    after = _search(client, api, collection, area, (last, last + YEAR))
    hints = []
    if before:
        nearest = max(before, key=lambda scene: scene.start)
        hints.append(f"the nearest before is {nearest.name} of {_day(nearest.start)}")
    if after:
        nearest = min(after, key=lambda scene: scene.start)
        hints.append(f"the nearest after is {nearest.name} of {_day(nearest.start)}")
    if not hints:
        return "nor within a year before and after; check `area` and `collection`"
    return " and ".join(hints) + "; widen `before_days` or `after_days`"


def _day(instant: np.datetime64) -> str:
    return str(np.datetime_as_string(instant, "D"))


def search_elevation(
    api: str, collection: str, area: BaseGeometry, asset: str | None = None
) -> tuple[list[str], list[str], str]:
    """Return the DEM's pieces over an area: their names, addresses (not signed), and licence.

    The area's longitudes [degrees] may go on beyond the 180th meridian.

    Raises
    ------
    ValueError
        Where there is none, or an item's elevation is not to be told from its other assets.
    ConnectionError, PermissionError
        Where the API does not answer, or refuses.
    """
    with api_errors(api):
        client = pystac_client.Client.open(api, timeout=TIMEOUT_S)
        found = {
            item.id: item
            for part in shapely.get_parts(one_turn(area))
            for item in client.search(
                collections=[collection], bbox=list(part.bounds), limit=PAGE
            ).items()
        }
        about = client.get_collection(collection) if found else None
    if not found:
        raise ValueError(
            f"no elevation of {collection} at {without_secrets(api)} within the area: check "
            "`collection`, or give `source` the files of a DEM"
        )
    items = [found[name] for name in sorted(found)]
    licence = "" if about is None else about.license
    return [item.id for item in items], [_elevation(item, asset) for item in items], licence


def _elevation(item: pystac.Item, asset: str | None) -> str:
    names = (asset,) if asset else ELEVATION_ASSETS
    for name in names:
        if name in item.assets:
            return str(item.assets[name].get_absolute_href())
    images = [one for one in item.assets.values() if "tiff" in (one.media_type or "")]
    if asset is None and len(images) == 1:
        return str(images[0].get_absolute_href())
    raise ValueError(
        f"the STAC item {item.id} has no {' or '.join(names)} asset: set `asset` to one of "
        f"{', '.join(item.assets)}"
    )

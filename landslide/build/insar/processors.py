"""Pairs of consecutive passes that a processor makes: HyP3, or ISCE2 on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from landslide.build.insar import hyp3
from landslide.build.insar.pairs import Pair, find_pairs
from landslide.build.insar.slc import (
    SlcPass,
    consecutive_passes,
    fetch_orbits,
    fetch_scenes,
    overlapping_scenes,
    search_slc,
)
from landslide.build.insar.topsapp import TopsRun, require_isce, run_topsapp
from landslide.build.plan import BuildPlan
from landslide.build.sources import InsarSource

Processed = tuple[dict[str, Any], Callable[[], list[Pair]], Callable[[], object]]
"""What the pairs are made of, what makes them, and what says at once that something lacks."""


def processed(plan: BuildPlan, source: InsarSource) -> Processed:
    """Return how a processor makes the pairs of a plan's track; nothing is run yet.

    Raises
    ------
    ValueError
        Where the track is not known.
    """
    assert source.folder is not None
    folder, track = source.folder, _track(plan, source)
    west, south, east, north = plan.recipe.area.bounds
    first, last = (f"{np.datetime_as_string(end, 's')}Z" for end in plan.recipe.window)
    about: dict[str, Any] = {
        "processor": source.source,
        "relative_orbit": track,
        "window": [first, last],
        "passes": _starts(plan, track),
    }
    name = f"{plan.recipe.event.name}-{track}"

    def make() -> list[Pair]:
        area = (west, south, east, north)
        if source.source == "isce2":
            return isce_pairs(area, first, last, folder, relative_orbit=track)
        return hyp3_pairs(area, first, last, folder, relative_orbit=track, name=name)

    return about, make, require_isce if source.source == "isce2" else hyp3.connect


def _starts(plan: BuildPlan, track: int) -> list[str]:
    """Return when the passes of a track began that were found; a new one makes new pairs."""
    found = [*plan.choice.passes, *(one for one, _ in plan.choice.dropped)]
    starts = {one.start for one in found if one.relative_orbit in (track, None)}
    return [str(np.datetime_as_string(start, "s")) for start in sorted(starts)]


def _track(plan: BuildPlan, source: InsarSource) -> int:
    tracks = {one.relative_orbit for one in plan.choice.passes}
    track = source.relative_orbit or plan.recipe.event.relative_orbit
    if track is None and len(tracks) == 1:
        track = next(iter(tracks))
    if track is None:
        raise ValueError(
            f"the images are of the tracks {sorted(map(str, tracks))}: set `relative_orbit` under "
            "[build.insar] to the one whose pairs are made"
        )
    return track


def isce_pairs(
    area: tuple[float, float, float, float],
    start: str,
    end: str,
    folder: str | Path,
    *,
    relative_orbit: int,
) -> list[Pair]:
    """Process each pass of a track with the next by ISCE2's topsApp, below `folder`.

    The login to fetch scenes with comes from EARTHDATA_TOKEN or ~/.netrc; ISCE fetches the
    elevation, SRTM's, itself, and for that knows ~/.netrc only.

    Parameters
    ----------
    area
        West, south, east, north [degrees].
    start, end
        UTC, ISO 8601.
    folder
        Scenes, orbits and a folder for each pair; a second run goes on from what is there.
    relative_orbit
        1 to 175.

    Raises
    ------
    ValueError, OSError
        What lacks, at once: ISCE2, scenes, a login; or a pair that failed.
    """
    require_isce()
    folder = Path(folder)
    passes = consecutive_passes(
        search_slc(shapely.box(*area).wkt, start, end, relative_orbit=relative_orbit)
    )
    scenes = sorted({scene for pair in passes for each in pair for scene in each.scenes})
    archives = dict(zip(scenes, fetch_scenes(scenes, folder / "slc"), strict=True))
    fetch_orbits(scenes, folder / "orbits")
    return [
        run_topsapp(
            TopsRun(
                tuple(archives[scene] for scene in first.scenes),
                tuple(archives[scene] for scene in second.scenes),
                folder / "orbits",
                area,
            ),
            folder / f"{_stamp(first)}_{_stamp(second)}",
        )
        for first, second in passes
    ]


def hyp3_pairs(
    area: tuple[float, float, float, float],
    start: str,
    end: str,
    folder: str | Path,
    *,
    relative_orbit: int,
    name: str,
    api: str = hyp3.API,
    token: str | None = None,
    ask_seconds: float = hyp3.ASK_SECONDS,
) -> list[Pair]:
    """Have HyP3 process each pass of a track with the next, and fetch the products to `folder`.

    HyP3 takes one scene of either pass at a time; `insar_layers` joins what comes out.

    Parameters
    ----------
    area, start, end, relative_orbit
        As for `isce_pairs`.
    folder
        A folder for each product; a second run goes on from what is there.
    name
        What the jobs are known by at HyP3: those it has under this name are not ordered again.
    api
        Address of HyP3's API, where it is another.
    token
        An Earthdata bearer token; by default EARTHDATA_TOKEN, or else the login in ~/.netrc.
    ask_seconds
        Time between two questions whether the jobs are done.

    Raises
    ------
    ValueError, OSError
        What lacks, at once: a login, scenes, passes that share ground; or jobs that failed.
    """
    client = hyp3.connect(api, token)
    ground = shapely.box(*area)
    scenes = search_slc(ground.wkt, start, end, relative_orbit=relative_orbit)
    granules = [
        pair
        for first, second in consecutive_passes(scenes)
        for pair in overlapping_scenes(first, second, scenes, ground)
    ]
    jobs = hyp3.order(client, granules, name, folder)
    products = hyp3.fetch(client, jobs, folder, ask_seconds=ask_seconds)
    # The folder may hold those of other tracks, too.
    pairs = [pair for product in products for pair in find_pairs(product)]
    return sorted(pairs, key=lambda pair: (pair.reference_time, pair.secondary_time))


def _stamp(each: SlcPass) -> str:
    return str(each.time)[:19].replace("-", "").replace(":", "")

"""Consecutive pairs of an area made by a processor: searched, processed, ready to be read."""

from pathlib import Path

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
    jobs = hyp3.order(client, granules, name)
    products = hyp3.fetch(client, jobs, folder, ask_seconds=ask_seconds)
    # The folder may hold those of other tracks, too.
    pairs = [pair for product in products for pair in find_pairs(product)]
    return sorted(pairs, key=lambda pair: (pair.reference_time, pair.secondary_time))


def _stamp(each: SlcPass) -> str:
    return str(each.time)[:19].replace("-", "").replace(":", "")

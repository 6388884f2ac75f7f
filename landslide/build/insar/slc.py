"""Sentinel-1's complex images (SLC) of an area, searched and fetched from ASF, and their orbits."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise, product
from pathlib import Path

import asf_search
import numpy as np
import s1_orbits
from asf_search.exceptions import ASFError, CMRError
from s1_orbits import InvalidSceneError, OrbitNotFoundError
from shapely.geometry import Polygon, shape

from landslide.build.insar.login import earthdata_token, plain_errors

BURST = 0.1
"""Of a scene: of its nine bursts along the track, two scenes need one in common."""
NOTHING = 1e-3
"""Of an area: less is not worth a product of its own."""


@dataclass(frozen=True)
class SlcPass:
    """The scenes of one pass of the satellite over an area."""

    time: np.datetime64
    """Instant [ns, UTC] at which the first scene begins."""
    scenes: tuple[str, ...]
    """Their names, along the track."""


def search_slc(
    area_wkt: str, start: str, end: str, *, relative_orbit: int, host: str | None = None
) -> dict[str, Polygon]:
    """Return the SLC scenes of one track that touch an area within a window.

    Each is its name and its footprint: longitude and latitude [degrees].

    Parameters
    ----------
    area_wkt
        Longitude and latitude [degrees].
    start, end
        UTC, ISO 8601.
    relative_orbit
        1 to 175: only images of one track interfere.
    host
        Of NASA's catalogue (CMR), where it is another.

    Raises
    ------
    ValueError
        Where they are not of two passes at least.
    OSError
        Where the catalogue cannot be asked.
    """
    options = asf_search.ASFSearchOptions(**({"host": host} if host else {}))
    with plain_errors("the search for SLC scenes failed", ASFError, CMRError):
        found = asf_search.geo_search(
            platform=asf_search.PLATFORM.SENTINEL1,
            processingLevel=asf_search.PRODUCT_TYPE.SLC,
            beamMode=asf_search.BEAMMODE.IW,
            relativeOrbit=relative_orbit,
            intersectsWith=area_wkt,
            start=start,
            end=end,
            opts=options,
        )
        found.raise_if_incomplete()
    scenes = {str(each.properties["sceneName"]): shape(each.geometry) for each in found}
    if not consecutive_passes(scenes):
        raise ValueError(
            f"the {len(scenes)} SLC scenes of track {relative_orbit} between {start} and {end} are "
            "of one pass or none: two make a pair; widen the window, or name another track"
        )
    return scenes


def scene_time(scene: str) -> np.datetime64:
    """Return the instant [ns, UTC] at which a scene begins, from its name.

    Raises
    ------
    ValueError
        Where it is no name of a Sentinel-1 scene.
    """
    parts = scene.split("_")
    try:
        text = parts[-5]
        return np.datetime64(
            f"{text[:4]}-{text[4:6]}-{text[6:11]}:{text[11:13]}:{text[13:15]}", "ns"
        )
    except (IndexError, ValueError) as problem:
        raise ValueError(f"{scene} is no name of a Sentinel-1 scene") from problem


def consecutive_passes(scenes: Iterable[str]) -> list[tuple[SlcPass, SlcPass]]:
    """Return each pass with the next: scenes of one absolute orbit are one pass.

    Raises
    ------
    ValueError
        Where a name is none of a scene.
    """
    by_orbit = sorted(scenes, key=lambda scene: (scene_time(scene), scene))
    passes = []
    for _, group in groupby(by_orbit, key=lambda scene: (scene[:3], scene.split("_")[-3])):
        names = tuple(group)
        passes.append(SlcPass(scene_time(names[0]), names))
    return list(pairwise(passes))


def overlapping_scenes(
    first: SlcPass, second: SlcPass, footprints: Mapping[str, Polygon], area: Polygon
) -> list[tuple[str, str]]:
    """Return the pairs of scenes of two passes that cover what both saw of an area.

    Passes need not be cut into scenes at the same places: each pair is taken that shares a burst
    or more, and adds to what the others cover.

    Parameters
    ----------
    first, second
        As `consecutive_passes` gives them.
    footprints
        Longitude and latitude [degrees] of each scene, as `search_slc` gives them.
    area
        Longitude and latitude [degrees].

    Raises
    ------
    ValueError
        Where the passes share nothing of the area.
    """
    shared = {}
    for one, other in product(first.scenes, second.scenes):
        both = footprints[one].intersection(footprints[other])
        if both.area > BURST * footprints[one].area:
            shared[one, other] = both.intersection(area)
    covered, chosen = Polygon(), []
    for pair in sorted(shared, key=lambda pair: (-shared[pair].area, pair)):
        if shared[pair].difference(covered).area > NOTHING * area.area:
            covered = covered.union(shared[pair])
            chosen.append(pair)
    if not chosen:
        raise ValueError(
            f"the passes of {str(first.time)[:10]} and {str(second.time)[:10]} share nothing of "
            f"the area that can be processed: {first.scenes[0]} and {second.scenes[0]} are no pair"
        )
    return sorted(chosen)


def fetch_scenes(scenes: Sequence[str], folder: Path) -> list[Path]:
    """Return the zip archives of scenes below `folder`; those that are there are not fetched.

    Raises
    ------
    ValueError
        Where there are no Earthdata credentials; nothing has been asked then.
    OSError
        Where a scene cannot be fetched, or not whole.
    """
    wanted = {scene: folder / f"{scene}.zip" for scene in scenes}
    lacking = [scene for scene, path in wanted.items() if not path.exists()]
    if lacking:
        token = earthdata_token("SLC scenes need")
        unfinished = folder / ".unfinished"
        unfinished.mkdir(parents=True, exist_ok=True)
        with plain_errors("fetching SLC scenes failed", ASFError, CMRError):
            session = asf_search.ASFSession()
            if token:
                session = session.auth_with_token(token)
            for each in asf_search.granule_search(lacking):
                name = f"{each.properties['sceneName']}.zip"
                if each.properties["processingLevel"] == asf_search.PRODUCT_TYPE.SLC:
                    # The client takes a file that is there for a whole one, and says nothing.
                    (unfinished / name).unlink(missing_ok=True)
                    each.download(path=str(unfinished), filename=name, session=session)
                    if not zipfile.is_zipfile(unfinished / name):  # its list of files is its end
                        raise OSError(f"the SLC archive {name} came in part: run again to go on")
                    (unfinished / name).replace(folder / name)
    if missing := [scene for scene, path in wanted.items() if not path.exists()]:
        raise OSError(f"ASF has no SLC {missing[0]}: see its name")
    return list(wanted.values())


def fetch_orbits(scenes: Sequence[str], folder: Path) -> list[Path]:
    """Return the orbit of each scene below `folder`: the precise one, else the restituted.

    Raises
    ------
    OSError
        Where there is none, or it cannot be fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with plain_errors("fetching orbits failed", InvalidSceneError, OrbitNotFoundError):
        return [s1_orbits.fetch_for_scene(scene, folder) for scene in scenes]

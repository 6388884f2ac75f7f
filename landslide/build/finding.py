"""The scenes that a recipe means, of an archive or of a folder, and a folder's pairs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import shapely

from landslide.build.folder import filled_part, folder_scenes
from landslide.build.insar.pairs import Pair, find_pairs, pairs_within
from landslide.build.recipe import Recipe
from landslide.build.scenes import Scene
from landslide.build.search import search_scenes

READERS = 8
"""Files of a folder that are looked into at once."""


def find_scenes(recipe: Recipe) -> list[Scene]:
    """Return the scenes over a recipe's area within its window.

    Raises
    ------
    ValueError
        Where there is none: the message says what was searched, and what there is.
    FileNotFoundError, PermissionError, ConnectionError
        Where the source cannot be read.
    """
    source, (first, last) = recipe.sar, recipe.window
    if "://" in source.source:
        return search_scenes(source.source, source.collection, recipe.area, (first, last))
    found = folder_scenes(source.source, source.pattern)
    over = [scene for scene in found if shapely.intersects(scene.footprint, recipe.area)]
    if not over:
        middle = found[0].footprint.representative_point()
        raise ValueError(
            f"none of the {len(found)} scenes in {source.source} meets the area: check `area`, "
            f"which is in longitude and latitude; {found[0].name} lies at {middle.x:.2f}, "
            f"{middle.y:.2f}"
        )
    within = [scene for scene in over if first <= scene.start <= last]
    if not within:
        days = sorted(np.datetime_as_string(scene.start, "D") for scene in over)
        raise ValueError(
            f"no scene in {source.source} from {np.datetime_as_string(first, 'D')} to "
            f"{np.datetime_as_string(last, 'D')}: those over the area are from {days[0]} to "
            f"{days[-1]}; widen `before_days` or `after_days`"
        )
    with ThreadPoolExecutor(READERS) as readers:
        parts = list(readers.map(lambda scene: filled_part(scene, recipe.area), within))
    return [replace(scene, filled=part) for scene, part in zip(within, parts, strict=True)]


def find_window_pairs(recipe: Recipe, folder: str) -> tuple[list[Pair], list[Pair]]:
    """Return the interferometric pairs in a folder within a recipe's window, and those beyond it.

    Raises
    ------
    ValueError
        Where none is within.
    OSError
        As `find_pairs` does.
    """
    first, last = recipe.window
    within, beyond = pairs_within(find_pairs(folder), first, last)
    if not within:
        raise ValueError(
            f"no pair in {folder} has both images from {np.datetime_as_string(first, 'D')} to "
            f"{np.datetime_as_string(last, 'D')}: the first is {beyond[0].text}, the last "
            f"{beyond[-1].text}; widen `before_days` or `after_days`"
        )
    return within, beyond

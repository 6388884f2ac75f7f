"""What a build will read and write, said before a pixel of it is read."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from landslide.build.choosing import Choice, choose_passes
from landslide.build.finding import find_scenes, find_window_pairs
from landslide.build.grid import area_grid, project
from landslide.build.insar.pairs import Pair, group_pairs
from landslide.build.passes import Pass, group_passes
from landslide.build.recipe import SECTIONS, Recipe
from landslide.build.sources import PROCESSORS, LabelSource, ObservedSource, TerrainSource
from landslide.chips.layout.sizes import SPECKLE, size_text
from landslide.storage import without_secrets

FLOAT_BYTES = 4
PLANES = {"terrain": 4, "observed": 0.25, "labels": 0.5}
"""Float planes that a layer's variables make: labels and their mask are bytes."""
COHERENCE_PLANES, INTERFEROGRAM_PLANES = 1, 2
"""Float planes of each pair; an interferogram is complex."""


@dataclass(frozen=True)
class BuildPlan:
    """What is to be."""

    recipe: Recipe
    grid: GeoBox
    choice: Choice
    pairs: list[Pair] = field(default_factory=list)
    """A folder's interferometric pairs within the window; of a processor there are none yet."""
    beyond: list[Pair] = field(default_factory=list)
    """Those that are not."""

    @property
    def download_bytes(self) -> float:
        """Of the scenes' windows over the area; at most, as if nothing were compressed."""
        area = project(self.recipe.area, str(self.grid.crs))
        area = area.envelope
        total = 0.0
        for one in self.choice.passes:
            for scene in one.scenes:
                part = project(scene.footprint, str(self.grid.crs)).intersection(area).area
                pixels = part / scene.pixel_m**2
                for name in self.choice.polarisations:
                    window = pixels * FLOAT_BYTES
                    size = None if scene.bytes is None else scene.bytes[name]
                    total += window if size is None else min(window, size)
        return total

    @property
    def cube_bytes(self) -> float:
        """Of all layers as they are stored, estimated; at most, where pixels have no data."""
        rows, columns = self.grid.shape
        images = len(self.choice.passes) * len(self.choice.polarisations)
        planes = images * SPECKLE["ln"]
        for name, count in PLANES.items():
            planes += count if getattr(self.recipe, name) is not None else 0
        if self.recipe.insar is not None:
            planes += self._pair_planes()
        return float(rows * columns * FLOAT_BYTES * planes)

    def _pair_planes(self) -> int:
        """Return the float planes of all pairs; a processor makes consecutive ones."""
        if not self.pairs:
            return (len(self.choice.passes) - 1) * (COHERENCE_PLANES + INTERFEROGRAM_PLANES)
        each = COHERENCE_PLANES * any(pair.coherence for pair in self.pairs)
        each += INTERFEROGRAM_PLANES * any(pair.interferogram for pair in self.pairs)
        return len(group_pairs(self.pairs)) * each

    @property
    def text(self) -> str:
        """The same, for people."""
        rows, columns = self.grid.shape
        side = abs(self.grid.resolution.x)
        event, recipe = self.recipe.event, self.recipe
        names = ", ".join(map(str.upper, self.choice.polarisations))
        source = without_secrets(recipe.sar.source)
        lines = [
            f"event: {event.name}, {np.datetime_as_string(event.start, 's')}Z",
            f"grid: {rows} x {columns} pixels of {side:g} m, {self.grid.crs}",
            f"backscatter: {names} of {len(self.choice.passes)} passes, {source}",
        ]
        tracks = sorted({one.track for one in self.choice.passes})
        for track in tracks:
            ones = [one for one in self.choice.passes if one.track == track]
            before = sum(one.start < event.start for one in ones)
            lines.append(f"  {track}: {before} before, {len(ones) - before} after")
            lines += [f"    {_pass_line(one)}" for one in ones]
        lines += [f"  dropped: {one.text}: {reason}" for one, reason in self.choice.dropped]
        for name in [name for name in SECTIONS if name != "sar"]:
            lines.append(f"{name}: {_where(getattr(recipe, name))}")
            if name == "insar" and self.beyond:
                count = f"{len(self.beyond)} pair{'s' if len(self.beyond) > 1 else ''}"
                which = f"beyond `before_days` or `after_days`, such as {self.beyond[0].text}"
                lines.append(f"  left out: {count} {which}")
        reading = "download" if "://" in recipe.sar.source else "to read"
        lines += [
            f"{reading}: at most {size_text(self.download_bytes)} of backscatter",
            f"cube: about {size_text(self.cube_bytes)}",
        ]
        return "\n".join(lines)


def _where(source: Any) -> str:
    """Return where a layer comes from, for people."""
    match source:
        case None:
            return "none"
        case ObservedSource():
            at = " and ".join(f"{degrees:g}" for degrees in source.angles)
            parts = [f"layover and shadow at {at} degrees"] if at else []
            return ", ".join([*parts, *map(without_secrets, source.files)])
        case LabelSource(inventory=inventory):
            return without_secrets(inventory)
        case TerrainSource():
            return ", ".join(map(without_secrets, source.addresses))
        case _:
            return without_secrets(source.source)


def _pass_line(one: Pass) -> str:
    scenes = f"{len(one.scenes)} scene{'s' if len(one.scenes) > 1 else ''}"
    return (
        f"{np.datetime_as_string(one.start, 's')}Z {one.platform}, {scenes}, "
        f"{one.coverage:.0%} of the area"
    )


def plan_build(recipe: Recipe) -> BuildPlan:
    """Search what a recipe names, and say what its cube is built from.

    Of local images a few pixels are read, of others none.

    Raises
    ------
    ValueError
        Where nothing is found, too little is covered, or a file is none that can be used.
    FileNotFoundError, PermissionError, ConnectionError
        Where an archive or a folder cannot be read.
    """
    grid = area_grid(recipe.area, recipe.crs, recipe.resolution)
    passes = group_passes(find_scenes(recipe), recipe.area, str(grid.crs))
    choice = choose_passes(passes, recipe.event, recipe.sar)
    if recipe.insar is None or recipe.insar.source in PROCESSORS:
        return BuildPlan(recipe, grid, choice)
    return BuildPlan(recipe, grid, choice, *find_window_pairs(recipe, recipe.insar.source))

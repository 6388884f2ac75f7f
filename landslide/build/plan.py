"""What a build will read and write, said before a pixel of it is read."""

from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from landslide.build.finding import find_scenes
from landslide.build.grid import area_grid, project
from landslide.build.passes import Choice, Pass, choose_passes, group_passes
from landslide.build.recipe import Recipe
from landslide.chips.optimize.plan import SPECKLE

FLOAT_BYTES = 4
PLANES = {"terrain": 4, "observed": 0.25, "labels": 0.5}
"""Float planes that a layer's variables make: labels and their mask are bytes."""
PAIR_PLANES = 3
"""Float planes of each pair: coherence, and a complex interferogram."""


@dataclass(frozen=True)
class BuildPlan:
    """What is to be."""

    recipe: Recipe
    grid: GeoBox
    choice: Choice

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
        """Of backscatter, terrain and labels as they are stored, estimated."""
        rows, columns = self.grid.shape
        images = len(self.choice.passes) * len(self.choice.polarisations)
        planes = images * SPECKLE["ln"]
        for name, count in PLANES.items():
            planes += count if getattr(self.recipe, name) is not None else 0
        return float(rows * columns * FLOAT_BYTES * planes)

    @property
    def text(self) -> str:
        """The same, for people."""
        rows, columns = self.grid.shape
        side = abs(self.grid.resolution.x)
        event, recipe = self.recipe.event, self.recipe
        names = ", ".join(map(str.upper, self.choice.polarisations))
        lines = [
            f"event: {event.name}, {np.datetime_as_string(event.start, 's')}Z",
            f"grid: {rows} x {columns} pixels of {side:g} m, {self.grid.crs}",
            f"backscatter: {names} of {len(self.choice.passes)} passes, {recipe.sar.source}",
        ]
        tracks = sorted({one.track for one in self.choice.passes})
        for track in tracks:
            ones = [one for one in self.choice.passes if one.track == track]
            before = sum(one.start < event.start for one in ones)
            lines.append(f"  {track}: {before} before, {len(ones) - before} after")
            lines += [f"    {_pass_line(one)}" for one in ones]
        lines += [f"  dropped: {one.text}: {reason}" for one, reason in self.choice.dropped]
        for name in ("terrain", "insar", "labels"):
            source = getattr(recipe, name)
            where = "none" if source is None else getattr(source, "source", None)
            if where is None:
                where = source.inventory
            lines.append(f"{name}: {where if isinstance(where, str) else ', '.join(where)}")
        lines += [
            f"download: at most {_size(self.download_bytes)} of backscatter",
            f"cube: about {_size(self.cube_bytes)}",
        ]
        return "\n".join(lines)


def _pass_line(one: Pass) -> str:
    scenes = f"{len(one.scenes)} scene{'s' if len(one.scenes) > 1 else ''}"
    return (
        f"{np.datetime_as_string(one.start, 's')}Z {one.platform}, {scenes}, "
        f"{one.coverage:.0%} of the area"
    )


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def plan_build(recipe: Recipe) -> BuildPlan:
    """Search what a recipe names, and say what its cube is built from; no pixel is read.

    Raises
    ------
    ValueError
        Where nothing is found, too little is covered, or a file is none that can be used.
    FileNotFoundError, PermissionError, ConnectionError
        Where an archive or a folder cannot be read.
    """
    grid = area_grid(recipe.area, recipe.crs, recipe.resolution)
    passes = group_passes(find_scenes(recipe), recipe.area, str(grid.crs))
    return BuildPlan(recipe, grid, choose_passes(passes, recipe.event, recipe.sar))

"""What a build does with each layer of a cube: keeps it, builds it, or takes it out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from landslide.build.plan import BuildPlan
from landslide.build.stages import NAMES, Stage

GRID_CHANGED = "the grid changed"


@dataclass(frozen=True)
class Change:
    """What becomes of one layer."""

    layer: str
    built: bool
    """Whether it is built; else it stays, or goes."""
    why: str = ""
    """Why the one that is there does not stay; empty where it does, and where there is none."""

    @property
    def text(self) -> str:
        """The same, for people."""
        if not self.why:
            return f"{self.layer}: is {'built' if self.built else 'there'}"
        return f"{self.layer}: is {'built anew' if self.built else 'taken out'}: {self.why}"


def changes(
    plan: BuildPlan,
    there: Mapping[str, Mapping[str, Any]],
    wanted: Iterable[Stage],
    digests: Mapping[str, str],
    grid: Mapping[str, Any],
) -> Iterator[Change]:
    """Compare a cube with what it is to be.

    Parameters
    ----------
    plan : BuildPlan
    there : mapping
        What each layer that the cube has was built from, as `Target.layers` gives it.
    wanted : iterable of Stage
        The layers that are to be.
    digests : mapping
        What determines each of them.
    grid : mapping
        The attributes that say where the cube is to lie.

    Yields
    ------
    Change
        Of each layer that is wanted, and of each that cannot stay; in the order of building.
    """
    stages = {stage.name: stage for stage in wanted}
    on_another_grid = moved_layers(there, grid)
    for name in NAMES:
        about, stage = there.get(name), stages.get(name)
        moved = name in on_another_grid
        if stage is not None and about is None:
            yield Change(name, built=True)
        elif stage is not None and about is not None:
            why = GRID_CHANGED if moved else ""
            if not moved and about["digest"] != digests[name]:
                why = _difference(about, stage)
            yield Change(name, built=bool(why), why=why)
        elif about is not None and getattr(plan.recipe, name) is None:
            yield Change(name, built=False, why="the event file asks for it no more")
        elif moved:
            yield Change(name, built=False, why=GRID_CHANGED)


def moved_layers(there: Mapping[str, Mapping[str, Any]], grid: Mapping[str, Any]) -> list[str]:
    """Return the layers that lie on another grid: no new one can lie beside them."""
    return [name for name, about in there.items() if about["grid"] != dict(grid)]


def changes_text(out: str, found: Iterable[Change]) -> str:
    """Return what a build into `out` would do, for people."""
    return "\n".join([f"{out}, if it were built now:", *(f"  {one.text}" for one in found)])


def _difference(about: Mapping[str, Any], stage: Stage) -> str:
    """Say what a layer is built from that it was not."""
    now = json.loads(json.dumps(dict(stage.about), default=str))
    names = [name for name, value in now.items() if about.get(name) != value] or ["layout"]
    *most, last = names
    return f"its {', '.join(most)}{' and ' if most else ''}{last} changed"

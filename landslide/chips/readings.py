"""What is read of a cube for one event, before any of it is read: images, pairs, stored chunks."""

import logging
from typing import Any

import numpy as np
import xarray as xr

from landslide.chips.cutting import Composite, Reading
from landslide.chips.images import (
    Images,
    coherence_pairs,
    likely_geometry,
    select_images,
    select_opposite,
)
from landslide.chips.inputs import COHERENCE, FROM_OPPOSITE, Inputs, parse_inputs
from landslide.cube.address import is_remote
from landslide.cube.events import Event
from landslide.cube.layers import readable, stored_grid
from landslide.cube.schema import POLARISATIONS

log = logging.getLogger(__name__)


def plan_readings(
    cube: xr.Dataset,
    event: Event,
    wanted: Inputs,
    counts: tuple[int, ...],
    *,
    size: int,
    orbit: str | None = None,
    skip_damaged: bool = False,
) -> tuple[dict[str, Any], tuple[Reading, ...]]:
    """Choose an event's images, and say what is to be read of each grid of stored chunks.

    Parameters
    ----------
    cube, event, orbit, skip_damaged
        As for `plan_stream`.
    wanted : Inputs
    counts : tuple of int
        Numbers of images on each side to average, ascending.
    size : int
        Of a chip, in pixels.

    Raises
    ------
    ValueError
        Where the cube has too few images, or no pairs for coherence.
    """
    images = opposite = Images((), (), "")
    if wanted.polarisations:
        images = select_images(cube, event, counts[-1], orbit)
        times = cube["timestep"].to_numpy()
        before, after = (
            ", ".join(str(times[i])[:10] for i in side) for side in (images.before, images.after)
        )
        log.info("images before: %s; after: %s; orbit %s", before, after, images.orbit)
    if set(wanted.polarisations) & set(FROM_OPPOSITE):
        opposite = select_opposite(cube, event, counts[-1], orbit)
        log.info("images of the opposite orbit, too: %s", opposite.orbit)
    pairs = (np.zeros(0, np.bool_),) * 2
    if "coherence" in wanted.variables:
        pairs = coherence_pairs(cube, event, images.orbit or likely_geometry(cube, event, orbit))
    address = cube.encoding.get("source")
    readings = []
    grids = {name: stored_grid(cube[name]) for name in wanted.variables}
    for grid in dict.fromkeys(grids.values()):
        here = [name for name in wanted.variables if grids[name] == grid]
        readings.append(
            Reading(
                size=size,
                counts=counts,
                backscatter=tuple(
                    (readable(cube[name]), _composites(wanted, name, images, opposite))
                    for name in POLARISATIONS
                    if name in here
                ),
                terrain=tuple(
                    (readable(cube[name]), number)
                    for number, name in enumerate(wanted.static)
                    if name in here
                ),
                coherence=(
                    readable(cube["coherence"]),
                    {COHERENCE.index(n): i for i, n in enumerate(wanted.static) if n in COHERENCE},
                )
                if "coherence" in here
                else None,
                pairs=pairs,
                grid=grid,
                block_pixels=max(max(cube[n].chunksizes.get(d, (1,))) for n in here for d in "yx"),
                channels=(len(wanted.sar_channels), len(wanted.static)),
                remote=bool(address) and is_remote(str(address)),
                skip_damaged=skip_damaged,
            )
        )
    return image_attributes(cube, images, opposite, pairs), tuple(readings)


def _composites(
    wanted: Inputs, variable: str, images: Images, opposite: Images
) -> tuple[Composite, ...]:
    """Return all that is composed of one variable, in the order of its channels."""
    return tuple(
        Composite(2 * number + side, of_side)
        for number, name in enumerate(wanted.polarisations)
        if FROM_OPPOSITE.get(name, name) == variable
        for chosen in [opposite if name in FROM_OPPOSITE else images]
        for side, of_side in enumerate((chosen.before, chosen.after))
    )


def image_attributes(
    cube: xr.Dataset, images: Images, opposite: Images, pairs: tuple[np.ndarray, np.ndarray]
) -> dict[str, Any]:
    """Return the attributes that name the images, the nearest first; none where none is used.

    Pairs are named by both instants, with a slash between them.
    """
    attributes: dict[str, Any] = {}
    for chosen, orbit, name in (
        (images, "orbit", "images"),
        (opposite, "opposite_orbit", "opposite"),
    ):
        if chosen.before:
            times = cube["timestep"].to_numpy()
            attributes[orbit] = chosen.orbit
            attributes[f"{name}_before"] = [str(times[i])[:19] for i in chosen.before]
            attributes[f"{name}_after"] = [str(times[i])[:19] for i in chosen.after]
    used = np.flatnonzero(pairs[0] | pairs[1])
    if used.size:
        first, second = (cube[f"{n}_time"].to_numpy() for n in ("reference", "secondary"))
        attributes["pairs"] = [f"{str(first[i])[:19]}/{str(second[i])[:19]}" for i in used]
    return attributes


def require_variables(cube: xr.Dataset, inputs: Inputs) -> None:
    """Raise a ValueError that names the variables which the cube lacks for these inputs."""
    missing = [name for name in inputs.variables if name not in cube]
    if missing:
        asked = dict.fromkeys(inputs.asked or (inputs.name,))
        need = [name for name in asked if {*parse_inputs(name).variables} & {*missing}]
        raise ValueError(
            f"inputs {', '.join(map(repr, need))} need {', '.join(missing)}, which the cube lacks: "
            f"it has {', '.join(map(str, cube.data_vars))}; choose others, or another cube"
        )

"""What a cube holds, said before any image is read: enough to know what a sweep will do with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landslide.chips.blocks import blocks_with_chips
from landslide.chips.images import (
    Images,
    coherence_pairs,
    likely_geometry,
    select_images,
    sides,
)
from landslide.chips.inputs import (
    BASELINE,
    PAPER_INPUTS,
    PAPER_TIMESTEPS,
    parse_inputs,
)
from landslide.chips.split import paper_split
from landslide.chips.windows import chip_corners
from landslide.cube.address import UNLISTED, filesystem_of, is_zip
from landslide.cube.events import Event, find_event
from landslide.cube.labels import NO_DATA, read_labels
from landslide.cube.layers import readable, stored_grid
from landslide.cube.store import stored_chunks

CHIP = 128
DIMENSIONS = ("timestep", "timepair", "y", "x")


@dataclass(frozen=True)
class Inspection:
    """What `inspect_cube` found."""

    lines: tuple[str, ...]
    """To be read by people."""
    ready: bool
    """Whether the paper's inputs can be formed."""


def inspect_cube(cube: xr.Dataset, event: str | None = None) -> Inspection:
    """Describe a cube; of its pixels only the labels are read.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it.
    event : str, optional
        A published event's name or a TOML file; by default the cube's own.

    Raises
    ------
    ValueError
        Where the event cannot be found, or the labels are wrong.
    """
    lines = [str(cube.encoding.get("source", "cube"))]
    if cube.attrs.get("simulated"):
        lines.append("SIMULATED DATA")
    sizes = sorted(cube.sizes.items(), key=lambda size: (*DIMENSIONS, size[0]).index(size[0]))
    lines.append("dimensions  " + ", ".join(f"{d} {n}" for d, n in sizes))
    for name, stored in sorted(stored_chunks(cube).items()):
        shards = f" in shards {_shape(stored.shards)}" if stored.shards else ""
        lines.append(f"  {name:22s}chunks {_shape(stored.chunks)}{shards}, {stored.codecs}")
    found = find_event(cube, event)
    lines += _timesteps(cube, found)
    corners = None
    if "landslides" in cube:
        corners, about_labels = _labels(cube)
        lines += about_labels
    images, lacking = None, ""
    try:
        images = select_images(cube, found, PAPER_TIMESTEPS[-1])
    except ValueError as error:
        lacking = str(error)
    orbit = images.orbit if images else likely_geometry(cube, found)
    problems = dict(_problems(cube, found, corners, orbit, lacking))
    if corners is not None and len(corners):
        lines += _reading(cube, images, corners)
    lines.append("inputs (paper: each with 1 to 4 timesteps)")
    for name in dict.fromkeys((*PAPER_INPUTS, BASELINE, "coherence")):
        lines.append(f"  {name:12s}{problems.get(name, 'ready')}")
    if "labels" in problems:
        lines.append(f"labels: {problems['labels']}")
    ready = not set(problems) & {*PAPER_INPUTS, BASELINE, "labels"}
    lines.append(
        "the paper's inputs can be formed" if ready else "the paper's inputs cannot be formed"
    )
    return Inspection(tuple(lines), ready)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _timesteps(cube: xr.Dataset, event: Event) -> Iterator[str]:
    """Count the images by orbit and side of the event."""
    instants = str(event.start)[:19] + (
        "" if event.end == event.start else f" to {event.end!s:.19}"
    )
    yield f"event       {event.name}, {instants} UTC"
    if "timestep" not in cube.dims:
        return
    before, after = sides(cube["timestep"].to_numpy(), event)
    unknown = np.full(cube.sizes["timestep"], "unknown")
    names = [
        cube[c].to_numpy().astype(str) if c in cube.coords else unknown
        for c in ("sat:orbit_state", "sat:relative_orbit")
    ]
    orbits = np.array(
        [f"{state}, relative orbit {number}" for state, number in zip(*names, strict=True)]
    )
    for orbit in np.unique(orbits):
        here = orbits == orbit
        during = int((here & ~before & ~after).sum())
        yield (
            f"  {(here & before).sum():3d} before, {(here & after).sum():3d} after"
            f"{f', {during} on neither side' if during else ''}  ({orbit})"
        )


def _labels(cube: xr.Dataset) -> tuple[np.ndarray, list[str]]:
    """Read the labels; return the corners of chips with landslides, and what to say of them."""
    labels = read_labels(cube)
    mapped = labels != NO_DATA
    landslides = int((labels == 1).sum())
    share = landslides / max(int(mapped.sum()), 1)
    lines = [
        (
            f"labels      {share:.2%} of the mapped pixels are landslide; "
            f"{1 - mapped.mean():.2%} of the scene has no label"
        )
    ]
    if min(labels.shape) < CHIP:
        return np.empty((0, 2), int), [*lines, f"the scene is smaller than a chip of {CHIP} pixels"]
    corners = chip_corners((labels.shape[0], labels.shape[1]), CHIP)
    inside = np.array(
        [(labels[y : y + CHIP, x : x + CHIP] == 1).sum() for y, x in corners.tolist()]
    )
    kept = corners[inside > 0]
    pixels = inside.sum() / max(len(kept) * CHIP**2, 1)
    lines.append(
        f"chips       {len(kept)} of {len(corners)} chips of {CHIP} x {CHIP} pixels hold "
        f"landslides, {pixels:.1%} of their pixels"
    )
    if len(kept):
        try:
            paper_split(len(kept))
        except ValueError as error:
            lines.append(f"  {error}")
    return kept, lines


def _problems(
    cube: xr.Dataset, event: Event, corners: np.ndarray | None, orbit: str, lacking: str
) -> Iterator[tuple[str, str]]:
    """Say why an input set cannot be formed, by its name; nothing of what can."""
    for name in (*PAPER_INPUTS, BASELINE, "coherence"):
        inputs = parse_inputs(name)
        missing = [v for v in inputs.variables if v not in cube]
        try:
            if missing:
                yield name, f"missing: {', '.join(missing)}"
            elif inputs.polarisations and lacking:
                yield name, lacking
            elif name == "coherence":
                coherence_pairs(cube, event, orbit)
        except ValueError as error:
            yield name, str(error)
    if corners is None:
        yield "labels", "missing: landslides; a model cannot be trained or scored without"
    elif not len(corners):
        yield "labels", "no chip holds a landslide"


def _reading(cube: xr.Dataset, images: Images | None, corners: np.ndarray) -> Iterator[str]:
    """Say how chips lie in the chunks, and what one pass for the paper's sweep reads."""
    variables = [v for v in parse_inputs(PAPER_INPUTS[-1]).variables if v in cube]
    if not variables:
        return
    # All of them, where they are too few for the paper's sweep.
    read = [*images.before, *images.after] if images else range(cube.sizes.get("timestep", 0))
    decoded, stored, known = 0.0, 0.0, True
    for name in variables:
        array = cube[name]
        layers = _images_decoded(array, read) if "timestep" in array.dims else 1
        blocks = blocks_with_chips(corners, CHIP, *stored_grid(array))
        pixels = sum(block.pixels for block in blocks)
        share = pixels * layers / array.size
        decoded += share * array.nbytes
        size = _stored_bytes(cube, name)
        known &= size is not None
        stored += share * (size or 0)
    crossing = np.zeros(len(corners), np.bool_)
    for grid in {stored_grid(cube[name]) for name in variables}:
        for sizes, starts in zip(grid, corners.T, strict=True):
            first, last = (
                np.searchsorted(np.cumsum(sizes), pixel, "right")
                for pixel in (starts, starts + CHIP - 1)
            )
            crossing |= first != last
    yield (
        f"alignment   {crossing.sum()} of {len(corners)} chips cross the store's chunks, which are "
        "read once all the same"
        if crossing.any()
        else "alignment   every chip lies in one chunk of the store"
    )
    on_disk = f"about {stored / 1e6:,.0f} MB stored, " if known else ""
    yield f"reading     a sweep's one pass reads {on_disk}{decoded / 1e6:,.0f} MB decoded"


def _images_decoded(array: xr.DataArray, images: Sequence[int]) -> int:
    """Return how many images lie in the stored chunks of those that are read, themselves too."""
    chunks = readable(array).chunk_numbers(array.dims.index("timestep"))
    return int(np.isin(chunks, chunks[list(images)]).sum())


def _stored_bytes(cube: xr.Dataset, name: str) -> int | None:
    """Return the bytes of a variable in its store, None where the store cannot be listed."""
    source = cube.encoding.get("source")
    if source is None or (source.startswith(UNLISTED) and not is_zip(source)):
        return None
    filesystem, path = filesystem_of(source)
    try:
        return int(filesystem.du(f"{path}/{name}")) or None
    except (OSError, NotImplementedError):
        return None

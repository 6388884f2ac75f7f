"""One chip of a cube as planes to draw."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from landslide.chips.images import select_images
from landslide.chips.inputs import PAPER_TIMESTEPS, TERRAIN
from landslide.chips.loading import load_chips
from landslide.chips.split import Chipping, split_to_json
from landslide.chips.stream import plan_stream
from landslide.chips.windows import chip_corners, cut
from landslide.cube.events import Event
from landslide.cube.georeference import pixel_metres
from landslide.cube.labels import NO_DATA, keep_labels, read_labels
from landslide.cube.schema import POLARISATIONS
from landslide.cube.stored import DamagedChunkError

TERRAIN_NAMES = {
    "dem": "Elevation [m]",
    "dem_slope_radians": "Slope [rad]",
    "dem_aspect": "Aspect [degrees]",
    "dem_curvature": "Curvature [1/100 m]",
}


@dataclass(frozen=True)
class ExampleChip:
    """A chip to look at."""

    channels: dict[str, np.ndarray]
    """Planes (y, x) by name and unit; backscatter in dB."""
    label: np.ndarray
    """uint8 (y, x)."""
    title: str
    pixel_m: float | None
    """Width of a pixel [m]; None where the cube does not say."""


def example_chip(
    cube: xr.Dataset, event: Event, position: int | None = None, chip_size: int = 128
) -> ExampleChip:
    """Read one chip of a cube, and only the blocks that hold it.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it.
    event : Event
    position : int, optional
        Which of the chips with landslides, in the order of the cutting; by default the one with
        the most landslide pixels.
    chip_size : int

    Raises
    ------
    ValueError
        Where there is no such chip, or nothing to draw; a DamagedChunkError where a chunk of the
        chip is damaged.
    """
    chipping = Chipping(protocol="blocked", chip_size=chip_size)
    cube = keep_labels(cube)
    labels = read_labels(cube)
    rows, columns = labels.shape
    corners = chip_corners((rows, columns), chip_size, pad=True)
    inside = (cut(labels, corners, chip_size, NO_DATA) == 1).sum(axis=(1, 2))
    corners, inside = corners[inside > 0], inside[inside > 0]
    if not len(corners):
        raise ValueError("no chip holds a landslide: there is nothing to draw")
    if position is None:
        position = int(np.argmax(inside))
    if not 0 <= position < len(corners):
        raise ValueError(
            f"chip {position} is not among the {len(corners)} with landslides: choose one from 0 "
            f"to {len(corners) - 1}"
        )
    corner = corners[position : position + 1]
    split = split_to_json(corner, np.array(["test"]), chipping)
    terms = [p for p in POLARISATIONS if p in cube] + ["dem"] * all(t in cube for t in TERRAIN)
    if not terms:
        raise ValueError("the cube has neither backscatter nor terrain: there is nothing to draw")
    timesteps = _most_timesteps(cube, event) if "timestep" in cube.dims else 1
    stream = plan_stream(
        cube, event, inputs="+".join(terms), timesteps=[timesteps], chipping=chipping, split=split
    )
    try:
        chips = load_chips(stream)
    except DamagedChunkError as error:  # which says how chips are left out of many
        raise DamagedChunkError(f"{error.__cause__}, or draw another position (--chip)") from error
    decibels = 10 / np.log(10) * chips["sar"].to_numpy()[0, 0]
    names = [_sar_name(str(c)) for c in chips["sar_channel"].to_numpy()]
    channels = dict(zip(names, decibels, strict=True))
    for name, plane in zip(
        chips["static_channel"].to_numpy(), chips["static"].to_numpy()[0], strict=True
    ):
        channels[TERRAIN_NAMES[str(name)]] = plane
    y, x = corner[0].tolist()
    images = "1 image" if timesteps == 1 else f"{timesteps} images"
    title = f"{event.name}, chip at row {y}, column {x}; {images} before and after"
    return ExampleChip(channels, chips["label"].to_numpy()[0], title, pixel_metres(cube))


def _sar_name(channel: str) -> str:
    polarisation, side = channel.split("_")
    return f"{polarisation.upper()} {side} [dB]"


def _most_timesteps(cube: xr.Dataset, event: Event) -> int:
    """Return the paper's largest timestep count that the cube has images for."""
    for count in reversed(PAPER_TIMESTEPS[1:]):
        try:
            select_images(cube, event, count)
        except ValueError:
            continue
        return count
    return 1

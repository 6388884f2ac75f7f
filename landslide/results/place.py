"""A whole cube as planes to look at, read in blocks and coarsened on the way."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from landslide.chips.images import select_images
from landslide.cube.events import Event
from landslide.cube.georeference import crs_of, pixel_metres
from landslide.cube.labels import read_labels
from landslide.cube.schema import POLARISATIONS

if TYPE_CHECKING:
    from pyproj import CRS

type Plane = npt.NDArray[np.float32]

LONGEST = 800
"""Pixels on the longer side of a panel, at most."""


@dataclass(frozen=True)
class Place:
    """A scene to look at; planes are (y, x), coarsened by one factor, north up."""

    images: dict[str, Plane]
    """Backscatter [dB] before and after, by title; NaN where there is no image on a side."""
    label: npt.NDArray[np.uint8] | None
    """1 where any landslide lies in a pixel, 0 none, 255 no data; None without labels."""
    elevation: Plane | None
    """[m]; None without."""
    pixel_m: float | None
    """Side of a coarsened pixel [m]; None where the cube does not say."""
    pixel_share: float
    """How much of the labelled pixels, uncoarsened, is landslide, 0 to 1."""
    middle: tuple[float, float] | None
    """Its longitude and latitude [degrees], -180 to 180; None without a reference system."""
    title: str
    facts: list[str]
    """What else to say, a line each."""


def read_place(cube: xr.Dataset, event: Event) -> Place:
    """Read a cube for figure 2; of the images only the one nearest the event on either side.

    Raises
    ------
    ValueError
        Where the cube has no backscatter, or no image of the event's orbit.
    """
    names = [name for name in POLARISATIONS if name in cube]
    if not names:
        raise ValueError("the cube has no backscatter: figure 2 shows an image before and after")
    chosen = select_images(cube, event, 1, one_sided=True)
    height, width = cube.sizes["y"], cube.sizes["x"]
    factor = max(1, -(-max(height, width) // LONGEST))
    images = {}
    for side, positions in (("before", chosen.before), ("after", chosen.after)):
        if not positions:  # a cube that was built of one side
            nothing = np.full((height // factor, width // factor), np.nan, np.float32)
            images[f"{names[0].upper()} {side}: no image"] = nothing
            continue
        power = _coarse(cube[names[0]].isel(timestep=positions[0]), factor, "mean")
        date = str(cube["timestep"].to_numpy()[positions[0]])[:10]
        with np.errstate(divide="ignore", invalid="ignore"):
            images[f"{names[0].upper()} {side}, {date} [dB]"] = 10 * np.log10(power)
    label, share = _label(cube, factor)
    crs, pixel = crs_of(cube), pixel_metres(cube)
    facts = [
        f"event {str(event.start)[:16].replace('T', ' ')} UTC",
        f"orbit {chosen.orbit}",
        f"{height} x {width} pixels" + (f" of {pixel:g} m" if pixel else ""),
    ]
    if factor > 1:
        facts.append(f"shown at 1/{factor} of the resolution")
    return Place(
        images=images,
        label=label,
        elevation=_coarse(cube["dem"], factor, "mean") if "dem" in cube else None,
        pixel_m=pixel * factor if pixel else None,
        pixel_share=share,
        middle=_middle(cube, crs) if crs is not None and "x" in cube.coords else None,
        title=event.name,
        facts=facts,
    )


def _coarse(plane: xr.DataArray, factor: int, how: str) -> np.ndarray:
    """Return (y, x) with squares of `factor` pixels joined, ignoring pixels without data."""
    plane = plane.transpose("y", "x")
    if factor > 1:
        plane = getattr(plane.coarsen(y=factor, x=factor, boundary="trim"), how)()
    return plane.to_numpy()


def _label(cube: xr.Dataset, factor: int) -> tuple[npt.NDArray[np.uint8] | None, float]:
    if "landslides" not in cube:
        return None, float("nan")
    labels = xr.DataArray(read_labels(cube), dims=("y", "x"))
    slid, known = labels == 1, labels <= 1
    any_slide, any_valid = _coarse(slid, factor, "max"), _coarse(known, factor, "max")
    share = float(slid.sum()) / max(float(known.sum()), 1)
    return np.where(any_slide, 1, np.where(any_valid, 0, 255)).astype(np.uint8), share


def _middle(cube: xr.Dataset, crs: "CRS") -> tuple[float, float]:
    """Return the longitude and latitude of the grid's middle: corners may lie across 180."""
    from pyproj import Transformer  # noqa: PLC0415 - of the extras, for cubes with a CRS only

    x, y = (float(cube[axis].to_numpy()[[0, -1]].mean()) for axis in ("x", "y"))
    east, north = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return (east + 180) % 360 - 180, north

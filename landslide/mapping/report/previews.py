"""Small pictures of a map for the report: read block by block, whatever the scene's size."""

import base64
import functools
import warnings
from collections.abc import Callable, Iterable

import numpy as np
import rasterio
import xarray as xr
from dask.array.core import slices_from_chunks
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from landslide.cube.schema import POLARISATIONS
from landslide.mapping.products.ground import Ground, add_to_squares, blocks_of
from landslide.mapping.products.rasters import read_block
from landslide.mapping.products.reading import read_plane

LONGEST = 1400  # pixels on a picture's longer side, at most
CLIPPED = 2.0  # per cent of pixels beyond either end of a grey scale
PROBABLE, UNSEEN = (214, 62, 26), (46, 94, 150)
"""Red, green and blue of what is probable, and of what no image showed."""
HATCH = 8  # pixels
LIGHT = (-0.5, 0.5, np.sqrt(0.5))
"""Unit vector to the lamp (east, north, up): from the north-west, 45 degrees high."""

type Read = Callable[[slice, slice], NDArray[np.floating]]


def step_of(shape: tuple[int, int]) -> int:
    """Return how many pixels on a side become one of a picture."""
    return max(1, -(-max(shape) // LONGEST))


def coarse(
    read: Read, shape: tuple[int, int], blocks: Iterable[tuple[slice, slice]]
) -> NDArray[np.float32]:
    """Return the means of a plane's valid pixels over squares of `step_of` (y, x), NaN without any.

    Parameters
    ----------
    read
        Reads a block, from its rows and columns.
    shape
        Of the plane.
    blocks
        Rows and columns of those that the plane consists of.
    """
    step = step_of(shape)
    total, count = np.zeros((2, *(-(-size // step) for size in shape)))
    for block in blocks:
        values = read(*block)
        valid = np.isfinite(values)
        add_to_squares(total, np.where(valid, values, 0), block, (step, step))
        add_to_squares(count, valid, block, (step, step))
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean.astype(np.float32)


def coarse_of_cube(plane: xr.DataArray, damages: set[str] | None = None) -> NDArray[np.float32]:
    """Return `coarse` of a cube's plane (y, x), each of its stored chunks read once.

    Damage is what `read_plane` makes of it.
    """
    plane = plane.transpose("y", "x")
    shape = plane.sizes["y"], plane.sizes["x"]
    blocks = blocks_of(shape) if plane.chunks is None else slices_from_chunks(plane.chunks)
    return coarse(lambda rows, columns: read_plane(plane, rows, columns, damages), shape, blocks)


def coarse_of_raster(path: str) -> NDArray[np.float32]:
    """Return `coarse` of a raster on disk."""
    with rasterio.open(path) as raster:
        read = functools.partial(read_block, raster)
        return coarse(read, raster.shape, blocks_of(raster.shape))


def hillshade(elevation: NDArray[np.float32], ground: Ground) -> NDArray[np.float32]:
    """Return how bright the ground is (y, x), 0 to 1, lit from the north-west; NaN: no elevation.

    The brightness of a matt surface: the cosine between its normal and the light.

    Parameters
    ----------
    elevation : float32 (y, x)
        [m], as `coarse` gives it.
    ground : Ground
        Of the map that it is a picture of.
    """
    if min(elevation.shape) < 2:
        return np.where(np.isfinite(elevation), np.float32(LIGHT[2]), np.float32(np.nan))
    step = step_of(ground.shape)
    south, east = np.gradient(elevation, ground.pixel[0] * step, ground.pixel[1] * step)
    brightness = (-east * LIGHT[0] + south * LIGHT[1] + LIGHT[2]) / np.sqrt(1 + east**2 + south**2)
    return np.clip(brightness, 0, 1)


def grey(values: NDArray[np.floating], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Return `values` as grey from 1 to 255 between limits, 0 where there is none."""
    low, high = limits
    scaled = (values - low) / (high - low if high > low else 1)
    return np.where(np.isfinite(values), 1 + 254 * np.clip(scaled, 0, 1), 0).astype(np.uint8)


def limits_of(*planes: NDArray[np.floating]) -> tuple[float, float]:
    """Return between which values most pixels of some planes lie."""
    values = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, [CLIPPED, 100 - CLIPPED])
    return float(low), float(high)


def tinted(share: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return probabilities as a see-through red (4, y, x): the surer, the denser.

    Where there is none, blue is hatched.
    """
    unseen = np.isnan(share)
    rows, columns = (np.arange(size) for size in share.shape)
    hatched = np.add.outer(rows, columns) % HATCH < HATCH // 2
    opacity = np.clip(np.nan_to_num(share) - 0.05, 0, 1) ** 0.7 * 235
    opacity = np.where(unseen, np.where(hatched, 230, 110), opacity)
    colours = np.array([PROBABLE, UNSEEN], np.uint8)[unseen.astype(np.intp)]
    return np.concatenate([np.moveaxis(colours, -1, 0), opacity.astype(np.uint8)[None]])


def picture(bands: NDArray[np.uint8], driver: str) -> str:
    """Return a picture (band, y, x) as a `data:` address; PNG or JPEG."""
    options = {"QUALITY": "82"} if driver == "JPEG" else {"ZLEVEL": "9"}
    count, height, width = bands.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile() as memory:
            with memory.open(
                driver=driver, width=width, height=height, count=count, dtype="uint8", **options
            ) as image:
                image.write(bands)
            packed = base64.b64encode(memory.read()).decode()
    return f"data:image/{driver.lower()};base64,{packed}"


def image_at(cube: xr.Dataset, instant: str) -> tuple[str, xr.DataArray] | None:
    """Return the polarisation and the backscatter (y, x) of a cube's image, by its instant."""
    name = next((each for each in POLARISATIONS if each in cube), None)
    if name is None or "timestep" not in cube.coords:
        return None
    apart = np.abs(cube["timestep"].to_numpy() - np.datetime64(instant.removesuffix("Z"), "ns"))
    nearest = int(np.argmin(apart))
    if apart[nearest] > np.timedelta64(1, "s"):
        return None
    return name.upper(), cube[name].isel(timestep=nearest)

"""Backscatter: passes become VV and VH on one grid, lazily."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import odc.stac
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from landslide.build.passes import Pass
from landslide.build.rasters import describe_raster
from landslide.build.reading import SigningDriver
from landslide.build.signing import Signer, unsigned
from landslide.cube.coordinates import ORBIT_STATE, RELATIVE_ORBIT
from landslide.cube.schema import VARIABLES
from landslide.storage import without_secrets

COARSER = 1.5
"""A grid this many times coarser than a scene averages its pixels; else they are interpolated."""

HEADERS = 16
"""Files whose headers are read at once: an archive answers in a tenth of a second or more."""


def open_images(
    passes: tuple[Pass, ...], polarisations: tuple[str, ...], sign: Signer = unsigned
) -> None:
    """Open each file of passes, as `load_backscatter` will to read it, and see where it lies.

    Raises
    ------
    ValueError, OSError
        Of the first that cannot be used: it is not there or refused, no GeoTIFF, cut off within its
        header, without a reference system, or of values that are scaled.
    """
    scenes = (scene for one in passes for scene in one.scenes)
    files = [scene.addresses[name] for scene in scenes for name in polarisations]
    with ThreadPoolExecutor(HEADERS) as readers:
        for raster in readers.map(lambda file: describe_raster(file, sign=sign), files):
            if (raster.scale, raster.offset) != (1, 0):
                raise ValueError(
                    f"{without_secrets(raster.address)} holds backscatter by a scale of "
                    f"{raster.scale:g} and an offset of {raster.offset:g}, which are not applied: "
                    "make it linear power (gdal_translate -unscale -ot Float32)"
                )


def load_backscatter(
    passes: tuple[Pass, ...],
    polarisations: tuple[str, ...],
    geobox: GeoBox,
    *,
    block_pixels: int = 1024,
    resampling: str = "auto",
    sign: Signer = unsigned,
) -> xr.Dataset:
    """Return the backscatter of passes on a grid, lazily: each block reads only its windows.

    Pixels are moved as linear power. Where scenes of one pass overlap the earlier one counts,
    and the next where that has no data. Pixels that lie on the grid already stay as they are.

    Parameters
    ----------
    passes : tuple of Pass
        By time.
    polarisations : tuple of str
        `vv`, `vh` or both.
    geobox : GeoBox
    block_pixels : int
        Side of a Dask block.
    resampling : str
        `auto`, or a name of GDAL's.
    sign : callable
        What makes an address one that can be read, at the time of reading.

    Returns
    -------
    Dataset
        `vv` and `vh` (timestep, y, x), float32, gamma0 in linear power, NaN where there is no
        data, with the orbit state, the track and the platform of each image as coordinates.
    """
    images = [
        _load(one, polarisations, geobox, block_pixels, _resampling(one, geobox, resampling), sign)
        for one in passes
    ]
    stacked = xr.concat(images, "timestep", coords="minimal", compat="override", join="override")
    coordinates = {
        "timestep": ("timestep", np.array([one.start for one in passes], "datetime64[ns]")),
        ORBIT_STATE: ("timestep", np.array([one.orbit_state for one in passes], object)),
        "platform": ("timestep", np.array([one.platform for one in passes], object)),
    }
    if all(one.relative_orbit is not None for one in passes):
        tracks = np.array([one.relative_orbit for one in passes], np.int64)
        coordinates[RELATIVE_ORBIT] = ("timestep", tracks)
    for name in polarisations:
        known = VARIABLES[name]
        stacked[name].attrs = {"long_name": known.meaning, "units": known.unit}
    return stacked.assign_coords(xr_coords(geobox)).assign_coords(coordinates)


def _resampling(one: Pass, geobox: GeoBox, wanted: str) -> str:
    if wanted != "auto":
        return wanted
    finest = min(scene.pixel_m for scene in one.scenes)
    return "average" if geobox.resolution.x >= COARSER * finest else "bilinear"


def _load(
    one: Pass,
    polarisations: tuple[str, ...],
    geobox: GeoBox,
    block_pixels: int,
    resampling: str,
    sign: Signer,
) -> xr.Dataset:
    loaded = odc.stac.load(
        [scene.item() for scene in one.scenes],
        bands=list(polarisations),
        geobox=geobox,
        groupby=lambda *_: 0,
        resampling=resampling,
        dtype="float32",
        chunks={"y": block_pixels, "x": block_pixels},
        driver=SigningDriver(sign),
        use_overviews=False,  # who knows how they were averaged
    )
    planes = loaded.isel(time=slice(0, 1)).rename(time="timestep")
    return planes.drop_vars([name for name in planes.coords if name != "timestep"])

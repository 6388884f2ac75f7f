"""A cube brought to pixels of another size, lazily: to those that a model was trained on."""

import math
from typing import Any

import numpy as np
import xarray as xr

from landslide.cube.georeference import geobox_of
from landslide.cube.labels import NO_DATA
from landslide.cube.schema import POLARISATIONS
from landslide.mapping.area import fits
from landslide.training.bundle import Bundle

WITHOUT: dict[str, Any] = {"src_nodata": NO_DATA, "dst_nodata": NO_DATA}
"""Of classes and masks; else a 0 would count as no data, and become a 1."""
BLOCK = 1024  # pixels on a side of what Dask makes at once
NEAREST = ("dem_aspect", "landslides", "mapped", "observed")
"""A direction has no mean, nor has a class."""
EXACT = 1e-6
"""Of a pixel: less than that beyond the last one is an error of rounding."""


def resampled(cube: xr.Dataset, bundle: Bundle) -> tuple[xr.Dataset, list[str]]:
    """Return a cube in pixels of the size that a model knows, and in words what was done.

    Backscatter is averaged as linear power, which keeps its energy; to smaller pixels it is
    interpolated. Terrain is treated alike, but for the aspect: that, and labels, are the nearest.
    The last row and column may reach beyond the cube. Stored chunks at the border of two blocks
    are then read for both of them.

    Raises
    ------
    ValueError
        Where the cube names no coordinate reference system, or one in another unit.
    """
    if fits(cube, bundle):
        return cube, []
    geobox = geobox_of(cube)
    known = bundle.pixel_size
    if geobox is None:
        raise ValueError(
            f"the cube {cube.encoding.get('source', 'given')} names no coordinate reference "
            "system: one is needed to --resample it"
        )
    assert known is not None
    from odc.geo.geobox import GeoBox  # noqa: PLC0415 - with odc-geo
    from odc.geo.xr import xr_reproject  # noqa: PLC0415

    box = geobox.boundingbox
    height, width = (
        math.ceil(length / size - EXACT)
        for length, size in zip((box.span_y, box.span_x), known, strict=True)
    )
    from affine import Affine  # noqa: PLC0415 - with odc-geo

    target = GeoBox(
        (height, width), Affine(known[1], 0, box.left, 0, -known[0], box.top), geobox.crs
    )
    coarser = known[0] * known[1] > abs(geobox.resolution.x * geobox.resolution.y)
    planes = {}
    for name, array in cube.data_vars.items():
        if not {"y", "x"} <= set(array.dims) or array.dtype.kind == "c":
            continue
        how = "nearest" if name in NEAREST else "average" if coarser else "bilinear"
        at_hand = array.drop_vars([c for c in array.coords if c not in array.dims])
        at_hand = at_hand.copy(deep=False)  # or what follows would change the caller's cube
        at_hand.attrs = {k: v for k, v in array.attrs.items() if k != "grid_mapping"}
        at_hand.encoding = {}  # a layer no more: read through Dask
        lazy = at_hand.odc.assign_crs(geobox.crs)
        if name in POLARISATIONS:  # power, of which 0 is no data
            lazy = lazy.where(np.isfinite(lazy) & (lazy > 0))
        classes = array.dtype.kind == "b" or (array.dtype.kind in "iu" and name in NEAREST)
        made = xr_reproject(
            lazy.astype(np.int32 if classes else np.float32),
            target,
            resampling=how,
            chunks=(BLOCK, BLOCK),
            **(WITHOUT if classes else {}),
        )
        if array.dtype.kind == "b":
            made = made == 1
        planes[str(name)] = made.astype(array.dtype) if classes else made
    changed = xr.Dataset(planes, attrs=cube.attrs)
    along = {name: c for name, c in cube.coords.items() if c.ndim and not {"y", "x"} & set(c.dims)}
    changed = changed.assign_coords(along)
    changed.encoding = dict(cube.encoding)
    size = geobox.resolution
    said = (
        f"Resampled from pixels of {abs(size.y):g} x {size.x:g} to {known[0]:g} x {known[1]:g}, "
        "those that the model was trained on."
    )
    return changed, [said]

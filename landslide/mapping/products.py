"""From a map of probabilities to what a responder opens: rasters, polygons, numbers, a page."""

from collections.abc import Sequence

import xarray as xr

from landslide.mapping.facts import MapFacts

FORMATS = ("gpkg", "geojson", "parquet", "qgis", "report")
"""What is written beside the rasters and the summary, which always are."""


def write_products(
    scene: xr.Dataset,
    cube: xr.Dataset,
    facts: MapFacts,
    out: str,
    *,
    minimum_area: float = 400.0,
    formats: Sequence[str] = ("gpkg", "qgis", "report"),
    no_crs: bool = False,
) -> dict[str, str]:
    """Write all products of a map into a folder.

    Parameters
    ----------
    scene : Dataset on the cube's grid, or on a window of it
        `probability (y, x)` float32, 0 to 1, NaN where there is no data, and where several
        models made it `spread (y, x)`, their standard deviation. It may be lazy: it is read block
        by block, in bounded memory.
    cube : Dataset
        As `open_cube` gives it: terrain, images and labels are read from it, where it has them.
    facts : MapFacts
    out : str
        Address of a folder, which is made.
    minimum_area : float
        Polygons of less [m2, in an equal-area projection] are dropped.
    formats : sequence of str
        Some of `FORMATS`.
    no_crs : bool
        Allow a cube without coordinate reference system.

    Returns
    -------
    dict
        Address of each product by its name: `probability`, `mask`, `landslides` and so on.

    Raises
    ------
    ValueError
        Where the cube has no coordinate reference system and `no_crs` is not set, the scene has
        no valid pixel, or does not lie on the cube's grid.
    OSError
        Where the folder cannot be written.
    """
    raise NotImplementedError

"""The STAC item of a cube: what catalogues and pystac know of it."""

import numpy as np
import pystac
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import CRS
from pystac.extensions.datacube import DatacubeExtension
from pystac.extensions.projection import ProjectionExtension

from landslide.build.grid import LONGITUDE_LATITUDE
from landslide.build.outlines import box_of, one_turn, outline
from landslide.build.plan import BuildPlan
from landslide.build.target import Target

ZARR = "application/vnd.zarr; version=3"


def item_address(cube: str) -> str:
    """Return where a cube's STAC item lies: beside it."""
    return f"{cube.removesuffix('.zarr')}.stac.json"


def cube_item(plan: BuildPlan, target: Target, cube: xr.Dataset) -> pystac.Item:
    """Return the STAC item of a cube.

    Parameters
    ----------
    plan : BuildPlan
    target : Target
        The cube as it lies in its store.
    cube : Dataset
        The same, opened.

    Returns
    -------
    pystac.Item
        With the datacube and the projection extension; its one asset is the cube.
    """
    around = outline(plan.grid, LONGITUDE_LATITUDE)
    times = cube["timestep"].to_numpy() if "timestep" in cube.coords else np.array([], "M8[ns]")
    event = plan.recipe.event
    first, last = (times.min(), times.max()) if times.size else (event.start, event.end)
    layers = target.layers()
    licences = sorted({one for about in layers.values() for one in about.get("licences", [])})
    item = pystac.Item(
        event.name,
        shapely.geometry.mapping(one_turn(around)),
        box_of(around),
        None,
        {
            "landslide:event": np.datetime_as_string(event.start, "s") + "Z",
            "landslide:layers": sorted(layers),
            "landslide:items": [
                one for name in sorted(layers) for one in layers[name].get("items", [])
            ],
            "license": licences[0] if len(licences) == 1 else "other",
            "landslide:licences": licences,
            "description": f"Sentinel-1 datacube of the event {event.name}",
        },
        start_datetime=first.astype("datetime64[us]").item(),
        end_datetime=last.astype("datetime64[us]").item(),
    )
    href = target.address if "://" in target.address else "./" + target.address.rpartition("/")[2]
    item.add_asset("cube", pystac.Asset(href, media_type=ZARR, roles=["data"]))
    projection = ProjectionExtension.ext(item, add_if_missing=True)
    crs = CRS.from_user_input(str(plan.grid.crs))
    epsg = crs.to_epsg()
    projection.apply(
        code=f"EPSG:{epsg}" if epsg else None,
        wkt2=None if epsg else crs.to_wkt(),
        shape=list(plan.grid.shape),
        transform=[float(number) for number in list(plan.grid.affine)[:6]],
    )
    item.stac_extensions.append(DatacubeExtension.get_schema_uri())
    item.properties |= {
        "cube:dimensions": _dimensions(cube, plan.grid),
        "cube:variables": _variables(cube),
    }
    return item


def _dimensions(cube: xr.Dataset, grid: GeoBox) -> dict[str, object]:
    crs = CRS.from_user_input(str(grid.crs))
    found: dict[str, object] = {}
    for axis in ("y", "x"):
        values = cube[axis].to_numpy()
        found[axis] = {
            "type": "spatial",
            "axis": axis,
            "extent": [float(values.min()), float(values.max())],
            "step": float(abs(grid.resolution.y)),
            # The extension takes metres for degrees where this is not said.
            "reference_system": crs.to_epsg() or crs.to_wkt(),
        }
    if "timestep" in cube.coords:
        values = np.datetime_as_string(cube["timestep"].to_numpy(), "s")
        stamps = [f"{stamp}Z" for stamp in values]
        found["timestep"] = {
            "type": "temporal", "extent": [stamps[0], stamps[-1]], "values": stamps,
        }  # fmt: skip
    if "timepair" in cube.dims:
        found["timepair"] = {"type": "pair", "values": list(range(cube.sizes["timepair"]))}
    return found


def _variables(cube: xr.Dataset) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, variable in cube.data_vars.items():
        if not {"y", "x"} <= set(variable.dims):
            continue
        found[str(name)] = {
            "type": "data",
            "dimensions": list(map(str, variable.dims)),
            "description": str(variable.attrs.get("long_name", name)),
        }
        if unit := variable.attrs.get("units"):
            found[str(name)] |= {"unit": str(unit)}  # type: ignore[operator]
    return found

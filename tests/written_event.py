"""A simulated cube written out as an archive has it, to be built again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

UTM = "EPSG:32654"
SEAM = 200
"""Row at which the two bursts of an image meet; they overlap by a few."""


def _write_event(cube: Any, folder: Path) -> Path:
    """Write a cube out: images, DEM and inventory, and the event file that names them."""
    import geopandas
    import numpy as np
    import rasterio.features
    import shapely
    from rasterio.transform import from_origin

    from landslide.cube.events import find_event

    left, top = float(cube["x"][0]) - 5, float(cube["y"][0]) + 5
    (folder / "rtc").mkdir()
    for index in range(cube.sizes["timestep"]):
        image = cube.isel(timestep=index)
        stamp = np.datetime_as_string(image["timestep"].values, "s").translate(
            str.maketrans("", "", "-:")
        )
        track = int(image["sat:relative_orbit"])
        for name in ("vv", "vh"):
            values = image[name].to_numpy()
            for burst, rows in (("000001", slice(0, SEAM + 8)), ("000002", slice(SEAM, None))):
                stem = f"OPERA_L2_RTC-S1_T{track:03}-{burst}-IW1_{stamp}Z_20260101T000000Z_S1A_30"
                _write_image(
                    folder / "rtc" / f"{stem}_v1.0_{name.upper()}.tif",
                    values[rows],
                    left,
                    top - 10 * rows.start,
                )
    _write_image(folder / "dem.tif", cube["dem"].to_numpy(), left, top)
    where = from_origin(left, top, 10, 10)
    slides = cube["landslides"].to_numpy()
    shapes = rasterio.features.shapes(slides, mask=slides == 1, transform=where)
    polygons = [shapely.geometry.shape(geometry) for geometry, _ in shapes]
    geopandas.GeoDataFrame(geometry=polygons, crs=UTM).to_file(folder / "slides.gpkg")
    # A little inside: straight edges bend by half a metre on their way through degrees.
    bounds = (left + 2, top - 10 * cube.sizes["y"] + 2, left + 10 * cube.sizes["x"] - 2, top - 2)
    area = geopandas.GeoSeries([shapely.box(*bounds)], crs=UTM).to_crs("EPSG:4326").iloc[0]
    (folder / "area.geojson").write_text(json.dumps(shapely.geometry.mapping(area)))
    event = find_event(cube)
    path = folder / "event.toml"
    path.write_text(
        f"""
name = "{event.name}"
time = {np.datetime_as_string(event.start, "s")}Z

[build]
area = "area.geojson"
crs = "{UTM}"
before_days = 3650
after_days = 3650
sar = {{source = "rtc"}}
terrain = {{source = "dem.tif", min_coverage = 0.9}}
labels = {{inventory = "slides.gpkg"}}
"""
    )
    return path


def _write_image(path: Path, values: Any, left: float, top: float) -> None:
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1,
        dtype=values.dtype, crs=UTM, transform=from_origin(left, top, 10, 10), nodata=np.nan,
    ) as image:  # fmt: skip
        image.write(values, 1)


@pytest.fixture(scope="session")
def write_event() -> Callable[[Any, Path], Path]:
    """Return what writes a simulated cube out as an archive has it, and the event file for it."""
    return _write_event

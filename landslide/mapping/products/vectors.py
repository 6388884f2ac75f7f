"""Polygons in files: a GeoPackage with its sources and styles, GeoJSON, GeoParquet."""

import warnings
from collections.abc import Mapping
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import rasterio
import rasterio.features
import shapely

from landslide.mapping.facts import MapFacts
from landslide.mapping.products.ground import Ground, add_to_squares, blocks_of
from landslide.mapping.products.polygons import on_the_ground
from landslide.mapping.products.rasters import read_block
from landslide.mapping.products.styles import FILLS, polygon_style

FOOTPRINT_PIXELS = 1024
"""Side of the coarser raster that the footprint is drawn from, at most."""


def area_of_interest(ground: Ground, facts: MapFacts) -> geopandas.GeoDataFrame:
    """Return the ground that was to be mapped, as one polygon."""
    height, width = ground.shape
    outline = on_the_ground(np.array([shapely.box(0, 0, width, height)]), ground)
    note = " ".join(facts.statements())
    return geopandas.GeoDataFrame(
        {"event": [facts.event.name], "note": [note]}, geometry=outline, crs=ground.crs
    )


def image_footprint(probability: str, ground: Ground, facts: MapFacts) -> geopandas.GeoDataFrame:
    """Return the ground that the images show, as one MultiPolygon.

    It is made of squares of `detail_pixels`, each with any pixel of the map that has data.
    """
    height, width = ground.shape
    step = max(1, -(-max(height, width) // FOOTPRINT_PIXELS))
    pixels = np.zeros((-(-height // step), -(-width // step)))
    with rasterio.open(probability) as raster:
        for block in blocks_of(ground.shape):
            add_to_squares(pixels, np.isfinite(read_block(raster, *block)), block, (step, step))
    seen = (pixels > 0).astype(np.uint8)
    found = [
        shapely.geometry.shape(outline)
        for outline, _ in rasterio.features.shapes(seen, mask=seen, connectivity=4)
    ]
    # The last squares may reach beyond the map.
    edge = np.array([width, height])
    whole = shapely.transform(
        shapely.unary_union(found), lambda points: np.minimum(points * step, edge)
    )
    whole = shapely.multipolygons(shapely.get_parts(whole))
    record = {
        "event": [facts.event.name],
        "images_before": [", ".join(sorted((*facts.images_before, *facts.opposite_before)))],
        "images_after": [", ".join(sorted((*facts.images_after, *facts.opposite_after)))],
        "orbit": [facts.orbit],
        "detail_pixels": [step],
        "note": [" ".join(facts.statements())],
    }
    return geopandas.GeoDataFrame(
        record, geometry=on_the_ground(np.array([whole]), ground), crs=ground.crs
    )


def sources(facts: MapFacts) -> pd.DataFrame:
    """Return what the map was made from: images, the cube, models, and what is to be said of it."""
    rows = [
        *(("image before", instant, facts.inputs) for instant in facts.images_before),
        *(("image after", instant, facts.inputs) for instant in facts.images_after),
        *(("image before", each, "opposite orbit") for each in facts.opposite_before),
        *(("image after", each, "opposite orbit") for each in facts.opposite_after),
        *(("pair of images", pair, "coherence") for pair in facts.pairs),
        ("cube", facts.cube, "simulated" if facts.simulated else ""),
        *(("model", m.address, f"trained on {m.trained_on or 'unknown'}") for m in facts.members),
        ("threshold", f"{facts.threshold:g}", facts.threshold_from),
        ("areas", "of the map's pixels", "outlines are simplified"),
        *(("statement", each, "") for each in facts.statements()),
        *(("provenance", name, text) for name, text in facts.provenance.items()),
        *(("version", name, text) for name, text in facts.versions.items()),
    ]
    return pd.DataFrame(rows, columns=["kind", "name", "detail"], dtype=str)


def _layer_styles() -> pd.DataFrame:
    """Return the table in which QGIS looks for the styles of a GeoPackage's layers."""
    table = pd.DataFrame({"f_table_name": list(FILLS)})
    table["f_table_catalog"] = table["f_table_schema"] = ""
    table["f_geometry_column"] = "geom"
    table["styleName"] = table["f_table_name"]
    table["styleQML"] = [polygon_style(layer) for layer in FILLS]
    table["styleSLD"] = table["ui"] = table["owner"] = ""
    table["useAsDefault"] = True
    table["description"] = "as the map's report shows it"
    table["update_time"] = pd.Timestamp.now("UTC").tz_localize(None).floor("s")
    return table


def _write(frame: pd.DataFrame, path: str, layer: str, **options: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")  # as was asked for
        pyogrio.write_dataframe(frame, path, layer=layer, **options)


def write_geopackage(
    path: str, landslides: geopandas.GeoDataFrame, layers: Mapping[str, pd.DataFrame], about: str
) -> None:
    """Write the landslides and further layers to a GeoPackage on disk, with styles for QGIS."""
    metadata = {"DESCRIPTION": about}
    options: dict[str, Any] = {"driver": "GPKG", "geometry_type": "MultiPolygon"}
    # What older releases of QGIS and GDAL read without a warning.
    first = {"layer_metadata": metadata, "VERSION": "1.3"}
    _write(landslides, path, "landslides", promote_to_multi=True, **first, **options)
    for name, frame in layers.items():
        if isinstance(frame, geopandas.GeoDataFrame):
            _write(frame, path, name, append=True, promote_to_multi=True, **options)
        else:
            _write(frame, path, name, driver="GPKG", append=True)
    _write(_layer_styles(), path, "layer_styles", driver="GPKG", append=True)


def write_geojson(path: str, landslides: geopandas.GeoDataFrame, about: str) -> None:
    """Write the landslides as GeoJSON: longitude and latitude, as RFC 7946 has them.

    What it is about is the collection's `description`.
    """
    options = {"driver": "GeoJSON", "RFC7946": "YES", "DESCRIPTION": about}
    _write(landslides.to_crs(4326), path, "landslides", **options)


def write_geoparquet(path: str, landslides: geopandas.GeoDataFrame, about: str) -> None:
    """Write the landslides as GeoParquet, in the map's coordinates.

    What it is about is the `description` of the attributes that pandas keeps in the file.
    """
    described = landslides.copy(deep=False)
    described.attrs["description"] = about
    described.to_parquet(path, compression="zstd")

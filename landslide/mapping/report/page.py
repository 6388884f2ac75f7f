"""One page that shows a map, for who has a browser and nothing else."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import geopandas
import jinja2
import numpy as np
import shapely
import xarray as xr

from landslide.mapping.facts import MapFacts
from landslide.mapping.products.ground import Ground
from landslide.mapping.products.planes import Planes
from landslide.mapping.products.polygons import area_columns
from landslide.mapping.report import previews

OUTLINED = 300
"""Largest landslides whose outlines are drawn; all others show in the probability."""
LISTED = 15
"""Largest landslides in the table."""
COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


def area_text(area: float | None, unit: str) -> str:
    """Return an area for people: three digits that count, in m2 or, from 0.1 on, in km2."""
    if area is None or not np.isfinite(area):
        return "unknown"
    if unit != "m2":
        return f"{area:,.0f} {unit}" if area >= 100 or unit == "pixels" else f"{area:.3g} {unit}"
    rounded = float(f"{area:.3g}")
    if rounded < 1e5:
        return f"{rounded:,.0f} m²"
    square_km = rounded / 1e6
    return f"{square_km:,.{max(0, 2 - math.floor(math.log10(square_km)))}f} km²"


@functools.cache
def _template() -> jinja2.Template:
    text = (files("landslide.mapping.report") / "report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["area"] = area_text
    return environment.from_string(text)


@dataclass(frozen=True)
class Pictures:
    """What the page shows of the cube."""

    background: str | None
    """The hillshade; None without elevation, or where pixels have no size in metres."""
    swipe: Mapping[str, str] | None
    """The images nearest the event, and what is said of them; None where the model uses none."""


def pictures_of(
    cube: xr.Dataset, ground: Ground, facts: MapFacts, damages: set[str] | None = None
) -> Pictures:
    """Read the elevation and the images nearest the event on either side, block by block.

    Parameters
    ----------
    cube : Dataset
        The part that the map covers.
    ground, facts
        Of the map.
    damages : set of str, optional
        As for `landslide.mapping.products.reading.read_plane`.

    Raises
    ------
    DamagedChunkError
        As `read_plane` does.
    """
    return Pictures(_background(cube, ground, damages), _swipe(cube, facts, damages))


def report_page(
    pictures: Pictures,
    ground: Ground,
    facts: MapFacts,
    planes: Planes,
    landslides: geopandas.GeoDataFrame,
    summary: Mapping[str, Any],
) -> str:
    """Return the page as HTML that needs nothing else, no network either.

    Parameters
    ----------
    pictures : Pictures
        As `pictures_of` gives them.
    ground, facts, planes
        Of the map.
    landslides : GeoDataFrame
        As `polygon_table` gives them.
    summary : mapping
        As `summary_of` gives it.
    """
    scale = ground.pixel[1] / ground.pixel[0]  # of a picture's pixel: width over height
    probability = previews.coarse_of_raster(planes.probability)
    height, width = probability.shape
    shapes = _shapes(landslides.head(OUTLINED), ground, scale)
    return _template().render(
        title=f"Landslides, {facts.event.name}, {str(facts.event.start)[:10]}",
        facts=facts,
        start=f"{str(facts.event.start)[:16].replace('T', ' ')} UTC",
        statements=summary["statements"],
        summary=summary,
        unit=ground.area_unit,
        view={"width": round(width * scale, 2), "height": height},
        metres=ground.pixel[0] * previews.step_of(ground.shape) if ground.unit == "m" else None,
        background=pictures.background,
        probability=previews.picture(previews.tinted(probability), "PNG"),
        swipe=pictures.swipe,
        shapes=shapes,
        listed=shapes[:LISTED],
        chosen=[{key: shape[key] for key in ("id", "x", "y", "facts")} for shape in shapes],
        outlined=len(shapes),
        provenance=_provenance(facts),
    )


def _background(cube: xr.Dataset, ground: Ground, damages: set[str] | None) -> str | None:
    if "dem" not in cube or ground.unit != "m":
        return None
    shade = previews.hillshade(previews.coarse_of_cube(cube["dem"], damages), ground)
    return previews.picture(previews.grey(0.25 + 0.75 * shade, (0, 1))[None], "JPEG")


def _swipe(cube: xr.Dataset, facts: MapFacts, damages: set[str] | None) -> dict[str, str] | None:
    if not facts.images_before or not facts.images_after:
        return None
    instants = facts.images_before[-1], facts.images_after[0]
    found = [previews.image_at(cube, instant) for instant in instants]
    decibels, polarisation = [], ""
    for image in found:
        if image is None:
            return None
        polarisation, plane = image
        power = previews.coarse_of_cube(plane, damages)
        usable = np.isfinite(power) & (power > 0)
        decibels.append(10 * np.log10(power, out=np.full_like(power, np.nan), where=usable))
    limits = previews.limits_of(*decibels)
    before, after = (
        previews.picture(previews.grey(each, limits)[None], "JPEG") for each in decibels
    )
    return {
        "before": before,
        "after": after,
        "before_date": instants[0][:16].replace("T", " "),
        "after_date": instants[1][:16].replace("T", " "),
        "polarisation": polarisation,
        "range": f"{limits[0]:.0f} to {limits[1]:.0f} dB",
    }


def _shapes(
    landslides: geopandas.GeoDataFrame, ground: Ground, scale: float
) -> list[dict[str, Any]]:
    """Return outline, centre and facts of landslides, in the picture's pixels."""
    step = previews.step_of(ground.shape)
    grid = ground.transform

    def to_picture(points: np.ndarray) -> np.ndarray:
        return (points - (grid.c, grid.f)) / (grid.a, grid.e) / step * (scale, 1)

    drawn = shapely.transform(landslides.geometry.to_numpy(), to_picture)
    inside = shapely.point_on_surface(landslides.geometry.to_numpy())
    middles = shapely.transform(inside, to_picture)
    degrees = geopandas.GeoSeries(inside, crs=ground.crs)
    if ground.crs is not None:
        degrees = degrees.to_crs(4326)
    records = landslides.drop(columns="geometry").to_dict("records")
    return [
        {
            "id": record["id"],
            "path": _path(shape),
            "x": round(middle.x, 1),
            "y": round(middle.y, 1),
            "area": area_text(record[area_columns(ground)[0]], ground.area_unit),
            "probability": f"{record['probability_mean']:.0%}",
            "slope": _number(record["slope_mean_deg"], "{:.0f}°"),
            "facts": _facts_of(record, place if ground.crs is not None else None, ground),
        }
        for record, shape, middle, place in zip(records, drawn, middles, degrees, strict=True)
    ]


def _path(shape: shapely.Geometry) -> str:
    """Return a geometry's rings as the path of an SVG."""
    rings = [
        ring
        for part in shapely.get_parts(shape)
        for ring in (part.exterior, *part.interiors)
    ]  # fmt: skip
    return "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ring.coords[:-1]) + "Z" for ring in rings
    )


def _number(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "unknown"


def _facts_of(
    record: Mapping[str, Any], place: shapely.Point | None, ground: Ground
) -> list[tuple[str, str]]:
    """Return what is said of one landslide: names and values."""
    planimetric, along_slope = area_columns(ground)
    aspect = record["aspect_mean_deg"]
    towards = COMPASS[round(aspect / 45) % 8] if np.isfinite(aspect) else ""
    said = [
        ("Area", area_text(record[planimetric], ground.area_unit)),
        ("Area along the slope", area_text(record[along_slope], ground.area_unit)),
        ("Probability, mean", f"{record['probability_mean']:.0%}"),
        ("Probability, highest", f"{record['probability_max']:.0%}"),
        ("Slope, mean", _number(record["slope_mean_deg"], "{:.0f}°")),
        ("Faces", _number(aspect, f"{towards} ({{:.0f}}°)")),
        ("Elevation",
         _number(record["elevation_min_m"], f"{{:.0f}} to {record['elevation_max_m']:.0f} m")),
    ]  # fmt: skip
    if place is not None:
        said += [("Longitude", f"{place.x:.5f}°"), ("Latitude", f"{place.y:.5f}°")]
    return said


def _provenance(facts: MapFacts) -> list[tuple[str, str]]:
    """Return where the map comes from: names and values."""
    calibrated = "no: the probabilities are the network's own"
    if facts.temperature is not None:
        calibrated = "yes, by temperature " + ", ".join(f"{t:.3g}" for t in facts.temperature)
    rows = [
        ("Cube", facts.cube),
        ("Inputs", f"{facts.inputs}, {facts.timesteps} before and after"),
        ("Images before", ", ".join(facts.images_before) or "none"),
        ("Images after", ", ".join(facts.images_after) or "none"),
        *(
            (name, ", ".join(images))
            for name, images in (
                ("Opposite orbit, before", facts.opposite_before),
                ("Opposite orbit, after", facts.opposite_after),
                ("Pairs, for coherence", facts.pairs),
            )
            if images
        ),
        ("Orbit", facts.orbit or "none"),
        *(("Model", _model_text(member)) for member in facts.members),
        ("Threshold", f"{facts.threshold:.3g} ({facts.threshold_from})"),
        ("Calibrated", calibrated),
    ]
    if facts.reliability is not None:
        r = facts.reliability
        several = len(facts.members) > 1
        of, at_least = ("mean of the models': ", " or more") if several else ("", "")
        error = f"{of}{r.before:.3f} before calibration, {r.after:.3f} after, over {r.pixels:,}"
        rows.append(("Calibration error on validation", f"{error}{at_least} pixels"))
    rows += [(name, text) for name, text in facts.provenance.items()]
    rows += [(f"Version of {name}", text) for name, text in facts.versions.items()]
    return rows


def _model_text(member: Any) -> str:
    parts = [member.address]
    if member.trained_on:
        parts.append(f"trained on {member.trained_on}")
    if member.row_key:
        parts.append(f"row {member.row_key}")
    return ", ".join(parts)

"""A map in numbers, as JSON and as a table."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from landslide.mapping.facts import MapFacts, facts_to_json
from landslide.mapping.products.areas import slope_class_names
from landslide.mapping.products.counting import Counted
from landslide.mapping.products.ground import Ground
from landslide.mapping.products.polygons import area_columns
from landslide.mapping.products.scoring import MATCH


def summary_of(
    facts: MapFacts,
    ground: Ground,
    polygons: pd.DataFrame,
    counted: Counted,
    *,
    minimum_area: float,
    dropped: int,
    notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the summary of a map, in the order in which it is written.

    Parameters
    ----------
    facts, ground
        Of the map.
    polygons : DataFrame
        As `polygon_table` gives them.
    counted : Counted
    minimum_area : float
        Below which polygons were dropped, in the ground's area unit.
    dropped : int
        How many.
    notes : tuple of str
        What else is to be said, such as products that could not be written.
    """
    areas, scores = counted.areas, counted.scores
    observed, slid = areas["observed"], areas["in_polygons"]
    area, along = (polygons[name] for name in area_columns(ground))
    sloped = along.notna()  # the others lie where the cube has no slope
    summary: dict[str, Any] = {
        "statements": [*facts.statements(), *notes],
        "simulated": facts.simulated,
        "validated": False,
        "unit": ground.area_unit,
        "landslides": {
            "count": len(polygons),
            "area": slid,
            "area_along_slope": float(along.sum(min_count=1)) if len(along) else 0.0,
            "area_of_known_slope": float(area[sloped].sum()),
            "share_of_observed": slid / observed,
            "largest_area": float(area.max()) if len(area) else 0.0,
            "minimum_area": minimum_area,
            "dropped_below_minimum": dropped,
            "area_above_threshold": areas["above_threshold"],
        },
        "ground": {
            "area": areas["total"],
            "observed": observed,
            "not_observed": areas["total"] - observed,
            "share_not_observed": 1 - observed / areas["total"],
        },
        "total_area_with_uncertainty": {
            name: asdict(each) for name, each in counted.estimates.items()
        },
        "slope_classes": [
            {"class": name, "landslide_area": float(s), "observed_area": float(o),
             "share": float(s / o) if o else None}
            for name, s, o in zip(slope_class_names(), *counted.classes, strict=True)
        ],
    }  # fmt: skip
    if "spread" in areas:
        summary["between_members"] = {
            "method": "sum of the members' sample standard deviation x area: a spread between "
            "these models, if they differ everywhere together, and not the area's error: what all "
            "of them get wrong is not in it",
            "spread": areas["spread"],
        }
    if scores is not None:
        summary["scores"] = {
            "against": "the cube's labels, over pixels that map and labels have data for",
            "objects_match_at_iou": MATCH,
            **asdict(scores),
        }
    summary["map"] = json.loads(facts_to_json(facts))
    return _without_nan(summary)


def _without_nan(value: Any) -> Any:
    """Return `value` with None for what is no number: JSON has none."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def summary_to_json(summary: Mapping[str, Any]) -> str:
    """Return a summary as JSON text."""
    return json.dumps(summary, indent=1, allow_nan=False) + "\n"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _flat(each, f"{name}.{number}")
    else:
        yield name, value


def summary_to_csv(summary: Mapping[str, Any]) -> str:
    """Return a summary as CSV text: a quantity and its value a row."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(["quantity", "value"])
    table.writerows((name, "" if value is None else value) for name, value in _flat(summary))
    return written.getvalue()

"""Where an optimised cube comes from, in its attributes and in the plan that a run begins."""

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import xarray as xr

from landslide.chips.layout.cube import VERSION, Layout
from landslide.chips.layout.packing import Counts
from landslide.cube.digest import cube_digest
from landslide.cube.events import Event, event_to_attribute, find_event
from landslide.storage import absolute

PACKAGES = ("landslide-sar-datacubes", "zarr", "numpy")
ATTRIBUTE = "optimized"
"""The attribute (JSON) that says where a copy comes from, how it is laid out, and what became of
its samples."""


def event_of(cube: xr.Dataset, name_or_file: str | None) -> Event | None:
    """Return the event that a cube is laid out for; None where it has no images.

    Raises
    ------
    ValueError
        Where it has images, no event is given, and it tells none.
    """
    images = any({"timestep", "y", "x"} <= set(v.dims) for v in cube.variables.values())
    return find_event(cube, name_or_file) if images else None


def plan_of(cube: xr.Dataset, uri: str, event: Event | None, layout: Layout) -> dict[str, Any]:
    """Return what determines a copy: the source's digest, the event and the options."""
    return {
        "layout_version": VERSION,
        "source_digest": cube_digest(uri),
        "event": None if event is None else event_to_attribute(event),
        "layout": asdict(layout),
        "missing": cube.encoding["missing"],
    }


def provenance(uri: str, plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes that a copy has beside the cube's own.

    Its event is the one that it is laid out for, which need not be the cube's.
    """
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    attributes = {ATTRIBUTE: json.dumps({"source": absolute(uri), **plan, "versions": versions})}
    if plan["event"] is not None:
        attributes["event"] = plan["event"]
    return attributes


def with_counts(root: bytes, counts: Mapping[str, Counts]) -> bytes:
    """Return a root group's metadata with what became of the samples of each polarisation."""
    document = json.loads(root)
    about = json.loads(document["attributes"][ATTRIBUTE])
    about["samples"] = {name: asdict(of) for name, of in counts.items()}
    document["attributes"][ATTRIBUTE] = json.dumps(about)
    return json.dumps(document).encode()

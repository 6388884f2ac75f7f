"""What QGIS opens: the rasters with their styles, and the project that shows all products."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landslide.mapping.facts import MapFacts
from landslide.mapping.products.density import cells_ground, density, density_kind
from landslide.mapping.products.ground import Ground
from landslide.mapping.products.planes import Planes
from landslide.mapping.products.rasters import (
    MASK,
    PROBABILITY,
    SPREAD,
    RasterKind,
    plane_writer,
    statement_tags,
    to_cog,
)
from landslide.mapping.products.styles import (
    PROBABILITY_STOPS,
    ProjectLayer,
    mask_style,
    polygon_style,
    project_file,
    ramp_style,
    stops_up_to,
)

LARGEST_SPREAD = 0.7  # of two probabilities, 0 and 1
TITLES = {
    "probability.tif": ("Landslide probability", True),
    "spread.tif": ("Spread between the models", False),
    "mask.tif": ("Landslide mask", False),
    "density.tif": ("Landslide density", False),
}
"""What each raster is called in the project, and whether it is shown as it opens; top first."""


def write_rasters(
    folder: Path, planes: Planes, cells: NDArray[np.float64], ground: Ground, facts: MapFacts
) -> list[str]:
    """Write the rasters and, under the same name, their styles, where QGIS looks for them.

    Parameters
    ----------
    folder : Path
        On disk.
    planes : Planes
    cells : float64 (3, y, x)
        As `landslide.mapping.products.density.add_to_cells` adds them up.
    ground, facts
        Of the map.

    Returns
    -------
    list of str
        Names of the files.
    """
    values, kind = density(cells, ground), density_kind(ground)
    coarse = str(folder / "cells.tif")
    with plane_writer(coarse, kind, cells_ground(ground)) as raster:
        raster.write(values, 1)
    largest = float(np.nanmax(values, initial=0))
    made: dict[str, tuple[str | None, RasterKind, str]] = {
        "probability": (planes.probability, PROBABILITY, ramp_style(PROBABILITY_STOPS)),
        "mask": (planes.mask, MASK, mask_style()),
        "spread": (planes.spread, SPREAD, ramp_style(stops_up_to(LARGEST_SPREAD))),
        "density": (coarse, kind, ramp_style(stops_up_to(largest), kind.unit)),
    }
    files = []
    for name, (path, raster, style) in made.items():
        if path is None:
            continue
        product = folder / "products" / f"{name}.tif"
        to_cog(path, str(product), raster, statement_tags(facts))
        product.with_suffix(".qml").write_text(style, encoding="utf-8")
        files += [product.name, f"{name}.qml"]
    return files


def qgis_project(files: Sequence[str], folder: Path, ground: Ground, facts: MapFacts) -> bytes:
    """Return the QGIS project of those products that exist, to lie beside them.

    Parameters
    ----------
    files : sequence of str
        Names of the products, without event and date.
    folder : Path
        Where the rasters' styles lie.
    ground, facts
        Of the map.
    """
    layers = []
    if "landslides.gpkg" in files:
        source = f"./{facts.stem}_landslides.gpkg|layername="
        layers = [
            ProjectLayer(title, source + layer, polygon_style(layer), vector=True)
            for layer, title in (
                ("landslides", "Landslides (unvalidated)"),
                ("image_footprint", "Image footprint"),
                ("area_of_interest", "Area of interest"),
            )
        ]
    layers += [
        ProjectLayer(
            title,
            f"./{facts.stem}_{file}",
            (folder / file).with_suffix(".qml").read_text(encoding="utf-8"),
            shown=shown,
        )
        for file, (title, shown) in TITLES.items()
        if file in files
    ]
    title = f"Landslides, {facts.event.name} {str(facts.event.start)[:10]}"
    if facts.simulated:
        title += " (simulated)"
    name = f"{facts.stem}_landslides"
    return project_file(name, title, " ".join(facts.statements()), ground, layers)

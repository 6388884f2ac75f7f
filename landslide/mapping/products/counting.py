"""One pass over a map and the ground beneath it: everything that is counted, counted at once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import rasterio
import xarray as xr
from numpy.typing import NDArray

from landslide.mapping.facts import MapFacts
from landslide.mapping.products import scoring
from landslide.mapping.products.areas import class_areas, plain_areas
from landslide.mapping.products.blocks import Layers, map_blocks
from landslide.mapping.products.density import add_to_cells, cells_ground
from landslide.mapping.products.ground import Ground, blocks_of
from landslide.mapping.products.planes import Planes
from landslide.mapping.products.rasters import read_block
from landslide.mapping.products.uncertainty import (
    AreaEstimate,
    expected_area,
    expected_cells,
    labelled_cells,
    stratified_area,
)
from landslide.mapping.products.zones import combine, zone_sums


@dataclass(frozen=True)
class Counted:
    """What a pass over a map found."""

    zones: pd.DataFrame
    """Statistics of each polygon, by its number; see `landslide.mapping.products.zones.combine`."""
    cells: NDArray[np.float64]
    """Areas of each cell of the density, as `landslide.mapping.products.density.add_to_cells` adds
    them up."""
    areas: dict[str, float]
    classes: NDArray[np.float64]
    estimates: dict[str, AreaEstimate]
    scores: scoring.Scores | None
    """None where the cube has no labels, or none of a landslide or of other ground is seen."""


def count_map(
    layers: Layers,
    cube: xr.Dataset,
    ground: Ground,
    facts: MapFacts,
    damages: set[str] | None = None,
) -> Counted:
    """Go over a map, block by block, and count.

    Parameters
    ----------
    layers : Layers
    cube : Dataset
        The part that the map covers.
    ground : Ground
    facts : MapFacts
    damages : set of str, optional
        As for `landslide.mapping.products.reading.read_plane`.

    Raises
    ------
    DamagedChunkError
        As `read_plane` does.
    """
    zones, expected, labelled, pairs, landslides = [], [], [], [], []
    cells, areas = np.zeros((3, *cells_ground(ground).shape)), Counter[str]()
    classes: NDArray[np.float64] = np.zeros(())
    confusion: NDArray[np.int64] = np.zeros((2, 2), np.int64)
    for block in map_blocks(layers, cube, ground, damages):
        zones.append(zone_sums(block))
        add_to_cells(cells, block, ground)
        areas.update(plain_areas(block, facts.threshold))
        classes = classes + class_areas(block)
        expected.append(expected_cells(block))
        if block.label is not None:
            labelled.append(labelled_cells(block, facts.threshold))
            confusion += scoring.confusion(block, facts.threshold)
            pairs.append(scoring.overlaps(block))
            landslides.append(scoring.landslide_scores(block))
    estimates = {
        "from_probabilities": expected_area(
            np.concatenate(expected, axis=1), calibrated=facts.temperature is not None
        )
    }
    scores = None
    if landslides:
        from_labels = stratified_area(np.concatenate(labelled, axis=2))
        if from_labels is not None:
            estimates["from_labels"] = from_labels
        if confusion.sum(axis=0).all():  # ground of either label
            precision = scoring.streamed_average_precision(
                landslides, _other_scores(layers.planes, ground)
            )
            scores = scoring.scores_of(confusion, precision, scoring.object_rates(pairs))
    return Counted(combine(zones), cells, dict(areas), classes, estimates, scores)


def _other_scores(planes: Planes, ground: Ground) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities where the label is no landslide, block by block."""
    assert planes.label is not None
    with rasterio.open(planes.probability) as probability, rasterio.open(planes.label) as label:
        for rows, columns in blocks_of(ground.shape):
            scores, labels = (read_block(each, rows, columns) for each in (probability, label))
            yield scores[np.isfinite(scores) & (labels == 0)]

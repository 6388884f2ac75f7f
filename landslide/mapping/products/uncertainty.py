"""The total landslide area and how uncertain it is, by two named methods.

Pixels near each other err together. Both methods therefore take the errors of a cell of
`COHERENT` pixels on a side as one, and those of different cells as independent: an assumption,
which the summary states.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landslide.mapping.products.blocks import Block, scored_pixels
from landslide.mapping.products.ground import COHERENT, add_to_squares

CONFIDENCE = 1.96  # standard errors on either side that hold 95 % of a normal distribution


@dataclass(frozen=True)
class AreaEstimate:
    """An area with its uncertainty, in the map's area unit."""

    method: str
    """In words, with its source."""
    area: float
    standard_error: float
    low: float
    """Of the 95 % interval; not below 0."""
    high: float


def _estimate(method: str, area: float, variance: float) -> AreaEstimate:
    error = float(np.sqrt(max(variance, 0.0)))
    low, high = max(0.0, area - CONFIDENCE * error), area + CONFIDENCE * error
    return AreaEstimate(method, float(area), error, low, high)


def _by_cell(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the sum of a block's `values` (y, x) in each cell, flat."""
    height, width = values.shape
    cells = np.zeros((-(-height // COHERENT), -(-width // COHERENT)))
    add_to_squares(cells, values, (slice(0, height), slice(0, width)), (COHERENT, COHERENT))
    return cells.ravel()


def expected_cells(block: Block) -> NDArray[np.float64]:
    """Return what each cell adds to the area expected from probabilities, and its error: (2, cell).

    The standard deviation of a pixel that is a landslide with probability p is sqrt(p (1 - p)).
    """
    probability = np.where(block.observed, block.probability, 0).astype(np.float64)
    deviation = np.sqrt(np.clip(probability * (1 - probability), 0, None))
    return np.stack([_by_cell(each * block.area) for each in (probability, deviation)])


def expected_area(cells: NDArray[np.float64], *, calibrated: bool) -> AreaEstimate:
    """Return the sum of the probabilities times area, and its error.

    As in a model-based inference (McRoberts 2006, Remote Sensing of Environment 103): unbiased as
    far as the probabilities are calibrated.

    Parameters
    ----------
    cells : float64 (2, cell)
        As `expected_cells` gives them, of all blocks.
    calibrated : bool
        Whether the model's probabilities were calibrated; the method's name then says so.
    """
    kind = "calibrated" if calibrated else "NOT calibrated"
    method = (
        f"model-based: sum of probability x area over observed ground (McRoberts 2006), "
        f"probabilities {kind}; errors fully correlated within {COHERENT} x {COHERENT} pixels, "
        "independent beyond; what the model gets wrong on a new event is not in it"
    )
    return _estimate(method, cells[0].sum(), float((cells[1] ** 2).sum()))


def labelled_cells(block: Block, threshold: float) -> NDArray[np.float64]:
    """Return areas of each cell by stratum of the map (none, landslide): (2, 3, cell).

    All that is observed, what of it is labelled, and what of that is a labelled landslide.
    """
    scored = scored_pixels(block)
    called = block.probability >= threshold
    strata = []
    for stratum in (block.observed & ~called, called):
        there = stratum & scored
        planes = (stratum, there, there & (block.label == 1))
        strata.append([_by_cell(np.where(p, block.area, 0.0)) for p in planes])
    return np.array(strata)


def stratified_area(cells: NDArray[np.float64]) -> AreaEstimate | None:
    """Return the landslide area that the labels speak for, with the map's classes as strata.

    The stratified estimator of Olofsson et al. (2014, Remote Sensing of Environment 148); its
    variance is that of clusters (a cell is one), linearised, and corrected for the part of the map
    that is labelled: labels of the whole map leave no sampling error.

    Parameters
    ----------
    cells : float64 (2, 3, cell)
        As `labelled_cells` gives them, of all blocks.

    Returns
    -------
    AreaEstimate or None
        None where a stratum has no labels at all, or one cell has them all.
    """
    total, labelled, slid = (cells[:, number].sum(axis=1) for number in range(3))
    used = total > 0
    sampled = cells[:, 1].sum(axis=0) > 0
    if not used.any() or (labelled[used] <= 0).any() or sampled.sum() < 2:
        return None
    rate = np.divide(slid, labelled, out=np.zeros(2), where=labelled > 0)
    weight = np.divide(total, labelled, out=np.zeros(2), where=labelled > 0)
    residual = (weight[:, None] * (cells[:, 2] - rate[:, None] * cells[:, 1])).sum(axis=0)[sampled]
    clusters = residual.size
    left = 1 - labelled.sum() / total.sum()
    variance = left * clusters / (clusters - 1) * float((residual**2).sum())
    method = (
        "stratified by the map's classes, from labels (Olofsson et al. 2014), variance of clusters "
        f"of {COHERENT} x {COHERENT} pixels; {1 - left:.1%} of the observed ground is labelled"
    )
    return _estimate(method, float((total * rate).sum()), variance)

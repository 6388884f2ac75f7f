"""Scores of a map where labels exist: exact, in two passes over it.

What is held grows with the landslides, and with nothing else: a score for each of their pixels at
most, some per cent of a scene, and the pairs of objects that share pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landslide.mapping.products.blocks import Block, scored_pixels

MATCH = 0.1
"""IoU from which on two objects are the same landslide."""


@dataclass(frozen=True)
class Scores:
    """How well a map agrees with the labels, over the pixels that both have data for."""

    pixels: int
    prevalence: float
    """Share of landslide pixels: what a random map scores as AUPRC."""
    auprc: float
    """Average precision of the probabilities, exact."""
    f1: float
    """At the map's threshold, of all pixels above it."""
    iou: float
    precision: float
    recall: float
    objects_mapped: int
    """Labelled landslides with any scored pixel."""
    objects_found: int
    """Polygons of the map with any scored pixel."""
    hit_rate: float
    """Share of the labelled landslides that a polygon matches at an IoU of `MATCH` or more."""
    false_alarm_rate: float
    """Share of the polygons that match no labelled landslide."""


def landslide_scores(block: Block) -> NDArray[np.float32]:
    """Return a block's probabilities where the label is a landslide."""
    assert block.label is not None
    return block.probability[scored_pixels(block) & (block.label == 1)]


def streamed_average_precision(
    landslides: Sequence[NDArray[np.float32]], others: Iterable[NDArray[np.float32]]
) -> float:
    r"""Return the average precision of scores that arrive in parts, exactly.

    :math:`\sum_n (R_n - R_{n-1}) P_n` changes only at the scores of landslide pixels: of all
    others it needs no more than how many score as high. What is held is the scores of the
    landslide pixels, some per cent of a scene.

    Parameters
    ----------
    landslides
        The scores of all landslide pixels, in any parts.
    others
        The scores of pixels without landslide, in any parts.

    Returns
    -------
    float
        NaN without landslide pixels, where it is not defined.
    """
    values, hits = np.unique(np.concatenate(landslides), return_counts=True)
    if not values.size:
        return float("nan")
    below = np.zeros(values.size + 1, np.int64)  # [n]: from values[n - 1] on, short of values[n]
    for scores in others:
        places = np.searchsorted(values, scores, side="right")
        below += np.bincount(places, minlength=values.size + 1)
    reached = np.cumsum(hits[::-1])[::-1].astype(np.float64)
    false = np.cumsum(below[1:][::-1])[::-1]
    return float((hits * reached / (reached + false)).sum() / hits.sum())


def confusion(block: Block, threshold: float) -> NDArray[np.int64]:
    """Return a block's pixels by map (none, landslide) and label (none, landslide): (2, 2)."""
    assert block.label is not None
    scored = scored_pixels(block)
    cell = 2 * (block.probability[scored] >= threshold) + (block.label[scored] == 1)
    return np.bincount(cell, minlength=4).reshape(2, 2)


def overlaps(block: Block) -> pd.DataFrame:
    """Return how many pixels each polygon and each labelled landslide share in a block.

    Returns
    -------
    DataFrame
        `polygon`, `mapped` (0: none) and `pixels`.
    """
    assert block.mapped is not None
    scored = scored_pixels(block)
    polygon, mapped = block.polygon[scored], block.mapped[scored]
    either = (polygon > 0) | (mapped > 0)
    pairs = pd.DataFrame({"polygon": polygon[either], "mapped": mapped[either]})
    return pairs.groupby(["polygon", "mapped"]).size().rename("pixels").reset_index()


def object_rates(parts: Sequence[pd.DataFrame]) -> tuple[int, int, float, float]:
    """Return labelled landslides, polygons, the hit rate and the false-alarm rate.

    Two objects match at an intersection over union of `MATCH` or more, in scored pixels.
    """
    pairs = pd.concat(parts).groupby(["polygon", "mapped"], as_index=False)["pixels"].sum()
    sizes = {name: pairs.groupby(name)["pixels"].sum() for name in ("polygon", "mapped")}
    objects = {name: int((size.index > 0).sum()) for name, size in sizes.items()}
    shared = pairs[(pairs["polygon"] > 0) & (pairs["mapped"] > 0)]
    union = (
        sizes["polygon"].reindex(shared["polygon"]).to_numpy()
        + sizes["mapped"].reindex(shared["mapped"]).to_numpy()
        - shared["pixels"].to_numpy()
    )
    matching = shared[shared["pixels"].to_numpy() >= MATCH * union]
    hits, right = matching["mapped"].nunique(), matching["polygon"].nunique()
    return (
        objects["mapped"],
        objects["polygon"],
        _share(hits, objects["mapped"]),
        _share(objects["polygon"] - right, objects["polygon"]),
    )


def scores_of(
    counts: NDArray[np.int64], auprc: float, objects: tuple[int, int, float, float]
) -> Scores:
    """Return all scores from the summed `confusion`, the average precision and `object_rates`."""
    (_, missed), (false, hit) = counts.tolist()
    return Scores(
        pixels=int(counts.sum()),
        prevalence=_share(hit + missed, int(counts.sum())),
        auprc=auprc,
        f1=_share(2 * hit, 2 * hit + false + missed),
        iou=_share(hit, hit + false + missed),
        precision=_share(hit, hit + false),
        recall=_share(hit, hit + missed),
        objects_mapped=objects[0],
        objects_found=objects[1],
        hit_rate=objects[2],
        false_alarm_rate=objects[3],
    )


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")

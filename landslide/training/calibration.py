"""Probabilities that mean what they say: a temperature, a threshold, and how well both hold.

All of it is fitted on validation pixels, after training, and judged on test pixels, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq

from landslide.cube.labels import NO_DATA

BINS = 15
"""Of probability, all as wide, as in Guo et al. (2017)."""
LOWEST, HIGHEST = 1e-2, 1e2
"""Temperatures between which the best is sought."""


@dataclass(frozen=True)
class Reliability:
    """How often ground is a landslide where a probability says so (DeGroot and Fienberg 1983)."""

    pixels: tuple[int, ...]
    """Count in each bin of probability."""
    predicted: tuple[float | None, ...]
    """Mean probability of each bin's pixels; None where a bin is empty."""
    observed: tuple[float | None, ...]
    """Share of landslide among them."""
    expected_calibration_error: float
    """Mean of |predicted - observed| over all pixels, 0 to 1 (Guo et al. 2017)."""


@dataclass(frozen=True)
class Calibration:
    """From a network's score to a probability, and from that to a map."""

    temperature: float
    """The logit is divided by it."""
    threshold: float
    """Calibrated probability from which on ground is called a landslide: of the highest F1."""
    f1: float
    """That F1, on the validation part."""
    chips: int
    """Validation chips with a labelled pixel."""
    empty_chips: int
    """Those of them that hold no landslide."""
    reliability: Mapping[str, Reliability]
    """`validation_before`, `validation_after`, `test_before` and `test_after` scaling."""


def calibrate(
    validation: tuple[torch.Tensor, torch.Tensor], test: tuple[torch.Tensor, torch.Tensor]
) -> Calibration | None:
    """Fit temperature and threshold on the validation part; measure reliability there and on test.

    Parameters
    ----------
    validation, test : (float (chip, y, x), uint8 (chip, y, x))
        Logits of landslide over none, and labels: 1 landslide, 0 none, 255 no-data.

    Returns
    -------
    Calibration or None
        None where no chip validates, as under the paper protocol: nothing else may be fitted on.
    """
    logits, labels = validation
    known = (labels != NO_DATA).flatten(1).any(1) if len(labels) else labels
    if not known.any():
        return None
    temperature = fit_temperature(*_counted(logits, labels))
    threshold, f1 = best_threshold(probability(logits, temperature), labels)
    empty = known & ~(labels == 1).flatten(1).any(1)
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        f1=f1,
        chips=int(known.sum()),
        empty_chips=int(empty.sum()),
        reliability={
            f"{name}_{when}": reliability_of(probability(z, t), y)
            for name, (z, y) in {"validation": validation, "test": test}.items()
            for when, t in {"before": 1.0, "after": temperature}.items()
        },
    )


def probability(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the calibrated probability of landslide: sigmoid(logit / temperature)."""
    return torch.sigmoid(logits / temperature)


def _counted(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and truth (pixel) in double precision, of the pixels that count."""
    valid = labels != NO_DATA
    return logits[valid].double(), (labels[valid] == 1).double()


def fit_temperature(logits: torch.Tensor, truth: torch.Tensor) -> float:
    r"""Return the temperature with the least cross-entropy (Guo et al. 2017, section 4.2).

    In :math:`b = 1 / T` the cross-entropy is convex, and its slope :math:`\sum z (\sigma(b z) - y)`
    grows, so the least is where that is zero. Where it is zero nowhere (scores that separate the
    classes perfectly, or the wrong way round), the temperature is the nearest bound, 0.01 or 100.

    Parameters
    ----------
    logits : float64 (pixel)
    truth : float64 (pixel)
        1 landslide, 0 none.
    """

    def slope(b: float) -> float:
        return float((logits * (torch.sigmoid(b * logits) - truth)).mean())

    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low) >= 0:
        return HIGHEST
    if slope(high) <= 0:
        return LOWEST
    return 1 / float(brentq(slope, low, high, xtol=1e-9, rtol=1e-6))


def best_threshold(probabilities: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Return the threshold with the highest F1, and that F1; exact, over the distinct scores.

    Ground counts as landslide from the threshold on. Of several best ones the highest is taken.

    Raises
    ------
    ValueError
        Without any landslide pixel.
    """
    valid = labels != NO_DATA
    scores, order = torch.sort(probabilities[valid], descending=True)
    hits = torch.cumsum((labels[valid] == 1)[order], 0, dtype=torch.int64)
    if not len(hits) or not hits[-1]:
        raise ValueError("no landslide pixel to choose a threshold by: validation needs one")
    called = torch.arange(1, len(hits) + 1, device=hits.device)
    f1 = 2 * hits.double() / (called + hits[-1]).double()
    f1[:-1][scores[1:] == scores[:-1]] = -1  # pixels that tie are called together
    best = int(torch.argmax(f1))
    return float(scores[best]), float(f1[best])


def reliability_of(probabilities: torch.Tensor, labels: torch.Tensor) -> Reliability:
    """Measure how often ground is a landslide in each bin of probability."""
    p, truth = _counted(probabilities, labels)
    which = (p * BINS).long().clamp(0, BINS - 1)
    count, predicted, observed = (
        torch.bincount(which, weights, BINS).cpu().numpy()
        for weights in (torch.ones_like(p), p, truth)
    )
    gap = np.abs(predicted - observed).sum() / max(count.sum(), 1)
    means = (
        tuple(float(t / n) if n else None for t, n in zip(total, count, strict=True))
        for total in (predicted, observed)
    )
    return Reliability(tuple(count.astype(int).tolist()), next(means), next(means), float(gap))


def from_description(kept: Mapping[str, Any]) -> Calibration:
    """Return the calibration that a bundle keeps as JSON.

    Raises
    ------
    KeyError, TypeError, ValueError
        Where it is none.
    """
    tables = {
        name: Reliability(
            pixels=tuple(table["pixels"]),
            predicted=tuple(table["predicted"]),
            observed=tuple(table["observed"]),
            expected_calibration_error=float(table["expected_calibration_error"]),
        )
        for name, table in kept["reliability"].items()
    }
    calibration = Calibration(**{**kept, "reliability": tables})
    if not (LOWEST <= calibration.temperature <= HIGHEST and 0 <= calibration.threshold <= 1):
        raise ValueError("a temperature or a threshold that cannot be")
    return calibration


def in_words(calibration: Calibration | None) -> str:
    """Say on one line what the calibration did."""
    if calibration is None:
        return (
            "not calibrated: no part validates (the paper protocol has none), so probabilities are "
            "the network's own and the threshold is 0.5"
        )
    errors = {k: t.expected_calibration_error for k, t in calibration.reliability.items()}
    return (
        f"calibrated on {calibration.chips} validation chips, {calibration.empty_chips} without "
        f"landslides: temperature {calibration.temperature:.3g}; expected calibration error "
        f"{errors['validation_before']:.4f} before and {errors['validation_after']:.4f} after, "
        f"on the test part {errors['test_before']:.4f} and {errors['test_after']:.4f}; threshold "
        f"{calibration.threshold:.3f} (F1 {calibration.f1:.3f} on validation)"
    )

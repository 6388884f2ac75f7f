"""The models of one map: what they have in common, and what every product must say of them."""

import os
from collections.abc import Sequence
from statistics import fmean

from landslide.mapping.choices import AUTO
from landslide.mapping.facts import Member, Reliability
from landslide.storage import Address, absolute
from landslide.training.bundle import Bundle, load_bundle


def load_members(addresses: Address | Sequence[Address]) -> tuple[Bundle, ...]:
    """Load the models that make one map, one or more.

    Raises
    ------
    ValueError, OSError
        As `load_bundle` does; or where there is none, two of them are the same, or see the ground
        differently.
    """
    named = [addresses] if isinstance(addresses, str | os.PathLike) else addresses
    if not named:
        raise ValueError("a map is made by one model or more: name them")
    bundles = tuple(load_bundle(os.fspath(address)) for address in named)
    first = bundles[0]
    for number, bundle in enumerate(bundles):
        for name in ("inputs", "timesteps", "chip size", "pixel size"):
            one, other = _common(first)[name], _common(bundle)[name]
            if one != other:
                raise ValueError(
                    f"the models at {first.address} and {bundle.address} differ in {name} ({one} "
                    f"and {other}): several make one map where they differ in their seeds alone"
                )
        for earlier in bundles[:number]:
            if earlier.digest == bundle.digest:
                raise ValueError(
                    f"{earlier.address} and {bundle.address} hold the same model: give each once"
                )
    return bundles


def _common(bundle: Bundle) -> dict[str, object]:
    return {
        "inputs": bundle.config.inputs,
        "timesteps": bundle.config.timesteps,
        "chip size": bundle.chip_size,
        "pixel size": bundle.pixel_size,
    }


def threshold_of(bundles: Sequence[Bundle], wanted: str | float) -> tuple[float, str]:
    """Return the threshold of a map, and in words where it comes from.

    Raises
    ------
    ValueError
        Where it is no probability.
    """
    if wanted != AUTO:
        try:
            threshold = float(wanted)
        except ValueError:
            threshold = -1.0
        if not 0 <= threshold <= 1:
            raise ValueError(f"the threshold is {wanted}: give a probability, 0 to 1, or auto")
        return threshold, "given"
    known = [b.calibration.threshold for b in bundles if b.calibration is not None]
    if len(known) < len(bundles):
        return 0.5, "one half, since no validation part chose one"
    if len(known) == 1:
        return known[0], "maximised F1 on the validation part"
    return fmean(known), "mean of what maximised each model's F1 on its validation part"


def warnings_of(bundles: Sequence[Bundle], cube: str, labels: str | None) -> list[str]:
    """Return the sentences about its models that every product of a map of a cube carries.

    The cube is known by its address, and by the digest of its labels, which its copies share.
    """
    said = []
    known = [(b.description.get("cube"), b.description.get("label_digest")) for b in bundles]
    if any(on == cube or (labels is not None and of == labels) for on, of in known):
        said.append(
            "Trained on this very cube: on ground that the model learned from, scores say nothing."
        )
    if any(b.positive_only for b in bundles):
        said.append(
            "Trained on chips that all hold landslides: where there are none, expect false ones."
        )
    if any(b.calibration is None for b in bundles):
        said.append("Probabilities are not calibrated: there was no validation part to fit on.")
    elif any(b.calibration is not None and not b.calibration.empty_chips for b in bundles):
        said.append(
            "Calibrated on chips that all hold landslides: probabilities are too high elsewhere."
        )
    if any(b.description.get("simulated") for b in bundles):
        said.append("Trained on simulated data.")
    if any(b.pixel_size is None for b in bundles):
        said.append("The model does not know on pixels of what size it was trained.")
    return said


def member_facts(bundle: Bundle) -> Member:
    """Return what a map says of one of its models."""
    return Member(
        absolute(bundle.address), bundle.description.get("key"), bundle.description.get("cube")
    )


def temperatures_of(bundles: Sequence[Bundle]) -> tuple[float, ...] | None:
    """Return each model's temperature; None where one is not calibrated."""
    known = [b.calibration.temperature for b in bundles if b.calibration is not None]
    return tuple(known) if len(known) == len(bundles) else None


def reliability_facts(bundles: Sequence[Bundle]) -> Reliability | None:
    """Return how reliable probabilities are on validation: of several models the mean of each."""
    tables = [b.calibration.reliability for b in bundles if b.calibration is not None]
    if len(tables) < len(bundles):
        return None
    before, after = (
        fmean(t[f"validation_{when}"].expected_calibration_error for t in tables)
        for when in ("before", "after")
    )
    if len(bundles) > 1:
        return Reliability(before, after, min(sum(t["validation_after"].pixels) for t in tables))
    table = tables[0]["validation_after"]
    pixels = sum(table.pixels)
    filled = [
        (p, o, n / pixels)
        for p, o, n in zip(table.predicted, table.observed, table.pixels, strict=True)
        if p is not None and o is not None
    ]
    predicted, observed, share = zip(*filled, strict=True)
    bins = {"predicted": predicted, "observed": observed, "share": share}
    return Reliability(before, after, pixels, bins)

"""What was run for a page of results, beside the paper, and how far it falls short of that."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from landslide.chips.inputs import BASELINE, PAPER_INPUTS, PAPER_TIMESTEPS
from landslide.chips.split import Chipping
from landslide.results.layout import one_place, pipes
from landslide.results.sections import Section

PAPER_SHAPE = (4398, 5382)
PAPER_SETTINGS = {
    "cube": f"{PAPER_SHAPE[0]} x {PAPER_SHAPE[1]} pixels, Hokkaido",
    "chips, paper protocol": "216 train, 61 test",
    "network": "48,982,754 parameters (U-Net++, ResNet-50)",
    "training, paper protocol": "epochs 100, batches of 64, optimiser steps 400",
    "device": "V100, about 900 s a model",
}
"""Boehm et al. (2022, arXiv 2211.02869); the parts of the chips are those of their code, and the
steps follow."""
PAPER_EPOCHS = 100
PAPER_CONFIGURATIONS = {(name, n) for name in PAPER_INPUTS for n in PAPER_TIMESTEPS} | {
    (BASELINE, 0)
}


@dataclass(frozen=True, eq=False)
class Detector:
    """What an exact detector scores, in rows as `paper_claims` takes them, of one seed."""

    alone: pd.DataFrame
    """It knows how often each land cover occurs."""
    told: pd.DataFrame
    """It is told which a pixel has."""


@dataclass(frozen=True, eq=False)
class Setting:
    """What a page says beside the rows."""

    command: str
    """What was run, and runs it again."""
    shape: tuple[int, int]
    """Rows and columns of the cube [pixels]."""
    images: int
    """Dates of the cube, all orbits."""
    chips: Mapping[str, Mapping[str, int]]
    """By protocol, how many chips of each part."""
    chipping: Mapping[str, Chipping]
    """By protocol, how they were cut and kept apart."""
    figures: Mapping[str, str]
    """By caption, where each lies, as the page names it."""
    detector: Mapping[str, Detector]
    """By protocol, what the simulation's exact detector scores on the same test chips; empty where
    the cube is not simulated."""


def what_was_run(parts: Sequence[Section], setting: Setting) -> Iterator[str]:
    """Set data, network, training and device beside the paper's; the sections in their order."""
    first = parts[0]
    rows, columns = setting.shape
    kind = "simulated" if first.simulated else str(first.identity["event"])
    here = {"cube": f"{rows} x {columns} pixels, {setting.images} images, {kind}"}
    for protocol, chips in setting.chips.items():
        counted = ", ".join(f"{n} {part}" for part, n in chips.items())
        here[f"chips, {protocol} protocol"] = counted + _apart(setting.chipping.get(protocol))
    parameters = [int(n) for n in first.scored["parameters"].dropna()]
    counted = f"{min(parameters):,} to {max(parameters):,} parameters" if parameters else "unknown"
    here["network"] = f"{counted} ({first.identity['preset']} preset)"
    for part in parts:
        here[f"training, {part.identity['protocol']} protocol"] = _training(part)
    here["seeds"] = ", ".join(map(str, sorted({seed for part in parts for seed in part.seeds})))
    here["device"] = "; ".join(_devices(parts))
    here["versions"] = "; ".join(_versions(parts))
    yield from ("", "## What was run", "")
    yield from pipes(
        ["", "here", "the paper"],
        [[name, said, PAPER_SETTINGS.get(name, "")] for name, said in here.items()],
    )


def _apart(chipping: Chipping | None) -> str:
    """Say how the parts are kept apart, of a split into blocks."""
    if chipping is None or chipping.protocol != "blocked":
        return ""
    return f"; blocks of {chipping.block_size} pixels, {chipping.gap} between parts"


def _configurations(part: Section) -> set[tuple[str, int]]:
    return set(zip(part.scored["inputs"], part.scored["timesteps"].astype(int), strict=True))


def _training(part: Section) -> str:
    known = part.identity
    chips = int(part.scored["train_chips"].max())
    steps = int(known["epochs"]) * -(-chips // int(known["batch_size"]))
    batches = f"epochs {known['epochs']}, batches of {known['batch_size']}"
    return f"{batches}, optimiser steps {steps:,}"


def _devices(parts: Sequence[Section]) -> list[str]:
    found = pd.concat([part.scored for part in parts])
    named = found["device"].fillna("unknown") + ", " + found["precision"].fillna("unknown")
    return sorted(set(named + np.where(found["compiled"].fillna(False), ", compiled", "")))


def _versions(parts: Sequence[Section]) -> list[str]:
    """Say what the rows were made by: this project's code, and then the libraries."""
    texts = dict.fromkeys(text for part in parts for text in part.scored["versions"].dropna())
    known = [json.loads(text) for text in texts]
    ours = [f"landslide {each.pop('landslide')}" for each in known if "landslide" in each]
    libraries = [", ".join(f"{name} {number}" for name, number in each.items()) for each in known]
    return list(dict.fromkeys([*ours, *libraries]))


def shortfalls(parts: Sequence[Section], setting: Setting) -> Iterator[str]:
    """Say how this falls short of the paper's experiment."""
    short = [*_short_of_data(parts, setting), *_short_of_training(parts)]
    if short:
        yield from ("", "What this is not:", "")
        yield from (f"- {line}" for line in short)


def _short_of_data(parts: Sequence[Section], setting: Setting) -> Iterator[str]:
    if sorted(setting.shape) != sorted(PAPER_SHAPE):
        yield (
            f"The cube has {setting.shape[0]} x {setting.shape[1]} pixels, not the "
            f"{PAPER_SHAPE[0]} x {PAPER_SHAPE[1]} of the paper's."
        )
    absent = [name for name in ("paper", "blocked") if name not in setting.chips]
    if absent:
        yield f"The {' and the '.join(absent)} protocol was not run."
    for chipping in setting.chipping.values():
        if chipping.protocol == "blocked" and chipping.gap < chipping.chip_size:
            yield (
                f"Under the blocked protocol the parts are {chipping.gap} pixels apart, less than "
                "a chip: some test chips have neighbours in training."
            )
    for part in parts:
        for line in one_place(part):
            yield f"Under the {part.identity['protocol']} protocol: {line[0].lower()}{line[1:]}."
        unscored = len(PAPER_CONFIGURATIONS - _configurations(part))
        if unscored:
            yield (
                f"Under the {part.identity['protocol']} protocol {unscored} of the paper's "
                f"{len(PAPER_CONFIGURATIONS)} models have no score."
            )


def _short_of_training(parts: Sequence[Section]) -> Iterator[str]:
    if all(device.startswith("cpu") for device in _devices(parts)):
        yield "No GPU was at hand: every model was trained on a CPU."
    presets = sorted({str(part.identity["preset"]) for part in parts} - {"paper"})
    if presets:
        yield (
            f"The network and its training are those of the {' and '.join(presets)} preset: "
            "smaller and shorter than the paper's."
        )
    epochs = {part.identity["epochs"] for part in parts if part.identity["protocol"] == "paper"}
    if epochs - {PAPER_EPOCHS}:
        said = ", ".join(map(str, sorted(epochs)))
        yield f"Under the paper protocol there were {said} epochs, not {PAPER_EPOCHS}."
    if min(len(part.seeds) for part in parts) < 3:
        yield "There are fewer than three seeds."
    failed = sum(len(part.failed) for part in parts)
    if failed:
        yield f"{failed} trials failed; the tables say which and why."

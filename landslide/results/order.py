"""The order in which rows and inputs are shown: the paper's first, then by name."""

from collections.abc import Iterable, Sequence

import pandas as pd

from landslide.chips.inputs import PAPER_INPUTS

# What makes two rows comparable: rows that differ in any of these are never averaged. Threads
# and device are not among them, for they move a score only in its last digits.
SECTION = (
    "event",
    "simulated",
    "protocol",
    "preset",
    "network",
    "encoder_weights",
    "epochs",
    "batch_size",
    "learning_rate",
    "precision",
    "cube_digest",
    "split_digest",
    "mask",
    "origin",
    "labelled_chips",
    "orbit",
    "setup",
)

MIXED = "mixed"
"""The class of both half precisions, which a row's key does not tell apart either."""

ROW_ORDER = (*SECTION, "inputs", "timesteps", "seed")


def inputs_order(inputs: Iterable[str]) -> list[str]:
    """Return the distinct `inputs` in the paper's order, others by name, `dem` alone last."""

    def rank(name: str) -> tuple[int, str]:
        if name in PAPER_INPUTS:
            return PAPER_INPUTS.index(name), name
        return len(PAPER_INPUTS) + (name == "dem"), name

    return sorted(set(inputs), key=rank)


def arithmetic(precision: pd.Series) -> pd.Series:
    """Return the class of each row's arithmetic: float32 or mixed."""
    return precision.replace(dict.fromkeys(("bfloat16", "float16"), MIXED))


def ordered(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows sorted by `columns`, inputs in their order, numbered from 0."""
    ranks = {name: place for place, name in enumerate(inputs_order(frame["inputs"]))}

    def sortable(values: pd.Series) -> pd.Series:
        if values.name == "precision":
            return arithmetic(values)
        return values.map(ranks) if values.name == "inputs" else values

    return frame.sort_values(list(columns), key=sortable, kind="stable", ignore_index=True)

"""One trial's row of the AUPRC table, and the one schema that every row has."""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# "element" is the name that Parquet itself prescribes for a list's entries.
_FLOATS = pa.list_(pa.field("element", pa.float32()))
_COUNTS = pa.list_(pa.field("element", pa.int32()))


# Rows hold arrays, whose equality is not a truth value: compare keys instead.
@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One trial: what determined its score, the score, and what it cost.

    Each annotation carries the column's Arrow type and its meaning; `SCHEMA` is read from them.
    A field that may be None is a column that may be null: a failed trial leaves what it never
    came to know.

    Raises
    ------
    ValueError
        Where the key cannot name a file, or where a row has neither or both of a score and an
        error.
    """

    key: Annotated[str, pa.string(), "Hexadecimal digest of all that determines the score"]
    event: Annotated[str, pa.string(), "Name of the landslide event"]
    cube: Annotated[str, pa.string(), "Address of the cube"]
    cube_digest: Annotated[str, pa.string(), "Digest of the cube's content"]
    simulated: Annotated[bool, pa.bool_(), "Whether the cube is simulated"]
    protocol: Annotated[str, pa.string(), "Evaluation protocol: paper or blocked"]
    split_digest: Annotated[str, pa.string(), "Digest of the chips' corners and parts"]
    inputs: Annotated[str, pa.string(), "Inputs joined by +, such as vv+vh+dem"]
    timesteps: Annotated[int, pa.int32(), "Images averaged before and after; 0 for dem alone"]
    seed: Annotated[int, pa.int32(), "Seed of the initial weights and of the shuffling"]
    mask: Annotated[
        str | None, pa.string(), "Channels and timestep counts whose common pixels are scored"
    ] = None
    auprc: Annotated[float | None, pa.float64(), "Average precision over all test pixels"] = None
    error: Annotated[str | None, pa.string(), "Why the trial failed, on one line"] = None
    prevalence: Annotated[float | None, pa.float64(), "Share of landslide in the test pixels"] = (
        None
    )
    change_auprc: Annotated[
        float | None, pa.float64(), "Average precision of the untrained absolute log ratio"
    ] = None
    smoothed_difference_auprc: Annotated[
        float | None, pa.float64(), "Average precision of before minus after, smoothed over 5x5"
    ] = None
    preset: Annotated[str | None, pa.string(), "Training preset: paper or quick"] = None
    network: Annotated[str | None, pa.string(), "Network architecture and encoder"] = None
    encoder_weights: Annotated[str | None, pa.string(), "none, imagenet, or a file's digest"] = None
    parameters: Annotated[int | None, pa.int64(), "Trainable parameters"] = None
    epochs: Annotated[int | None, pa.int32(), "Epochs asked for"] = None
    best_epoch: Annotated[int | None, pa.int32(), "Epoch whose weights were scored"] = None
    batch_size: Annotated[int | None, pa.int32(), "Chips in a training batch"] = None
    learning_rate: Annotated[float | None, pa.float64(), "Initial learning rate"] = None
    precision: Annotated[str | None, pa.string(), "Arithmetic of the training"] = None
    threads: Annotated[int | None, pa.int32(), "CPU threads of the training"] = None
    train_chips: Annotated[int | None, pa.int32(), "Chips trained on"] = None
    validation_chips: Annotated[int | None, pa.int32(), "Chips validated on"] = None
    test_chips: Annotated[int | None, pa.int32(), "Chips tested on"] = None
    train_pixels: Annotated[int | None, pa.int64(), "Valid pixels trained on"] = None
    test_pixels: Annotated[int | None, pa.int64(), "Valid pixels tested on"] = None
    seconds: Annotated[float | None, pa.float64(), "Time that its epochs took [s]"] = None
    chips_per_second: Annotated[float | None, pa.float64(), "Chips trained on a second"] = None
    device: Annotated[str | None, pa.string(), "Device of the training"] = None
    versions: Annotated[str | None, pa.string(), "Versions of the libraries, as JSON"] = None
    written_at: Annotated[
        datetime, pa.timestamp("us", tz="UTC"), "Instant at which the row was made"
    ] = field(default_factory=lambda: datetime.now(UTC))
    histogram_edges: Annotated[
        npt.NDArray[np.float32] | None, _FLOATS, "Score edges of the class histograms (bins + 1)"
    ] = None
    histogram_negative: Annotated[
        npt.NDArray[np.int32] | None, _COUNTS, "Pixels without landslide (test chips x bins), flat"
    ] = None
    histogram_positive: Annotated[
        npt.NDArray[np.int32] | None, _COUNTS, "Landslide pixels (test chips x bins), flat"
    ] = None
    test_blocks: Annotated[
        npt.NDArray[np.int32] | None, _COUNTS, "Number of each test chip's spatial block"
    ] = None
    origin: Annotated[
        str | None, pa.string(), "How a model began, where not plainly at random, here"
    ] = None
    labelled_chips: Annotated[
        int | None, pa.int32(), "Training chips whose labels were used, where not all were"
    ] = None
    orbit: Annotated[str | None, pa.string(), "The orbit asked for, if any was"] = None
    setup: Annotated[
        str | None, pa.string(), "Digest of what else all comparable rows have in common"
    ] = None
    compiled: Annotated[bool | None, pa.bool_(), "Whether its training steps ran compiled"] = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]+", self.key):
            raise ValueError(f"a row's key is a hexadecimal digest, not {self.key!r}")
        if self.error is not None:
            # Mended rather than refused: a failed trial must be seen whatever its message.
            object.__setattr__(self, "error", " ".join(self.error.split()) or "no message")
        if (self.auprc is None) == (self.error is None):
            raise ValueError(f"row {self.key} needs either an auprc or an error")
        if self.auprc is not None and not math.isfinite(self.auprc):
            raise ValueError(f"row {self.key} has an auprc of {self.auprc}; give an error instead")


def _schema() -> pa.Schema:
    """Read the table's schema from the annotations of `Row`."""
    columns = []
    for name, hint in get_type_hints(Row, include_extras=True).items():
        values, kind, meaning = get_args(hint)
        nullable = type(None) in get_args(values)
        columns.append(pa.field(name, kind, nullable, metadata={"description": meaning}))
    return pa.schema(columns)


SCHEMA: pa.Schema = _schema()

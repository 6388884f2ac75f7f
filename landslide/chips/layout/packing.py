"""How backscatter is stored: as power, as its natural logarithm, or as a packed logarithm."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landslide.cube.units import LOGARITHM, OF_LOGARITHM

STEP = 2.0**-11
OFFSET = -4.0
"""Of whole numbers: powers of two, so that every reader decodes the same float32. Of gamma0 they
reach from -87 to 52 dB."""
NOTHING = -(2**15)


@dataclass(frozen=True)
class Packing:
    """One way to store backscatter."""

    name: str
    dtype: np.dtype[Any]
    """As stored."""
    logarithm: bool = True
    """Whether values are the natural logarithm of linear power."""
    limits: tuple[float, float] = (-np.inf, np.inf)
    """Logarithms beyond are clipped."""
    error: float = 0.0
    """The largest difference that packing makes to a logarithm that is not clipped."""

    def describe(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return a variable's attributes once it is stored so."""
        described = {k: v for k, v in attributes.items() if not k.startswith("packing")}
        if not self.logarithm:
            return described
        meaning = str(described.get("long_name", "gamma0 backscatter")).removeprefix(OF_LOGARITHM)
        described |= {"units": LOGARITHM, "long_name": OF_LOGARITHM + meaning}
        if self.error:
            described |= {"packing": self.name, "packing_error": self.error}
            described |= {"packing_limits": list(self.limits)}
        if self.dtype.kind == "i":
            described |= {"scale_factor": STEP, "add_offset": OFFSET}
            described["_FillValue"] = np.int16(NOTHING)
        return described

    def pack(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Return values, as `backscatter` gives them, as they are stored."""
        if self.dtype == np.float32:
            return values
        clipped = np.clip(values, *self.limits)  # Python's floats, so it stays float32
        if self.dtype.kind == "f":
            return clipped.astype(self.dtype)
        steps = np.rint((clipped.astype(np.float64) - OFFSET) / STEP)
        return np.where(np.isnan(steps), NOTHING, steps).astype(self.dtype)

    def unpack(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return what `pack` packed."""
        if self.dtype.kind == "f":
            return stored.astype(np.float32, copy=False)
        values = stored.astype(np.float32) * np.float32(STEP) + np.float32(OFFSET)
        return np.where(stored == NOTHING, np.float32(np.nan), values)


PACKINGS: Mapping[str, Packing] = MappingProxyType(
    {
        packing.name: packing
        for packing in (
            Packing("ln", np.dtype(np.float32)),
            Packing("power", np.dtype(np.float32), logarithm=False),
            Packing("float16", np.dtype(np.float16), limits=(-16, 16), error=2.0**-8),
            Packing(
                "int16",
                np.dtype(np.int16),
                limits=(OFFSET - STEP * (2**15 - 1), OFFSET + STEP * (2**15 - 1)),
                error=STEP / 2,
            ),
        )
    }
)


@dataclass(frozen=True)
class Counts:
    """What became of samples on their way into the store."""

    missing: int = 0
    """That were NaN."""
    rejected: int = 0
    """That were infinite, zero or negative, which no backscatter is: NaN in the logarithm."""
    clipped: int = 0
    """That lay beyond what the packing can hold."""
    largest_error: float = 0.0
    """The largest difference that packing made to a logarithm that was not clipped."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.missing + other.missing,
            self.rejected + other.rejected,
            self.clipped + other.clipped,
            max(self.largest_error, other.largest_error),
        )


def backscatter(
    values: NDArray[np.float32], *, logarithms: bool, packing: Packing
) -> tuple[NDArray[Any], Counts]:
    """Return backscatter as it is stored, and what became of its samples.

    Parameters
    ----------
    values : float32
        Linear power, or its natural logarithm where `logarithms` says so.
    logarithms : bool
    packing : Packing
    """
    missing = int(np.isnan(values).sum())
    valid = np.isfinite(values) if logarithms else np.isfinite(values) & (values > 0)
    rejected = int(valid.size - valid.sum()) - missing
    if not packing.logarithm:
        return np.exp(values) if logarithms else values, Counts(missing, rejected)
    logs = np.where(valid, values, np.float32(np.nan))
    if not logarithms:
        np.log(logs, out=logs)
    stored = packing.pack(logs)
    if not packing.error:
        return stored, Counts(missing, rejected)
    low, high = packing.limits
    beyond = (logs < low) | (logs > high)
    differences = np.abs(packing.unpack(stored) - logs)[valid & ~beyond]
    error = float(differences.max(initial=0))
    return stored, Counts(missing, rejected, int(beyond.sum()), error)

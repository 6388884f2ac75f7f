"""How large a cube is once it is stored, and how a size is said."""

SPECKLE = {"ln": 0.89, "float16": 0.88, "int16": 1.0}
"""Bytes stored for each byte of speckle (gamma of shape 4) as its logarithm, measured."""


def size_text(count: float) -> str:
    """Return a number of bytes for people, as three figures of a decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"

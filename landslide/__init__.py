"""Landslide mapping from SAR datacubes.

What a user imports is named here, once. A name is loaded when it is first used, so that opening a
cube does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landslide.chips.stream import stream_chips
    from landslide.cube.events import find_event, load_event
    from landslide.cube.store import open_cube
    from landslide.results.table import results_table
    from landslide.simulation import simulate_cube
    from landslide.training.train import train

__all__ = [
    "find_event",
    "load_event",
    "open_cube",
    "results_table",
    "simulate_cube",
    "stream_chips",
    "train",
]

_HOMES = {
    "find_event": "landslide.cube.events",
    "load_event": "landslide.cube.events",
    "open_cube": "landslide.cube.store",
    "results_table": "landslide.results.table",
    "simulate_cube": "landslide.simulation",
    "stream_chips": "landslide.chips.stream",
    "train": "landslide.training.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'landslide' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

"""Landslide mapping from SAR datacubes.

What a user imports is named here, once. A name is loaded when it is first used, so that opening a
cube does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landslide.bundling import train_bundle
    from landslide.chips.passing import chip_batches
    from landslide.chips.split import Chipping
    from landslide.chips.stream import plan_stream, stream_chips
    from landslide.cube.events import Event, find_event, load_event
    from landslide.cube.store import open_cube
    from landslide.mapping.choices import MapChoices
    from landslide.mapping.run import map_landslides
    from landslide.results.comparing import comparison
    from landslide.results.table import results_table
    from landslide.simulation import simulate_cube
    from landslide.training.config import TrainingConfig, training_config
    from landslide.training.train import train

__all__ = [
    "Chipping",
    "Event",
    "MapChoices",
    "TrainingConfig",
    "chip_batches",
    "comparison",
    "find_event",
    "load_event",
    "map_landslides",
    "open_cube",
    "plan_stream",
    "results_table",
    "simulate_cube",
    "stream_chips",
    "train",
    "train_bundle",
    "training_config",
]

_HOMES = {
    "Chipping": "landslide.chips.split",
    "Event": "landslide.cube.events",
    "MapChoices": "landslide.mapping.choices",
    "TrainingConfig": "landslide.training.config",
    "chip_batches": "landslide.chips.passing",
    "comparison": "landslide.results.comparing",
    "find_event": "landslide.cube.events",
    "load_event": "landslide.cube.events",
    "map_landslides": "landslide.mapping.run",
    "open_cube": "landslide.cube.store",
    "plan_stream": "landslide.chips.stream",
    "results_table": "landslide.results.table",
    "simulate_cube": "landslide.simulation",
    "stream_chips": "landslide.chips.stream",
    "train": "landslide.training.train",
    "train_bundle": "landslide.bundling",
    "training_config": "landslide.training.config",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'landslide' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

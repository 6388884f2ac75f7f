"""Which configurations a sweep trains."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from landslide.chips.inputs import BASELINE, parse_inputs
from landslide.training.config import TrainingConfig


def configurations(
    base: TrainingConfig, inputs: Iterable[str], timesteps: Iterable[int], seeds: Iterable[int]
) -> list[TrainingConfig]:
    """List a sweep's configurations: inputs x timesteps x seeds.

    Inputs without backscatter have no timesteps and come once, with 0.
    """
    configs: dict[TrainingConfig, None] = {}
    for seed in seeds:
        for count in timesteps:
            for name in inputs:
                parsed = parse_inputs(name)
                steps = count if parsed.polarisations else 0
                configs[replace(base, inputs=parsed.name, timesteps=steps, seed=seed)] = None
    return list(configs)


def with_baseline(inputs: Sequence[str]) -> list[str]:
    """Add the DEM-only baseline to a sweep that uses all of the terrain."""
    names = [parse_inputs(name).name for name in inputs]
    terrain = parse_inputs(BASELINE)
    if any(set(terrain.static) <= set(parse_inputs(n).static) for n in names):
        names.append(BASELINE)
    return list(dict.fromkeys(names))

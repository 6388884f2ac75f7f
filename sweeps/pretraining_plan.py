"""What is pretrained without labels, and begins with that: planned, no image is read yet."""

from dataclasses import dataclass, replace

import xarray as xr

from cluster.resources import Resources
from landslide.chips.passing import ChipStream
from landslide.chips.plan import plan_unlabelled
from landslide.experiment.keys import origin_digest, row_key
from landslide.experiment.plan import Experiment, stream_of
from landslide.results.labels import AS_LONG
from landslide.storage import exists
from landslide.training.config import TrainingConfig
from landslide.training.labelled import chips_trained, with_labels, with_more_steps
from sweeps.planning import Sweep, opened_cube

ORIGIN = "pretrained without labels"


@dataclass(frozen=True)
class Pretraining:
    """What may be chosen of pretraining, and of what is trained then."""

    labelled: tuple[int, ...] = (2, 10, 50)
    """Numbers of labelled chips to train on, besides all; those that there are not are left out."""
    epochs: int | None = None
    """Passes over the unlabelled chips; None: as many as over the others."""


def plan_scene(sweep: Sweep) -> tuple[Experiment, ChipStream]:
    """Plan the scene's chips without labels, those of the test part left out."""
    cube, experiment = opened_cube(sweep.choices), sweep.experiment
    shape = cube.sizes["y"], cube.sizes["x"]
    split = plan_unlabelled(shape, sweep.stream.chips, experiment.chipping)
    unlabelled = replace(experiment, split=split)
    return unlabelled, stream_of(cube, unlabelled)


def weights_to_begin_with(
    pretraining: Pretraining, sweep: Sweep, experiment: Experiment, resources: Resources
) -> dict[str, TrainingConfig]:
    """Return by their addresses the weights that pretraining makes, and what makes them."""
    epochs = pretraining.epochs or sweep.choices.base.epochs
    configs = [replace(each, epochs=epochs) for each in sweep.keyed(resources).values()]
    keyed = {row_key(experiment, each, each.precision): each for each in configs}
    stem = f"{sweep.choices.runs}/{ORIGIN.split(maxsplit=1)[0]}"
    return {f"{stem}-{key}.safetensors": config for key, config in keyed.items()}


def lacking(weights: dict[str, TrainingConfig]) -> dict[str, TrainingConfig]:
    """Return those of the weights that are not there."""
    return {address: config for address, config in weights.items() if not exists(address)}


def configs_of(
    pretraining: Pretraining,
    sweep: Sweep,
    scene: tuple[Experiment, ChipStream],
    weights: dict[str, TrainingConfig],
    chips: xr.Dataset,
) -> list[TrainingConfig]:
    """Return what is trained on few labels and on all of the training part of some chips."""
    experiment, stream = scene
    own, unlabelled = chips_trained(chips), stream.chips.sizes["chip"]
    epochs = pretraining.epochs or sweep.choices.base.epochs
    as_long = [
        replace(with_more_steps(config, epochs, unlabelled, own), origin=AS_LONG)
        for config in sweep.configs
    ]
    origin = ORIGIN if pretraining.epochs is None else f"{ORIGIN} for {epochs} epochs"
    begun = [
        replace(
            config,
            epochs=sweep.choices.base.epochs,
            start=address,
            origin=origin,
            begun_on=origin_digest(experiment, config),
        )
        for address, config in weights.items()
    ]
    labelled = [k for k in sorted(set(pretraining.labelled)) if k < own]
    return [
        with_labels(config, k, own)
        for config in (*sweep.configs, *as_long, *begun)
        for k in (*labelled, None)
    ]

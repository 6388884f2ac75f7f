"""What a transfer trains, stage by stage, on which cubes' chips: known before any is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import xarray as xr

from cluster.resources import Resources
from landslide.chips.joining import join_cubes
from landslide.chips.split import TEST
from landslide.experiment.keys import origin_digest
from landslide.results.labels import AS_LONG
from landslide.storage import exists
from landslide.training.config import TrainingConfig
from landslide.training.labelled import with_labels, with_more_steps, with_steps_of
from sweeps.planning import Sweep
from sweeps.trial import weights_of


@dataclass(frozen=True)
class Tuning:
    """What may be chosen of what begins with the sources' weights, and of what it is set beside."""

    labelled: tuple[int, ...] = (1, 4, 16, 64)
    """Labelled chips of the target to train on, besides none; those that it lacks are left out."""
    rate: float | None = None
    """Initial learning rate; None: a hundredth of the rest."""
    epochs: int | None = None
    """Passes over all of the target's training chips whose steps are made; None: an eighth of the
    rest's."""


@dataclass(frozen=True)
class Stage:
    """Configurations on one set of chips, which wait for what an earlier stage leaves."""

    sweep: Sweep
    """The target's, with what its models are trained on."""
    configs: Sequence[TrainingConfig]
    sources: tuple[int, ...] = ()
    """Numbers of the sources whose chips are trained on."""
    keep: bool = False
    """Whether its weights are begun with later."""

    def chips(self, own: xr.Dataset, others: Sequence[xr.Dataset]) -> xr.Dataset:
        """Return its chips, of those of the target and of all sources; joined, they are a copy."""
        if not self.sources:
            return own
        if self.sweep.experiment.without_own:
            own = own.isel(chip=(own["part"] == TEST).to_numpy())
        return join_cubes(own, [others[number] for number in self.sources])


def stages_of(
    tuning: Tuning,
    target: Sweep,
    sources: Sequence[Sweep],
    names: Sequence[str],
    resources: Resources,
    trained: Sequence[int],
) -> Iterator[Stage]:
    """Give all stages, each as soon as it is known: the last begins with weights of the others.

    Parameters
    ----------
    tuning : Tuning
    target : Sweep
    sources : sequence of Sweep
    names : sequence of str
        Of the sources.
    resources : Resources
        Of each trial.
    trained : sequence of int
        How many chips the target's training part has, and that of each source.
    """
    weights = {}
    for stage in joint_stages(target, sources, names, trained):
        yield stage
        keyed = stage.sweep.keyed(resources, stage.configs) if stage.keep else {}
        for key, config in keyed.items():
            which = (config.origin, config.inputs, config.timesteps, config.seed)
            begun_on = origin_digest(stage.sweep.experiment, config)
            weights[which] = (weights_of(target.choices.runs, key), begun_on)
    yield Stage(target, few_labels(tuning, target, trained[0], weights))


def joint_stages(
    target: Sweep, sources: Sequence[Sweep], names: Sequence[str], trained: Sequence[int]
) -> Iterator[Stage]:
    """Give what is trained on the sources: each alone, all, and all with the target's own.

    All but the last is trained on none of the target's labels, and scored on it zero-shot. Each
    makes as many optimiser steps as the target alone, see `with_steps_of`.
    """
    own, *others = trained
    everyone = tuple(range(len(sources)))
    digests = [source.experiment.chips_digest for source in sources]
    groups = [(number,) for number in everyone] + [everyone] * (len(sources) > 1)
    for group in groups:
        yield Stage(
            trained_on(target, sources=tuple(digests[n] for n in group), without_own=True),
            in_as_many_steps(
                target.configs,
                (own, sum(others[n] for n in group)),
                f"zero-shot from {'+'.join(names[n] for n in group)}",
            ),
            sources=group,
            keep=True,
        )
    yield Stage(
        trained_on(target, sources=tuple(digests)),
        in_as_many_steps(target.configs, (own, sum(trained)), f"with {'+'.join(names)}"),
        sources=everyone,
    )


def trained_on(target: Sweep, **changes: Any) -> Sweep:
    """Return the target's sweep with other chips to train on, see `Experiment.sources`."""
    return replace(target, experiment=replace(target.experiment, **changes))


def in_as_many_steps(
    configs: Sequence[TrainingConfig], chips: tuple[int, int], origin: str
) -> list[TrainingConfig]:
    """Return what trains on the second number of chips in as many optimiser steps as on the first.

    That is as many as on the target's own.
    """
    return [replace(with_steps_of(config, *chips), origin=origin) for config in configs]


def few_labels(
    tuning: Tuning,
    target: Sweep,
    own: int,
    weights: dict[tuple[str, str, int, int], tuple[str, str]],
) -> list[TrainingConfig]:
    """Return what is trained on the target alone, on few labels and all, or on none at all.

    However many steps tuning makes, its rate waits for as many as that of the rest.

    Parameters
    ----------
    tuning : Tuning
    target : Sweep
    own : int
        How many chips its training part has.
    weights : dict
        Address of weights to begin with, and what they were trained on, as `origin_digest` says
        it, by origin, inputs, timesteps and seed. Those that are not there are left out.
    """
    labelled = [k for k in sorted(set(tuning.labelled)) if k < own]
    rate = tuning.rate or target.choices.base.learning_rate / 100
    epochs = tuning.epochs or max(1, target.choices.base.epochs // 8)
    configs = []
    for base in target.configs:
        as_long = replace(with_more_steps(base, epochs, own, own), origin=AS_LONG)
        for at_random in (base, as_long):
            configs += [with_labels(at_random, k, own) for k in (*labelled, None)]
        for (origin, *which), (address, begun_on) in weights.items():
            if which == [base.inputs, base.timesteps, base.seed] and exists(address):
                begun = replace(
                    base,
                    start=address,
                    origin=origin.removeprefix("zero-shot "),
                    begun_on=begun_on,
                    epochs=epochs,
                    learning_rate=rate,
                )
                configs += [with_labels(begun, k, own) for k in (0, *labelled)]
    return configs

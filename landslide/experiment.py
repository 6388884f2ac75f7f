"""One trial of an experiment: a configuration trained, scored, and written as a row."""

import functools
import hashlib
import json
import logging
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from landslide.chips.chip_store import chip_store_name
from landslide.chips.inputs import BASELINE, parse_inputs, union
from landslide.chips.passing import ChipStream
from landslide.chips.plan import plan_chips
from landslide.chips.split import (
    LEAST_BLOCKS,
    TEST,
    VALIDATION,
    Chipping,
    effective_blocks,
    spatial_blocks,
    split_to_json,
)
from landslide.chips.stream import plan_stream
from landslide.chips.survey import Chips, known_of
from landslide.chips.windows import corners_of
from landslide.cube.digest import cube_digest
from landslide.cube.events import Event, event_to_attribute
from landslide.cube.labels import NO_DATA, read_labels
from landslide.cube.opening import AS_NO_DATA
from landslide.results.histograms import class_histograms
from landslide.results.row import SCHEMA, Row
from landslide.results.table import write_row
from landslide.retries import patiently
from landslide.storage import read_bytes
from landslide.training.config import TrainingConfig, determining
from landslide.training.labelled import training_chips
from landslide.training.metrics import change_baselines
from landslide.training.run import Report
from landslide.training.start import keep_weights
from landslide.training.train import Trained, train

log = logging.getLogger(__name__)

PROJECT = "landslide-sar-datacubes"
PACKAGES = ("torch", "segmentation-models-pytorch", "xarray", "zarr", "xbatcher", "dask", "ray")

_VARIED = {"inputs", "timesteps", "seed", "start", "threads"}
_COLUMNS = {*SCHEMA.names, "start"}


@dataclass(frozen=True)
class Experiment:
    """What all trials of a sweep share, known before any image is read."""

    cube: str
    """Address of the cube."""
    cube_digest: str
    event: Event
    chipping: Chipping
    inputs: tuple[str, ...]
    """All input sets of the sweep: together they make the one mask that scores every row."""
    timesteps: tuple[int, ...]
    """All timestep counts of the sweep."""
    orbit: str | None
    """The geometry asked for, if any."""
    split: str
    """Each chip's corner and part, as JSON."""
    simulated: bool
    skip_damaged: bool
    """Whether chips of missing or damaged chunks are left out."""
    sources: tuple[str, ...] = ()
    """Digests of other cubes' chips that are trained on in place of, or beside, this one's."""

    without_own: bool = False
    """Whether those take the place of all of this cube's training chips."""

    @property
    def split_digest(self) -> str:
        """Digest of the protocol, and of the chips' size, corners and parts."""
        return hashlib.sha256(self.split.encode()).hexdigest()[:16]

    @property
    def chips_digest(self) -> str:
        """Digest of the chips themselves: what was cut of which cube, and divided how."""
        return _digest(self.determined)

    @property
    def determined(self) -> dict[str, Any]:
        """What determines the chips and how they are scored."""
        known = {
            "cube": self.cube_digest,
            "event": event_to_attribute(self.event),
            "orbit": self.orbit,
            "split": self.split_digest,  # of protocol, chip size, corners and parts
            "mask": self.mask,
        }
        others = {"sources": self.sources, "without_own": self.without_own}
        return known | (others if self.sources else {})

    @property
    def chip_store(self) -> str:
        """Name of the store of the sweep's chips."""
        return chip_store_name(
            cube_digest=self.cube_digest,
            event=self.event,
            split=self.split,
            inputs=self.inputs,
            timesteps=self.timesteps,
            orbit=self.orbit,
        )

    @property
    def mask(self) -> str:
        """The channels and timestep counts that a scored pixel has data in, all of them."""
        counts = ",".join(map(str, self.timesteps))
        return f"{union(self.inputs).name} x {counts}"


def plan_experiment(
    cube: xr.Dataset,
    event: Event,
    chipping: Chipping,
    inputs: Sequence[str],
    timesteps: Sequence[int],
    *,
    orbit: str | None = None,
    split: str | None = None,
    skip_damaged: bool = False,
) -> Experiment:
    """Fix what determines a sweep's rows; of the cube's pixels only the labels are read.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it.
    event : Event
    chipping : Chipping
    inputs, timesteps : sequences
        All input sets and timestep counts of the sweep.
    orbit : str, optional
        As for `stream_chips`.
    split : str, optional
        A saved split to use again.
    skip_damaged : bool
        As for `plan_stream`.

    Raises
    ------
    ValueError
        As `plan_chips` does.
    """
    address = str(cube.encoding["source"])
    labels = read_labels(cube)
    # What lets a damaged cube pass makes it another: its rows and chips are not those of a whole.
    read_as = [cube.encoding["missing"]] if cube.encoding.get("missing") == AS_NO_DATA else []
    read_as += ["skip-damaged"] if skip_damaged else []
    chips = plan_chips(labels, chipping, split)
    if chipping.protocol == "blocked":
        _warn_of_one_place(address, chips, chipping)
    return Experiment(
        cube=address,
        cube_digest=cube_digest(address, labels, read_as),
        event=event,
        chipping=chipping,
        inputs=tuple(sorted({parse_inputs(name).name for name in inputs})),
        timesteps=tuple(sorted(set(timesteps))),
        orbit=orbit,
        split=split_of(chips, chipping),
        simulated=bool(cube.attrs.get("simulated", False)),
        skip_damaged=skip_damaged,
    )


def _warn_of_one_place(address: str, chips: xr.Dataset, chipping: Chipping) -> None:
    """Say so where the test landslides lie in too few blocks to tell how blocks differ."""
    tested = (chips["part"] == TEST).to_numpy()
    blocks = spatial_blocks(corners_of(chips), chipping)[tested]
    number = np.unique(blocks, return_inverse=True)[1]
    found = effective_blocks(number, (chips["label"].to_numpy()[tested] == 1).sum(axis=(1, 2)))
    if found < LEAST_BLOCKS:
        log.warning(
            "%s: the landslides to test on lie in %.1f of %d spatial blocks, counted by their "
            "pixels, so no interval will say what another place would give: choose a smaller "
            "--block-size, or another --split-seed",
            address,
            found,
            number.max() + 1,
        )


def stream_of(cube: xr.Dataset, experiment: Experiment) -> ChipStream:
    """Return the chips of an experiment, to be read of its cube.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it.
    experiment : Experiment

    Raises
    ------
    ValueError
        As `plan_stream` does.
    """
    return plan_stream(
        cube,
        experiment.event,
        inputs=experiment.inputs,
        timesteps=experiment.timesteps,
        chipping=experiment.chipping,
        orbit=experiment.orbit,
        split=experiment.split,
        skip_damaged=experiment.skip_damaged,
    )


def split_of(chips: xr.Dataset, chipping: Chipping) -> str:
    """Write down the corners and parts of planned chips."""
    return split_to_json(corners_of(chips), chips["part"].to_numpy(), chipping)


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


def row_key(
    experiment: Experiment, config: TrainingConfig, precision: str, *, start: str | None = None
) -> str:
    """Digest what determines a score: data, split, mask and training, but not device or versions.

    Weights to begin with count by their content; where they could not be made, by their address.

    Parameters
    ----------
    experiment : Experiment
    config : TrainingConfig
    precision : str
        `float32` or `mixed`, as the device will resolve `auto`.
    start : str, optional
        What `start_digest` says of the weights to begin with, where that is known.
    """
    training = determining(config) | {"precision": precision}
    if precision == "mixed":
        # On a GPU they do not matter; elsewhere they change less than the kind of device does.
        del training["threads"]
    if Path(config.encoder_weights).is_file():
        weights = Path(config.encoder_weights).read_bytes()
        training["encoder_weights"] = hashlib.sha256(weights).hexdigest()
    if config.start != "none":
        training["start"] = start or start_digest(config.start)
    return _digest(experiment.determined | {"training": training})[:32]


def setup_digest(experiment: Experiment, config: TrainingConfig) -> str:
    """Digest what rows must share to be compared: all that determines a score but what they vary.

    That are inputs, timesteps and seed, and weights to begin with, which are others for each seed:
    what these were trained on must be the same. Settings with a column of their own are compared
    there. The blocks that intervals draw, which a saved split does not say, must be the same, too.
    """
    training = {name: value for name, value in determining(config).items() if name not in _COLUMNS}
    chipping = experiment.chipping
    blocked = chipping.protocol == "blocked"
    blocks = {"blocks": (chipping.block_size, chipping.block_offset)} if blocked else {}
    begun = {"begun_on": config.begun_on} if config.begun_on else {}
    return _digest(experiment.determined | blocks | begun | {"training": training})[:12]


def origin_digest(experiment: Experiment, config: TrainingConfig) -> str:
    """Digest what trains weights to begin with, but for inputs, timesteps, seed and threads."""
    training = {k: v for k, v in determining(config).items() if k not in _VARIED}
    return _digest(experiment.determined | {"training": training})[:12]


def _digest(determined: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(determined, sort_keys=True).encode()).hexdigest()


def start_digest(address: str) -> str:
    """Return the digest of weights to begin with, or their address where there are none."""
    try:
        return hashlib.sha256(patiently(lambda: read_bytes(address))).hexdigest()
    except FileNotFoundError:
        return address


def run_trial(
    experiment: Experiment,
    config: TrainingConfig,
    chips: Chips,
    *,
    key: str,
    table: str | None,
    checkpoint: str | None = None,
    weights: str | None = None,
    report: Report | None = None,
) -> Trained:
    """Train a configuration, score it and write its row.

    Parameters
    ----------
    experiment : Experiment
    config : TrainingConfig
    chips : Dataset or ChipStream
        The experiment's chips, as `gather_chips` gives them.
    key : str
        As `row_key` gives it.
    table : str or None
        Address of the table's folder, if the row is wanted.
    checkpoint, report
        As for `train`.
    weights : str, optional
        Address to keep the trained weights at, for other configurations to begin with.
    """
    trained = train(chips, config, checkpoint=checkpoint, report=report)
    if weights is not None:
        keep_weights(trained.network, weights)
    if table is not None:
        write_row(table, earned_row(experiment, trained, chips, key))
    return trained


def earned_row(experiment: Experiment, trained: Trained, chips: Chips, key: str) -> Row:
    """Return the row that a trained model earned."""
    config = trained.config
    known = known_of(chips)
    parts = known["part"].to_numpy()
    pixels = (known["label"].to_numpy() != NO_DATA).sum(axis=(1, 2))
    edges, negative, positive = class_histograms(trained.test_scores, trained.test_labels)
    untrained = change_baselines(chips, config.timesteps) if config.timesteps else {}
    trained_on = training_chips(known, config)
    # With few labels nothing validates.
    validated = int((parts == VALIDATION).sum()) if config.labelled_chips is None else 0
    chips_trained = config.epochs * len(trained_on)
    return Row(
        **_identity(experiment, config, key),
        auprc=trained.auprc,
        prevalence=trained.prevalence,
        change_auprc=untrained.get("change_auprc"),
        smoothed_difference_auprc=untrained.get("smoothed_difference_auprc"),
        parameters=trained.parameters,
        best_epoch=trained.best_epoch,
        precision=trained.precision,
        compiled=trained.compiled,
        train_chips=len(trained_on),
        validation_chips=validated,
        test_chips=int((parts == TEST).sum()),
        train_pixels=int(pixels[trained_on].sum()),
        test_pixels=int(pixels[parts == TEST].sum()),
        seconds=trained.seconds,
        chips_per_second=chips_trained / trained.seconds if trained.seconds else None,
        device=trained.device,
        versions=json.dumps(versions()),
        histogram_edges=edges,
        histogram_negative=negative.ravel(),
        histogram_positive=positive.ravel(),
        test_blocks=spatial_blocks(corners_of(known)[parts == TEST], experiment.chipping),
    )


def failed_row(experiment: Experiment, config: TrainingConfig, key: str, error: str) -> Row:
    """Return the row that keeps a failed trial visible."""
    return Row(**_identity(experiment, config, key), error=" ".join(error.split())[:500])


def _identity(experiment: Experiment, config: TrainingConfig, key: str) -> dict[str, Any]:
    return {
        "key": key,
        "event": experiment.event.name,
        "cube": experiment.cube,
        "cube_digest": experiment.cube_digest,
        "simulated": experiment.simulated,
        "protocol": experiment.chipping.protocol,
        "split_digest": experiment.split_digest,
        "mask": experiment.mask,
        "inputs": config.inputs,
        "timesteps": config.timesteps,
        "seed": config.seed,
        "preset": config.preset,
        "network": config.network,
        "encoder_weights": config.encoder_weights,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "learning_rate": config.learning_rate,
        "threads": config.threads,
        "origin": config.origin or None,
        # Of this cube's labels none is used where other cubes' chips take their place.
        "labelled_chips": 0 if experiment.without_own else config.labelled_chips,
        "orbit": experiment.orbit,
        "setup": setup_digest(experiment, config),
    }


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions that a score may depend on; this project's with a digest of its code."""
    try:
        own = version(PROJECT)
    except PackageNotFoundError:  # the code came with a job
        own = "none"
    ours = {"landslide": f"{own}+{_code_digest()}"}
    libraries = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | ours | libraries


def _code_digest() -> str:
    """Digest this package's modules: a checkout's version stays the same while its code changes."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def with_baseline(inputs: Sequence[str]) -> list[str]:
    """Add the DEM-only baseline to a sweep that uses all of the terrain."""
    names = [parse_inputs(name).name for name in inputs]
    terrain = parse_inputs(BASELINE)
    if any(set(terrain.static) <= set(parse_inputs(n).static) for n in names):
        names.append(BASELINE)
    return list(dict.fromkeys(names))

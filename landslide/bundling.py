"""One model trained from a cube on this machine and kept as a bundle."""

import contextlib
from typing import Any

import torch
import xarray as xr
from tqdm import tqdm

from landslide.chips.gathering import gather_chips
from landslide.chips.images import select_images
from landslide.chips.inputs import PAPER_INPUTS, PAPER_TIMESTEPS, parse_inputs
from landslide.chips.sizes import AUTO, Room, memory_bytes
from landslide.chips.split import Chipping
from landslide.cube.events import Event, find_event
from landslide.cube.georeference import pixel_size, unit_of
from landslide.experiment.configurations import configurations, with_baseline
from landslide.experiment.keys import row_key
from landslide.experiment.plan import plan_experiment, stream_of
from landslide.experiment.run import run_trial
from landslide.experiment.versions import versions
from landslide.results.table import check_writable
from landslide.storage import Address, absolute, remove, require_writable
from landslide.training.bundle import save_bundle
from landslide.training.config import TrainingConfig
from landslide.training.device import resolved_precision, telling_batch_size, this_device
from landslide.training.labelled import chips_trained
from landslide.training.network import require_network
from landslide.training.train import Trained

BLOCKED = Chipping(protocol="blocked")
"""What a model is trained by that is to map: scores that one may believe, and a validation part."""


def train_bundle(
    cube: xr.Dataset,
    config: TrainingConfig,
    chipping: Chipping = BLOCKED,
    *,
    out: Address,
    event: Event | str | None = None,
    orbit: str | None = None,
    split: str | None = None,
    chips: str = AUTO,
    skip_damaged: bool = False,
    table: Address | None = None,
) -> Trained:
    """Train one configuration and save weights, normalisation, split and scores as one bundle.

    A run that was stopped goes on from its checkpoint in the same folder.

    Parameters
    ----------
    cube : Dataset
        As `open_cube` gives it, whole; with its labels in memory they are read once.
    config : TrainingConfig
        Inputs, timesteps, seed, and how to train; `training_config` makes one of a preset.
    chipping : Chipping
        How the scene is cut and divided; by default in blocks of 1024 pixels, which a small scene
        has too few of.
    out : str or path
        Folder of the bundle.
    event, orbit, split, skip_damaged
        As for `stream_chips`.
    chips : str
        Where they go: `auto`, or one of `landslide.chips.sizes.WAYS`. A chip store is left in
        `out`, so that the next run need not read the cube.
    table : str or path, optional
        A table to write the row into, too: scored on the pixels that the paper's sweep scores,
        as far as the cube has its inputs, so that the row stands beside the sweep's.

    Returns
    -------
    Trained
        The network and its normalisation; `auprc` on the test part [0 to 1], beside `prevalence`,
        what a random score reaches; scores and labels of the test chips (chip, y, x); the history.

    Raises
    ------
    ValueError, OSError
        Where the cube, the event, the options, or the addresses to write to are wrong: before
        training starts; or where training diverges or the device fails.
    """
    if "source" not in cube.encoding:
        raise ValueError("the cube was not opened where it lies: take what open_cube gives")
    folder = absolute(out)
    found = find_event(cube, event)
    # Inputs without backscatter are the same for every timestep count: their row says 0.
    timesteps = [config.timesteps if parse_inputs(config.inputs).polarisations else 1]
    (config,) = configurations(config, [config.inputs], timesteps, [config.seed])
    inputs = [config.inputs]
    if timesteps[0] < 1:
        raise ValueError(f"timesteps are whole numbers from 1 on, not {timesteps}")
    if table is not None:
        inputs, timesteps = sweep_around(cube, found, config, orbit)
    experiment = plan_experiment(
        cube,
        found,
        chipping,
        inputs,
        timesteps,
        orbit=orbit,
        split=split,
        skip_damaged=skip_damaged,
    )
    stream = stream_of(cube, experiment)
    count = chips_trained(stream.chips)
    require_network(config, [config.inputs], chipping.chip_size, count)
    if table is not None:
        table = absolute(table)
        check_writable(table)
    require_writable(
        folder, f"to the bundle's folder {folder}", "name a folder that you may write to (--out)"
    )
    address = f"{folder}/{experiment.chip_store}"
    gathered = gather_chips(stream, chips, address, room=Room(memory_bytes()))
    precision = resolved_precision(config.precision, gpu=torch.cuda.is_available())
    key = row_key(experiment, config, precision)
    # The delay, however short, hides the bar until an epoch ends: what is wrong comes before it.
    with (
        tqdm(total=config.epochs, desc="training", unit="epoch", delay=1e-3) as bar,
        telling_batch_size(this_device(), config.batch_size),
    ):

        def show(record: dict[str, float]) -> None:
            bar.update(int(record["epoch"]) - bar.n)
            bar.set_postfix(loss=f"{record['train_loss']:.3f}")

        trained = run_trial(
            experiment,
            config,
            gathered,
            key=key,
            table=table,
            checkpoint=f"{folder}/{key}.checkpoint",
            report=show,
        )
    save_bundle(
        folder,
        trained,
        gathered,
        experiment.split,
        **_pixel(cube),
        cube=experiment.cube,
        cube_digest=experiment.cube_digest,
        label_digest=experiment.label_digest,
        key=key,
        versions=versions(),
    )
    remove(f"{folder}/{key}.checkpoint")
    return trained


def _pixel(cube: xr.Dataset) -> dict[str, Any]:
    """Return what is known of a cube's pixels; one that does not say it trains all the same."""
    known: dict[str, Any] = {}
    with contextlib.suppress(ValueError, ImportError):  # pyproj comes with what maps
        known["pixel_size"] = pixel_size(cube)
        known["pixel_unit"] = unit_of(cube)
    return known


def sweep_around(
    cube: xr.Dataset, event: Event, config: TrainingConfig, orbit: str | None
) -> tuple[list[str], list[int]]:
    """Return the inputs and timestep counts of the paper's sweep that a cube can give.

    Those of the configuration itself are among them.
    """
    inputs = [
        name for name in PAPER_INPUTS if set(parse_inputs(name).variables) <= set(cube.data_vars)
    ]
    timesteps = []
    for count in PAPER_TIMESTEPS:
        with contextlib.suppress(ValueError):
            select_images(cube, event, count, orbit)
            timesteps.append(count)
    own = [config.timesteps] if config.timesteps else []
    return with_baseline([*inputs, config.inputs]), sorted({*timesteps, *own})

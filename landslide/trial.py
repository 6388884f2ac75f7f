"""One model trained from a cube on this machine and kept as a bundle."""

import torch
from tqdm import tqdm

from landslide.chips.split import Chipping
from landslide.chips.stream import load_chips, stream_chips
from landslide.cube.events import find_event
from landslide.cube.labels import keep_labels
from landslide.cube.store import open_cube
from landslide.experiment import plan_experiment, row_key, run_trial, versions
from landslide.results.table import check_writable
from landslide.storage import absolute, remove
from landslide.training.bundle import save_bundle
from landslide.training.config import TrainingConfig
from landslide.training.train import Trained


def train_bundle(
    uri: str,
    config: TrainingConfig,
    chipping: Chipping,
    *,
    out: str,
    event: str | None = None,
    orbit: str | None = None,
    split: str | None = None,
    table: str | None = None,
) -> Trained:
    """Train one configuration and save weights, normalisation, split and scores as one bundle.

    A run that was stopped goes on from its checkpoint in the same folder.

    Parameters
    ----------
    uri : str
        Address of the cube.
    config : TrainingConfig
    chipping : Chipping
    out : str
        Folder of the bundle.
    event, orbit, split : str, optional
        As for `find_event` and `stream_chips`.
    table : str, optional
        A table to write the row into, too.
    """
    cube = keep_labels(open_cube(absolute(uri)))
    found = find_event(cube, event)
    inputs, timesteps = [config.inputs], [config.timesteps]
    experiment = plan_experiment(cube, found, chipping, inputs, timesteps, orbit=orbit, split=split)
    if table is not None:
        table = absolute(table)
        check_writable(table)
    chips = load_chips(
        stream_chips(
            cube,
            found,
            inputs=inputs,
            timesteps=timesteps,
            chipping=chipping,
            orbit=orbit,
            split=experiment.split,
        )
    )
    mixed = torch.cuda.is_available() and config.precision != "float32"
    key = row_key(experiment, config, "mixed" if mixed else "float32")
    folder = absolute(out)
    with tqdm(total=config.epochs, unit="epoch") as bar:

        def show(record: dict[str, float]) -> None:
            bar.update(int(record["epoch"]) - bar.n)
            bar.set_postfix(loss=f"{record['train_loss']:.3f}")

        trained = run_trial(
            experiment,
            config,
            chips,
            key=key,
            table=table,
            checkpoint=f"{folder}/{key}.checkpoint",
            report=show,
        )
    save_bundle(
        folder,
        trained,
        chips,
        experiment.split,
        cube=experiment.cube,
        cube_digest=experiment.cube_digest,
        key=key,
        versions=versions(),
    )
    remove(f"{folder}/{key}.checkpoint")
    return trained

"""What the page of an experiment shows beside its rows: two figures and the exact detector."""

import sys
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
import xarray as xr

from cluster.ray import last_line
from cluster.resources import Resources, await_node
from landslide.bundling import train_bundle
from landslide.chips.loading import load_chips
from landslide.chips.split import PARTS, TEST, spatial_blocks
from landslide.chips.windows import corners_of
from landslide.cube.labels import NO_DATA, read_labels
from landslide.experiment.plan import Experiment
from landslide.mapping.predicted_chips import predict_chips
from landslide.results.ablation_figure import figure4
from landslide.results.histograms import class_histograms
from landslide.results.page import results_page
from landslide.results.prediction_figure import figure5
from landslide.results.setting import Detector, Setting
from landslide.simulation.scene import scene_from_attribute
from landslide.simulation.single_pixels import detector_odds
from landslide.simulation.truth import simulate_truth
from landslide.storage import absolute, exists, read_bytes, require_writable, write_whole
from landslide.training.bundle import DESCRIPTION
from landslide.training.config import TrainingConfig
from landslide.training.device import begin_as_planned
from landslide.training.metrics import average_precision
from sweeps.choices import SweepChoices
from sweeps.planning import Sweep, opened_cube

FIGURES = "docs"
"""The folder of a page's figures, beside it."""
FINITE = (-1e30, 1e30)
"""Where nothing of a kind of ground slid, or all of it, the odds are infinite."""


def check_page(results: str) -> None:
    """Raise an OSError where a page cannot be written, before hours are spent on it."""
    require_writable(
        _folder(results),
        f"the page {results}",
        "name one that you may write (--results)",
    )


def _folder(results: str) -> str:
    return absolute(results).rpartition("/")[0]


def example_model(
    planned: Mapping[str, Sweep], rows: pd.DataFrame, resources: Resources, deadline: float
) -> str | None:
    """Train the best configuration once more where Ray says, to keep; return its bundle's folder.

    The best is the one of the highest mean AUPRC over seeds, of the first protocol that has any; of
    its seeds the first is trained. What is there already is not trained again. Where training
    fails, as where that node cannot read the cube, that is said, and there is None.

    Raises
    ------
    ValueError
        Where no row has a score.
    """
    scored = rows[rows["auprc"].notna()]
    for sweep in planned.values():
        of_sweep = scored[scored["split_digest"] == sweep.experiment.split_digest]
        if len(of_sweep):
            return _best_model(sweep, of_sweep, resources, deadline)
    raise ValueError("no row of the table has a score: every trial failed")


def _best_model(
    sweep: Sweep, scored: pd.DataFrame, resources: Resources, deadline: float
) -> str | None:
    import ray  # noqa: PLC0415 - after cluster.ray, which sets what it reads when imported

    best = scored.groupby(["inputs", "timesteps"])["auprc"].mean().idxmax()
    key, config = next(
        (key, config)
        for key, config in sweep.keyed(resources).items()
        if (config.inputs, config.timesteps) == best
    )
    folder = f"{sweep.choices.runs}/model-{key}"
    if not exists(f"{folder}/{DESCRIPTION}"):
        await_node(resources, deadline)
        print(f"training {config.inputs}, timesteps {config.timesteps}, for Figure 5", flush=True)
        task = ray.remote(**resources.options())(train_example)
        known = (sweep.choices, sweep.experiment)
        try:
            ray.get(task.remote(*known, config, folder, resources.gpus))
        except ray.exceptions.RayError as error:
            said = f"no model for Figure 5, the page goes without: {last_line(error)}"
            print(said, file=sys.stderr)
            return None
    return folder


def train_example(
    choices: SweepChoices,
    experiment: Experiment,
    config: TrainingConfig,
    folder: str,
    gpus: float,
) -> None:
    """Train one configuration of a sweep with what a trial is given here, and keep its bundle."""
    begin_as_planned(config.precision, gpus)
    train_bundle(
        opened_cube(choices),
        config,
        experiment.chipping,
        out=folder,
        event=experiment.event,  # whose file may lie with the driver alone
        orbit=experiment.orbit,
        split=experiment.split,
        skip_damaged=experiment.skip_damaged,
    )


def write_page(
    page: str,
    planned: Mapping[str, Sweep],
    rows: pd.DataFrame,
    model: str | None,
    command: str,
) -> None:
    """Draw an experiment's figures and write its page.

    Parameters
    ----------
    page : str
        Its address.
    planned : mapping
        The sweeps by protocol, all of one cube.
    rows : DataFrame
        Theirs alone.
    model : str or None
        Folder of the bundle to draw Figure 5 with, if there is one.
    command : str
        What was run.
    """
    first = next(iter(planned.values()))
    cube, experiment = opened_cube(first.choices), first.experiment
    page = absolute(page)
    stem = page.rpartition("/")[2].partition(".")[0].lower()
    ablation, predicted = (f"{FIGURES}/{stem}-figure{number}.png" for number in (4, 5))
    figure4(rows, f"{_folder(page)}/{ablation}")
    figures = {"Figure 4: AUPRC over timesteps; bars are standard deviations over seeds": ablation}
    if model is not None:
        chips = predict_chips(model, cube, experiment.event, skip_damaged=experiment.skip_damaged)
        figure5(chips, f"{_folder(page)}/{predicted}")
        figures[f"Figure 5: predicted above mapped ({chips.title})"] = predicted
    setting = Setting(
        command=command,
        shape=(cube.sizes["y"], cube.sizes["x"]),
        images=cube.sizes.get("timestep", 0),
        chips={name: _parts(sweep) for name, sweep in planned.items()},
        chipping={name: sweep.experiment.chipping for name, sweep in planned.items()},
        figures=figures,
        detector=detector_scores(cube, planned),
    )
    earlier = read_bytes(page).decode() if exists(page) else ""
    write_whole(page, results_page(rows, setting, earlier).encode())


def _parts(sweep: Sweep) -> dict[str, int]:
    found = Counter(sweep.stream.chips["part"].to_numpy().tolist())
    return {part: found[part] for part in PARTS if found[part]}


def detector_scores(cube: xr.Dataset, planned: Mapping[str, Sweep]) -> dict[str, Detector]:
    """Score the exact detector on each protocol's test chips; nothing of a cube not simulated."""
    if "simulated_scene" not in cube.attrs:
        return {}
    try:
        scene = scene_from_attribute(cube.attrs["simulated_scene"])
    except ValueError as error:
        print(f"no exact detector, the page goes without: {error}", file=sys.stderr)
        return {}
    truth = simulate_truth(scene)
    if not np.array_equal(truth.inventory.identity > 0, read_labels(cube) == 1):
        return {}  # another version of the simulator made it: its truth is not known any more
    scores: dict[str, Detector] = {}
    for protocol, sweep in planned.items():
        test = np.flatnonzero(sweep.stream.chips["part"] == TEST)
        chips = load_chips(sweep.stream.only(test))
        chips = chips.isel(chip=(chips["part"] == TEST).to_numpy())  # some turn out to be unused
        label = chips["label"].to_numpy()
        experiment = sweep.experiment
        blocks = spatial_blocks(corners_of(chips), experiment.chipping)
        found = detector_odds(
            scene,
            truth,
            cube,
            chips,
            sweep.choices.inputs,
            experiment.event,
            experiment.orbit,
        )
        rows = pd.DataFrame(
            {"inputs": name, "timesteps": count, "told": told, "test_blocks": blocks, "seed": 0}
            | _score(odds, label)
            for name, count, told, odds, _ in found
        )
        if len(rows):
            scores[protocol] = Detector(alone=rows[~rows["told"]], told=rows[rows["told"]])
    return scores


def _score(odds: np.ndarray, label: np.ndarray) -> dict[str, object]:
    """Score the odds (pixel) of what is labelled (chip, y, x), as a trial's row is scored."""
    scored = label != NO_DATA
    slid, odds = label[scored], np.clip(odds, *FINITE)
    plane = np.zeros(label.shape, np.float32)
    plane[scored] = odds
    _, negative, positive = class_histograms(plane, label)
    return {
        "auprc": average_precision(torch.from_numpy(odds), torch.from_numpy(slid)),
        "prevalence": slid.mean(),
        "histogram_negative": negative,
        "histogram_positive": positive,
    }

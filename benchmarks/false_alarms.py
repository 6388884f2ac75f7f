"""What maps of real radar are worth: floods of unseen ground, and false alarms where nothing slid.

The data are not shipped: DATA is a folder with the mosaic of flood pairs, `floods-sentinel1.zarr`,
and the despeckled OPERA products of Papua New Guinea, `opera-rtc-papua-2024`, ten dates before a
landslide. Whatever a map of these calls a landslide is a false alarm. Models are of the quick
preset and one seed; the one for Papua New Guinea is trained on a simulated cube of the same pixels
and looks.
"""

import argparse
import json
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from measure import report
from real_radar import FLOODS_CHIPPING, FLOODS_EVENT, floods_split, like_papua, papua_cube

from landslide import simulate_cube
from landslide.bundling import train_bundle
from landslide.chips.split import Chipping
from landslide.cube.store import open_cube
from landslide.mapping.choices import MapChoices
from landslide.mapping.run import map_landslides
from landslide.training.config import training_config

TRAINED, VALIDATED = 1024, 1536
"""Rows of the mosaic up to which a model is trained, and validated; the rest is mapped."""
LEARNT = (1024, 1280)
"""Rows and columns of the simulated cube."""


def mapped(model: str, cube: str, out: Path, choices: MapChoices) -> dict[str, Any]:
    """Map, and return the summary."""
    made = map_landslides([model], open_cube(cube), str(out), replace(choices, formats=()))
    return dict(json.loads(Path(made["summary.json"]).read_text()))


def floods(data: Path, folder: Path) -> dict[str, float]:
    """Train on the upper part of the flood pairs; return the scores of the lower part's map."""
    cube, model = str(data / "floods-sentinel1.zarr"), str(folder / "floods-model")
    split = floods_split(TRAINED, VALIDATED)
    config = training_config("quick", inputs="vv", timesteps=1)
    train_bundle(
        open_cube(cube), config, FLOODS_CHIPPING, out=model, event=FLOODS_EVENT, split=split
    )
    y, x = (open_cube(cube)[axis].to_numpy() for axis in "yx")
    unseen = (float(x[0]), float(y[-1]), float(x[-1]), float(y[VALIDATED]))
    choices = MapChoices(event=FLOODS_EVENT, bbox=unseen, no_crs=True, minimum_area=400)
    return dict(mapped(model, cube, folder / "floods", choices)["scores"])


def false_alarms(cube: str, learnt: str, timesteps: int, folder: Path) -> list[tuple[float, float]]:
    """Split the dates at each that leaves enough on either side, and map as if something had slid.

    Returns
    -------
    list of (float, float)
        For each split, what was called a landslide [m2 km-2], and the ground observed [km2].
    """
    model = str(folder / f"model-{timesteps}")
    config = training_config("quick", inputs="vv+vh", timesteps=timesteps)
    chipping = Chipping(protocol="blocked", chip_size=64, block_size=256, buffer=0)
    train_bundle(open_cube(learnt), config, chipping, out=model)
    times = np.unique(open_cube(cube)["timestep"].to_numpy())
    found = []
    for number in range(timesteps, len(times) - timesteps + 1):
        between = times[number - 1] + (times[number] - times[number - 1]) // 2
        event = folder / f"{timesteps}-{number}.toml"
        event.write_text(f'name = "nothing"\ntime = {np.datetime_as_string(between, "s")}Z\n')
        out = folder / f"map-{timesteps}-{number}"
        said = mapped(model, cube, out, MapChoices(event=str(event)))
        observed = said["ground"]["observed"] / 1e6
        found.append((said["landslides"]["area"] / observed, observed))
    return found


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path, help="folder of the real radar data")
    args = parser.parse_args()
    rows, ratios = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scores = floods(args.data, folder)
        for score in ("auprc", "prevalence", "f1", "iou"):
            rows.append((f"floods of unseen ground: {score}", f"{scores[score]:.3f}", ""))
            ratios[f"floods_{score}"] = scores[score]
        cube, learnt = papua_cube(args.data, folder), str(folder / "like.zarr")
        simulate_cube(learnt, scene=like_papua(LEARNT))
        for timesteps in (1, 2):
            alarms, observed = zip(*false_alarms(cube, learnt, timesteps, folder), strict=True)
            what = f"nothing slid, {timesteps} on either side, {len(alarms)} splits"
            span = f"{fmean(alarms):.0f} ({min(alarms):.0f} to {max(alarms):.0f}) m2/km2"
            rows.append((what, span, f"{fmean(observed):.1f} km2 observed"))
            ratios[f"false_alarms_{timesteps}_m2_per_km2"] = fmean(alarms)
    report("Maps of real radar, quick preset, one seed", rows, ratios)


if __name__ == "__main__":
    main()

"""The AUPRC of mixed precision beside that of float32: the same chips, configuration and seeds.

On a GPU mixed is what training takes there. A CPU trains in float32 whatever is asked for; here
torch's autocast rounds there all the same, as a GPU would, only many times as slowly.
"""

import argparse
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import torch
import xarray as xr
from measure import report

from landslide.chips.loading import load_chips
from landslide.chips.stream import plan_stream
from landslide.cube.events import find_event
from landslide.cube.store import open_cube
from landslide.options import seed
from landslide.results.bootstrap import seeds_interval
from landslide.training import train as training
from landslide.training.config import PRESETS, TrainingConfig, training_config
from landslide.training.device import this_device, working_precision

HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
PRECISIONS = {"float32": torch.float32} | HALVES


def auprc(chips: xr.Dataset, config: TrainingConfig, wanted: str) -> float:
    """Train in a precision, whatever the device's own is, and return the score."""
    with patch.object(training, "working_precision", lambda *_: PRECISIONS[wanted]):
        trained = training.train(chips, config)
    if trained.precision != wanted:
        raise RuntimeError(f"trained in {trained.precision}, not in {wanted}")
    return trained.auprc


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("cube")
    parser.add_argument("--halves", nargs="+", choices=HALVES, help="default: the device's own")
    parser.add_argument("--seeds", nargs="+", type=seed, default=[0, 1, 2])
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument("--inputs", default="vv+vh")
    parser.add_argument("--timesteps", type=int, default=2)
    parser.add_argument("--epochs", type=int, help="default: the preset's")
    args = parser.parse_args()
    # What a V100 emulates of bfloat16, cuDNN does not convolve.
    own = working_precision("mixed", this_device())
    halves = args.halves or ["float16" if own == torch.float16 else "bfloat16"]
    if len(args.seeds) < 2:
        parser.error("one seed has no spread: give two or more")
    cube = open_cube(args.cube)
    how = {"inputs": args.inputs, "timesteps": args.timesteps}
    how |= {} if args.epochs is None else {"epochs": args.epochs}
    config = training_config(args.preset, **how)
    chips = load_chips(
        plan_stream(cube, find_event(cube), inputs=args.inputs, timesteps=[args.timesteps])
    )
    scores = {}
    for name in ("float32", *halves):
        scores[name] = [auprc(chips, replace(config, seed=each), name) for each in args.seeds]
        print(name, *(f"{score:.3f}" for score in scores[name]), flush=True)
    whole = np.array(scores["float32"])
    apart = float(whole.std(ddof=1))
    rows = [
        (f"AUPRC in {name}, {len(found)} seeds", f"{np.mean(found):.3f}", "")
        for name, found in scores.items()
    ]
    ratios = {}
    for half in halves:
        differences = np.array(scores[half]) - whole
        low, high = seeds_interval(differences)
        said = f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        rows.append(
            (f"{half} minus float32, paired by seed", said, f"spread over seeds {apart:.3f}")
        )
        ratios[f"{half}_difference_over_spread"] = abs(differences.mean()) / apart
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, by autocast"
    simulated = ", simulated" if cube.attrs.get("simulated") else ""
    report(f"Mixed precision ({args.preset} preset, {device}{simulated})", rows, ratios)


if __name__ == "__main__":
    main()

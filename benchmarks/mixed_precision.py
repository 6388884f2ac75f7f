"""Mixed precision beside float32, in AUPRC and speed: the same chips, configuration and seeds.

On a GPU mixed is what training takes there. A CPU takes bfloat16 where it has units for it. Without
them a CPU convolves here as a GPU's units do: factors in half precision, sums in float32, which are
rounded once. So its AUPRC says what a V100's float16 costs; its speed says nothing.
"""

import argparse
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import xarray as xr
from measure import report, spread
from scipy.stats import ttest_1samp
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from landslide.chips.loading import load_chips
from landslide.chips.stream import plan_stream
from landslide.cube.events import find_event
from landslide.cube.store import open_cube
from landslide.options import seed
from landslide.training import train as training
from landslide.training.config import PRESETS, TrainingConfig, training_config
from landslide.training.device import multiplies_bfloat16, this_device, working_precision

HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
PRECISIONS = {"float32": torch.float32} | HALVES
CONVOLUTIONS = {
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
}


class WholeSums(TorchDispatchMode):
    """Convolutions of half precision, forward and backward, summed in float32 and rounded once."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        half = args[0].dtype if func in CONVOLUTIONS else None
        if half not in HALVES.values():
            return func(*args, **(kwargs or {}))
        whole = tree_map_only(torch.Tensor, torch.Tensor.float, args)
        return tree_map_only(torch.Tensor, lambda x: x.to(half), func(*whole, **(kwargs or {})))


def lacks_units(wanted: str) -> bool:
    """Say whether this device is a CPU that multiplies no such numbers."""
    own = wanted == "bfloat16" and multiplies_bfloat16()
    return this_device().type == "cpu" and wanted in HALVES and not own


def trained_in(chips: xr.Dataset, config: TrainingConfig, wanted: str) -> training.Trained:
    """Train in a precision, whatever the device's own is."""
    units = WholeSums() if lacks_units(wanted) else contextlib.nullcontext()
    with units, patch.object(training, "working_precision", lambda *_: PRECISIONS[wanted]):
        trained = training.train(chips, config)
    if trained.precision != wanted:
        raise RuntimeError(f"trained in {trained.precision}, not in {wanted}")
    return trained


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
    parser.add_argument("--batch-size", type=int, help="default: the preset's")
    args = parser.parse_args()
    # What a V100 emulates of bfloat16, cuDNN does not convolve.
    own = working_precision("mixed", this_device())
    halves = args.halves or ["float16" if own == torch.float16 else "bfloat16"]
    if len(args.seeds) < 2:
        parser.error("one seed has no spread: give two or more")
    cube = open_cube(args.cube)
    how = {"inputs": args.inputs, "timesteps": args.timesteps}
    for name in ("epochs", "batch_size"):
        given = getattr(args, name)
        how |= {} if given is None else {name: given}
    config = training_config(args.preset, **how)
    chips = load_chips(
        plan_stream(cube, find_event(cube), inputs=args.inputs, timesteps=[args.timesteps])
    )
    scores, seconds = dict[str, list[float]](), dict[str, list[float]]()
    for each in args.seeds:  # in turn: a machine's speed may drift
        for name in ("float32", *halves):
            trained = trained_in(chips, replace(config, seed=each), name)
            scores.setdefault(name, []).append(trained.auprc)
            seconds.setdefault(name, []).append(trained.seconds)
            print(f"{name}, seed {each}: {trained.auprc:.3f}, {trained.seconds:.0f} s", flush=True)
    whole = np.array(scores["float32"])
    apart = float(whole.std(ddof=1))
    rows = [
        (f"AUPRC in {name}, {len(found)} seeds", f"{np.mean(found):.3f}", "")
        for name, found in scores.items()
    ]
    ratios = {}
    for half in halves:
        differences = np.array(scores[half]) - whole
        low, high = ttest_1samp(differences, 0).confidence_interval()
        said = f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        rows.append(
            (f"{half} minus float32, paired by seed", said, f"spread over seeds {apart:.3f}")
        )
        ratios[f"{half}_difference_over_spread"] = abs(differences.mean()) / apart
        if lacks_units(half):
            continue
        faster = [a / b for a, b in zip(seconds["float32"], seconds[half], strict=True)]
        rows.append((f"training in {half}, as fast as in float32", spread(faster, 2), "times"))
        ratios[f"{half}_speed"] = median(faster)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    simulated = ", simulated" if cube.attrs.get("simulated") else ""
    report(f"Mixed precision ({args.preset} preset, {device}{simulated})", rows, ratios)


if __name__ == "__main__":
    main()

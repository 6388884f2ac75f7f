"""Pixels a second that a map pushes through its network, beside the bare forward pass; its memory.

The map reads the cube, passes overlapping chips and writes the work store; the bare pass is the
same network on as many chips that live on the device, in batches as large. They take turns, so that
a machine whose speed drifts favours neither. Memory is that of a process of its own that makes a
whole map, of a scene and of one four times its size, which is Hokkaido's. All is simulated; the
model is trained for an epoch or two, so that it finds landslides to outline.
"""

import json
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from measure import arguments, in_own_process, medians_in_turn, memory, report, spread

from landslide import simulate_cube
from landslide.bundling import train_bundle
from landslide.chips.split import Chipping
from landslide.cube.store import open_cube
from landslide.mapping.inference.arena import one_arena
from landslide.mapping.inference.models import Model, models_at
from landslide.mapping.inference.rows import BATCH, Job
from landslide.mapping.inference.scene import map_scene, scene_counts
from landslide.mapping.inference.work import Work
from landslide.mapping.plan import plan_map
from landslide.mapping.run import predict_scene, write_map
from landslide.training.config import training_config
from landslide.training.device import this_device, whole_float32

QUARTER = (2199, 2691)
"""Rows and columns of a quarter of Hokkaido's cube."""
LEARNT = (640, 768)
"""Rows and columns of the cube that the model is trained on."""
RESIDENT = 8
"""Batches that live on the device for the bare pass, which takes them again and again."""
TARGET, MEMORY_TARGET = 0.9, 1.1


def scene(folder: Path, shape: tuple[int, int]) -> str:
    """Simulate a scene of two images on either side of the event, or find the one made before."""
    height, width = shape
    path = folder / f"scene-{height}x{width}.zarr"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        simulate_cube(str(path), shape=shape, descending=(2, 2), ascending=(0, 0))
    return str(path)


def trained(folder: Path, preset: str) -> str:
    """Train a model on VV and VH of two images, or find the one made before."""
    path = folder / f"model-{preset}"
    if not (path / "bundle.json").exists():
        cube = open_cube(scene(folder, LEARNT))
        config = training_config(preset, inputs="vv+vh", timesteps=2, epochs=2)
        chipping = Chipping(protocol="blocked", block_size=256, buffer=0)
        train_bundle(cube, config, chipping, out=str(path))
    return str(path)


def inferring(job: Job, folder: Path) -> Callable[[], None]:
    """Return what maps a scene into a work store that it then removes."""

    def infer() -> None:
        work = Work(tempfile.mkdtemp(dir=folder))
        map_scene(replace(job, work=work))
        work.remove()

    return infer


def passing(model: Model, job: Job, chips: int, size: int) -> Callable[[], None]:
    """Return the bare forward pass of so many chips that live on the device."""
    device, channels = model.mean.device, len(job.plan.channels)
    together = job.batch_size or BATCH[device.type]
    batches = [
        torch.randn(together, channels, size, size, device=device).contiguous(
            memory_format=torch.channels_last
        )
        for _ in range(RESIDENT)
    ]

    @torch.no_grad()
    def forward() -> None:
        for first in range(0, chips, together):
            batch = batches[first // together % RESIDENT][: chips - first]
            half = model.precision != torch.float32
            with whole_float32(model.precision), torch.autocast(device.type, model.precision, half):
                model.network(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return forward


def measure(model: str, cube: str, out: str) -> None:
    """Make a map in this process, and print what it took: to infer, and in all."""
    warnings.simplefilter("ignore")
    one_arena()
    idle, start = memory("VmRSS"), time.perf_counter()
    plan = plan_map([model], open_cube(cube), out)
    scene, facts = predict_scene(plan)
    inferred = time.perf_counter() - start, memory("VmHWM") - idle
    write_map(plan, scene, facts)
    whole = time.perf_counter() - start, memory("VmHWM") - idle
    print(json.dumps({"inference": inferred, "whole": whole}))


def measured(model: str, cube: str, folder: Path) -> dict[str, list[float]]:
    """Make a map in a process of its own; return seconds and peak memory [MB]."""
    out = folder / f"map-{time.time_ns()}"
    try:
        return in_own_process(model, cube, str(out))
    finally:
        shutil.rmtree(out, ignore_errors=True)


def speeds(
    preset: str, cube: str, folder: Path, runs: int
) -> tuple[list[tuple[str, str, str]], float]:
    """Measure inference beside the bare forward pass; return rows of the report, and the ratio."""
    model = trained(folder, preset)
    out = str(folder / f"map-{time.time_ns()}")
    plan = plan_map([model], open_cube(cube), out)
    job, size = plan.job, plan.bundles[0].chip_size
    map_scene(job)
    chips = scene_counts(job)["chips"]
    shutil.rmtree(out)
    (network,) = models_at(job.members)
    found = medians_in_turn(
        {
            "inference": inferring(job, folder),
            "bare": passing(network, job, chips, size),
        },
        runs,
    )
    pushed, pixels = chips * size**2 / 1e6, job.plan.shape[0] * job.plan.shape[1] / 1e6
    ratio = found["bare"] / found["inference"]
    rows = [
        (f"{preset} preset: {pixels:.2f} million pixels, {chips} chips of {size}", "", ""),
        ("  bare forward pass: million pixels a second", f"{pushed / found['bare']:.3f}", ""),
        ("  whole inference: pushed through", f"{pushed / found['inference']:.3f}", ""),
        ("  whole inference: of the scene", f"{pixels / found['inference']:.3f}", ""),
        ("  whole inference over the bare pass", f"{ratio:.3f}", f"at least {TARGET}"),
    ]
    return rows, ratio


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
        return
    parser = arguments(__doc__)
    parser.set_defaults(runs=3)
    parser.add_argument(
        "--shape", type=int, nargs=2, default=QUARTER, help="of the smaller scene [pixels]"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    height, width = args.shape
    shapes = {"one": (height, width), "four times as large": (2 * height, 2 * width)}
    cubes = {name: scene(args.folder, shape) for name, shape in shapes.items()}
    rows, ratios = [(f"device: {this_device()}", "", "")], {}
    # Without a GPU the paper's network takes minutes for a small scene, and hours for a large one.
    small = cubes["one"] if torch.cuda.is_available() else scene(args.folder, LEARNT)
    for preset, cube in (("quick", cubes["one"]), ("paper", small)):
        said, ratio = speeds(preset, cube, args.folder, args.runs)
        rows += said
        ratios[f"inference_over_bare_{preset}"] = ratio

    model = trained(args.folder, "quick")
    runs = [
        {name: measured(model, cube, args.folder) for name, cube in cubes.items()}
        for _ in range(args.runs)
    ]
    for name, (tall, wide) in shapes.items():
        rows.append((f"{name}: {tall} x {wide} pixels", "", ""))
        for way in ("inference", "whole"):
            seconds, peaks = map(list, zip(*(run[name][way] for run in runs), strict=True))
            rows.append((f"  {way}: seconds", spread(seconds, 1), ""))
            rows.append((f"  {way}: MB over the idle process", spread(peaks, 0), ""))
            ratios[f"{name.split()[0]}_{way}_seconds"] = median(seconds)
            if name != "one":
                over = [run[name][way][1] / run["one"][way][1] for run in runs]
                target = f"at most {MEMORY_TARGET}"
                rows.append((f"  {way}: memory over one's", spread(over, 2), target))
                ratios[f"fourfold_memory_over_one_{way}"] = median(over)
    report("A simulated scene, mapped", rows, ratios)


if __name__ == "__main__":
    main()

"""A training epoch through the project, beside a bare loop and the device's matrix rate; a profile.

The bare loop is the same network, optimiser and precision on random tensors that live on the
device, as many steps of the same batches. The chips are made up here: noise, with squares for
landslides. The ways take turns, so that a machine whose speed drifts favours neither.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch
import xarray as xr
from measure import arguments, report, seconds, spread
from torch.nn.functional import cross_entropy
from torch.profiler import DeviceType, ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from landslide.chips.inputs import parse_inputs
from landslide.chips.split import TEST, TRAIN, VALIDATION
from landslide.training.compiling import compiled_for
from landslide.training.config import TrainingConfig, training_config
from landslide.training.device import (
    fastest_convolutions,
    threads_of,
    whole_float32,
    working_precision,
)
from landslide.training.feeding import Feed
from landslide.training.network import CLASSES, build_network
from landslide.training.run import Run
from landslide.training.sources import feed_parts

TARGET, RATE_TARGET, MINUTES_TARGET = 0.97, 0.30, 5
CONFIGURATIONS = 17
"""The paper's: four input sets at one to four timesteps, and the terrain alone."""
SHOWN = 10  # operators of the profile
MATRIX = {"cuda": 8192, "cpu": 2048}
"""Side of the matrices whose product gives the rate."""


def made_up_chips(count: int, side: int) -> xr.Dataset:
    """Return chips as `load_chips` gives them: all channels of the paper's sweep, at 1 timestep."""
    inputs = parse_inputs("vv+vh+dem")
    random = np.random.default_rng(0)
    label = np.zeros((count + 1, side, side), np.uint8)
    label[:, side // 4 : side // 2, side // 4 : side // 2] = 1
    plane = ("y", "x")
    sar = random.normal(size=(count + 1, 1, len(inputs.sar_channels), side, side))
    static = random.normal(size=(count + 1, len(inputs.static), side, side))
    return xr.Dataset(
        {
            "label": (("chip", *plane), label),
            "sar": (("chip", "timesteps", "sar_channel", *plane), sar.astype(np.float32)),
            "static": (("chip", "static_channel", *plane), static.astype(np.float32)),
        },
        coords={
            "part": ("chip", np.array([TRAIN] * count + [TEST])),
            "timesteps": [1],
            "sar_channel": list(inputs.sar_channels),
            "static_channel": list(inputs.static),
        },
        attrs={"masked": 1},
    )


def bare_epoch(
    network: torch.nn.Module, config: TrainingConfig, precision: torch.dtype, count: int, side: int
) -> Callable[[], None]:
    """Return an epoch as short as it can be written: no chips, no mask, no record."""
    device = next(network.parameters()).device
    channels = len(parse_inputs(config.inputs).channels)
    x = torch.randn(count, channels, side, side, device=device, dtype=precision)
    x = x.contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, CLASSES, (count, side, side), device=device)
    optimizer = torch.optim.Adam(
        network.parameters(), lr=1e-4, weight_decay=1e-4, fused=device.type == "cuda"
    )
    scaler = torch.amp.grad_scaler.GradScaler(device.type, enabled=precision == torch.float16)

    def epoch() -> None:
        network.train()
        for images, labels in zip(
            x.split(config.batch_size), y.split(config.batch_size), strict=True
        ):
            optimizer.zero_grad()
            with whole_float32(precision):
                with torch.autocast(device.type, precision, precision != torch.float32):
                    logits = network(images)
                scaler.scale(cross_entropy(logits.float(), labels)).backward()
            scaler.step(optimizer)
            scaler.update()
        finish(device)

    return epoch


def project_epoch(run: Run, parts: Mapping[str, Feed]) -> Callable[[], None]:
    """Return an epoch as the project has it."""

    def epoch() -> None:
        run.advance(parts[TRAIN], parts[VALIDATION])
        finish(parts[TRAIN].labels.device)

    return epoch


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def matrix_rate(device: torch.device, precision: torch.dtype, runs: int) -> float:
    """Return the FLOP a second of a large matrix product, the best of several."""
    side = MATRIX[device.type]
    a, b = (torch.randn(side, side, device=device, dtype=precision) for _ in range(2))
    best = float("inf")
    for _ in range(runs + 2):
        finish(device)
        start = time.perf_counter()
        a @ b
        finish(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def step_flop(network: torch.nn.Module, config: TrainingConfig, side: int) -> float:
    """Return the FLOP of a chip's forward and backward pass, in the network's own arithmetic."""
    channels = len(parse_inputs(config.inputs).channels)
    x = torch.randn(2, channels, side, side, device=next(network.parameters()).device)
    with FlopCounterMode(display=False) as counter:
        network.train()(x).sum().backward()
    return counter.get_total_flops() / len(x)


def profiled(epoch: Callable[[], Any], device: torch.device) -> list[tuple[str, str, str]]:
    """Say which operators an epoch's time goes to, by their own time, and how busy a GPU is.

    An operator's time on a GPU is that of the kernels it starts, which are events, too, and left
    out: they would count twice.
    """
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if cuda else [ProfilerActivity.CPU]
    with profile(activities=activities, acc_events=True):
        finish(device)  # the first profiler takes long to begin
    with profile(activities=activities, acc_events=True) as seen:
        start = time.perf_counter()
        epoch()
        taken = time.perf_counter() - start
    own = "self_device_time_total" if cuda else "self_cpu_time_total"
    operators = [each for each in seen.key_averages() if each.device_type == DeviceType.CPU]
    events = sorted(operators, key=lambda event: -getattr(event, own))
    total = sum(getattr(event, own) for event in events)  # microseconds
    if not total:
        return [("  the profiler saw no kernel of the GPU", "", "")]
    busy = ("  the GPU is busy", f"{100 * total / 1e6 / taken:.1f} %", "of the epoch, profiled")
    return [busy] * cuda + [
        (
            f"  {event.key[:60]}",
            f"{100 * getattr(event, own) / total:.1f} %",
            f"{event.count} calls",
        )
        for event in events[:SHOWN]
    ]


def options(*, cuda: bool) -> argparse.Namespace:
    """Read the command line."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--preset", choices=("paper", "quick"), default="paper" if cuda else "quick"
    )
    parser.add_argument("--count", type=int, default=216 if cuda else 64, help="training chips")
    parser.add_argument("--chip-size", type=int, default=128, help="pixels on a side")
    parser.add_argument("--inputs", default="vv+vh")
    parser.add_argument("--precision", choices=("auto", "float32", "mixed"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--compile", action="store_true", help="measure compiled steps, too")
    return parser.parse_args()


def main() -> None:
    cuda = torch.cuda.is_available()
    args = options(cuda=cuda)
    device = torch.device("cuda" if cuda else "cpu")
    config = training_config(
        args.preset,
        inputs=args.inputs,
        timesteps=1,
        precision=args.precision,
        threads=args.threads,
    )
    precision = working_precision(config.precision, device)
    channels = len(parse_inputs(config.inputs).channels)

    def network() -> torch.nn.Module:
        torch.manual_seed(0)
        built = build_network(config.network, channels).to(device)
        return built.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def next_trial() -> None:
        project_epoch(Run(network(), config, precision, device), parts)()

    with threads_of(config.threads), fastest_convolutions():  # as training has it
        chips = made_up_chips(args.count, args.chip_size)
        _, parts = feed_parts(chips, config, device, precision)
        run = Run(network(), config, precision, device)

        project = project_epoch(run, parts)
        first = seconds(project)  # searches for the fastest convolutions, which all else then has
        fast, compiling, compiled = project, 0.0, False
        if args.compile:
            whole = network()
            asked = replace(config, compile=True)
            start = time.perf_counter()
            forward = compiled_for(parts[TRAIN], whole, asked, precision)
            compiling = time.perf_counter() - start
            compiled = forward is not whole
            fast = project_epoch(Run(whole, config, precision, device, forward), parts)
        bare = bare_epoch(network(), config, precision, args.count, args.chip_size)
        ways = (project, bare, fast)
        warming, *runs = [tuple(seconds(way) for way in ways) for _ in range(args.runs + 1)]
        # As the next trial has it, in the same thread: what cuDNN searched for is found.
        next_first = seconds(next_trial)
        rate = matrix_rate(device, precision, args.runs)
        flop = step_flop(network().cpu(), config, args.chip_size)  # there nothing is searched for
        rows = profiled(project, device)
    ours, theirs, fastest = (median(each) for each in zip(*runs, strict=True))
    firsts = first + (CONFIGURATIONS - 1) * next_first
    in_all = firsts + CONFIGURATIONS * (config.epochs - 1) * ours
    of_bare = [bare_time / project_time for project_time, bare_time, _ in runs]
    ratios = {
        "of_bare_loop": median(of_bare),
        "of_bare_loop_least": min(of_bare),
        "of_bare_loop_most": max(of_bare),
        "of_matrix_rate": flop * args.count / ours / rate,
        "first_epoch": first / ours,
        "first_epoch_of_the_next_trial": next_first / ours,
        "all_configurations_of_target": in_all / MINUTES_TARGET / 60,
    }
    name = torch.cuda.get_device_name() if cuda else f"CPU, {config.threads} threads"
    speed = args.count / ours
    measured = [
        ("epoch through the project", f"{ours:.3f} s", f"{speed:.1f} chips/s"),
        ("epoch of the bare loop", f"{theirs:.3f} s", ""),
        (f"of the bare loop, {len(of_bare)} turns", spread(of_bare, 3), f"target {TARGET}"),
        ("matrix rate, measured", f"{rate / 1e12:.3f} TFLOP/s", ""),
        ("a chip, forward and backward", f"{flop / 1e9:.1f} GFLOP", ""),
        ("of the matrix rate", f"{ratios['of_matrix_rate']:.3f}", f"target {RATE_TARGET} on a GPU"),
        (
            f"{CONFIGURATIONS} configurations of {config.epochs} such epochs, reckoned",
            f"{in_all / 60:.1f} min",
            f"one after another; target {MINUTES_TARGET} min on an H200, paper preset",
        ),
        ("a worker's first epoch, times as long", f"{ratios['first_epoch']:.1f}", "counted in"),
        (
            "its next trial's first, its network built",
            f"{ratios['first_epoch_of_the_next_trial']:.1f}",
            "counted in",
        ),
    ]
    if args.compile and not compiled:
        measured.append(("compiled steps", "none", "they could not be compiled here"))
    elif compiled:
        gains = [project_time / fast_time for project_time, _, fast_time in runs]
        ratios["compiled"] = median(gains)
        measured += [
            ("compiled steps: times as fast", spread(gains, 3), "warmed up"),
            ("to try and compile them", f"{compiling + warming[2] - fastest:.1f} s", "each trial"),
        ]
    title = (
        f"Training, {args.preset} preset, {args.count} chips of {args.chip_size}, "
        f"{str(precision).removeprefix('torch.')}, {name}"
    )
    measured.append(("an epoch's own time, by operator", "", ""))
    report(title, measured + rows, ratios)


if __name__ == "__main__":
    main()

"""Strips and seams of a scene mapped into the work store: reading, passing and writing overlap."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from landslide.mapping.inference.arena import one_arena
from landslide.mapping.inference.models import Model, models_at
from landslide.mapping.inference.sliding import Columns, Finished, slide
from landslide.mapping.inference.squares import Square, as_columns, read_strips
from landslide.mapping.inference.strips import ScenePlan, Strip
from landslide.mapping.inference.work import COLUMNS, Rows, Work
from landslide.training.calibration import probability
from landslide.training.device import device_name, telling_batch_size, this_device, threads_of
from landslide.training.prefetch import read_ahead

BATCH = {"cpu": 16, "cuda": 64}
"""Chips that pass through a network together."""
PROBABILITY, SPREAD = "probability", "spread"
WRITES = 2  # finished columns that wait to be written, at most
AHEAD = 2  # pieces of a seam that are read in advance


@dataclass(frozen=True)
class Job:
    """What whoever maps a part of a scene needs to know; picklable."""

    plan: ScenePlan
    members: tuple[tuple[str, str], ...]
    """Address and weights' digest of each model."""
    work: Work
    batch_size: int | None
    """Chips that pass through a network together, at most; by default what suits the device."""
    threads: int | None
    """CPU threads of the networks; by default those of torch, where the strip is mapped."""
    precision: str | None = None
    """As a training configuration has it; by default each model's own."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the planes that are made."""
        return (PROBABILITY, SPREAD) if len(self.members) > 1 else (PROBABILITY,)


def strip_name(number: int) -> str:
    """Return the name of a strip in the work store."""
    return f"strips/{number:05d}"


def seam_name(number: int) -> str:
    """Return the name of a seam in the work store."""
    return f"seams/{number:05d}"


def map_strips(job: Job, numbers: Sequence[int]) -> Iterator[int]:
    """Map some strips in one pass over the cube; give the number of each when it is done.

    Raises
    ------
    ValueError, OSError
        Where the cube, a model or the work store cannot be read or written.
    """
    models, device = _ready(job)
    for number, columns in read_strips(job.plan, numbers):
        _map_strip(job, number, columns, models, device)
        yield number


def _map_strip(
    job: Job,
    number: int,
    columns: Iterable[list[Square]],
    models: Sequence[Model],
    device: torch.device,
) -> None:
    strip, plan, name = job.plan.strips[number], job.plan, strip_name(number)
    start, stop = strip.rows
    own = plan.own_rows(number)
    inside = slice(own[0] - start, own[1] - start)
    parts = {"above": slice(0, inside.start), "below": slice(inside.stop, stop - start)}
    kept = {"channels": len(plan.channels), "logits": len(models), "valid": 1}
    edges = {
        f"{side}-{what}": job.work.create(
            name,
            f"{side}-{what}",
            (count, rows.stop - rows.start, plan.shape[1]),
            "bool" if what == "valid" else "float32",
        )
        for side, rows in parts.items()
        if rows.stop > rows.start
        for what, count in kept.items()
    }
    out = _outputs(job, name, own)

    def write(done: Finished) -> int:
        logits = done.logits.cpu().numpy()
        for side, rows in parts.items():
            if f"{side}-logits" in edges:
                edges[f"{side}-logits"].append(logits[:, rows])
                edges[f"{side}-channels"].append(done.columns.channels[:, rows])
                edges[f"{side}-valid"].append(done.columns.valid[None, rows])
        return _write_outputs(out, models, logits[:, inside], done.columns.valid[inside])

    counts = {"rejected": 0, "damaged": 0}
    said = _run(job, models, device, _counted(columns, counts), strip, write)
    job.work.finish(name, counts | said)


def map_strip(job: Job, number: int) -> int:
    """Map one strip, wherever this is called; return its number.

    Raises
    ------
    FileNotFoundError
        Where no map has begun at the work store, as this process sees it.
    """
    job.work.require_begun()
    (done,) = map_strips(job, [number])
    return done


def map_seam(job: Job, number: int) -> int:
    """Map one seam, from what the strips on both sides of it kept; return its number.

    Raises
    ------
    ValueError, OSError
        Where a model or the work store cannot be read or written.
    """
    seam, name = job.plan.seams[number], seam_name(number)
    if not seam.chips:  # as where chips that do not overlap end where the strip does
        job.work.finish(name, {"chips": 0, "valid": 0})
        return number
    models, device = _ready(job)
    out = _outputs(job, name, seam.rows)

    def write(done: Finished) -> int:
        return _write_outputs(out, models, done.logits.cpu().numpy(), done.columns.valid)

    job.work.finish(name, _run(job, models, device, _edges(job, number), seam, write))
    return number


def _ready(job: Job) -> tuple[tuple[Model, ...], torch.device]:
    """Make this process one that maps; return the models on its device."""
    one_arena()
    device = this_device()
    with telling_batch_size(device, _together(job, device)):
        return models_at(job.members, job.precision), device


def _computed_on(device: torch.device, models: Sequence[Model]) -> str:
    """Name a device, and the precisions that models compute in there."""
    precisions = sorted({str(model.precision).removeprefix("torch.") for model in models})
    return ", ".join([device_name(device), *precisions])


def _together(job: Job, device: torch.device) -> int:
    return job.batch_size or BATCH[device.type]


def _run(
    job: Job,
    models: Sequence[Model],
    device: torch.device,
    arriving: Iterable[Columns],
    strip: Strip,
    write: Callable[[Finished], int],
) -> dict[str, Any]:
    """Slide over a strip or a seam and write what is finished meanwhile; return its record."""
    along, across = job.plan.across
    rows = [(along.starts[n] - strip.rows[0], along.weights[n]) for n in strip.chips]
    chips = valid = 0
    waiting: deque[Future[int]] = deque()
    threads = job.threads or torch.get_num_threads()
    batch_size = _together(job, device)
    with (
        threads_of(threads),
        ThreadPoolExecutor(1, "write") as pool,
        telling_batch_size(device, batch_size),
    ):
        sliding = slide(
            arriving,
            models,
            rows,
            across,
            width=job.plan.shape[1],
            batch_size=batch_size,
            device=device,
        )
        for finished in sliding:
            chips += finished.chips
            if len(waiting) == WRITES:
                valid += waiting.popleft().result()
            waiting.append(pool.submit(write, finished))
        valid += sum(each.result() for each in waiting)
    return {"chips": chips, "valid": valid, "device": _computed_on(device, models)}


def _outputs(job: Job, name: str, rows: tuple[int, int]) -> dict[str, Rows]:
    shape = (rows[1] - rows[0], job.plan.shape[1])
    return {out: job.work.create(name, out, shape) for out in job.outputs}


def _write_outputs(
    out: dict[str, Rows],
    models: Sequence[Model],
    logits: NDArray[np.float32],
    valid: NDArray[np.bool_],
) -> int:
    """Write mean and spread of the models' probabilities; return how many pixels have any."""
    if not np.isfinite(logits, where=valid, out=np.ones_like(logits, bool)).all():
        half = any(model.precision != torch.float32 for model in models)
        way_out = "give --precision float32, and another OUT" if half else "train it anew"
        raise ValueError(f"a model's score of a pixel that has data is no number: {way_out}")
    members = [
        probability(torch.from_numpy(plane), model.temperature).numpy()
        for plane, model in zip(logits, models, strict=True)
    ]
    for name, rows in out.items():
        if name == SPREAD:
            plane = np.std(members, axis=0, ddof=1)
        else:
            plane = members[0] if len(members) == 1 else np.mean(members, axis=0)
        rows.append(np.where(valid, plane, np.float32(np.nan)))
    return int(valid.sum())


def _counted(columns: Iterable[list[Square]], counts: dict[str, int]) -> Iterator[Columns]:
    for column in columns:
        counts["rejected"] += sum(square.rejected for square in column)
        counts["damaged"] += sum(square.damaged for square in column)
        yield as_columns(column)


def _edges(job: Job, number: int) -> Iterator[Columns]:
    """Read the columns of a seam, ahead, from the edges of the strips that it lies between."""
    sides = ((strip_name(number), "below"), (strip_name(number + 1), "above"))
    width = job.plan.shape[1]
    # As many columns as give the network a whole batch: a seam is seldom more than a row of chips.
    across = job.plan.across[1]
    step = across.starts[1] - across.starts[0] if len(across.starts) > 1 else across.size
    columns_at_once = -(-_together(job, this_device()) * step // COLUMNS) * COLUMNS
    arrays = {
        what: [job.work.open(name, f"{side}-{what}") for name, side in sides]
        for what in ("channels", "logits", "valid")
    }

    def read(start: int) -> Columns:
        columns = slice(start, min(start + columns_at_once, width))
        channels, logits, valid = (
            np.concatenate([array[:, :, columns] for array in of], axis=1) for of in arrays.values()
        )
        return Columns(start, channels, valid[0], logits)

    yield from read_ahead(read, range(0, width, columns_at_once), AHEAD)

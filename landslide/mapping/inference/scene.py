"""A whole scene, mapped strip by strip: here, or wherever an executor runs its tasks."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any

import xarray as xr
from tqdm import tqdm

from landslide.mapping.inference.rows import (
    Job,
    map_seam,
    map_strip,
    map_strips,
    seam_name,
    strip_name,
)

LOOK_AHEAD = 16  # strips under way on an executor of unknown size


def map_scene(
    job: Job,
    executor: Executor | None = None,
    *,
    look_ahead: int | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Map a scene into its work store, and open it there, lazily.

    What the work store holds already is not mapped again. The result is the same, to the bit on
    devices and thread counts that are the same, whoever maps the strips.

    Parameters
    ----------
    job : Job
    executor : Executor, optional
        By default this process maps one strip after another and reads ahead meanwhile. Else each
        strip is a task, such as for what a Dask client's `get_executor` gives; the work store must
        then be where all of its workers reach it.
    look_ahead : int, optional
        Strips that are under way on the executor, at most; seams are joined as soon as they can.
    progress : bool
        Show a bar.

    Returns
    -------
    Dataset
        `probability (y, x)` float32, NaN where there is no data, and `spread (y, x)` where there
        are several models.

    Raises
    ------
    ValueError, OSError
        Where the cube, a model or the work store cannot be read or written.
    """
    plan, work = job.plan, job.work
    strips, seams = (
        {n for n in range(len(each)) if work.record(name(n)) is None}
        for each, name in ((plan.strips, strip_name), (plan.seams, seam_name))
    )
    total = len(plan.strips) + len(plan.seams)
    left = len(strips) + len(seams)
    with tqdm(total=total, initial=total - left, unit="strip", disable=not progress) as bar:
        mapped = (
            _here(job, strips, seams)
            if executor is None
            else _there(job, strips, seams, executor, look_ahead or LOOK_AHEAD)
        )
        for _ in mapped:
            bar.update()
    pieces = {plan.own_rows(n): strip_name(n) for n in range(len(plan.strips))}
    pieces |= {seam.rows: seam_name(n) for n, seam in enumerate(plan.seams)}
    return work.scene(pieces, list(job.outputs))


def _here(job: Job, strips: set[int], seams: set[int]) -> Iterator[None]:
    """Map in this process, in one pass over the cube, each seam as soon as it can be."""
    waiting, todo = set(strips), set(seams)

    def ready() -> Iterator[None]:
        for seam in sorted(todo):
            if not {seam, seam + 1} & waiting:
                map_seam(job, seam)
                todo.remove(seam)
                yield

    yield from ready()
    for number in map_strips(job, sorted(strips)):
        waiting.remove(number)
        yield
        yield from ready()


def _there(
    job: Job, strips: set[int], seams: set[int], executor: Executor, look_ahead: int
) -> Iterator[None]:
    """Map by tasks of an executor, a bounded number of strips at a time."""
    waiting, todo, unasked = set(strips), set(seams), deque(sorted(strips))
    under_way: dict[Future[int], tuple[set[int], int]] = {}
    try:
        while waiting or todo or under_way:
            for seam in sorted(todo):  # before further strips: what they wait for is there
                if not {seam, seam + 1} & waiting:
                    todo.remove(seam)
                    under_way[executor.submit(map_seam, job, seam)] = (set(), seam)
            while unasked and len(under_way) < look_ahead:
                number = unasked.popleft()
                under_way[executor.submit(map_strip, job, number)] = (waiting, number)
            finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in finished:
                of, number = under_way.pop(future)
                future.result()
                of.discard(number)
                yield
    finally:
        for future in under_way:
            future.cancel()


def any_done(job: Job) -> bool:
    """Say whether any strip of a map is done."""
    return any(job.work.record(strip_name(n)) for n in range(len(job.plan.strips)))


def scene_devices(job: Job) -> list[str]:
    """Return what a scene was mapped on and how exactly, in alphabetical order."""
    return sorted({str(each["device"]) for each in _records(job) if "device" in each})


def scene_counts(job: Job) -> dict[str, int]:
    """Add up what strips and seams say they did.

    Returns
    -------
    dict
        `chips` that passed through each network, `valid` pixels, `rejected` samples of
        backscatter, and squares with `damaged` chunks.
    """
    records = _records(job)
    keys = ("chips", "valid", "rejected", "damaged")
    return {key: sum(int(record.get(key, 0)) for record in records) for key in keys}


def _records(job: Job) -> list[dict[str, Any]]:
    """Return what strips and seams say of themselves."""
    names = [strip_name(n) for n in range(len(job.plan.strips))]
    names += [seam_name(n) for n in range(len(job.plan.seams))]
    return [job.work.record(name) or {} for name in names]

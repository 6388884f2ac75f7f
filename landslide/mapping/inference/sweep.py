"""Rows of chips that slide over a strip from left to right, and blend into its logits.

What is held is the columns that chips still need: a chip's width, and what was read last.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from landslide.mapping.inference.models import Model
from landslide.mapping.inference.placing import Placing


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of a strip, all of its rows."""

    start: int
    """First column, in the scene."""
    channels: NDArray[np.float32]
    """(channel, y, x): composites, NaN where there is no data."""
    valid: NDArray[np.bool_]
    """(y, x): whether every channel has data."""
    logits: NDArray[np.float32] | None = None
    """(model, y, x): what other chips have given these pixels already."""


@dataclass(frozen=True, eq=False)
class Finished:
    """Columns whose logits no chip changes any more."""

    columns: Columns
    logits: torch.Tensor
    """float32 (model, y, x), on the device: sums of what chips gave, by their weights."""
    chips: int
    """Passed through each network since the last ones were finished."""


@dataclass
class _Window:
    """What chips still need."""

    start: int
    channels: torch.Tensor
    valid: NDArray[np.bool_]
    logits: torch.Tensor
    host: list[Columns] = field(default_factory=list)


def sweep(
    arriving: Iterable[Columns],
    models: Sequence[Model],
    rows: Sequence[tuple[int, NDArray[np.float32]]],
    across: Placing,
    *,
    width: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[Finished]:
    """Pass chips through networks as columns arrive, and give columns as they are finished.

    A chip without a single valid pixel passes through none: its pixels have no data anyway.

    Parameters
    ----------
    arriving : iterable of Columns
        From left to right, without a gap; all of one height.
    models : sequence of Model
    rows : sequence of (int, float32 (size))
        The rows of chips: first row within the strip, and weights along y.
    across : Placing
        Chips along x.
    width : int
        Columns of the scene.
    batch_size : int
        Chips that pass through a network together, at most.
    device : torch.device
    """
    window: _Window | None = None
    following = 0  # the next chip along x
    size = across.size
    for columns in arriving:
        window = _extended(window, columns, len(models), device)
        end = columns.start + columns.valid.shape[1]
        last = end == width
        count = len(across.starts)
        ready = range(
            following,
            next((n for n in range(following, count) if across.starts[n] + size > end), count)
            if not last
            else count,
        )
        following = ready.stop
        passed = _pass(window, models, rows, across, ready, batch_size)
        # Columns left of the next chip are finished.
        done = width if last else across.starts[following]
        yield from _finished(window, done, passed)


def _extended(
    window: _Window | None, columns: Columns, models: int, device: torch.device
) -> _Window:
    channels = torch.from_numpy(columns.channels).to(device, non_blocking=True)
    logits = (
        torch.zeros((models, *columns.valid.shape), device=device)
        if columns.logits is None
        else torch.from_numpy(columns.logits).to(device)
    )
    if window is None:
        return _Window(columns.start, channels, columns.valid, logits, [columns])
    window.channels = torch.cat([window.channels, channels], dim=2)
    window.logits = torch.cat([window.logits, logits], dim=2)
    window.valid = np.concatenate([window.valid, columns.valid], axis=1)
    window.host.append(columns)
    return window


def _pass(
    window: _Window,
    models: Sequence[Model],
    rows: Sequence[tuple[int, NDArray[np.float32]]],
    across: Placing,
    ready: range,
    batch_size: int,
) -> int:
    """Pass the chips at some places along x through the networks; return how many."""
    size, device = across.size, window.logits.device
    corners = [
        (y, across.starts[n] - window.start, weight, n)
        for n in ready
        for y, weight in rows
        if window.valid[y : y + size, across.starts[n] - window.start :][:, :size].any()
    ]
    for first in range(0, len(corners), batch_size):
        batch = corners[first : first + batch_size]
        chips = torch.stack([_cut(window.channels, y, x, size) for y, x, *_ in batch])
        weights = torch.from_numpy(
            np.stack([weight[:, None] * across.weights[n] for *_, weight, n in batch])
        ).to(device, non_blocking=True)
        for m, model in enumerate(models):
            weighted = model.logits(chips, batch_size) * weights
            for (y, x, *_), part in zip(batch, weighted, strict=True):
                room = window.logits[m, y : y + size, x : x + size]
                room += part[: room.shape[0], : room.shape[1]]
    return len(corners)


def _cut(channels: torch.Tensor, y: int, x: int, size: int) -> torch.Tensor:
    """Cut a chip (channel, size, size); what lies beyond a smaller scene has no data."""
    chip = channels[:, y : y + size, x : x + size]
    missing = size - chip.shape[1], size - chip.shape[2]
    if not any(missing):
        return chip
    return torch.nn.functional.pad(chip, (0, missing[1], 0, missing[0]), value=torch.nan)


def _finished(window: _Window, done: int, passed: int) -> Iterator[Finished]:
    """Give the columns up to one, and let go of them."""
    stop = done - window.start
    if stop <= 0:
        return
    logits = window.logits[:, :, :stop].clone()
    window.logits = window.logits[:, :, stop:].clone()
    window.channels = window.channels[:, :, stop:].clone()
    channels = np.concatenate([c.channels for c in window.host], axis=2)
    columns = Columns(window.start, channels[:, :, :stop], window.valid[:, :stop])
    rest = Columns(done, channels[:, :, stop:].copy(), window.valid[:, stop:])
    window.host, window.valid, window.start = [rest], rest.valid, done
    yield Finished(columns, logits, passed)

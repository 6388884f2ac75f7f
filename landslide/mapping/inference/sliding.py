"""Rows of chips that slide over a strip from left to right, and blend into its logits.

What is held is the columns that chips still need: a chip's width, and what was read last.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched

import numpy as np
import torch
from numpy.typing import NDArray

from landslide.mapping.inference.models import Model
from landslide.mapping.inference.placing import Placing
from landslide.training.prefetch import pinned, to_device


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


def slide(
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
    # On the device once: what goes there from pageable memory makes the host wait for it.
    weights = tuple(
        torch.from_numpy(np.array(each)).to(device)  # a copy: what Ray hands over is read-only
        for each in ([weight for _, weight in rows], across.weights)
    )
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
        passed = _pass(window, models, [y for y, _ in rows], across, weights, ready, batch_size)
        # Columns left of the next chip are finished.
        done = width if last else across.starts[following]
        yield from _finished(window, done, passed)


def _extended(
    window: _Window | None, columns: Columns, models: int, device: torch.device
) -> _Window:
    channels = _sent(columns.channels, device)
    logits = (
        torch.zeros((models, *columns.valid.shape), device=device)
        if columns.logits is None
        else _sent(columns.logits, device)
    )
    if window is None:
        return _Window(columns.start, channels, columns.valid, logits, [columns])
    window.channels = torch.cat([window.channels, channels], dim=2)
    window.logits = torch.cat([window.logits, logits], dim=2)
    window.valid = np.concatenate([window.valid, columns.valid], axis=1)
    window.host.append(columns)
    return window


def _sent(values: NDArray[np.float32], device: torch.device) -> torch.Tensor:
    return to_device(pinned(torch.from_numpy(values)), device)


def _pass(
    window: _Window,
    models: Sequence[Model],
    tops: Sequence[int],
    across: Placing,
    weights: Sequence[torch.Tensor],
    ready: range,
    batch_size: int,
) -> int:
    """Pass the chips at some places along x through the networks; return how many.

    The weights are those of the rows of chips along y, and of the chips of a row along x.
    """
    size, device = across.size, window.logits.device
    places = [
        (row, n)
        for n in ready
        for row, y in enumerate(tops)
        if window.valid[y : y + size, across.starts[n] - window.start :][:, :size].any()
    ]
    for batch in batched(places, batch_size):
        corners = [(tops[row], across.starts[n] - window.start) for row, n in batch]
        chips = torch.stack([_cut(window.channels, y, x, size) for y, x in corners])
        row, n = to_device(pinned(torch.tensor(batch).T.contiguous()), device)
        weight = weights[0][row][:, :, None] * weights[1][n][:, None, :]
        for m, model in enumerate(models):
            weighted = model.logits(chips, batch_size) * weight
            for (y, x), part in zip(corners, weighted, strict=True):
                room = window.logits[m, y : y + size, x : x + size]
                room += part[: room.shape[0], : room.shape[1]]
    return len(places)


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

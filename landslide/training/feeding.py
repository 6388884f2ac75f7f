"""How the chips of a part come to the network: one idea, three ways.

Each way gives the same chips every epoch, in an order that the seed fixes; a set that is small
enough is trained on in the same order, to the bit, whichever way it comes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import batched
from operator import itemgetter
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from landslide.training.prefetch import host_batch, pinned, read_ahead, shuffle_in_window, to_device

AHEAD = 4
"""Batches read in advance; each by a thread of its own."""


class Feed(Protocol):
    """The chips of one part."""

    @property
    def labels(self) -> torch.Tensor:
        """The labels uint8 (chip, y, x), in the chips' order; on the device, one byte a pixel."""

    @property
    def dtype(self) -> torch.dtype:
        """What the channels come in: float32, or what the network rounds them to first."""

    def shuffled(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give an epoch's batches: channels (chip, channel, y, x) and their labels."""
        ...

    def in_order(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give each chip once, in batches: positions among the part's chips, and channels."""
        ...


@dataclass(frozen=True)
class Resident:
    """Chips that live on the device: all of them are held."""

    x: torch.Tensor
    """(chip, channel, y, x), normalised."""
    labels: torch.Tensor
    batch_size: int

    @property
    def dtype(self) -> torch.dtype:
        """What the channels are held in."""
        return self.x.dtype

    def shuffled(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give an epoch's batches."""
        order = torch.randperm(len(self.labels), generator=generator).to(self.x.device)
        for rows in order.split(self.batch_size):
            yield self.x[rows], self.labels[rows]

    def in_order(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give each chip once."""
        rows = torch.arange(len(self.labels), device=self.x.device)
        yield from zip(rows.split(self.batch_size), self.x.split(self.batch_size), strict=True)


@dataclass(frozen=True)
class Stored:
    """Chips read from a store, or taken from host memory, as they are wanted.

    No more than (ahead + 2) x batch_size are held.

    A chunk is one chip, so any order is read as fast as any other, and every epoch's order is
    that of chips in memory, however many there are.
    """

    read: Callable[[torch.Tensor], torch.Tensor]
    """From positions among the part's chips to their channels, normalised, in host memory."""
    labels: torch.Tensor
    batch_size: int
    ahead: int = AHEAD
    dtype = torch.float32

    def shuffled(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give an epoch's batches."""
        for rows, x in self._read_ahead(torch.randperm(len(self.labels), generator=generator)):
            yield x, self.labels[rows]

    def in_order(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give each chip once."""
        return self._read_ahead(torch.arange(len(self.labels)))

    def _read_ahead(self, order: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        device = self.labels.device
        # Once for all batches: a small copy in between would make the host wait for the device.
        there = order.to(device).split(self.batch_size)
        with closing(read_ahead(self.read, order.split(self.batch_size), self.ahead)) as read:
            for rows, x in zip(there, read, strict=True):
                yield rows, to_device(x, device)


@dataclass(frozen=True)
class Streamed:
    """Chips straight from the cube: `window` and a batch are held, beside the blocks in flight.

    The blocks come in a shuffled order and their chips are shuffled within the window, which is
    the order of chips in memory where it holds all of them.
    """

    arriving: Callable[[torch.Generator | None], Iterable[tuple[int, NDArray[np.float32]]]]
    """One pass over the cube, its blocks shuffled by the generator if there is one: positions
    among the part's chips, and a chip's channels (channel, y, x), normalised, in host memory."""
    labels: torch.Tensor
    batch_size: int
    window: int
    """Chips that are held to be shuffled."""
    dtype = torch.float32

    def shuffled(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give an epoch's batches."""
        arriving = self.arriving(None if self._all_fit else generator)
        for rows, x in self._batches(shuffle_in_window(arriving, self.window, generator)):
            yield x, self.labels[rows]

    def in_order(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give each chip once."""
        arriving = self.arriving(None)
        return self._batches(sorted(arriving, key=itemgetter(0)) if self._all_fit else arriving)

    @property
    def _all_fit(self) -> bool:
        return len(self.labels) <= self.window

    def _batches(
        self, chips: Iterable[tuple[int, NDArray[np.float32]]]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        device = self.labels.device
        for batch in batched(chips, self.batch_size):
            rows = pinned(torch.tensor([row for row, _ in batch]))
            x = host_batch(np.stack([x for _, x in batch]))
            yield to_device(rows, device), to_device(x, device)

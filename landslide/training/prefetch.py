"""Reading ahead in bounded memory, and shuffling what cannot be held all at once."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray


def shuffle_in_window[Chip](
    arriving: Iterable[tuple[int, Chip]], window: int, generator: torch.Generator
) -> Iterator[tuple[int, Chip]]:
    """Shuffle what arrives, holding `window` at a time.

    Each that arrives takes the place of a random one, which leaves. What is left in the end leaves
    in the order that `torch.randperm` draws for it, sorted; so a window that holds everything gives
    the permutation of all.
    """
    held: list[tuple[int, Chip]] = []
    for item in arriving:
        if len(held) < window:
            held.append(item)
            continue
        place = int(torch.randint(window, (), generator=generator))
        leaving, held[place] = held[place], item
        yield leaving
    held.sort(key=itemgetter(0))
    for place in torch.randperm(len(held), generator=generator).tolist():
        yield held[place]


def read_ahead[Key, Value](
    read: Callable[[Key], Value], keys: Iterable[Key], ahead: int
) -> Generator[Value]:
    """Read in threads, in order: never more than `ahead` values wait or are being read.

    Threads, not processes: a store that is open does not survive a fork.
    """
    with ThreadPoolExecutor(ahead, thread_name_prefix="read-ahead") as pool:
        waiting: deque[Future[Value]] = deque()
        try:
            for key in keys:
                ready = waiting.popleft().result() if len(waiting) == ahead else None
                waiting.append(pool.submit(read, key))
                if ready is not None:
                    yield ready
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def host_batch(planes: NDArray[np.float32]) -> torch.Tensor:
    """Lay a batch (chip, channel, y, x) out as the networks take it, ready to be sent.

    NumPy moves the values: torch would start threads of its own in every thread that reads.
    """
    last = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    # Of a single channel NumPy and torch lay out the same bytes by other strides.
    x = torch.from_numpy(last).permute(0, 3, 1, 2).to(memory_format=torch.channels_last)
    return pinned(x)


def pinned(x: torch.Tensor) -> torch.Tensor:
    """Put a tensor where a GPU copies it from without the host's waiting, if there is a GPU."""
    return x.pin_memory() if torch.cuda.is_available() else x


def to_device(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Send what is pinned to the device; the host goes on meanwhile."""
    return x.to(device, non_blocking=True)

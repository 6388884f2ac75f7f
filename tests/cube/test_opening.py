"""What a process has once, however many threads come first at the same time."""

import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from landslide.cube import opening

THREADS = 8


def slowly_once[Made](make: Callable[[], Made]) -> Any:
    """Cache what is made, and wait with it for all threads, which come unless they share it."""
    barrier = Barrier(THREADS)

    @functools.cache
    def made() -> Made:
        with contextlib.suppress(BrokenBarrierError):
            barrier.wait(0.5)
        return make()

    return made


def together(call: Callable[[], Any]) -> list[Any]:
    """Return what threads that begin at once are each given."""
    barrier = Barrier(THREADS)

    def one(_: int) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def test_arrays_that_threads_open_at_once_share_one_context(
    stored: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorstore

    contexts: list[Any] = []
    opened = tensorstore.open

    def noted(*args: Any, context: Any, **how: Any) -> Any:
        contexts.append(context)
        return opened(*args, context=context, **how)

    monkeypatch.setattr(tensorstore, "open", noted)
    monkeypatch.setattr(opening, "shared_context", slowly_once(opening.shared_context.__wrapped__))
    uri = str(stored["v3"])
    together(lambda: opening.opened_by(uri, "vv", "tensorstore", opening.DAMAGE, "token"))
    assert len(contexts) == THREADS
    assert len({id(context) for context in contexts}) == 1


def test_requests_that_threads_begin_at_once_share_their_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools: list[ThreadPoolExecutor] = []

    def made() -> ThreadPoolExecutor:
        pools.append(ThreadPoolExecutor(1))
        return pools[-1]

    monkeypatch.setattr(opening, "requests", slowly_once(made))
    answers = together(lambda: opening.requested(max, 3, 5).result())
    for pool in pools:
        pool.shutdown()
    assert answers == [5] * THREADS
    assert len(pools) == 1

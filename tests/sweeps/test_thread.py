"""The thread that trains all trials of a process."""

import contextlib
import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sweeps.thread import in_one_thread


class Result:
    """May be referred to weakly."""


def test_calls_of_several_threads_are_made_in_one() -> None:
    with ThreadPoolExecutor(2) as threads:
        barrier = threading.Barrier(2)  # both are there at once

        def called() -> tuple[int, int]:
            barrier.wait()
            return threading.get_ident(), in_one_thread(threading.get_ident)

        both = [threads.submit(called) for _ in range(2)]
        asking, calling = zip(*(each.result() for each in both), strict=True)
    assert len(set(asking)) == 2
    assert len(set(calling)) == 1
    assert in_one_thread(threading.get_ident) == calling[0] not in {*asking, threading.get_ident()}


@pytest.mark.parametrize("error", [ValueError("diverged"), SystemExit(0)])
def test_what_a_call_raises_is_raised_and_the_next_is_made(error: BaseException) -> None:
    def failing() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        in_one_thread(failing)
    assert raised.value is error
    assert in_one_thread(lambda: 2) == 2


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Free only what nothing refers to: cycles stay."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_nothing_of_a_call_is_kept() -> None:
    result = in_one_thread(Result)
    kept = weakref.ref(result)
    in_one_thread(int)  # the first has left the thread for sure
    del result
    assert kept() is None


@pytest.mark.usefixtures("uncollected")
def test_nothing_of_a_call_that_failed_is_kept() -> None:
    kept = []

    def failing() -> None:
        result = Result()
        kept.append(weakref.ref(result))
        raise ValueError("diverged")

    with contextlib.suppress(ValueError):
        in_one_thread(failing)
    in_one_thread(int)
    assert kept[0]() is None

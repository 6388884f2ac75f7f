"""One thread of a process for all the trials that it trains.

Tune begins a thread for each trial. What cuDNN's search for the fastest convolutions found is kept
for the thread that searched, so every trial's forward pass would search anew. (Backward passes are
computed in autograd's own thread, which stays.)
"""

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

_beginning = threading.Lock()

type Call[T] = tuple[Future[T], Callable[[], T]]


def in_one_thread[T](call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises, from the one thread for all of them."""
    future = Future[T]()
    with _beginning:
        calls = _calls()
    calls.put((future, call))
    try:
        return future.result()
    finally:
        del future  # the traceback of what it raises leads here, and back to all that failed


@functools.cache
def _calls() -> SimpleQueue[Call[Any]]:
    """Begin the thread, which does not hold up the end of the process, as a pool's would."""
    calls = SimpleQueue[Call[Any]]()
    threading.Thread(target=_serve, args=(calls,), name="training", daemon=True).start()
    return calls


def _serve(calls: SimpleQueue[Call[Any]]) -> None:
    while True:
        _answer(*calls.get())


def _answer[T](future: Future[T], call: Callable[[], T]) -> None:
    """Call; what was computed is not kept, a device's memory least of all."""
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - Tune ends a trial by SystemExit
        future.set_exception(error)
    finally:
        del future, call  # as above

"""A request that fails for the moment is made again, and any other is not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import botocore.exceptions
import numpy as np
import pytest
import tenacity
import zarr
from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore, WrapperStore

from landslide import retries
from landslide.cube.retries import ATTEMPTS, RetryingStore
from landslide.retries import BUSY, is_transient, patiently

CONTENT = bytes(range(100))


def answered(status: int) -> aiohttp.ClientResponseError:
    """Return what aiohttp raises for a status."""
    return aiohttp.ClientResponseError(None, (), status=status)  # type: ignore[arg-type]


class GoogleError(Exception):
    """What gcsfs raises."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code}")
        self.code = code


TRANSIENT = (
    *(answered(status) for status in sorted(BUSY)),
    GoogleError(503),
    ConnectionResetError(104, "reset by peer"),
    TimeoutError("too late"),
    aiohttp.ServerTimeoutError("too late"),
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientPayloadError("not completed"),
    asyncio.IncompleteReadError(b"", 9),
)
LASTING = (
    *(answered(status) for status in (400, 401, 403, 404, 410, 416)),
    GoogleError(403),
    FileNotFoundError("nothing there"),
    PermissionError("refused"),
    ValueError("nonsense"),
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "WAIT", tenacity.wait_none())


class Stumbling(WrapperStore[Any]):
    """A store whose next requests fail."""

    def __init__(self, store: MemoryStore, errors: list[BaseException]) -> None:
        super().__init__(store)
        self.errors, self.asked = errors, 0

    def _stumble(self) -> None:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)

    async def get(self, *args: Any, **how: Any) -> Any:
        self._stumble()
        return await self._store.get(*args, **how)

    async def set(self, *args: Any, **how: Any) -> None:
        self._stumble()
        await self._store.set(*args, **how)

    async def exists(self, key: str) -> bool:
        self._stumble()
        return await self._store.exists(key)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        self._stumble()
        async for name in self._store.list_dir(prefix):
            yield name


async def all_of_it(store: RetryingStore) -> bytes:
    found = await store.get("key", default_buffer_prototype())
    assert found is not None
    return found.to_bytes()


async def parts_of_it(store: RetryingStore) -> bytes:
    ranges = [RangeByteRequest(0, 30), RangeByteRequest(30, 60), SuffixByteRequest(40)]
    found: dict[int, bytes] = {}
    async for group in store.get_ranges("key", ranges, prototype=default_buffer_prototype()):
        found |= {number: part.to_bytes() for number, part in group}
    return b"".join(found[number] for number in sorted(found))


async def exists(store: RetryingStore) -> bytes:
    assert await store.exists("key")
    assert not await store.exists("other")
    return CONTENT


async def written(store: RetryingStore) -> bytes:
    await store.set("new", default_buffer_prototype().buffer.from_bytes(CONTENT))
    found = await store.get("new", default_buffer_prototype())
    assert found is not None
    return found.to_bytes()


async def listed(store: RetryingStore) -> bytes:
    assert [name async for name in store.list_dir("")] == ["key"]
    return CONTENT


REQUESTS = (all_of_it, parts_of_it, exists, written, listed)
Request = Callable[[RetryingStore], Any]


def ask(request: Request, errors: list[BaseException]) -> tuple[Stumbling, Any]:
    """Make a request of a store that holds `key`; return what happened."""
    buffer = default_buffer_prototype().buffer.from_bytes(CONTENT)
    stumbling = Stumbling(MemoryStore({"key": buffer}), list(errors))

    async def answer() -> Any:
        answers = await asyncio.gather(request(RetryingStore(stumbling)), return_exceptions=True)
        return answers[0]

    return stumbling, asyncio.run(answer())


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_what_may_succeed_if_asked_again_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_would_fail_again_is_not(error: Exception) -> None:
    assert not is_transient(error)
    stumbling, raised = ask(all_of_it, [error])
    assert raised is error
    assert stumbling.asked == 1


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("failures", [1, ATTEMPTS - 1])
def test_a_request_is_made_again_until_it_succeeds(failures: int, request_: Request) -> None:
    _, found = ask(request_, [answered(503)] * failures)
    assert found == CONTENT


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_a_store_that_never_answers_is_one_that_cannot_be_reached(error: Exception) -> None:
    stumbling, raised = ask(all_of_it, [error] * (ATTEMPTS + 1))
    assert type(raised) is ConnectionError
    assert raised.__cause__ is error
    assert str(raised).startswith(f"{ATTEMPTS} requests failed, the last with ")
    assert "\n" not in str(raised)
    assert stumbling.asked == ATTEMPTS


def test_each_range_of_a_shard_is_asked_for_again_by_itself() -> None:
    stumbling, found = ask(parts_of_it, [answered(503), ConnectionResetError("reset")])
    assert found == CONTENT
    assert stumbling.asked <= 2 + 3  # neighbours may be asked for together


def test_a_sharded_array_is_read_from_a_store_that_stumbles() -> None:
    store = MemoryStore()
    values = np.arange(4096, dtype=np.float32).reshape(64, 64)
    array = zarr.create_array(
        store, shape=values.shape, chunks=(16, 16), shards=(32, 32), dtype="float32"
    )
    array[:] = values
    stumbling = Stumbling(store, [])
    opened = zarr.open_array(RetryingStore(stumbling), mode="r+")
    for failures in range(1, ATTEMPTS):
        stumbling.errors = [TimeoutError("too late")] * failures
        np.testing.assert_array_equal(opened[5:50, 20:40], values[5:50, 20:40], strict=True)


def test_the_wait_grows_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for attempt in range(1, 40):
        state = tenacity.RetryCallState(None, None, (), {})  # type: ignore[arg-type]
        state.attempt_number = attempt
        shortest = min(10, 0.2 * 2 ** (attempt - 1))
        assert shortest <= retries.WAIT(state) <= min(10, shortest + 1)


def test_patience_outlasts_an_outage_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    outage = [
        ConnectionRefusedError(111, "refused"),
        botocore.exceptions.EndpointConnectionError(endpoint_url="http://store"),
        OSError("cannot read the table"),  # as the table says it
    ]
    outage[-1].__cause__ = TimeoutError("too late")

    def call() -> str:
        if outage:
            raise outage.pop(0)
        return "there"

    assert patiently(call) == "there"
    assert [record.getMessage()[:24] for record in caplog.records] == [
        "a store does not answer "
    ] * 3


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PATIENCE", 0)
    with pytest.raises(TimeoutError, match="too late"):
        patiently(lambda: (_ for _ in ()).throw(TimeoutError("too late")))


def test_what_does_not_pass_is_raised_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PermissionError):
        patiently(lambda: (_ for _ in ()).throw(PermissionError("refused")))
    assert not caplog.records

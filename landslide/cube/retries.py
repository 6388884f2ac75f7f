"""A store that asks again where a server or the network stumbles."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

ATTEMPTS = 6
WAIT = wait_random_exponential(multiplier=0.2, max=10)  # seconds, doubled each time
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONNECTION = (
    ConnectionError,
    TimeoutError,
    asyncio.IncompleteReadError,
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
)


class RangesIgnoredError(ConnectionError):
    """A server that answers a request for some bytes of an object with all of them."""


def is_transient(error: BaseException) -> bool:
    """Say whether a request that failed so may well succeed if it is made again."""
    return isinstance(error, _CONNECTION) or _status(error) in BUSY


def _status(error: BaseException) -> object:
    """Return what a server answered, where it did."""
    return error.status if hasattr(error, "status") else getattr(error, "code", None)


def _at_most(byte_range: ByteRequest | None) -> float:
    """Return how many bytes a request may be answered with."""
    if isinstance(byte_range, RangeByteRequest):
        return byte_range.end - byte_range.start
    return byte_range.suffix if isinstance(byte_range, SuffixByteRequest) else math.inf


class RetryingStore(WrapperStore[Any]):
    """A Zarr store whose requests are made again, with backoff, after a transient error."""

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read an object, or a range of its bytes."""
        content = await self._asked(lambda: self._store.get(key, prototype, byte_range))
        if content is not None and len(content) > _at_most(byte_range):
            raise RangesIgnoredError(key)
        return content

    async def get_partial_values(self, *args: Any, **kwargs: Any) -> list[Buffer | None]:
        """Read ranges of several objects."""
        return await self._asked(lambda: self._store.get_partial_values(*args, **kwargs))

    async def get_ranges(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Read ranges of one object, each by a request of its own that is retried."""
        async for group in Store.get_ranges(self, *args, **kwargs):
            yield group

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object."""
        await self._asked(lambda: self._store.set(key, value))

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        return await self._asked(lambda: self._store.exists(key))

    @staticmethod
    async def _asked[Answer](request: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(is_transient),
                stop=stop_after_attempt(ATTEMPTS),
                wait=WAIT,
                reraise=True,
            ):
                with attempt:
                    return await request()
        except Exception as error:
            if is_transient(error):
                said = _status(error) or f"{type(error).__name__}: {error}"
                failed = f"{ATTEMPTS} requests failed, the last with {said}"
                raise ConnectionError(failed) from error
            raise
        raise AssertionError  # the last attempt returns or raises

"""A store that asks again where a server or the network stumbles."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

from landslide import retries
from landslide.retries import is_transient, status_of

ATTEMPTS = 10  # over some 45 seconds


class RangesIgnoredError(ConnectionError):
    """A server that answers a request for some bytes of an object with all of them."""


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

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List what lies directly under a prefix."""

        async def listed() -> list[str]:
            return [name async for name in self._store.list_dir(prefix)]

        for name in await self._asked(listed):
            yield name

    @staticmethod
    async def _asked[Answer](request: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(is_transient),
                stop=stop_after_attempt(ATTEMPTS),
                wait=retries.WAIT,
                reraise=True,
            ):
                with attempt:
                    return await request()
        except Exception as error:
            if is_transient(error):
                said = status_of(error) or f"{type(error).__name__}: {error}"
                failed = f"{ATTEMPTS} requests failed, the last with {said}"
                raise ConnectionError(failed) from error
            raise
        raise AssertionError  # the last attempt returns or raises

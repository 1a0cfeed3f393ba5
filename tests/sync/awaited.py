"""The mirror in the clothes of the async client, so that the async client's own tests can be run against it."""

import inspect
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

import anyio.to_thread

from apimodels_async import AsyncImagesClient, ImagesClient

_END = object()


class Awaited:
    """What is awaited here is a blocking call in a worker thread; the rest is as it is."""

    def __init__(self, mirror: Any, original: type[Any]) -> None:
        self._mirror = mirror
        self._original = original

    def __getattr__(self, name: str) -> Any:
        there = inspect.getattr_static(self._original, name)
        member = getattr(self._mirror, "close" if name == "aclose" else name)
        if inspect.iscoroutinefunction(there):
            return partial(_in_a_thread, member)
        if isinstance(there, property):
            return member
        return partial(_companion, member)

    def __repr__(self) -> str:
        return repr(self._mirror)

    async def __aenter__(self) -> Self:
        await _in_a_thread(self._mirror.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await _in_a_thread(self._mirror.__exit__, kind, error, traceback)  # type: ignore[no-any-return]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        found = await _in_a_thread(next, self._mirror, _END)
        if found is _END:
            raise StopAsyncIteration
        return found


class AwaitedClient(Awaited):
    """Made like an `AsyncImagesClient`."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(ImagesClient(*arguments, **more), AsyncImagesClient)


async def _in_a_thread(call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    return await anyio.to_thread.run_sync(partial(call, *arguments, **more))


def _companion(call: Callable[..., Any], *arguments: Any, **more: Any) -> Awaited:
    from apimodels_async._batch.batch import Batch

    return Awaited(call(*arguments, **more), Batch)

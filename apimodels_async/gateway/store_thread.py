"""The one thread that the store lives in."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from apimodels_async.gateway.store import Store

__all__ = ["StoreThread"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class StoreThread:
    """The one thread that a `Store` lives in, so that the event loop never waits for the disk.

    Args:
        path: the store's file; ``None`` for a temporary one that is removed in the end.
        deposited: what was paid into the account, in millionths of a dollar.
    """

    def __init__(self, path: Path | None, deposited: int) -> None:
        self._path = path
        self._deposited = deposited
        self._temporary: TemporaryDirectory[str] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._store: Store | None = None

    async def __aenter__(self) -> Self:
        """Open the store.

        Raises:
            OSError: the file cannot be used.
        """
        if self._path is None:
            self._temporary = TemporaryDirectory(prefix="apimodels-gateway-")
        path = self._path or Path(self._temporary.name if self._temporary else "", "store.sqlite3")
        self._thread = ThreadPoolExecutor(1, "apimodels-gateway-store")
        try:
            self._store = await asyncio.get_running_loop().run_in_executor(self._thread, Store, path, self._deposited)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store, and remove it if it is temporary."""
        if self._thread is not None:
            if self._store is not None:
                self._thread.submit(self._store.close)
            self._thread.shutdown()
        if self._temporary is not None:
            self._temporary.cleanup()
        self._thread = self._store = self._temporary = None

    async def ask(self, method: Callable[Concatenate[Store, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What a method of `Store` returns, called in the store's thread."""
        store, thread = self._store, self._thread
        if store is None or thread is None:
            raise RuntimeError("the gateway is not running: its lifespan has not been entered")
        return await asyncio.get_running_loop().run_in_executor(thread, lambda: method(store, *args, **kwargs))

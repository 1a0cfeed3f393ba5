"""The one thread that the store lives in."""

import asyncio
import errno
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from apimodels_async._logs import escaped_logger
from apimodels_async.gateway.store import Store

__all__ = ["StoreThread", "StoreUnavailableError"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_CLEANING = 600.0
"""Seconds between two deletions of what has expired."""

_logger = escaped_logger(__name__)


class StoreUnavailableError(Exception):
    """The store cannot be read or written at the moment: its disk is full, or it is damaged."""


def _trouble(error: BaseException) -> str | None:
    """What is wrong with the disk or the file; ``None`` for any other error."""
    if isinstance(error, OSError):
        return "the disk is full" if error.errno == errno.ENOSPC else None
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, (sqlite3.ProgrammingError, sqlite3.IntegrityError)
    ):
        return str(error)
    return None


class StoreThread:
    """The one thread that a `Store` lives in, so that the event loop never waits for the disk.

    Args:
        path: the store's file; ``None`` for a temporary one that is deleted in the end.
        deposited: paid into the account, in millionths of a dollar.
        now: the clock, epoch milliseconds.
        keep: milliseconds that pictures and files are kept.
    """

    def __init__(self, path: Path | None, deposited: int, now: Callable[[], int], keep: int) -> None:
        self._path = path
        self._deposited = deposited
        self._now = now
        self._keep = keep
        self._temporary: TemporaryDirectory[str] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._store: Store | None = None
        self._cleaner: asyncio.Task[None] | None = None
        self._in_trouble = False

    async def __aenter__(self) -> Self:
        """Open the store, and delete what has expired.

        Raises:
            OSError: the file cannot be used.
        """
        if self._path is None:
            self._temporary = TemporaryDirectory(prefix="apimodels-gateway-", ignore_cleanup_errors=True)
        path = self._path or Path(self._temporary.name if self._temporary else "", "store.sqlite3")
        self._thread = ThreadPoolExecutor(1, "apimodels-gateway-store")
        try:
            open_store = partial(Store, path, self._deposited, temporary=self._path is None)
            self._store = await asyncio.get_running_loop().run_in_executor(self._thread, open_store)
            with suppress(StoreUnavailableError):
                await self._delete_expired()
                await self.ask(Store.give_back)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        self._cleaner = asyncio.create_task(self._clean())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store, and delete it if it is temporary."""
        if self._cleaner is not None:
            self._cleaner.cancel()
            await asyncio.gather(self._cleaner, return_exceptions=True)
        if self._thread is not None:
            if self._store is not None:
                self._thread.submit(self._store.close)
            self._thread.shutdown()
        if self._temporary is not None:
            self._temporary.cleanup()
        self._thread = self._store = self._temporary = self._cleaner = None

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(_CLEANING)
            with suppress(StoreUnavailableError):
                await self._delete_expired()

    async def _delete_expired(self) -> None:
        await self.ask(Store.delete_expired, self._now(), self._keep)

    async def ask(self, method: Callable[Concatenate[Store, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what a method of `Store` returns, called in the store's thread.

        Raises:
            StoreUnavailableError: the disk is full, or the file damaged. That is logged once, until it is over.
        """
        store, thread = self._store, self._thread
        if store is None or thread is None:
            raise RuntimeError("the gateway is not running: its lifespan has not been entered")

        def work() -> tuple[_T, bool]:
            before = store.db.total_changes
            return method(store, *args, **kwargs), store.db.total_changes != before

        try:
            result, written = await asyncio.get_running_loop().run_in_executor(thread, work)
        except (sqlite3.Error, OSError) as error:
            trouble = _trouble(error)
            if trouble is None:
                raise
            if not self._in_trouble:
                self._in_trouble = True
                _logger.error("the gateway's store cannot be used: %s", trouble)  # noqa: TRY400
            raise StoreUnavailableError(trouble) from error
        if written and self._in_trouble:
            self._in_trouble = False
            _logger.warning("the gateway's store can be used again")
        return result

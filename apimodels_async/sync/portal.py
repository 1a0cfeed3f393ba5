"""Calls from blocking threads into a client's own event loop."""

import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from apimodels_async.errors import ConfigurationError
from apimodels_async.sync.patched import check_not_patched
from apimodels_async.sync.runner import CLOSING, PortalCall, Runner

T = TypeVar("T")


class Portal:
    """Runs the coroutines of one client in one background loop, which starts with the first call.

    Any number of threads may use it at once, also a thread with a running event loop, which is blocked meanwhile. The
    client is closed when its portal is garbage-collected and when the interpreter exits.

    Args:
        aclose: closes the client; awaited in the loop when it ends.
        undelivered: called in the loop's thread with the result of a call whose caller was interrupted (Ctrl-C) when
            the result already existed.
    """

    def __init__(self, aclose: Callable[[], Awaitable[None]], undelivered: Callable[[object], object]) -> None:
        check_not_patched()
        self._aclose = aclose
        self._undelivered = undelivered
        self._pid = os.getpid()
        self._starting = threading.Lock()
        self._runner: Runner | None = None

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the loop's."""
        return self._runner is not None and self._runner.is_here

    def call(self, coroutine: Coroutine[Any, Any, T], undelivered: Callable[[T], object] | None = None) -> T:
        """Run `coroutine` in the loop and return its result.

        An exception that interrupts the caller, such as `KeyboardInterrupt`, cancels the coroutine first.

        Raises:
            ConfigurationError: the client is closed or was made before a fork, or this is the loop's own thread.
        """
        call = PortalCall(coroutine, undelivered or self._undelivered)
        try:
            self._hand_in(call)
            call.wait()
        except BaseException:
            call.give_up()
            raise
        try:
            return call.outcome()
        finally:
            del call, coroutine  # see `PortalCall.outcome`

    def enter(self, coroutine: Coroutine[Any, Any, object], mirror: T) -> T:
        """Run an ``__aenter__`` and return `mirror`."""
        self.call(coroutine)
        return mirror

    def begin(self, function: Callable[[], object], mirror: T) -> T:
        """Call an ``__aiter__`` and return `mirror`."""
        self.run(function)
        return mirror

    def step(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run an ``__anext__`` as a ``__next__``."""
        try:
            return self.call(coroutine)
        except StopAsyncIteration:
            raise StopIteration from None

    def last(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine`, then end the loop. Does nothing if the loop has ended or belongs to the parent of a fork."""
        if self._pid != os.getpid() or (self._runner is not None and not self._runner.is_open):
            coroutine.close()
            return
        try:
            self.call(coroutine)
        finally:
            if self._runner is not None and not self._runner.is_here:
                self._runner.stop_soon()
                self._runner.join(CLOSING)

    def run(self, function: Callable[[], T]) -> T:
        """Call a plain function in the loop's thread, so that no other code of the client runs at the same time."""
        self._check_process()
        runner = self._runner
        if runner is None or runner.is_here or not runner.is_open:
            return function()
        return self.call(_awaited(function))

    def _hand_in(self, call: PortalCall[Any]) -> None:
        if not call.hand_in(self._running()):
            raise ConfigurationError("this client is closed: make a new one")

    def _running(self) -> Runner:
        self._check_process()
        if self._runner is None:
            with self._starting:
                if self._runner is None:
                    check_not_patched()  # it may have happened since the client was made
                    runner = Runner(self._aclose)
                    runner.start()
                    weakref.finalize(self, runner.stop_soon).atexit = False  # `close_all` of the runner does that
                    self._runner = runner
        if self._runner.is_here:
            raise ConfigurationError(
                "a blocking call from the client's own event loop would wait for itself for ever: in an async "
                "function that the client awaits, use a thread, or AsyncImagesClient"
            )
        return self._runner

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise ConfigurationError("this client was made before a fork: make one in each process")


async def _awaited(function: Callable[[], T]) -> T:
    return function()

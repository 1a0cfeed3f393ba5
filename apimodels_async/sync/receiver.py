"""`CallbackReceiver` without ``await``.

Generated from callbacks/receiver.py by ``python tests/tools/generate_sync.py``: not to be edited by hand.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Self

from apimodels_async.callbacks.delivery import Confirm, Handler
from apimodels_async.callbacks.parsing import Callback
from apimodels_async.callbacks.receiver import CallbackReceiver as AsyncCallbackReceiver
from apimodels_async.callbacks.stores import CallbackStore
from apimodels_async.sync.base import MirroredReceiver

__all__ = ["CallbackReceiver"]


class CallbackReceiver(MirroredReceiver):
    """Receives callbacks, for programs that do not await: iterating blocks until the next has come.

    It is an ASGI app all the same: run it on a server of its own, in a thread or beside your program.

    Give it to a client as ``callbacks=``, or give it a function as ``on_callback=``, or iterate over it::

        receiver = CallbackReceiver("https://example.com/callbacks", {"k1": os.environ["CALLBACK_KEY"]})
        app.mount("/callbacks", receiver)

        for callback in receiver: ...

    Whatever does not come to a URL that was made by `issue` gets one and the same 404, before its body is read. A body
    over 1 MiB gets 413, one that takes more than 5 s 408, one that cannot be read 400, a duplicate 200 and no more.
    503 asks the server to try again: the function failed or took too long, nobody takes what is iterated over, or the
    store is full or busy.

    Args:
        public_url: where the server reaches this app from outside, the path of the mount included.
        secrets: keys by their ids; see `CallbackSigner`.
        signing_key: the id of the key that makes new URLs; else the last one given.
        on_callback: called with each `Callback`, at least once: until it has returned, the callback is tried again. An
            ``async`` function, or a plain one, which is called in a worker thread.
        handler_timeout: seconds for `confirm` and `on_callback` together; the server itself waits 10 s.
        confirm: asks the server about a task, such as ``client.get``; awaited, or called in a worker thread. What
            `on_callback` and iterations get is then what it said, and a callback whose task has not ended is not
            believed.
        confirm_rate: how many times a second `confirm` is called at most.
        store: remembers what was accepted; a path stands for a `SqliteCallbackStore`, which several processes can
            share. Without it, this process remembers.
        queue_size: callbacks kept for iterations. When it is full, more are answered 503; but as long as nobody has
            begun to iterate, the oldest give way.
        reusable: whether one URL may serve many tasks. Without that, the first task that a URL was called for is its
            task, whatever is posted to it later.
        plain: also accept what is posted to `public_url` itself, without a token: for a URL that is registered
            somewhere and cannot change. Anybody can post there, so `confirm` is compulsory.

    Raises:
        ValueError: a bad URL, key or number, or `plain` without `confirm`.
        ConfigurationError: the store's file cannot be used.
    """

    def __init__(
        self,
        public_url: str,
        secrets: Mapping[str, str | bytes],
        *,
        signing_key: str | None = None,
        on_callback: Handler | None = None,
        handler_timeout: float = 8.0,
        confirm: Confirm | None = None,
        confirm_rate: float = 20.0,
        store: CallbackStore | str | os.PathLike[str] | None = None,
        queue_size: int = 256,
        reusable: bool = False,
        plain: bool = False,
    ) -> None:
        try:
            self._mirror(
                AsyncCallbackReceiver(
                    public_url,
                    secrets,
                    signing_key=signing_key,
                    on_callback=on_callback,
                    handler_timeout=handler_timeout,
                    confirm=confirm,
                    confirm_rate=confirm_rate,
                    store=store,
                    queue_size=queue_size,
                    reusable=reusable,
                    plain=plain,
                )
            )
        finally:
            del secrets

    def issue(self) -> tuple[str, str]:
        """A fresh intent id, and the authenticated URL to give to a create as ``callback_url``."""
        return self._portal.run(self._async.issue)

    def subscribe(self, intent_id: str, told: Callable[[str], object]) -> None:
        """Have `told` called with the id of every task that the URL of an intent is called for.

        That includes one that was called for already. With a store that processes share, it does not matter which of
        them was called.

        Args:
            intent_id: from `issue`.
            told: called in any thread; has to be quick, and must not raise.
        """
        self._portal.run(partial(self._async.subscribe, intent_id, told))

    def unsubscribe(self, intent_id: str) -> None:
        """Have it called no more."""
        self._portal.run(partial(self._async.unsubscribe, intent_id))

    def __iter__(self) -> Self:
        return self._portal.begin(self._async.__aiter__, self)

    def __next__(self) -> Callback:
        return self._portal.step(self._async.__anext__())

    @property
    def is_closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._portal.run(lambda: self._async.is_closed)

    def put_back(self, callback: Callback) -> None:
        """Make one that was taken from the iteration, and not used after all, the next."""
        self._portal.run(partial(self._async.put_back, callback))

    def close(self) -> None:
        """Accept no more, and end the iterations. May be called twice. A store that was given stays open."""
        self._portal.last(self._async.aclose())

    def __enter__(self) -> Self:
        return self._portal.enter(self._async.__aenter__(), self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._portal.last(self._async.__aexit__(kind, error, traceback))

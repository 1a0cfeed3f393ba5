"""`CallbackReceiver` without ``await``.

Generated from callbacks/receiver.py by ``python tests/tools/generate_sync.py``: not to be edited by hand.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Self

from apimodels_async.callbacks.asgi import MOST_BYTES
from apimodels_async.callbacks.delivery import Confirm, Handler
from apimodels_async.callbacks.parsing import Callback
from apimodels_async.callbacks.receiver import CallbackReceiver as AsyncCallbackReceiver
from apimodels_async.callbacks.stores import CallbackStore
from apimodels_async.sync.base import MirroredReceiver

__all__ = ["CallbackReceiver"]


class CallbackReceiver(MirroredReceiver):
    """Receives callbacks, for programs that do not await: iterating blocks until the next has come.

    It is an ASGI app all the same: run it on a server of its own, in a thread or beside your program.

    Pass it to a client as ``callbacks=``, or pass it a function as ``on_callback=``, or iterate over it::

        receiver = CallbackReceiver("https://example.com/callbacks", {"k1": os.environ["CALLBACK_KEY"]})
        app.mount("/callbacks", receiver)

        for callback in receiver: ...

    A request to any URL that was not made by `issue` is answered 404, before its body is read. A body over `max_bytes`
    is answered 413, one that takes more than 5 s 408, and one that cannot be parsed 400. A duplicate is answered 200
    and not handled again. 503 asks the server to retry: the function failed or took too long, the iteration's queue is
    full, or the store is full or busy.

    Args:
        public_url: where the server reaches this app from outside, including the path of the mount.
        secrets: keys by their ids; see `CallbackSigner`.
        signing_key: the id of the key that signs new URLs; the last one in `secrets` by default.
        on_callback: called with each `Callback`, at least once: the server retries until it has returned. An ``async``
            function, or a plain one, which is called in a worker thread.
        handler_timeout: seconds for `confirm` and `on_callback` together; the server itself waits 10 s.
        confirm: queries the server for a task, such as ``client.get``; awaited, or called in a worker thread.
            `on_callback` and iterations then receive the queried values, and a callback whose task has not ended is
            rejected.
        confirm_rate: the maximum number of calls of `confirm` a second.
        store: remembers accepted callbacks; a path means a `SqliteCallbackStore`, which several processes can share,
            and a ``postgresql://`` URL a `PostgresStore`, which several hosts can. By default they are remembered in
            this process.
        queue_size: callbacks kept for iterations. When the queue is full, further ones are answered 503; until an
            iteration has started, the oldest are dropped instead.
        reusable: whether one URL may serve many tasks. Otherwise a URL belongs to the first task posted to it, and
            posts for other tasks are ignored.
        max_bytes: of a body. ``param`` may repeat the whole request with its pictures in base64: the default holds all
            that the vendor's default address takes (4.5 MB). With ``https://api.apimodels.app/v1``, which takes 100 MB,
            a larger one may be needed.
        plain: also accept what is posted to `public_url` itself, without a token: for a URL that is registered
            somewhere and cannot change. Any caller can post there, so `confirm` is required.

    Raises:
        ValueError: an invalid URL, key or number, or `plain` without `confirm`.
        ConfigurationError: the store's file or database cannot be used.
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
        max_bytes: int = MOST_BYTES,
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
                    max_bytes=max_bytes,
                )
            )
        finally:
            del secrets

    def issue(self) -> tuple[str, str]:
        """Return a new intent id and the authenticated URL to pass to a create request as ``callback_url``."""
        return self._portal.run(self._async.issue)

    def subscribe(self, intent_id: str, told: Callable[[str], object]) -> None:
        """Call `told` with the id of every task for which a callback arrives at the URL of an intent.

        Callbacks that arrived earlier are included. With a shared store, any of the processes may have received them.

        Args:
            intent_id: from `issue`.
            told: called in any thread; must be quick and must not raise.
        """
        self._portal.run(partial(self._async.subscribe, intent_id, told))

    def unsubscribe(self, intent_id: str) -> None:
        """Cancel the subscription to an intent."""
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
        """Return a callback that was taken from the iteration but not used, so that it is the next one."""
        self._portal.run(partial(self._async.put_back, callback))

    def close(self) -> None:
        """Stop accepting callbacks and end the iterations. May be called twice. A store that was passed in stays open.

        Callbacks that arrive later are answered 503.
        """
        self._portal.last(self._async.aclose())

    def __enter__(self) -> Self:
        return self._portal.enter(self._async.__aenter__(), self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._portal.last(self._async.__aexit__(kind, error, traceback))

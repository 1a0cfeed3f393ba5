"""`CallbackReceiver`: an ASGI app that accepts posts from any caller and trusts none of them."""

import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar, cast

import anyio

from apimodels_async._arguments import ArgumentTypeError, check_functions, number, whole
from apimodels_async._cancellation import as_error
from apimodels_async._secret import Secret
from apimodels_async._threads import WorkerThreads
from apimodels_async._urls import database_url
from apimodels_async.callbacks.asgi import (
    BAD_REQUEST,
    BUSY,
    MOST_BYTES,
    NOT_FOUND,
    OK,
    Receive,
    Reply,
    Send,
    read_body,
    refuse_websocket,
    say,
)
from apimodels_async.callbacks.delivery import Confirm, Confirming, Handler, Together, UnconfirmedCallbackError, call
from apimodels_async.callbacks.inbox import Inbox, InboxFullError
from apimodels_async.callbacks.intents import new_intent_id
from apimodels_async.callbacks.parsing import Callback, UnreadableCallbackError, parse_callback
from apimodels_async.callbacks.signing import CallbackSigner, Match
from apimodels_async.callbacks.sqlite import SqliteCallbackStore
from apimodels_async.callbacks.stores import Arrival, CallbackStore, MemoryCallbackStore
from apimodels_async.callbacks.subscriptions import Subscriptions
from apimodels_async.errors import ApimodelsError

__all__ = ["CallbackReceiver"]

logger: logging.Logger = logging.getLogger("apimodels_async")

T = TypeVar("T")

STORE_SECONDS = 5.0
"""Time limit for one operation of a shared store. All steps together stay below the 10 s that the server waits."""
_readers = WorkerThreads("readers", 2)
_writers = WorkerThreads("writers", 8)
"""Separate threads, so that reads do not queue behind writes. Writes that are made together share one disk flush."""


class CallbackReceiver:
    """Receives callbacks: mount it in FastAPI, Starlette or any other ASGI app, or run it alone.

    Pass it to a client as ``callbacks=``, or pass it a function as ``on_callback=``, or iterate over it::

        receiver = CallbackReceiver("https://example.com/callbacks", {"k1": os.environ["CALLBACK_KEY"]})
        app.mount("/callbacks", receiver)

        async for callback in receiver: ...

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

    def __reduce__(self) -> NoReturn:
        raise TypeError("a receiver holds signing keys: make one in each process, and do not copy it")

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
        hidden = Secret(secrets)
        del secrets  # tracebacks show arguments
        self.signer: CallbackSigner = CallbackSigner(public_url, hidden.reveal(), signing_key=signing_key)
        if plain and confirm is None:
            raise ValueError("plain=True accepts posts from any caller: give confirm= as well, such as client.get")
        check_functions(on_callback=on_callback, confirm=confirm)
        confirm_rate = number("confirm_rate", confirm_rate, above=0.0)
        self._plain = plain
        self._reusable = reusable
        self._max_bytes = whole("max_bytes", max_bytes, least=1)
        self._on_callback = on_callback
        self._handler_timeout = number("handler_timeout", handler_timeout, above=0.0)
        self._confirming = None if confirm is None else Confirming(confirm, confirm_rate)
        self._owns_store = store is None or isinstance(store, (str, os.PathLike))
        self._store: CallbackStore = _opened(store)
        self._following = Subscriptions(self._store)
        self._inbox = Inbox(whole("queue_size", queue_size, least=1))
        self._together = Together()
        self._closed = False

    def __repr__(self) -> str:
        if "signer" not in vars(self):  # its constructor failed, and a traceback shows it
            return object.__repr__(self)
        return f"CallbackReceiver({self.signer!r})"

    # --- URLs and their subscribers: a CallbackSource

    def issue(self) -> tuple[str, str]:
        """Return a new intent id and the authenticated URL to pass to a create request as ``callback_url``."""
        intent_id = new_intent_id()
        return intent_id, self.signer.url(intent_id)

    def subscribe(self, intent_id: str, told: Callable[[str], object]) -> None:
        """Call `told` with the id of every task for which a callback arrives at the URL of an intent.

        Callbacks that arrived earlier are included. With a shared store, any of the processes may have received them.

        Args:
            intent_id: from `issue`.
            told: called in any thread; must be quick and must not raise.
        """
        self._following.subscribe(intent_id, told)

    def unsubscribe(self, intent_id: str) -> None:
        """Cancel the subscription to an intent."""
        self._following.unsubscribe(intent_id)

    # --- iteration

    def __aiter__(self) -> Self:
        self._inbox.wanted = True
        return self

    async def __anext__(self) -> Callback:
        return await self._inbox.get()

    @property
    def is_closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._closed

    def put_back(self, callback: Callback) -> None:
        """Return a callback that was taken from the iteration but not used, so that it is the next one."""
        self._inbox.put_back(callback)

    async def aclose(self) -> None:
        """Stop accepting callbacks and end the iterations. May be called twice. A store that was passed in stays open.

        Callbacks that arrive later are answered 503.
        """
        self._closed = True
        self._inbox.close()
        with anyio.CancelScope(shield=True):
            await _writers.run(self._close_store)

    def _close_store(self) -> None:
        self._following.close()
        if self._owns_store:
            self._store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- ASGI

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one ASGI connection."""
        match scope["type"]:
            case "http":
                place = self.signer.place(scope["path"], scope.get("root_path", ""))
                welcome = scope["method"] == "POST" and (place.intent_id is not None or (self._plain and place.plain))
                del scope  # it contains the token, and tracebacks show arguments
                answer = await self._answer(place, receive) if welcome else NOT_FOUND
                if answer is not None:
                    await say(send, answer)
            case "lifespan":
                del scope
                await self._live(receive, send)
            case "websocket":
                del scope
                await refuse_websocket(receive, send)
            case kind:
                raise ValueError(f"no idea what {kind} is")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, place: Match, receive: Receive) -> Reply | None:
        body = await read_body(receive, self._max_bytes)
        if not isinstance(body, bytes):
            return body
        if self._closed:
            return BUSY
        try:
            if place.intent_id is None:
                return await self._from_unknown_caller(body)
            return await self._accept(place.intent_id, body)
        except UnreadableCallbackError as error:
            logger.warning("a callback that cannot be read: %s", error)
            return BAD_REQUEST
        except BaseException as error:  # noqa: BLE001  (any error of a store; the server is asked to retry)
            error = as_error(error, "the store", exits=True)
            logger.warning("a callback cannot be remembered: %s: %s", type(error).__name__, error)
            return BUSY

    async def _accept(self, intent_id: str, body: bytes) -> Reply:
        """Store a callback to a URL of ours, then handle it."""
        # Without a handler, confirmation or consumer, no later step can fail: it is stored as settled at once.
        settled = self._on_callback is None and self._confirming is None and not self._inbox.wanted
        if not self._reusable and await self._in_store(partial(self._is_settled, intent_id), _readers):
            return OK
        callback = parse_callback(body)
        arrival = Arrival(intent_id, callback.task_id, settled=settled)
        key = self._key(arrival)
        if self._reusable and await self._in_store(partial(self._is_settled, key), _readers):
            return OK
        kept = await self._in_store(partial(self._store.add, key, arrival), _writers)
        if kept.task_id != callback.task_id:
            logger.warning("a callback for %s came to the URL of task %s: passed over", callback.task_id, kept.task_id)
            return OK
        if kept.settled and not settled:
            return OK  # by another process, a moment ago
        followed = self._following.tell((arrival,))
        if settled:
            if not followed:
                self._inbox.put(callback)
            return OK
        return await self._handle(key, callback, partial(self._store.settle, key))

    def _is_settled(self, key: str) -> bool:
        earlier = self._store.find(key)
        return earlier is not None and earlier.settled

    async def _from_unknown_caller(self, body: bytes) -> Reply:
        """Handle a callback to the plain URL. It is not stored before it is confirmed."""
        callback = parse_callback(body)
        arrival = Arrival("", callback.task_id, settled=True)
        key = self._key(arrival)
        if await self._in_store(partial(self._is_settled, key), _readers):
            return OK
        return await self._handle(key, callback, partial(self._store.add, key, arrival))

    def _key(self, arrival: Arrival) -> str:
        one_task = arrival.intent_id and not self._reusable
        return arrival.intent_id if one_task else f"{arrival.intent_id}/{arrival.task_id}"

    async def _handle(self, key: str, callback: Callback, settle: Callable[[], object]) -> Reply:
        answer = await self._together.run(key, partial(self._deliver, callback, settle))
        return BUSY if answer is None else cast("Reply", answer)

    async def _deliver(self, callback: Callback, settle: Callable[[], object]) -> Reply:
        """Confirm a callback, call the handler, and only then mark it as settled."""
        try:
            self._inbox.check_room()
            with anyio.fail_after(self._handler_timeout):
                if self._confirming is not None:
                    callback = await self._confirming(callback)
                if self._on_callback is not None:
                    await call(self._on_callback, callback)
        except (InboxFullError, UnconfirmedCallbackError) as error:
            logger.warning("the callback of task %s is not taken now: %s", callback.task_id, error)
            return BUSY
        except BaseException as error:
            error = as_error(error, "the handler", exits=True)
            words = str(error) if isinstance(error, ApimodelsError) else f"{type(error).__name__}: {error}"
            logger.exception("task %s: its callback was not handled, it will come again (%s)", callback.task_id, words)
            return BUSY
        self._inbox.put(callback)
        await self._in_store(settle, _writers)
        return OK

    async def _in_store(self, step: Callable[[], T], threads: WorkerThreads) -> T:
        """Run a store operation that may wait for a disk, without blocking the event loop."""
        if not self._store.shared:
            return step()
        with anyio.fail_after(STORE_SECONDS):
            return await threads.run(step)


def _opened(store: CallbackStore | str | os.PathLike[str] | None) -> CallbackStore:
    if store is None:
        return MemoryCallbackStore()
    if not isinstance(store, (str, os.PathLike)):
        if not callable(getattr(store, "arrivals", None)):
            raise ArgumentTypeError(
                "store", f"is a {type(store).__name__}: give a path, a postgresql:// URL or a store"
            )
        return store
    url = database_url(os.fspath(store), "store")
    if url is None:
        return SqliteCallbackStore(store)
    from apimodels_async.callbacks.postgres import PostgresStore  # noqa: PLC0415  (an extra)

    return PostgresStore(url)

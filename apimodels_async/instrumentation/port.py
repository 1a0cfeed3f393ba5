"""The port through which instruments observe clients: the protocol, which instruments there are, and what is under way.

An *operation* has a beginning and an end, and others happen within it: a task's requests, polls and downloads within
the task. Which one is under way is kept in a context variable, which tasks of an event loop inherit. Where work for a
task is done elsewhere, such as a batch's queries, `within` says what it belongs to.

Without an instrument nothing is made: every hook asks whether `active` is ``None``, and that is all.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextvars import ContextVar, Token
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from apimodels_async._arguments import ArgumentTypeError
from apimodels_async.instrumentation.details import Details, RequestDetails

__all__ = ["Instrument", "add_instrument", "get_instruments", "remove_instrument"]

P = ParamSpec("P")
T = TypeVar("T")

logger: logging.Logger = logging.getLogger("apimodels_async")


class Instrument(Protocol):
    """Observes what clients do, in every thread and event loop of the process.

    Its methods are called where things happen, so they must return at once and never block. What they raise is logged
    and harms nothing else. A subclass inherits methods that do nothing.
    """

    def begin(self, details: Details, within: Any) -> Any:
        """An operation has begun.

        Requests, polls, downloads and ledger writes end in the task of the event loop in which they began; a
        `TaskDetails` may end in another one.

        Args:
            details: what is known at the beginning.
            within: what `begin` returned for the operation that this one is a part of; ``None`` for an outermost one.

        Returns:
            What stands for the operation, such as a span.
        """
        return None

    def note(self, details: Details, within: Any) -> None:
        """Something has happened that takes no time: a task has changed, a retry is planned, a change was posted.

        Args:
            details: what has happened.
            within: what `begin` returned for the operation in which it happened; ``None`` outside of any.
        """
        return

    def end(self, details: Details, begun: Any) -> None:
        """An operation has ended.

        Args:
            details: as at the beginning, and what has become known since.
            begun: what `begin` returned.
        """
        return

    def headers(self, details: Details, begun: Any) -> Mapping[str, str]:
        """Return headers to be sent with a request to the API, such as ``traceparent``.

        A header that the client sets itself is not replaced, and none that concerns the connection, the body or the
        authorization is added. Only requests to the API have them: this is not called for pictures and the storage.

        Args:
            details: of the request.
            begun: what `begin` returned for it.
        """
        return {}


active: tuple[Instrument, ...] | None = None
"""The instruments of this process; ``None`` if there are none, which is all that a hook asks then."""

_TO_THE_API = frozenset({"create", "query", "upload"})
_changing = threading.Lock()
_current: "ContextVar[Operation | None]" = ContextVar("apimodels_async operation", default=None)


def add_instrument(instrument: Instrument) -> None:
    """Let an instrument observe all clients of this process from now on. Adding it twice changes nothing.

    Args:
        instrument: an `Instrument`.

    Raises:
        TypeError: it lacks a method of the protocol.
    """
    global active  # noqa: PLW0603  (an attribute of the module is the cheapest test there is)
    missing = [name for name in ("begin", "note", "end", "headers") if not callable(getattr(instrument, name, None))]
    if missing:
        raise ArgumentTypeError(
            "instrument", f"has no {missing[0]}(): give an Instrument", value=type(instrument).__name__
        )
    with _changing:
        active = (*(each for each in get_instruments() if each is not instrument), instrument)


def remove_instrument(instrument: Instrument) -> None:
    """Let an instrument observe nothing any more. One that was not added is ignored."""
    global active  # noqa: PLW0603
    with _changing:
        active = tuple(each for each in get_instruments() if each is not instrument) or None


def get_instruments() -> tuple[Instrument, ...]:
    """The instruments that observe the clients of this process."""
    return active or ()


class Operation:
    """Something that is under way and observed.

    Attributes:
        details: what is known of it.
    """

    __slots__ = ("_began", "_begun", "_ended", "details")

    def __init__(self, details: Details, parent: "Operation | None", instruments: Iterable[Instrument]) -> None:
        self.details: Details = details
        self._began = time.perf_counter()
        self._ended = False
        self._begun: list[tuple[Instrument, Any]] = [
            (each, _guarded(each.begin, details, _begun_by(each, parent))) for each in instruments
        ]

    def update(self, **facts: Any) -> None:
        """Add to what is known of it."""
        self.details = self.details._replace(**facts)

    def note(self, **facts: Any) -> None:
        """Say that it has changed."""
        self.update(**facts)
        for instrument, begun in self._begun:
            _guarded(instrument.note, self.details, begun)

    def end(self, **facts: Any) -> None:
        """Say that it has ended. Does nothing a second time."""
        if not self._ended:
            self._ended = True
            self.update(**facts, seconds=time.perf_counter() - self._began)
            for instrument, begun in self._begun:
                _guarded(instrument.end, self.details, begun)

    def begun_by(self, instrument: Instrument) -> Any:
        """What an instrument returned for it."""
        return next((begun for each, begun in self._begun if each is instrument), None)

    def headers(self) -> dict[str, str]:
        """The headers that instruments want to be sent with it."""
        headers: dict[str, str] = {}
        for instrument, begun in self._begun:
            wanted = _guarded(instrument.headers, self.details, begun)
            headers.update(_guarded(_sendable, {} if wanted is None else wanted) or {})
        return headers


def current() -> Operation | None:
    """The operation that is under way here."""
    return _current.get()


def begin(details: Details, *, also: Iterable[Instrument] = ()) -> Operation | None:
    """Begin an operation, which the caller ends; ``None`` if nothing observes it.

    Args:
        details: what is known of it.
        also: instruments that observe this operation only, and nothing within it.
    """
    instruments = (*get_instruments(), *also)
    return Operation(details, _current.get(), instruments) if instruments else None


def note(details: Details, operation: Operation | None = None) -> None:
    """Say that something has happened, in `operation` or in the one that is under way here."""
    parent = operation or _current.get()
    for instrument in get_instruments():
        _guarded(instrument.note, details, _begun_by(instrument, parent))


class within:  # noqa: N801  (a context manager; contextlib's would take twice as long)
    """What is done inside belongs to `operation`; with ``None``, to what it would belong to anyway."""

    __slots__ = ("_operation", "_token")

    def __init__(self, operation: Operation | None) -> None:
        self._operation = operation
        self._token: Token[Operation | None] | None = None

    def __enter__(self) -> None:
        if self._operation is not None:
            self._token = _current.set(self._operation)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _current.reset(self._token)


def observes(
    describe: Callable[..., Details | None], seen: Callable[..., Mapping[str, Any]]
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Make each call of an async function an operation.

    Args:
        describe: called with the function's arguments; ``None`` for a call that is not observed.
        seen: called with the function's result and its arguments; returns what is then known.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
            if active is None:
                return function(*args, **kwargs)
            return observed(*args, **kwargs)

        async def observed(*args: P.args, **kwargs: P.kwargs) -> T:
            details = describe(*args, **kwargs)
            operation = None if details is None else begin(details)
            if operation is None:
                return await function(*args, **kwargs)
            with within(operation):
                try:
                    result = await function(*args, **kwargs)
                except BaseException as error:
                    operation.end(error=error)
                    raise
                operation.end(**seen(result, *args, **kwargs))
                return result

        return call

    return decorate


def headers() -> dict[str, str]:
    """The headers that instruments want to be sent with the request that is under way here."""
    operation = _current.get()
    if operation is None or not isinstance(operation.details, RequestDetails):
        return {}
    return operation.headers() if operation.details.purpose in _TO_THE_API else {}


def _begun_by(instrument: Instrument, operation: Operation | None) -> Any:
    return None if operation is None else operation.begun_by(instrument)


_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FORBIDDEN = re.compile(
    r"(?i)(host|content-.*|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|authorization|cookie|proxy-.*)"
)
"""Headers by which an instrument could break a request: those of its framing, its connection and its authorization."""
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or _FORBIDDEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} of an instrument cannot be sent")
    return dict(headers)


def _guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call an instrument. What it raises is logged, ``sys.exit`` included; Ctrl-C may arrive here as anywhere."""
    try:
        return call(*arguments)
    except KeyboardInterrupt:
        raise
    except BaseException:
        logger.exception("an instrument failed in %s", getattr(call, "__qualname__", call))
        return None

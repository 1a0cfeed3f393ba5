"""What is not public in other libraries, and what we do without it: the only place that reads or sets it.

Each function works, with less effect, where a later version has no such name.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from inspect import iscoroutinefunction, signature
from typing import Any, cast

import httpx

_LAYERS = 8
"""More than httpx and httpcore put around the stream of a connection."""
_CANCEL = 8
"""HTTP/2's code for a stream that is needed no more."""


def transport_choice() -> Callable[..., Any] | None:
    """The method by which httpx's client chooses a transport. respx may replace it; unseen, it would miss requests."""
    return getattr(httpx.AsyncClient, "_transport_for_url", None)


def search_for_sniffio_once() -> None:
    """Have httpcore learn once that there is no sniffio. It tries that import for each lock that it makes.

    Python then searches its whole path anew: a tenth of a millisecond, ten times a request, which made a third of what
    a query took (httpcore's discussion 1102; sniffio came with anyio until 4.11). ``None`` is Python's own mark for a
    module that cannot be imported. A sniffio that is installed while the process runs is not seen by it.
    """
    try:
        import_module("sniffio")
    except ImportError:
        cast("dict[str, object]", sys.modules)["sniffio"] = None


def ways_into(session: Any) -> tuple[Any, ...]:
    """The methods of aiohttp's session that tracing tools wrap."""
    return (session.__init__, getattr(session, "_request", None))


def without_second_attempts(session: Any) -> None:
    """Keep aiohttp from sending a GET again by itself. What is repeated, and how often, is decided elsewhere."""
    if hasattr(session, "_retry_connection"):
        setattr(session, "_retry_connection", False)  # noqa: B010


def hands_connections_to(request_class: Any) -> bool:
    """Whether aiohttp has a request send itself over a connection that it is given."""
    send = getattr(request_class, "send", None)
    return iscoroutinefunction(send) and list(signature(send).parameters) == ["self", "conn"]


def in_pieces_of(stream: Any, size: int) -> None:
    """Have httpx-aiohttp give a body in pieces of `size` bytes.

    By itself it gives 16 KiB at once, which makes a large picture take nearly twice the time.
    """
    if hasattr(stream, "CHUNK_SIZE"):
        setattr(stream, "CHUNK_SIZE", size)  # noqa: B010


def set_network(transport: httpx.AsyncHTTPTransport, wrap: Callable[[Any], Any]) -> bool:
    """Put a network of our own below a transport; httpcore takes one, and httpx does not pass it on.

    Returns:
        Whether it was done. Without it, answers that come early are lost, and connections are not kept alive.
    """
    pool = getattr(transport, "_pool", None)
    inner = getattr(pool, "_network_backend", None)
    if inner is None:
        return False
    setattr(pool, "_network_backend", wrap(inner))  # noqa: B010
    return True


class Http2Stream:
    """One request of a caller's client, and what httpcore has received for it and passes on to no one.

    Args:
        client: sends it.
        request: httpcore's own, as its trace events name it.
        stream_id: of HTTP/2.
    """

    def __init__(self, client: httpx.AsyncClient, request: Any, stream_id: int) -> None:
        choose = getattr(client, "_transport_for_url", None)
        url = httpx.URL(bytes(request.url).decode("ascii"))
        pool = None if choose is None else getattr(choose(url), "_pool", None)
        owner = next(
            (each for each in getattr(pool, "_requests", ()) if getattr(each, "request", None) is request), None
        )
        self._connection = getattr(getattr(owner, "connection", None), "_connection", None)
        self._stream_id = stream_id

    def received(self) -> list[Any]:
        """Return the events so far; those that httpcore has passed on are not among them."""
        events: list[Any] = getattr(self._connection, "_events", {}).get(self._stream_id, [])
        return list(events)

    def reset(self) -> None:
        """Tell the server, before the next request, that no more of this one will come: it counts open streams."""
        state = getattr(self._connection, "_h2_state", None)
        if state is not None:
            state.reset_stream(self._stream_id, error_code=_CANCEL)


def drop_if_more_came(response: httpx.Response) -> bool:
    """Have httpcore use a connection no more if bytes came behind the answer that was just read whole.

    h11 keeps them, and would read them as the answer to the next request. A client must not (RFC 9112, section 6.3): a
    create request whose answer was taken for another's is paid twice, or its task is lost.
    """
    stream: Any = response.stream
    for _ in range(_LAYERS):
        if hasattr(stream, "_connection"):
            break
        stream = getattr(stream, "_stream", None) or getattr(stream, "_httpcore_stream", None)
    connection = getattr(stream, "_connection", None)
    more, _ = getattr(getattr(connection, "_h11_state", None), "trailing_data", (b"", False))
    if more:
        setattr(connection, "_keepalive_expiry", -1.0)  # noqa: B010  (counts when the answer is closed)
        setattr(connection, "_expire_at", 0.0)  # noqa: B010  (counts when it is closed already)
    return bool(more)

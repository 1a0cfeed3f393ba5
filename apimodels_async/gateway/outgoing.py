"""One HTTP request to addresses that were checked: without connection pool, proxy or redirect.

httpcore does the protocol. The network backend connects to the checked addresses only, while Host header, SNI and
certificate are those of the URL's name.
"""

import ssl
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import httpcore

from apimodels_async.gateway.urls import HttpUrl

__all__ = ["open_exchange"]

_LARGEST_STATUS = 599


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to one of the given addresses, whatever host it is asked for."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._tcp = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failures: list[httpcore.ConnectError] = []
        for address in self._addresses:
            try:
                return await self._tcp.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failures.append(error)
        raise failures[0] if failures else OSError(f"{host} has no address")


def _os_error(error: BaseException) -> OSError:
    """The system's error that an error of httpcore stands for: the innermost of its causes that is one."""
    found, cause = None, error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, OSError):
            found = cause
        cause = cause.__cause__ or cause.__context__
    return found or ConnectionError("the answer is not HTTP")


@asynccontextmanager
async def open_exchange(
    method: str,
    to: HttpUrl,
    addresses: Sequence[str],
    *,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[httpcore.Response]:
    """Send one request and give the response, its body unread. The connection is closed in the end.

    Nothing here limits the time; wrap all of it in a time limit.

    Args:
        method: the method.
        to: the URL.
        addresses: the addresses to connect to, in this order; they must have been checked.
        headers: headers besides Host, User-Agent, Accept, Content-Length and Connection.
        body: the body.
        tls: needed for an https URL.

    Raises:
        OSError: no connection, no valid certificate, or an answer that is not HTTP/1.
    """
    origin = httpcore.Origin(b"https" if to.tls else b"http", to.host.encode("ascii"), to.port)
    request = httpcore.Request(
        method,
        httpcore.URL(scheme=origin.scheme, host=origin.host, port=to.port, target=to.target),
        headers=[
            ("Host", to.netloc),
            ("User-Agent", "apimodels-gateway"),
            ("Accept", "*/*"),
            *headers,
            *([] if body is None else [("Content-Length", str(len(body)))]),
            ("Connection", "close"),
        ],
        content=body,
    )
    connection = httpcore.AsyncHTTPConnection(origin, ssl_context=tls, network_backend=_CheckedBackend(addresses))
    try:
        response = await connection.handle_async_request(request)
        version = cast("bytes", response.extensions["http_version"])  # pyright: ignore[reportUnknownMemberType]
        if response.status > _LARGEST_STATUS or not version.startswith(b"HTTP/1."):
            raise ConnectionError("the answer is not HTTP")
        yield response
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        raise _os_error(error) from error
    finally:
        await connection.aclose()

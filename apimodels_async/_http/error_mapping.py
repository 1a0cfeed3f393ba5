"""Mapping of foreign errors to the SDK's own. Classes are recognised by their module and name.

Nothing is looked up in `sys.modules`: another thread may be in the middle of an import, and a module that is half
imported lacks names.
"""

import ssl
from urllib.parse import urlsplit

import httpx

from apimodels_async._http.proxies import Proxy
from apimodels_async._http.redaction import Redactor
from apimodels_async._http.trace import RequestFailed, SendTrace, chain, describe, is_foreign, reason
from apimodels_async._text import printable
from apimodels_async.errors import ConfigurationError

AIOHTTP_ERRORS = {
    "SocketTimeoutError": httpx.ReadTimeout,
    "ConnectionTimeoutError": httpx.ConnectTimeout,
    "ServerTimeoutError": httpx.ReadTimeout,
    "ClientConnectorError": httpx.ConnectError,
    "ServerFingerprintMismatch": httpx.ConnectError,
    "ServerDisconnectedError": httpx.RemoteProtocolError,
    "ClientPayloadError": httpx.RemoteProtocolError,
    "ClientResponseError": httpx.RemoteProtocolError,
    "InvalidURL": httpx.UnsupportedProtocol,
    "NonHttpUrlClientError": httpx.UnsupportedProtocol,
    "ClientError": httpx.ReadError,
}
"""aiohttp's errors by name, and the httpx error that says the same. The first of an error's classes counts."""


def from_aiohttp(error: BaseException) -> type[httpx.TransportError] | None:
    """Return the httpx error class for an error of aiohttp; ``None`` for any other error."""
    names = (kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] == "aiohttp")
    return next((AIOHTTP_ERRORS[name] for name in names if name in AIOHTTP_ERRORS), None)


def translated(error: Exception, redactor: Redactor | None = None) -> Exception:
    """Return `error`, or a new httpx error if it comes from aiohttp, or contains the API key or control characters.

    The mapping of httpx-aiohttp is not enough: it makes no difference between a refused connection and a reset one.
    aiohttp's errors are removed from the chain, because some show the headers of the request. The key, and what a
    terminal would obey, may be contained in a response that a library failed to parse.
    """
    origin = error.__cause__ if isinstance(error, httpx.HTTPError) else error
    kind = None if origin is None else from_aiohttp(origin)
    if origin is not None and kind is not None:
        # aiohttp shows an answer that it cannot parse as "400, message=…, url=…": no server said 400.
        parsed = getattr(origin, "message", None) if is_foreign(origin, "aiohttp", "ClientResponseError") else None
        words = " ".join(parsed.split()) if isinstance(parsed, str) else reason(origin)
        told: Exception = kind(words or type(origin).__name__)
        told.__cause__ = next((each for each in chain(origin) if isinstance(each, ssl.SSLError)), None)
    else:
        told = error
    if all(_clean(words, redactor) == words for words in map(str, chain(told))):
        return told
    return _of_the_same_kind(told, _clean(describe(told).partition(": ")[2], redactor))


def _clean(words: str, redactor: Redactor | None) -> str:
    return printable(words if redactor is None else redactor.text(words))


def _of_the_same_kind(error: Exception, words: str) -> Exception:
    """Return an httpx error of the nearest class, with another message and no causes."""
    kinds = [kind for kind in type(error).__mro__ if issubclass(kind, httpx.TransportError)]
    return kinds[0](words) if kinds else httpx.TransportError(words)


def request_failed(failure: Exception, where: str, trace: SendTrace | None = None) -> RequestFailed:
    """Return the error to raise for a request without a response.

    Args:
        failure: the reason.
        where: the request went, in words.
        trace: of the request.
    """
    refused = isinstance(failure, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    trace = trace or SendTrace()
    return RequestFailed(
        printable(f"{describe(failure)}; {where}"),
        trace.facts(refused=refused)._replace(undone=trace.is_undone_by(failure)),
        silent=isinstance(failure, httpx.ReadTimeout),
        broken=isinstance(failure, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)),
        unreachable=isinstance(failure, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)),
        certificate=any(isinstance(each, ssl.SSLCertVerificationError) for each in chain(failure)),
    )


def place(url: str, proxy: Proxy | None = None) -> str:
    """Where a request goes, in words: the host and the port, and the proxy on the way."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    port = "" if parts.port else (":443" if parts.scheme == "https" else ":80")
    return f"at {host}{port}" + ("" if proxy is None else f" through the proxy {proxy}")


def closed() -> ConfigurationError:
    """Return the error for a client that was closed while it was being used."""
    return ConfigurationError("this client was closed while it was being used")

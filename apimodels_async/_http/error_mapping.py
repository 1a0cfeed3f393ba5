"""Foreign errors, and what they say about one request. Classes are judged by their module and name.

Nothing is looked up in `sys.modules`: another thread may be in the middle of an import, and a module that is half
imported lacks names.
"""

import ssl
from urllib.parse import urlsplit

import httpx

from apimodels_async._http.proxies import Proxy
from apimodels_async._http.redaction import Redactor
from apimodels_async._http.trace import RequestFailed, SendTrace, chain, describe
from apimodels_async._wire.printable import printable
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
    """The httpx error that says what an error of aiohttp says; ``None`` for any other's."""
    names = (kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] == "aiohttp")
    return next((AIOHTTP_ERRORS[name] for name in names if name in AIOHTTP_ERRORS), None)


def translated(error: Exception, redactor: Redactor | None = None) -> Exception:
    """`error`, but an httpx error of its own in place of aiohttp's, and of one that shows the API key.

    What httpx-aiohttp makes of aiohttp's is not enough: a refused connection and a reset one become the same. Nothing
    of them stays in the chain, because some show the headers of the request. The key may stand in what a server sent
    and a library could not read.
    """
    origin = error.__cause__ if isinstance(error, httpx.HTTPError) else error
    kind = None if origin is None else from_aiohttp(origin)
    if origin is not None and kind is not None:
        told: Exception = kind(str(origin) or type(origin).__name__)
        told.__cause__ = next((each for each in chain(origin) if isinstance(each, ssl.SSLError)), None)
    else:
        told = error
    if redactor is None or all(redactor.text(words) == words for words in map(str, chain(told))):
        return told
    return _of_the_same_kind(told, redactor.text(describe(told).partition(": ")[2]))


def _of_the_same_kind(error: Exception, words: str) -> Exception:
    """An httpx error by its nearest class, with other words and no causes."""
    kinds = [kind for kind in type(error).__mro__ if issubclass(kind, httpx.TransportError)]
    return kinds[0](words) if kinds else httpx.TransportError(words)


def request_failed(failure: Exception, where: str, trace: SendTrace | None = None) -> RequestFailed:
    """What is raised for a request without an answer.

    Args:
        failure: why there is none.
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
        certificate=any(isinstance(each, ssl.SSLCertVerificationError) for each in chain(failure)),
    )


def place(url: str, proxy: Proxy | None = None) -> str:
    """Where a request goes, in words: the host and the port, and the proxy on the way."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    port = "" if parts.port else (":443" if parts.scheme == "https" else ":80")
    return f"at {host}{port}" + ("" if proxy is None else f" through the proxy {proxy}")


def closed() -> ConfigurationError:
    """What is raised when the client was closed while it was being used."""
    return ConfigurationError("this client was closed while it was being used")

"""What goes wrong between us and a server, in httpx's words, and what is told of it."""

import httpx

from apimodels_async import _aiohttp
from apimodels_async._exchange import RequestFailed, Watch, describe
from apimodels_async.errors import ConfigurationError


def translated(error: Exception) -> Exception:
    """`error`, but an httpx error of its own in place of aiohttp's.

    What httpx-aiohttp makes of them is not enough: a refused connection and a reset one become the same. Nothing of
    aiohttp's stays in the chain, because some of its errors show the headers of the request.
    """
    origin = error.__cause__ if isinstance(error, httpx.HTTPError) else error
    name = _aiohttp.fault(origin) if isinstance(origin, Exception) else None
    return error if name is None else getattr(httpx, name)(str(origin) or type(origin).__name__)


def failed(failure: Exception, watch: Watch | None = None) -> RequestFailed:
    """What is told of an exchange that failed, and what is known of its request."""
    refused = isinstance(failure, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return RequestFailed(describe(failure), (watch or Watch()).trace(refused=refused))


def closed() -> ConfigurationError:
    """What a call is told that is under way when its client is closed, or comes later."""
    return ConfigurationError("this client was closed while it was being used")

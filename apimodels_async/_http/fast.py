"""Where aiohttp can carry requests, and how it has to be set up so that nobody notices but by the speed."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import anyio.lowlevel

if TYPE_CHECKING:
    import ssl

    import aiohttp

_LONG_HEADER = 64 << 10
"""Bytes of one header line; h11 takes 100 KiB of them all, aiohttp by itself 8."""


def is_installed() -> bool:
    """Whether the extra `fast` is there; nothing is imported to find out."""
    from importlib.util import find_spec  # noqa: PLC0415  (an import need not pay for it)

    return find_spec("httpx_aiohttp") is not None


def is_loaded() -> bool:
    """Whether it is imported already."""
    return "httpx_aiohttp" in sys.modules


def load() -> None:
    """Import it. Takes tenths of a second, in which other threads go on."""
    import_module("httpx_aiohttp")


def usable() -> bool:
    """Whether the running loop is asyncio's, and no proxy is set in the environment: that is left to httpx."""
    asyncio: Any = sys.modules.get("asyncio")  # imported by now, if it runs
    loop = anyio.lowlevel.current_token().native_token
    proxies = getproxies()
    return (
        asyncio is not None
        and isinstance(loop, asyncio.AbstractEventLoop)
        and not any(proxies.get(scheme) for scheme in ("http", "https", "all"))
    )


def new_session(tls: "ssl.SSLContext", keepalive: float) -> "aiohttp.ClientSession":
    """A session that keeps no cookie, bounds no connections, and leaves the environment (``.netrc``) alone.

    Names are looked up as httpx does it. An idle connection is kept for `keepalive` seconds.
    """
    import aiohttp  # noqa: PLC0415  (it takes longer to import than all of this package)

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=tls, limit=0, keepalive_timeout=keepalive, resolver=aiohttp.ThreadedResolver()
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_LONG_HEADER,
        max_field_size=_LONG_HEADER,
    )
    # By itself it sends a GET that failed once more: what may be repeated, and how often, is decided elsewhere.
    session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return session


def keeps(url: str) -> bool:
    """Whether aiohttp would ask for just this URL: it decodes ``%3A`` and its like, and a signature may cover them."""
    import yarl  # noqa: PLC0415  (comes with aiohttp)

    return str(yarl.URL(url)) == url


FAULTS = (
    ("SocketTimeoutError", "ReadTimeout"),
    ("ConnectionTimeoutError", "ConnectTimeout"),
    ("ServerTimeoutError", "ReadTimeout"),
    ("ClientConnectorError", "ConnectError"),
    ("ServerFingerprintMismatch", "ConnectError"),
    ("ServerDisconnectedError", "RemoteProtocolError"),
    ("ClientPayloadError", "RemoteProtocolError"),
    ("ClientResponseError", "RemoteProtocolError"),
    ("InvalidURL", "UnsupportedProtocol"),
    ("NonHttpUrlClientError", "UnsupportedProtocol"),
    ("ClientError", "ReadError"),
)
"""aiohttp's errors by name, the particular ones first, and the httpx error that says the same."""


def fault(error: Exception) -> str | None:
    """The name of the httpx error that says what aiohttp's `error` says; ``None`` for anybody else's."""
    aiohttp: Any = sys.modules.get("aiohttp")
    if aiohttp is None:
        return None
    return next((ours for theirs, ours in FAULTS if isinstance(error, getattr(aiohttp, theirs))), None)

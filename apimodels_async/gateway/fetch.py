"""Pictures by URL from this machine. The gateway never reaches out to any other."""

import ipaddress
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from apimodels_async.gateway.refusals import Refusal

__all__ = ["LARGEST_BODY", "fetch_local"]

LARGEST_BODY = 50 * 1024 * 1024
"""The most bytes of a request, and of a picture fetched by its URL."""
TIME_LIMIT = 5.0
"""Seconds that a fetch may take."""


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fetch_local(name: str, url: str, time_limit: float = TIME_LIMIT) -> bytes:
    """What is at an http URL on a loopback address. Blocks; goes through no proxy and follows no redirect.

    Args:
        name: the field the URL came in, for messages.
        url: the URL.
        time_limit: seconds that it may take.

    Raises:
        Refusal: the URL leads elsewhere, or nothing usable is there.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refusal(400, f"{name}: this is not a URL") from None
    if parts.scheme.lower() != "http" or not _is_here(host):
        raise Refusal(400, f"{name}: this gateway only fetches http URLs from this machine (127.0.0.1 or localhost)")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = time.monotonic() + time_limit
    connection = HTTPConnection(host, port, timeout=time_limit)
    try:
        connection.request("GET", path)
        with connection.getresponse() as response:
            if response.status != 200:
                raise Refusal(400, f"{name}: the URL answers {response.status}")
            data = b""
            while chunk := response.read1(1 << 20):
                data += chunk
                if len(data) > LARGEST_BODY:
                    raise Refusal(400, f"{name}: there are more than {LARGEST_BODY >> 20} MB at the URL")
                if time.monotonic() > deadline:
                    raise Refusal(400, f"{name}: the URL did not answer within {time_limit:g} s")
            return data
    except TimeoutError:
        raise Refusal(400, f"{name}: the URL did not answer within {time_limit:g} s") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Refusal(400, f"{name}: the URL cannot be fetched ({type(error).__name__})") from error
    finally:
        connection.close()

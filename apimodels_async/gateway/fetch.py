"""Pictures by URL from this machine. The gateway never fetches from any other."""

import asyncio
from urllib.parse import urlsplit

import httpcore

from apimodels_async.gateway.limits import FETCH_TIME, MAX_BODY, SMALL_BODY, BodyBudget, Reservation
from apimodels_async.gateway.outgoing import open_exchange
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.urls import address_of, local_addresses, parse_url

__all__ = ["fetch_local"]


def _addresses(url: str) -> list[str] | None:
    """The loopback addresses of an http URL on this machine; ``None`` for any other URL."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    address = address_of(host)
    if parts.scheme.lower() != "http" or not (address.is_loopback if address else local_addresses(host)):
        return None
    return local_addresses(host) or [host]


async def fetch_local(
    name: str, url: str, budget: BodyBudget, *, time_limit: float = FETCH_TIME
) -> tuple[bytes, Reservation]:
    """Fetch an http URL on a loopback address; no proxy is used and no redirect followed.

    Args:
        name: the field the URL came in, for messages.
        url: the URL.
        budget: reserves the memory; the reservation is returned with the bytes.
        time_limit: seconds for all of it, whatever the server sends meanwhile.

    Raises:
        Refusal: the URL leads elsewhere, or nothing usable is there.
    """
    try:
        addresses = _addresses(url)
    except ValueError:
        raise Refusal(400, f"{name}: this is not a URL") from None
    if addresses is None:
        raise Refusal(400, f"{name}: this gateway only fetches http URLs from this machine (127.0.0.1 or localhost)")
    to = parse_url(name, url)
    reservations: list[Reservation] = []
    try:
        async with asyncio.timeout(time_limit), open_exchange("GET", to, addresses) as response:
            data = await _read(name, response, budget, reservations)
    except BaseException as error:
        for reservation in reservations:
            reservation.release()
        if isinstance(error, TimeoutError):
            raise Refusal(400, f"{name}: the URL did not answer within {time_limit:g} s") from None
        if isinstance(error, (OSError, httpcore.NetworkError, httpcore.ProtocolError)):
            raise Refusal(400, f"{name}: the URL cannot be fetched ({type(error).__name__})") from error
        raise
    return data, reservations[0] if reservations else Reservation()


async def _read(name: str, response: httpcore.Response, budget: BodyBudget, reservations: list[Reservation]) -> bytes:
    if response.status != 200:
        raise Refusal(400, f"{name}: the URL answers {response.status}")
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_stream():
        if size <= SMALL_BODY < size + len(chunk):
            reservations.append(await budget.reserve(MAX_BODY))
        size += len(chunk)
        if size > MAX_BODY:
            raise Refusal(400, f"{name}: there are more than {MAX_BODY >> 20} MB at the URL")
        chunks.append(chunk)
    return b"".join(chunks)

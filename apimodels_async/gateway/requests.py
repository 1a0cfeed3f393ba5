"""What every endpoint needs of a request: its key, its host, its whole body, and the origin of links."""

import asyncio
import hmac
import io
import ipaddress
import re
from collections.abc import Collection

from starlette.requests import Request

from apimodels_async.gateway.limits import BODY_SILENCE, BODY_TIME, LARGEST_BODY, MAX_BODY, BodyBudget, Reservation
from apimodels_async.gateway.refusals import Refusal, quoted

__all__ = ["RequestBody", "authenticate", "check_host", "check_hosts", "check_keys", "origin_of", "read_body"]

_DRAINED = 2 * LARGEST_BODY
_LONGEST_LENGTH = 20
_HOST = re.compile(r"(?P<name>[\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", re.ASCII)
_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)


def check_keys(api_keys: Collection[str]) -> tuple[bytes, ...]:
    """Return the API keys as bytes.

    Raises:
        ValueError: there is none, or one that a header cannot carry.
    """
    keys = (api_keys,) if isinstance(api_keys, str) else tuple(api_keys)
    if not keys or not all(map(_is_key, keys)):
        raise ValueError("api_keys: give at least one key, of ASCII letters and signs without spaces")
    return tuple(key.encode() for key in keys)


def _is_key(key: object) -> bool:
    return isinstance(key, str) and key != "" and key.isascii() and key.isprintable() and " " not in key


def authenticate(request: Request, keys: tuple[bytes, ...]) -> None:
    """Check that the request carries one of the keys.

    Raises:
        Refusal: it does not.
    """
    header = request.headers.get("authorization")
    if header is None:
        raise Refusal(401, "the Authorization header is missing: send Bearer and the API key")
    scheme, _, given = header.partition(" ")
    candidate = given.strip().encode()
    # Every key is compared, each in constant time, so that the time reveals nothing about them.
    matches = [hmac.compare_digest(candidate, key) for key in keys]
    if scheme.lower() != "bearer" or not any(matches):
        raise Refusal(401, "the API key is not valid")


def check_hosts(names: Collection[str]) -> frozenset[str]:
    """Return the host names in lower case.

    Raises:
        ValueError: one of them is not a host name.
    """
    names = (names,) if isinstance(names, str) else names
    hosts = {name.lower().removesuffix(".") for name in names}
    for host in hosts:
        if not _HOST_NAME.fullmatch(host):
            raise ValueError(f"allowed_hosts: {host!r} is not a host name: give it as gateway.example, without port")
    return frozenset(hosts)


def check_host(request: Request, allowed: frozenset[str]) -> None:
    """Check the Host header: a name that is not this machine's may be a web page that rebinds its own name.

    localhost, names below it, addresses, the server's own name and the allowed names are accepted.

    Raises:
        Refusal: it is another name.
    """
    header = request.headers.get("host", "")
    match = _HOST.fullmatch(header)
    if not header or (match is not None and _is_own(match["name"].lower().removesuffix("."), request, allowed)):
        return
    raise Refusal(
        421,
        f"the host {quoted(header)} is not this gateway's: use localhost or an address, or allow the name with "
        "allowed_hosts= (apimodels gateway --allow-host HOST)",
    )


def _is_own(name: str, request: Request, allowed: frozenset[str]) -> bool:
    server = request.scope.get("server")
    if name in {"localhost", *allowed} or name.endswith(".localhost") or (server and name == server[0]):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class RequestBody:
    """A body that was received, and the memory reserved for it.

    Args:
        data: the bytes.
        reservation: the memory.
    """

    def __init__(self, data: bytes, reservation: Reservation) -> None:
        self.data: bytes = data
        self._reservation = reservation

    def forget(self) -> None:
        """Drop the bytes. Their memory stays reserved for what was read from them."""
        self.data = b""

    def release(self) -> None:
        """Drop the bytes, and free the memory."""
        self.data = b""
        self._reservation.release()


async def read_body(request: Request, budget: BodyBudget, most: int = MAX_BODY) -> RequestBody | None:
    """Receive the body; ``None`` if it has more than `most` bytes.

    The received bytes are counted, whatever Content-Length says. A body that is too large is read and dropped, up to
    a point: a client that is still sending would not read the answer.

    Raises:
        Refusal: the body does not arrive in time, or there is no memory for it.
    """
    length = request.headers.get("content-length", "")
    # A chunked body may turn out to be as large as any; without either header there is none.
    unknown = most if "transfer-encoding" in request.headers else 0
    expected = int(length) if length.isdecimal() and len(length) < _LONGEST_LENGTH else unknown
    reservation = await budget.reserve(min(most, expected))
    received = io.BytesIO()  # gives its bytes away without a copy
    size = 0
    try:
        async with asyncio.timeout(BODY_TIME):
            pieces = aiter(request.stream())
            while True:
                async with asyncio.timeout(BODY_SILENCE):
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                size += len(piece)
                if size <= most:
                    received.write(piece)
                elif size > _DRAINED:
                    break
                else:
                    received.truncate(0)
        if size <= most:
            return RequestBody(received.getvalue(), reservation)
    except TimeoutError:
        reservation.release()
        raise Refusal(400, "the body is incomplete: it was not received in time") from None
    except BaseException:
        reservation.release()
        raise
    reservation.release()
    return None


def origin_of(request: Request) -> str:
    """Where links to this gateway start: scheme and host as the client knows them."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        name, port = request.scope.get("server") or ("127.0.0.1", None)
        name = f"[{name}]" if ":" in name else name
        host = name if port is None else f"{name}:{port}"
    return f"{request.scope['scheme']}://{host}{request.scope.get('root_path', '')}"

"""What every endpoint needs of a request: its key, its whole body, and the address it was sent to."""

import hmac
import re
from collections.abc import Collection

from starlette.requests import Request

from apimodels_async.gateway.fetch import LARGEST_BODY
from apimodels_async.gateway.refusals import Refusal

__all__ = ["authenticate", "body_of", "check_keys", "origin_of"]

_DRAINED = 4 * LARGEST_BODY
_HOST = re.compile(r"[\w.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?", re.ASCII)


def check_keys(api_keys: Collection[str]) -> tuple[bytes, ...]:
    """The keys as bytes.

    Raises:
        ValueError: there is none, or one that no header can carry.
    """
    keys = (api_keys,) if isinstance(api_keys, str) else tuple(api_keys)
    if not keys or not all(key and key.isascii() and key.isprintable() and " " not in key for key in keys):
        raise ValueError("api_keys: give at least one key, of ASCII letters and signs without spaces")
    return tuple(key.encode() for key in keys)


def authenticate(request: Request, keys: tuple[bytes, ...]) -> None:
    """Let the request pass if it carries one of the keys.

    Raises:
        Refusal: it does not.
    """
    header = request.headers.get("authorization")
    if header is None:
        raise Refusal(401, "the Authorization header is missing: send Bearer and the API key")
    scheme, _, given = header.partition(" ")
    candidate = given.strip().encode()
    # Every key is compared, each in constant time, so that the time tells nothing about any of them.
    matches = [hmac.compare_digest(candidate, key) for key in keys]
    if scheme.lower() != "bearer" or not any(matches):
        raise Refusal(401, "the API key is not valid")


async def body_of(request: Request) -> bytes | None:
    """The body; ``None`` if it is too large.

    The bytes that come in are counted, whatever Content-Length says. What is too much is read and dropped, up to a
    point, because a client that is still sending would not see the answer.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
        elif size > _DRAINED:
            break
        else:
            chunks.clear()
    return b"".join(chunks) if size <= LARGEST_BODY else None


def origin_of(request: Request) -> str:
    """Where links to this gateway start: scheme and host as the client knows them."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        name, port = request.scope.get("server") or ("127.0.0.1", None)
        name = f"[{name}]" if ":" in name else name
        host = name if port is None else f"{name}:{port}"
    return f"{request.scope['scheme']}://{host}{request.scope.get('root_path', '')}"

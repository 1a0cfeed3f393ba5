"""The connection to a SOCKS proxy (RFC 1928), whose tunnel must stand in time and is closed where it fails.

httpcore reads the replies of such a proxy without a timeout, and leaves the connection open where it refuses.
"""

import time

import anyio
import httpcore

from apimodels_async._http.wrapped import WrappedConnection

_DONE, _WANTS_PASSWORD = b"\x00", b"\x02"
"""Second bytes of a reply. The latter is a refusal in the last one."""


class SocksConnection(WrappedConnection):
    """A connection that becomes a tunnel.

    Args:
        inner: to the proxy.
        until: on the monotonic clock, when the tunnel must stand; ``None`` for no limit.
        replies: of the proxy until it does.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream, until: float | None, replies: int) -> None:
        super().__init__(inner)
        self._until = until
        self._replies = replies

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read; a reply of the proxy must come in time, and a bad one is the end of the connection."""
        if self._replies <= 0:
            return await self._inner.read(max_bytes, timeout)
        left = None if self._until is None else max(0.001, self._until - time.monotonic())
        bound = left if timeout is None or left is None else min(timeout, left)
        is_good = False
        try:
            reply = await self._inner.read(max_bytes, bound)
            code = reply[1:2]
            is_good = code == _DONE or (code == _WANTS_PASSWORD and self._replies > 1)
        finally:
            self._replies -= 1
            if not is_good:
                with anyio.CancelScope(shield=True):
                    await self.aclose()
        return reply

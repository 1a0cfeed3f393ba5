"""Posting received callbacks on to another URL, for the command `listen`."""

import httpx

from apimodels_async._http.headers import USER_AGENT
from apimodels_async._http.trace import describe
from apimodels_async.errors import ConnectionFailedError


class Forwarder:
    """Posts bodies on to one URL, as they came: no header of the API, no redirect followed.

    Args:
        url: where to.
        timeout: seconds for one exchange.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        self._url = url
        # This machine is not reached through a proxy.
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False)

    async def post(self, body: bytes) -> int:
        """Post a body and return the status of the response.

        Raises:
            ConnectionFailedError: there is no response.
        """
        headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
        try:
            response = await self._client.post(self._url, content=body, headers=headers, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectionFailedError(describe(error)) from error
        return response.status_code

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

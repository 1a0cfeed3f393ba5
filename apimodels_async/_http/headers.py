"""The headers of our requests, and what is read in those of an answer."""

import httpx

from apimodels_async._secret import Secret
from apimodels_async._version import __version__

USER_AGENT = f"apimodels-async/{__version__}"


def api_headers(key: Secret[str]) -> httpx.Headers:
    """Those of every request to the API.

    httpx's own type hides Authorization in its repr; a dict in a traceback's locals would not.
    """
    return httpx.Headers(
        {
            "Authorization": f"Bearer {key.reveal()}",
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",  # what is unpacked within bounds
        }
    )


PICTURE_HEADERS = httpx.Headers({"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": USER_AGENT})
"""Those of a download: no key."""


PUT_HEADERS = {"Accept": "*/*", "User-Agent": USER_AGENT}
"""Those of an upload to the storage: no key."""

"""The seam to httpx: only these files import it. Requests go out here, and every foreign error is mapped here."""

from apimodels_async._http._forwarding import Forwarder
from apimodels_async._http._sending import (
    CONNECTIONS,
    DEFAULT_TIMEOUT,
    FAST_CONNECTIONS,
    Http,
    HttpClient,
    Timeout,
)

__all__ = ["CONNECTIONS", "DEFAULT_TIMEOUT", "FAST_CONNECTIONS", "Forwarder", "Http", "HttpClient", "Timeout"]

"""What instruments are told of HTTP exchanges, and the headers that they add to them."""

from typing import Any

import httpx

from apimodels_async._http.trace import SendTrace
from apimodels_async._wire.answer import RawResponse
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import RequestDetails


def exchange_details(
    _http: Any, _send: Any, url: str, _timeout: Any = None, trace: SendTrace | None = None, _sending: Any = None
) -> RequestDetails:
    """Describe an exchange by the arguments of `Http._exchange`. Only create requests have a trace."""
    if trace is not None:
        return RequestDetails("create", "POST", url)
    return RequestDetails("upload", "POST", url) if url.endswith("/files") else RequestDetails("query", "GET", url)


def exchanged(answer: RawResponse, *_: Any) -> dict[str, Any]:
    """Return what is known at the end of an exchange."""
    return {"status": answer.status, "request_id": answer.request_id}


def with_headers(request: httpx.Request) -> httpx.Request:
    """Return a request with the headers that instruments want to be sent; `request` itself may be sent again."""
    if port.active is None:
        return request
    missing = {name: value for name, value in port.headers().items() if name not in request.headers}
    if not missing:
        return request
    headers = httpx.Headers([*request.headers.raw, *httpx.Headers(missing).raw])
    return httpx.Request(
        request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
    )

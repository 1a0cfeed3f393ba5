"""What instruments are told of HTTP exchanges, and the headers that they add to them."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import httpx

from apimodels_async._urls import origin, split_http_url
from apimodels_async._wire.answer import RawResponse
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import RequestDetails

Purpose: TypeAlias = Literal["create", "query", "upload", "storage"]
_METHODS: Mapping[Purpose, Literal["GET", "POST", "PUT"]] = {
    "create": "POST",
    "query": "GET",
    "upload": "POST",
    "storage": "PUT",
}


def exchange_details(_http: Any, _send: Any, url: str, *_: Any, purpose: Purpose, **__: Any) -> RequestDetails:
    """Describe an exchange by the arguments of `Http._exchange`."""
    shown = origin(split_http_url(url)) if purpose == "storage" else url
    return RequestDetails(purpose, _METHODS[purpose], shown)


def exchanged(answer: RawResponse, *_: Any, **__: Any) -> dict[str, Any]:
    """Return what is known at the end of an exchange."""
    return {"status": answer.status, "request_id": answer.request_id}


def headers_to_add(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that instruments want to be sent and that a request does not have yet."""
    if port.active is None:
        return {}
    return {name: value for name, value in port.headers().items() if name not in headers}


def with_headers(request: httpx.Request) -> httpx.Request:
    """Return a request with the headers that instruments want to be sent; `request` itself may be sent again."""
    missing = headers_to_add(request.headers)
    if not missing:
        return request
    headers = httpx.Headers([*request.headers.raw, *httpx.Headers(missing).raw])
    return httpx.Request(
        request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
    )

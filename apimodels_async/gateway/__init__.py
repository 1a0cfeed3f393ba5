"""The embedded gateway: the API on this machine, with no key, no network and no bill.

It serves the vendor's contract below ``/api/v1`` and ``/v1``, and describes it at ``/openapi.json``. It shares no wire
code with the client, so that a wrong field name cannot hide on both sides.
"""

try:
    from apimodels_async.gateway.activity import RequestRecord
    from apimodels_async.gateway.app import DEFAULT_API_KEY, create_app
    from apimodels_async.gateway.latency import DEFAULT_LATENCY, Latency
    from apimodels_async.gateway.options import Options
    from apimodels_async.gateway.received import ReceivedRequest
    from apimodels_async.gateway.results import Paint
    from apimodels_async.gateway.serving import LocalGateway, serve
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] not in {"PIL", "python_multipart", "starlette", "uvicorn"}:
        raise
    raise ImportError(
        f'the gateway needs {_error.name}, which comes with an extra: pip install "apimodels-async[gateway]"'
    ) from _error

__all__ = [
    "DEFAULT_API_KEY",
    "DEFAULT_LATENCY",
    "Latency",
    "LocalGateway",
    "Options",
    "Paint",
    "ReceivedRequest",
    "RequestRecord",
    "create_app",
    "serve",
]

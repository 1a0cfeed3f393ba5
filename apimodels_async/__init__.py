"""Async-first SDK for the apimodels.app image API: a create request is never paid twice, a task id is never lost.

Names are imported when they are used first: what only looks at this package, as pytest does at its plugin, does not
wait for an HTTP client.
"""

import logging as _logging
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from apimodels_async._version import __version__

if TYPE_CHECKING:
    from apimodels_async.client import AsyncImagesClient
    from apimodels_async.errors import (
        APIError,
        ApimodelsError,
        AuthenticationError,
        BadRequestError,
        ConfigurationError,
        ConnectionFailedError,
        ContentPolicyError,
        DownloadError,
        GenerationFailedError,
        InsufficientCreditsError,
        LedgerError,
        NotSubmittedError,
        ProtocolError,
        RateLimitError,
        RequestTooLargeError,
        ResultExpiredError,
        ServerError,
        ServerTimeoutError,
        SubmissionUnknownError,
        TaskNotFoundError,
        WaitTimeoutError,
    )
    from apimodels_async.models import BatchEvent, BatchStats, GenerationRequest, Outcome, Picture, Task, TaskState
    from apimodels_async.sync import ImagesClient

__all__ = [
    "APIError",
    "ApimodelsError",
    "AsyncImagesClient",
    "AuthenticationError",
    "BadRequestError",
    "BatchEvent",
    "BatchStats",
    "ConfigurationError",
    "ConnectionFailedError",
    "ContentPolicyError",
    "DownloadError",
    "GenerationFailedError",
    "GenerationRequest",
    "ImagesClient",
    "InsufficientCreditsError",
    "LedgerError",
    "NotSubmittedError",
    "Outcome",
    "Picture",
    "ProtocolError",
    "RateLimitError",
    "RequestTooLargeError",
    "ResultExpiredError",
    "ServerError",
    "ServerTimeoutError",
    "SubmissionUnknownError",
    "Task",
    "TaskNotFoundError",
    "TaskState",
    "WaitTimeoutError",
    "__version__",
]

_HOMES = {
    "AsyncImagesClient": "client",
    "ImagesClient": "sync",
    **dict.fromkeys(
        ("BatchEvent", "BatchStats", "GenerationRequest", "Outcome", "Picture", "Task", "TaskState"), "models"
    ),
}
"""Where a name is defined; the others are errors."""
_MODULES = frozenset(
    ("callbacks", "catalogue", "client", "errors", "gateway", "instrumentation", "ledger", "models", "pacing", "sync")
)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return _import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(_import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_MODULES})


def _escape(record: _logging.LogRecord) -> bool:
    """Escape what a server said; what that needs is imported by the first record."""
    from apimodels_async._logs import ESCAPE  # noqa: PLC0415

    return ESCAPE.filter(record)


def _handle(record: _logging.LogRecord) -> None:
    """Pass a record on, whatever handlers and filters raise."""
    from apimodels_async._logs import pass_on  # noqa: PLC0415  (as above)

    pass_on(_logger, record)


_logger = _logging.getLogger("apimodels_async")
_logger.addFilter(_escape)
setattr(_logger, "handle", _handle)  # noqa: B010  (of this logger alone)
# A library must not print by itself: without this, Python prints the warnings of a logger that is not configured.
_logger.addHandler(_logging.NullHandler())

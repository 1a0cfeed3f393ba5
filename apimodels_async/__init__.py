"""Async-first SDK for the apimodels.app image API: a create request is never paid twice, a task id is never lost."""

import logging as _logging
from typing import TYPE_CHECKING

from apimodels_async._version import __version__
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

if TYPE_CHECKING:
    from apimodels_async.sync import ImagesClient
else:

    def __getattr__(name: str) -> object:
        # The blocking client is imported when it is asked for: who awaits does not pay for it.
        if name == "ImagesClient":
            from apimodels_async.sync import ImagesClient  # noqa: PLC0415

            return ImagesClient
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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

# A library must not print by itself: without this, Python prints the warnings of a logger that is not configured.
_logging.getLogger("apimodels_async").addHandler(_logging.NullHandler())

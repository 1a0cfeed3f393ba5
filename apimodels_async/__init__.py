"""Async-first SDK for the apimodels.app image API: a create is never paid twice, a task id is never lost."""

import logging as _logging

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
    ResultExpiredError,
    ServerError,
    SubmissionUnknownError,
    TaskNotFoundError,
    WaitTimeoutError,
)
from apimodels_async.models import BatchEvent, BatchStats, GenerationRequest, Outcome, Task, TaskState

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
    "InsufficientCreditsError",
    "LedgerError",
    "NotSubmittedError",
    "Outcome",
    "ProtocolError",
    "RateLimitError",
    "ResultExpiredError",
    "ServerError",
    "SubmissionUnknownError",
    "Task",
    "TaskNotFoundError",
    "TaskState",
    "WaitTimeoutError",
    "__version__",
]

# A library says nothing on its own: without this, Python prints warnings of a logger that nobody has set up.
_logging.getLogger("apimodels_async").addHandler(_logging.NullHandler())

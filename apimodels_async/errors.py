"""Everything that can be raised on purpose.

ApimodelsError
├── ConfigurationError            no key, a bad base URL, a key that cannot be a header
├── APIError                      the server said no
│   ├── BadRequestError           400
│   │   └── RequestTooLargeError  413, in any form
│   ├── AuthenticationError       401
│   ├── InsufficientCreditsError  402
│   ├── TaskNotFoundError         404
│   ├── RateLimitError            429
│   └── ServerError               5xx
│       └── ServerTimeoutError    524: silent for too long
├── ProtocolError                 the server said something outside the contract
├── ConnectionFailedError         nothing was sent, or a read-only call never got an answer
├── SubmissionUnknownError        a create request may or may not have been accepted
├── NotSubmittedError             a batch item that was never sent
├── GenerationFailedError         the task ended as failed
│   └── ContentPolicyError        refused by moderation
├── WaitTimeoutError              still running when the wait's time was up
├── DownloadError
│   └── ResultExpiredError        the pictures are no longer at their links
└── LedgerError

A bad argument is a plain ``ValueError`` or ``TypeError``, raised before anything is sent. Every error that
knows a task id carries it as ``task_id``, and in its message.
"""

from typing import Any, cast

from apimodels_async._text import printable
from apimodels_async.models import Task

__all__ = [
    "APIError",
    "ApimodelsError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConnectionFailedError",
    "ContentPolicyError",
    "DownloadError",
    "GenerationFailedError",
    "InsufficientCreditsError",
    "LedgerError",
    "NotSubmittedError",
    "ProtocolError",
    "RateLimitError",
    "RequestTooLargeError",
    "ResultExpiredError",
    "ServerError",
    "ServerTimeoutError",
    "SubmissionUnknownError",
    "TaskNotFoundError",
    "WaitTimeoutError",
]


_LONGEST_ID = 200
"""Characters of a task id that is put into a message; the vendor's have 25."""


class ApimodelsError(Exception):
    """The root of every error this package raises on purpose.

    Each can be made from its message alone, as task queues do when they bring one back from another process; so the
    message names the task id as well. The message may quote a server: control characters in it are escaped.

    Attributes:
        task_id: the task the error is about, where one is known.
    """

    _task_id: str | None = None

    def __init__(self, message: str = "", *, task_id: str | None = None) -> None:
        super().__init__(printable(message))
        self.task_id = task_id

    @property
    def task_id(self) -> str | None:
        """The task the error is about, where one is known."""
        return self._task_id

    @task_id.setter
    def task_id(self, task_id: str | None) -> None:
        self._task_id = task_id
        message, shown = str(self), printable(task_id or "")
        if shown and shown not in message and len(shown) <= _LONGEST_ID:
            self.args: tuple[Any, ...] = (f"{message} (task {shown})", *self.args[1:])

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way of pickling calls the class with the message alone, which fails where a subclass
        # demands more by keyword.
        return _rebuild, (type(self), self.args), self.__dict__


def _rebuild(kind: type[ApimodelsError], args: tuple[Any, ...]) -> ApimodelsError:
    return kind.__new__(kind, *args)


class ConfigurationError(ApimodelsError):
    """The client cannot be used as it was set up: no key, a bad base URL, a closed client."""


class APIError(ApimodelsError):
    """The server answered, and the answer is a refusal. Its own words are kept.

    Attributes:
        status: the HTTP status; 0 where the error was made from its message alone.
        code: the envelope's ``code``, which decides where it differs from the status.
        msg: the server's words.
        request_id: the answer's ``x-request-id`` (or ``cf-ray``) header, for the vendor's support.
        body: the whole answer as text.
        retry_after: seconds the server asks to be left alone (``Retry-After``), where it does.
        from_api: whether it came with the API's JSON. The page of a proxy on the way does not, nor a gateway's JSON.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        code: int | None = None,
        msg: str = "",
        request_id: str | None = None,
        task_id: str | None = None,
        body: str = "",
        retry_after: float | None = None,
        from_api: bool = True,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.status = status
        self.code = code
        self.msg = msg
        self.request_id = request_id
        self.body = body
        self.retry_after = retry_after
        self.from_api = from_api


class BadRequestError(APIError):
    """400 or 422: a parameter is missing or invalid."""


class AuthenticationError(APIError):
    """401: the API key is not accepted."""


class InsufficientCreditsError(APIError):
    """402: the account's credits do not suffice."""


class TaskNotFoundError(APIError):
    """404: the server does not know the task id."""


class RateLimitError(APIError):
    """429: too many requests. ``retry_after`` says how long to wait, where the server says."""


class RequestTooLargeError(BadRequestError):
    """413, in any form: the body is larger than the server, or a proxy on the way, takes. Nothing was started.

    The default address takes 4.5 MB, and local pictures above 3 MB are uploaded before; ``https://api.apimodels.app/v1``
    takes 100 MB.
    """


class ServerError(APIError):
    """5xx: the server's own fault; also 455, maintenance."""


class ServerTimeoutError(ServerError):
    """524: the server was silent for so long (about 100 s) that a proxy in front of it gave up.

    It may have done the work: to a create request this is the cause of a `SubmissionUnknownError`.
    """


class ProtocolError(ApimodelsError):
    """The server answered with something outside its contract.

    Attributes:
        body: the whole answer as text.
        status: the HTTP status.
    """

    def __init__(
        self, message: str = "", *, body: str = "", status: int | None = None, task_id: str | None = None
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.body = body
        self.status = status


class ConnectionFailedError(ApimodelsError):
    """Nothing was sent, or a call that changes nothing never got an answer. Safe to try again.

    Attributes:
        certificate: whether the server's certificate was refused, which trying again does not change.
    """

    def __init__(self, message: str = "", *, task_id: str | None = None, certificate: bool = False) -> None:
        super().__init__(message, task_id=task_id)
        self.certificate = certificate


class SubmissionUnknownError(ApimodelsError):
    """A create request may or may not have been accepted, and may be billed. It is never resent silently.

    ``__cause__`` says why. The vendor's console lists an account's tasks (apimodels.app/console/records).
    """


class NotSubmittedError(ApimodelsError):
    """A batch item that was never sent; the message says why, as does its ``__cause__`` if it has one."""


class GenerationFailedError(ApimodelsError):
    """The task ended as failed, which is not billed.

    Attributes:
        task: the failed task, with ``fail_code``, ``fail_msg`` and ``retryable``; ``None`` where the create request
            itself was refused (`ContentPolicyError`), and where the error was made from its message alone.
    """

    def __init__(self, message: str = "", *, task: Task | None = None) -> None:
        super().__init__(message, task_id=None if task is None else task.id)
        self.task: Task = cast("Task", task)


class ContentPolicyError(GenerationFailedError):
    """The vendor's moderation refused the prompt or a picture.

    Where it refused the create request itself, ``task`` is ``None``, and ``__cause__`` the `BadRequestError`.
    """


class WaitTimeoutError(ApimodelsError):
    """The task was still running when the wait's time was up. It goes on, and can be waited for again.

    Attributes:
        task: the last known task. ``await client.wait(error.task)`` takes the wait up again. ``None`` only where the
            error was made from its message alone.
    """

    def __init__(self, message: str = "", *, task: Task | None = None) -> None:
        super().__init__(message, task_id=None if task is None else task.id)
        self.task: Task = cast("Task", task)  # there is one in every error that a client raises


class DownloadError(ApimodelsError):
    """A finished picture could not be saved. The task stays done and its links stay valid for 7 days."""


class ResultExpiredError(DownloadError):
    """The pictures are no longer at their links: the vendor deletes them after 7 days."""


class LedgerError(ApimodelsError):
    """The ledger cannot be used. No create is sent that could not be written down first."""

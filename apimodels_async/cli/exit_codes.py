"""What the exit codes of the command line mean. Data: the help and the documentation show this table."""

from attrs import frozen

from apimodels_async.errors import (
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
    ServerError,
    ServerTimeoutError,
    SubmissionUnknownError,
    TaskNotFoundError,
    WaitTimeoutError,
)

__all__ = [
    "CONFIGURATION", "INTERRUPTED", "NOT_CONFIRMED", "OK", "SOME_FAILED", "TABLE", "UNEXPECTED", "USAGE", "ExitCode",
    "code_of", "name_of",
]  # fmt: skip

OK = 0
UNEXPECTED = 1
USAGE = 2
CONFIGURATION = 3
SOME_FAILED = 17
NOT_CONFIRMED = 18
INTERRUPTED = 130


@frozen
class ExitCode:
    """One exit code.

    Attributes:
        code: the number.
        meaning: in words.
        name: of the error, for programs, where no error of the SDK has this code.
        errors: the errors that end a command with it, their subclasses included unless these have a row of their own.
    """

    code: int
    meaning: str
    errors: tuple[type[ApimodelsError], ...] = ()
    name: str = ""


TABLE = (
    ExitCode(OK, "done"),
    ExitCode(UNEXPECTED, "another error", (ApimodelsError,)),
    ExitCode(USAGE, "a bad argument, or an empty input; nothing was sent", name="UsageError"),
    ExitCode(CONFIGURATION, "no usable key, address, port, store or extra; nothing was sent", (ConfigurationError,)),
    ExitCode(4, "the server refused the request (400, 413, 422)", (BadRequestError, RequestTooLargeError)),
    ExitCode(5, "the server does not accept the key (401)", (AuthenticationError,)),
    ExitCode(6, "the credits do not suffice (402)", (InsufficientCreditsError,)),
    ExitCode(7, "the server does not know the task (404)", (TaskNotFoundError,)),
    ExitCode(8, "rate limit, server error, or an answer outside the contract",
             (RateLimitError, ServerError, ServerTimeoutError, ProtocolError)),
    ExitCode(9, "no connection; nothing was started", (ConnectionFailedError,)),
    ExitCode(10, "SUBMISSION UNKNOWN: it may be accepted and billed, look before you send it again",
             (SubmissionUnknownError,)),
    ExitCode(11, "the generation failed; not billed", (GenerationFailedError,)),
    ExitCode(12, "refused by moderation; not billed", (ContentPolicyError,)),
    ExitCode(13, "the wait's time was up; the task goes on", (WaitTimeoutError,)),
    ExitCode(14, "the pictures are made, but could not be saved", (DownloadError,)),
    ExitCode(15, "never sent", (NotSubmittedError,)),
    ExitCode(16, "the ledger cannot be used", (LedgerError,)),
    ExitCode(SOME_FAILED, "some requests of a batch brought no picture; results.jsonl tells which",
             name="SomeFailed"),
    ExitCode(NOT_CONFIRMED, "above --confirm-above, and not confirmed; nothing was sent", name="NotConfirmed"),
    ExitCode(INTERRUPTED, "interrupted", name="Interrupted"),
)  # fmt: skip
"""Every exit code, in order."""

_BY_ERROR = {error: row.code for row in TABLE for error in row.errors}


def code_of(error: ApimodelsError) -> int:
    """The exit code for an error: that of its nearest class in the table."""
    return next(_BY_ERROR[kind] for kind in type(error).__mro__ if kind in _BY_ERROR)


def name_of(code: int) -> str:
    """What programs are told as the error of an exit code, where there is no error of the SDK."""
    row = next((row for row in TABLE if row.code == code), TABLE[UNEXPECTED])
    return row.name or (row.errors[0].__name__ if row.errors else "Error")

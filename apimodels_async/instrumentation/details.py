"""What an instrument is told: one frozen value for each kind of thing that a client does."""

from typing import Literal, NamedTuple, TypeAlias

from apimodels_async.models import GenerationRequest, Task

__all__ = [
    "Details",
    "DownloadDetails",
    "LedgerWriteDetails",
    "PollDetails",
    "RequestDetails",
    "RetryDetails",
    "TaskDetails",
]


class TaskDetails(NamedTuple):
    """One picture's way from its request to its end: a call of `generate`, `create` or `wait`, or an item of a batch.

    Attributes:
        operation: what was asked for; the item of a batch is a ``generate``.
        model: the model id that was asked for; empty if it is not known.
        request: what was asked for, prompt included; ``None`` for `wait`.
        item: the request's position in the input of a batch, from 0; ``None`` outside a batch.
        change: what has happened last: ``begun``, ``submitted`` (the server took it), ``state`` (the task came to
            another state), ``completed``, ``failed`` (with an error of any kind), ``downloaded``.
        task: the task as it is now, where there is one.
        error: with ``failed``; and at the end, if it ended with an error.
        queries: how often the task was queried until it had ended.
        lag: seconds from the task's end at the server until a query showed it; ``None`` if it is not known.
        called_back: whether a callback has announced the end.
        cost: US dollars, by the prices of the client: of a completed task whose request and price are known.
        seconds: how long all of it took; at the end.
    """

    operation: Literal["generate", "create", "wait"]
    model: str
    request: GenerationRequest | None = None
    item: int | None = None
    change: Literal["begun", "submitted", "state", "completed", "failed", "downloaded"] = "begun"
    task: Task | None = None
    error: BaseException | None = None
    queries: int = 0
    lag: float | None = None
    called_back: bool = False
    cost: float | None = None
    seconds: float | None = None


class RequestDetails(NamedTuple):
    """One HTTP exchange.

    Attributes:
        purpose: what it is for. ``storage`` and ``picture`` do not go to the API.
        method: ``GET``, ``POST`` or ``PUT``.
        url: without a query; of a picture and of the storage only the origin, because a link may be a secret.
        status: of the answer; at the end, ``None`` without one.
        request_id: by which the server knows it, if it said so.
        error: at the end, if it ended with an error.
        seconds: how long it took; at the end.
    """

    purpose: Literal["create", "query", "upload", "storage", "picture"]
    method: Literal["GET", "POST", "PUT"]
    url: str
    status: int | None = None
    request_id: str | None = None
    error: BaseException | None = None
    seconds: float | None = None


class PollDetails(NamedTuple):
    """One look at a task: a request, and a second one where a connection turned out to be dead.

    Attributes:
        task_id: which task.
        model: of the task, if it is known.
        state: what the task was found in; at the end.
        error: at the end, if it ended with an error.
        seconds: how long it took; at the end.
    """

    task_id: str
    model: str | None
    state: str | None = None
    error: BaseException | None = None
    seconds: float | None = None


class DownloadDetails(NamedTuple):
    """One picture on its way here, with all its attempts.

    Attributes:
        task_id: whose picture it is; ``None`` if it came in the answer to the create request.
        model: of the task, if it is known.
        picture: which one of the task's, from 0.
        size: bytes; at the end.
        attempts: how often it was fetched; at the end.
        error: at the end, if it ended with an error.
        seconds: how long it took; at the end.
    """

    task_id: str | None
    model: str | None
    picture: int
    size: int | None = None
    attempts: int | None = None
    error: BaseException | None = None
    seconds: float | None = None


class RetryDetails(NamedTuple):
    """Something did not succeed and is tried again. It takes no time by itself.

    Attributes:
        what: is tried again: a create request that was provably not taken, a query, or the download of a picture.
        number: of the retry, from 1.
        pause: seconds until then; ``None`` where it waits for the server to take create requests again.
        error: what went wrong.
        model: if it is known.
        task_id: if there is one.
    """

    what: Literal["create", "query", "download"]
    number: int
    pause: float | None
    error: BaseException
    model: str | None = None
    task_id: str | None = None


class LedgerWriteDetails(NamedTuple):
    """Changes that are written into a ledger.

    Attributes:
        steps: to which the entries come, one for each change.
        waited: whether the caller waits until they are durable; else they are written with the next transaction, and
            this is told once, without an end.
        error: at the end, if they could not be written.
        seconds: until they were durable; at the end.
    """

    steps: tuple[str, ...]
    waited: bool
    error: BaseException | None = None
    seconds: float | None = None


Details: TypeAlias = TaskDetails | RequestDetails | PollDetails | DownloadDetails | RetryDetails | LedgerWriteDetails
"""Any of them."""

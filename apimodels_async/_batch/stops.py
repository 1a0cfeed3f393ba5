"""What ends the sending of a batch, while what is paid for is still waited for and saved. Pure."""

import errno
from typing import NamedTuple

from apimodels_async.errors import AuthenticationError, ConfigurationError, InsufficientCreditsError, LedgerError
from apimodels_async.models import Task

UNWRITABLE = frozenset(
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EROFS", "EIO", "ENOTDIR", "EEXIST", "EACCES", "EPERM"),
        *("ENODEV", "ENXIO", "ESTALE", "ENOTCONN", "EHOSTDOWN"),
    )
    if hasattr(errno, name)
)
"""What a folder raises that takes no file any more: a full or read-only disk, one that was unplugged, a file in the
place of the folder (which is ``EEXIST`` when the folder is made). Other errors concern one picture only."""


class Stop(NamedTuple):
    """Why a batch sends nothing more.

    Attributes:
        reason: in words.
        cause: the error behind it.
    """

    reason: str
    cause: Exception


def stop_after_create(error: Exception) -> Stop | None:
    """Whether a create request that ended with `error` shows that none after it could do better."""
    match error:
        case LedgerError():
            return Stop("the ledger cannot be written", error)
        case InsufficientCreditsError():
            return Stop("the account's credits are used up", error)
        case AuthenticationError():
            return Stop("the API key is refused", error)
        case ConfigurationError():
            return Stop("the client cannot be used as it was set up", error)
        case _:
            return None


def stop_after_download(error: Exception, directory: object) -> Stop | None:
    """Whether a download that ended with `error` shows that no other picture could be saved either."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in UNWRITABLE:
        return Stop(f"the output folder {directory} cannot be written", error)
    return None


def key_refused(task: Task, error: AuthenticationError) -> AuthenticationError:
    """The error of a task that can no longer be asked about, because the key was refused for another one."""
    own = AuthenticationError(
        f"task {task.id} can no longer be asked about: {error}",
        status=error.status,
        code=error.code,
        msg=error.msg,
        request_id=error.request_id,
        task_id=task.id,
        body=error.body,
    )
    own.__cause__ = error
    return own

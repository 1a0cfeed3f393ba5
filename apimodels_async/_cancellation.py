"""Which cancellations are meant for the task that runs."""

import asyncio


class CancelledElsewhereError(RuntimeError):
    """Something that was awaited had been cancelled by itself; nothing has cancelled the task that awaited it."""


def as_error(error: BaseException, what: str) -> Exception:
    """Return an error that `what` raised, or raise it where it is to end the running task.

    A caller's function, iterable or transport raises asyncio's ``CancelledError`` where it awaits a task of its own
    that was cancelled. Passed on, that would end a task of ours as if it had been told to end, and with it a batch,
    silently: so another error stands for it.
    """
    if isinstance(error, Exception):
        return error
    if not is_foreign(error):
        raise error
    found = CancelledElsewhereError(f"{what} raised {type(error).__name__}, and nothing here was cancelled")
    found.__cause__ = error
    return found


def is_foreign(error: BaseException) -> bool:
    """Whether an error is asyncio's ``CancelledError`` and yet nothing has cancelled the running task."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # trio, whose cancellation is another error
        return True
    return task is None or not task.cancelling()

"""Which errors that are no `Exception` are meant to end the task that runs."""

import asyncio


class ForeignExitError(RuntimeError):
    """A caller's code raised what ends tasks, such as ``CancelledError``, and nothing was to end the running one."""


def as_error(error: BaseException, what: str, *, exits: bool = False) -> Exception:
    """Return an error that `what` raised, or raise it where it is to end the running task.

    A caller's function, iterable or transport raises asyncio's ``CancelledError`` where it awaits a task of its own
    that was cancelled. Passed on, that would end a task of ours as if it had been told to end, and with it a batch,
    silently: so another error stands for it.

    Args:
        error: what was raised.
        what: raised it, in words.
        exits: whether ``sys.exit`` and the like are errors too.
    """
    if isinstance(error, Exception):
        return error
    if must_pass(error) or not (exits or _is_cancellation(error)):
        raise error
    found = ForeignExitError(f"{what} raised {type(error).__name__}, and nothing here was to end")
    found.__cause__ = error
    return found


def _inner(error: BaseException) -> tuple[BaseException, ...]:
    """What an exception group holds. Not by isinstance, after which pyright knows nothing of what is in the group."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return inner


def _is_cancellation(error: BaseException) -> bool:
    inner = _inner(error)
    if inner:
        return all(map(_is_cancellation, inner))
    return isinstance(error, asyncio.CancelledError)


def must_pass(error: BaseException) -> bool:
    """Whether an error is to end the running task: Ctrl-C, the end of a coroutine, or its own cancellation."""
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        return True
    inner = _inner(error)
    if inner:
        return any(map(must_pass, inner))
    if not isinstance(error, asyncio.CancelledError):
        kind = type(error)
        return kind.__name__ == "Cancelled" and kind.__module__.partition(".")[0] == "trio"
    try:
        task = asyncio.current_task()
    except RuntimeError:  # trio, whose cancellation is another error
        return False
    return task is not None and task.cancelling() > 0

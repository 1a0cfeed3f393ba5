"""Which errors that are no `Exception` are meant to end the task that runs."""

import asyncio


def as_error(error: BaseException, where: str, *, exits: bool = False) -> Exception:
    """Return an error that a caller's code raised, or raise it if it is to end the running task.

    Code that awaits a task of its own that was cancelled raises asyncio's ``CancelledError``. Passed on, it would end
    our task as if that had been cancelled, and with it a batch, without a word: so a `RuntimeError` stands for it.

    Args:
        error: what was raised.
        where: what raised it, in words.
        exits: whether ``sys.exit`` and the like are errors too.
    """
    if isinstance(error, Exception):
        return error
    if must_pass(error) or not (exits or _is_cancellation(error)):
        raise error
    found = RuntimeError(f"{type(error).__name__}, raised by {where}")
    found.__cause__ = error
    return found


def must_pass(error: BaseException) -> bool:
    """Whether an error is to end the running task: Ctrl-C, the end of a coroutine, or its own cancellation."""
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        return True
    if inner := _inner(error):
        return any(map(must_pass, inner))
    if not isinstance(error, asyncio.CancelledError):
        kind = type(error)
        return kind.__name__ == "Cancelled" and kind.__module__.partition(".")[0] == "trio"
    try:
        task = asyncio.current_task()
    except RuntimeError:  # trio, whose cancellation is another error
        return False
    return task is not None and task.cancelling() > 0


def _is_cancellation(error: BaseException) -> bool:
    if inner := _inner(error):
        return all(map(_is_cancellation, inner))
    return isinstance(error, asyncio.CancelledError)


def _inner(error: BaseException) -> tuple[BaseException, ...]:
    """What an exception group holds. Not by isinstance, after which pyright knows nothing of what is in the group."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return inner

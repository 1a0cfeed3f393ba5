"""Recovery of a task whose create response was lost: its callback gives the task id, and a query confirms it."""

import logging
from collections.abc import Awaitable, Callable

import anyio

from apimodels_async.callbacks.expected import ExpectedCallback
from apimodels_async.errors import (
    ApimodelsError,
    ConnectionFailedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    TaskNotFoundError,
)
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")

AFTER_THE_LONGEST = 60.0
"""Seconds to wait for a callback beyond the time in which 99 of 100 tasks of the model end."""
CALLED_WITHIN = 1800.0
"""Seconds after a task's end for which the vendor retries its callback (from its page)."""


async def recover_by_callback(
    call: ExpectedCallback, model: str, patience: float, query: Callable[[str, str | None], Awaitable[Task]]
) -> Task | None:
    """Return the task named by the callback of a create request whose response was lost; ``None`` after `patience`.

    Only the task id is taken from the callback. The rest comes from a query with our own key, and an id that the server
    does not know under this key is not ours.
    """
    logger.warning("the answer to a create request was lost: its callback is waited for, %.0f s at most", patience)
    heard = anyio.Event()
    call.listeners.add(heard.set)
    try:
        with anyio.move_on_after(patience):
            if call.task_id is None:
                await heard.wait()
    finally:
        call.listeners.discard(heard.set)
    if call.task_id is None:
        return None
    task = await _confirmed(call.task_id, model, query)
    if task is not None:
        logger.info("task %s found by its callback", task.id, extra={"task_id": task.id, "model": task.model})
    return task


async def _confirmed(task_id: str, model: str, query: Callable[[str, str | None], Awaitable[Task]]) -> Task | None:
    pauses = iter((0.5, 1.0, 2.0))
    while True:
        try:
            return await query(task_id, model)
        except (ConnectionFailedError, ProtocolError, RateLimitError, ServerError, TaskNotFoundError) as error:
            trouble: ApimodelsError = error
            pause = next(pauses, None)
        except ApimodelsError as error:
            trouble, pause = error, None
        if pause is None:
            break
        await anyio.sleep(pause)
    logger.warning("task %s was named by a callback, and could not be confirmed: %s", task_id, trouble)
    # If it cannot be confirmed now, the id must not be lost.
    return None if isinstance(trouble, TaskNotFoundError) else Task(id=task_id, state="", model=model)

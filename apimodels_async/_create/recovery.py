"""How a task is found whose create lost its answer: by its callback, which names it, and a query, which confirms it."""

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
"""Seconds that a callback is waited for beyond the time in which 99 of 100 of the model's tasks end."""
CALLED_WITHIN = 1800.0
"""Seconds after a task's end in which the vendor goes on calling (from its page)."""


async def recover_by_callback(
    call: ExpectedCallback, model: str, patience: float, query: Callable[[str, str | None], Awaitable[Task]]
) -> Task | None:
    """The task of a create whose answer was lost, as its callback names it; ``None`` when none comes in time.

    The id alone is believed. The rest comes from a query with our own key, and an id that the server does not know
    under this key is not ours.
    """
    logger.warning("the answer to a create was lost: its callback is waited for, %.0f s at most", patience)
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
    # Where it cannot be confirmed for now, the id must not be lost.
    return None if isinstance(trouble, TaskNotFoundError) else Task(id=task_id, state="", model=model)

"""The tasks that the gateway's page shows. Each function runs in the store's thread: pass it to `StoreThread.ask`."""

from attrs import frozen

from apimodels_async.gateway.store import Store
from apimodels_async.gateway.tasks import TaskRecord

__all__ = ["ShownTask", "latest_tasks", "shown_task"]


@frozen(kw_only=True)
class ShownTask:
    """A task with its request.

    Attributes:
        task: the task.
        prompt: its prompt.
        seed: the seed that it is painted with.
        size: width and height in pixels.
        price: what it costs if it completes, millionths of a dollar.
        request: the create request's body as JSON, without pictures.
        callback_url: where its end is reported.
    """

    task: TaskRecord
    prompt: str
    seed: int
    size: tuple[int, int]
    price: int
    request: str
    callback_url: str | None


def latest_tasks(store: Store, now: int, most: int) -> list[ShownTask]:
    """The tasks that end last, those that end latest first."""
    ids = store.db.execute("SELECT id FROM tasks ORDER BY ended DESC, created DESC LIMIT ?", (most,)).fetchall()
    found = (shown_task(store, task_id, now) for (task_id,) in ids)
    return [each for each in found if each is not None]


def shown_task(store: Store, task_id: str, now: int) -> ShownTask | None:
    """A task with its request."""
    task = store.task(task_id, now)
    if task is None:
        return None
    prompt, seed, width, height, price, request, callback_url = store.db.execute(
        "SELECT prompt, seed, width, height, price, request, callback_url FROM tasks WHERE id = ?", (task_id,)
    ).fetchone()
    return ShownTask(
        task=task,
        prompt=prompt,
        seed=seed,
        size=(width, height),
        price=price,
        request=request,
        callback_url=callback_url,
    )

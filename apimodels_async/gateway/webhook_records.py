"""The webhooks in the store. Each function runs in the store's thread: pass it to `StoreThread.ask`."""

from apimodels_async.gateway.store import Store
from apimodels_async.gateway.webhooks import DeliveryProgress, Webhook

__all__ = ["save_progress", "unfinished", "webhook_of"]


def unfinished(store: Store) -> list[tuple[str, int, str]]:
    """Every webhook whose delivery has not ended: the task's id, when it is due, and the URL."""
    return store.db.execute(
        "SELECT task_id, due, callback_url FROM calls JOIN tasks ON tasks.id = task_id WHERE due IS NOT NULL"
    ).fetchall()


def webhook_of(store: Store, task_id: str, now: int) -> Webhook:
    """The webhook of a task that has one, as the task is `now`."""
    task = store.task(task_id, now)
    row = store.db.execute(
        "SELECT callback_url, origin, request, due, owed, failures, until FROM calls JOIN tasks ON tasks.id = task_id "
        "WHERE task_id = ?",
        (task_id,),
    ).fetchone()
    if task is None or row is None:
        raise LookupError(task_id)
    url, origin, request, due, owed, failures, until = row
    progress = DeliveryProgress(due=due, owed=owed, failures=failures, until=until)
    return Webhook(task=task, url=url, origin=origin, request=request, progress=progress)


def save_progress(store: Store, task_id: str, progress: DeliveryProgress) -> None:
    """Record the state of a delivery."""
    store.db.execute(
        "UPDATE calls SET due = ?, owed = ?, failures = ?, until = ? WHERE task_id = ?",
        (progress.due, progress.owed, progress.failures, progress.until, task_id),
    )

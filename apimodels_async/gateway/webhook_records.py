"""The calls in the store. Each function is for the store's thread: `StoreThread.ask` takes it like a method."""

from apimodels_async.gateway.store import Store
from apimodels_async.gateway.webhooks import Call, Progress

__all__ = ["call_of", "note", "unfinished"]


def unfinished(store: Store) -> list[tuple[str, int, str]]:
    """Every call that is not over: the task's id, when it is due, and the URL."""
    return store.db.execute(
        "SELECT task_id, due, callback_url FROM calls JOIN tasks ON tasks.id = task_id WHERE due IS NOT NULL"
    ).fetchall()


def call_of(store: Store, task_id: str) -> Call:
    """The call of a task that has one."""
    task = store.task(task_id)
    row = store.db.execute(
        "SELECT callback_url, origin, request, due, owed, failures, until FROM calls JOIN tasks ON tasks.id = task_id "
        "WHERE task_id = ?",
        (task_id,),
    ).fetchone()
    if task is None or row is None:
        raise LookupError(task_id)
    url, origin, request, due, owed, failures, until = row
    progress = Progress(due=due, owed=owed, failures=failures, until=until)
    return Call(task=task, url=url, origin=origin, request=request, progress=progress)


def note(store: Store, task_id: str, progress: Progress) -> None:
    """Keep how far a call has come."""
    store.db.execute(
        "UPDATE calls SET due = ?, owed = ?, failures = ?, until = ? WHERE task_id = ?",
        (progress.due, progress.owed, progress.failures, progress.until, task_id),
    )

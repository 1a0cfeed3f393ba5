"""Tasks, pictures and hosted files, in one SQLite file.

`Store` blocks and belongs to one thread, which `apimodels_async.gateway.store_thread` provides. A commit survives the
process being killed. Only a power cut can lose the last ones (the write-ahead log is not synced at each commit), which
a local gateway may trade for speed.

Times are epoch milliseconds, prices millionths of a dollar.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from apimodels_async.gateway.account import Account
from apimodels_async.gateway.store_schema import open_database
from apimodels_async.gateway.tasks import TaskRecord
from apimodels_async.gateway.triggers import Failure
from apimodels_async.gateway.webhooks import DeliveryProgress

__all__ = ["HostedFile", "PaintSpec", "Store"]

_NEW_TASK = f"INSERT INTO tasks VALUES ({', '.join('?' * 19)}, 0, ?)"  # noqa: S608  (only question marks)
_FIND_TASK = """
SELECT id, model, n, output_format, created, started, ended, inputs != '[]', over, dialect,
    fail_code, fail_msg, retryable
FROM tasks WHERE id = ?
"""
_WORTH_A_VACUUM = 1 << 20
"""Bytes that must be free in the file before it is rewritten at the start."""


@frozen(kw_only=True)
class PaintSpec:
    """What a task's pictures are painted from, apart from model and format.

    Attributes:
        prompt: the prompt.
        seed: the seed.
        size: width and height in pixels.
        inputs: the pictures to work on.
        mask: the mask.
    """

    prompt: str
    seed: int
    size: tuple[int, int]
    inputs: Sequence[bytes] = ()
    mask: bytes | None = None


@frozen(kw_only=True)
class HostedFile:
    """A file that is hosted, or announced.

    Attributes:
        id: the unguessable part of its URL.
        content_type: the type it was announced with.
        length: bytes; 0 if it was announced without a length.
        upload_until: when its upload URL stops working, epoch ms.
        expires: when it is no longer served, epoch ms.
        data: its bytes; ``None`` until they are uploaded.
        size: how many bytes are stored.
    """

    id: str
    content_type: str
    length: int
    upload_until: int
    expires: int
    data: bytes | None
    size: int = 0


class Store:
    """The SQLite file. Use it in the thread that opened it.

    Args:
        path: the file; made if it does not exist.
        deposited: paid into the account, in millionths of a dollar; the completed tasks in the file reduce it.
        temporary: whether the file is deleted in the end.

    Raises:
        OSError: the file is not a store, is damaged, is a store of another version, or is in use by another gateway.
    """

    def __init__(self, path: Path, deposited: int, *, temporary: bool = False) -> None:
        self.account: Account = Account(deposited)
        self._db: sqlite3.Connection | None = open_database(path, temporary=temporary)
        rows = self._db.execute("SELECT CASE WHEN over THEN 0 ELSE ended END, price, fail_code IS NOT NULL FROM tasks")
        for ended, price, failed in rows:
            self.account.add(ended=ended, price=price, billed=not failed)

    @property
    def db(self) -> sqlite3.Connection:
        """The open connection."""
        if self._db is None:
            raise RuntimeError("the store is closed")
        return self._db

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def end_tasks(self, now: int) -> None:
        """Record which tasks have ended by `now`: a clock that is set back does not bring them back."""
        if self.account.next_end is not None and self.account.next_end <= now:
            self.db.execute("UPDATE tasks SET over = 1 WHERE over = 0 AND ended <= ?", (now,))
            self.account.balance(now)

    def balance(self, now: int) -> int:
        """The balance after the tasks that have completed by `now`."""
        self.end_tasks(now)
        return self.account.balance(now)

    def accept(
        self,
        task: TaskRecord,
        spec: PaintSpec,
        *,
        price: int,
        request: str,
        callback_url: str | None = None,
        progress: DeliveryProgress | None = None,
        origin: str = "",
    ) -> int | None:
        """Record a new task and return ``None``; or, if the account cannot pay for it, return what is available.

        `progress` is the delivery of its webhook, if it has one; `origin` is where the links in the webhook start.
        """
        self.end_tasks(task.created)
        available = self.account.available(task.created)
        if price > available:
            return available
        failure = task.failure
        with self.db as db:
            db.execute("BEGIN")
            values = (
                task.id, task.model, task.n, task.output_format, task.created, task.started, task.ended,
                *((failure.code, failure.message, failure.retryable) if failure else (None, None, None)),
                price, spec.prompt, spec.seed, *spec.size,
                json.dumps([self._save_input(data) for data in spec.inputs]),
                None if spec.mask is None else self._save_input(spec.mask),
                request, callback_url, task.dialect,
            )  # fmt: skip
            db.execute(_NEW_TASK, values)
            if progress is not None:
                values = (task.id, origin, progress.due, progress.owed, progress.failures, progress.until)
                db.execute("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?)", values)
        self.account.add(ended=task.ended, price=price, billed=failure is None)
        return None

    def _save_input(self, data: bytes) -> str:
        # Batches send the same picture many times; it is stored once.
        digest = hashlib.sha256(data).hexdigest()
        self.db.execute("INSERT OR IGNORE INTO inputs VALUES (?, ?)", (digest, data))
        return digest

    def _input(self, digest: str) -> bytes:
        row = self.db.execute("SELECT data FROM inputs WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            raise LookupError("a picture to work on is no longer stored")
        return row[0]  # type: ignore[no-any-return]

    def task(self, task_id: str, now: int) -> TaskRecord | None:
        """The task with this id, as it is `now`."""
        self.end_tasks(now)
        row = self.db.execute(_FIND_TASK, (task_id,)).fetchone()
        if row is None:
            return None
        *_, code, message, retryable = row
        return TaskRecord(
            id=row[0], model=row[1], n=row[2], output_format=row[3], created=row[4], started=row[5], ended=row[6],
            edit=bool(row[7]), over=bool(row[8]), dialect=bool(row[9]),
            failure=None if code is None else Failure(code, message, bool(retryable)),
        )  # fmt: skip

    def fail(self, task_id: str, failure: Failure) -> None:
        """Make a task fail that was to complete, and do not bill it."""
        with self.db as db:
            db.execute("BEGIN")
            row = db.execute(
                "UPDATE tasks SET fail_code = ?, fail_msg = ?, retryable = ? WHERE id = ? AND fail_code IS NULL "
                "RETURNING ended, price",
                (failure.code, failure.message, failure.retryable, task_id),
            ).fetchone()
            db.execute("DELETE FROM results WHERE task_id = ?", (task_id,))
        if row is not None:
            self.account.refund(ended=row[0], price=row[1])

    def spec(self, task_id: str) -> PaintSpec:
        """What the pictures of an existing task are painted from."""
        prompt, seed, width, height, inputs, mask = self.db.execute(
            "SELECT prompt, seed, width, height, inputs, mask FROM tasks WHERE id = ?", (task_id,)
        ).fetchone()
        return PaintSpec(
            prompt=prompt,
            seed=seed,
            size=(width, height),
            inputs=[self._input(digest) for digest in json.loads(inputs)],
            mask=None if mask is None else self._input(mask),
        )

    def painted(self, task_id: str) -> int:
        """How many pictures of a task have been painted."""
        (count,) = self.db.execute("SELECT count(*) FROM results WHERE task_id = ?", (task_id,)).fetchone()
        return count  # type: ignore[no-any-return]

    def result_length(self, task_id: str, picture: int) -> int | None:
        """The bytes of a painted picture; ``None`` if it has not been painted."""
        row = self.db.execute(
            "SELECT length(data) FROM results WHERE task_id = ? AND picture = ?", (task_id, picture)
        ).fetchone()
        return row and row[0]  # type: ignore[no-any-return]

    def result_piece(self, task_id: str, picture: int, start: int, length: int) -> bytes:
        """A piece of a painted picture; empty when it has been deleted."""
        row = self.db.execute(
            "SELECT rowid FROM results WHERE task_id = ? AND picture = ?", (task_id, picture)
        ).fetchone()
        return b"" if row is None else self._piece("results", row[0], start, length)

    def file_piece(self, file_id: str, start: int, length: int) -> bytes:
        """A piece of a hosted file; empty when it has been deleted."""
        row = self.db.execute("SELECT rowid FROM files WHERE id = ? AND data IS NOT NULL", (file_id,)).fetchone()
        return b"" if row is None else self._piece("files", row[0], start, length)

    def _piece(self, table: str, rowid: int, start: int, length: int) -> bytes:
        with self.db.blobopen(table, "data", rowid, readonly=True) as blob:
            blob.seek(start)
            return blob.read(length)

    def save_result(self, task_id: str, picture: int, data: bytes) -> None:
        """Store a painted picture."""
        self.db.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (task_id, picture, data))

    def file(self, file_id: str) -> HostedFile | None:
        """The file with this id without its bytes, uploaded or not; `HostedFile.data` is empty for an uploaded one."""
        row = self.db.execute(
            "SELECT content_type, length, upload_until, expires, data IS NOT NULL, length(data) FROM files "
            "WHERE id = ?",
            (file_id,),
        ).fetchone()
        if row is None:
            return None
        return HostedFile(
            id=file_id, content_type=row[0], length=row[1], upload_until=row[2], expires=row[3],
            data=b"" if row[4] else None, size=row[5] or 0,
        )  # fmt: skip

    def save_file(self, file: HostedFile) -> None:
        """Store a file, replacing its earlier record."""
        values = (file.id, file.content_type, file.length, file.upload_until, file.expires, file.data)
        self.db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", values)

    def delete_expired(self, now: int, keep: int) -> int:
        """Delete the pictures of tasks that ended `keep` milliseconds before `now` and the files that have expired.

        Returns:
            How many were deleted.
        """
        before = now - keep
        with self.db as db:
            db.execute("BEGIN")
            deleted = db.execute(
                "DELETE FROM results WHERE task_id IN (SELECT id FROM tasks WHERE ended <= ?)", (before,)
            ).rowcount
            deleted += db.execute("DELETE FROM files WHERE expires <= ?", (now,)).rowcount
            if db.execute("SELECT 1 FROM inputs LIMIT 1").fetchone() is not None:
                needed = db.execute("SELECT inputs, mask FROM tasks WHERE ended > ?", (before,))
                digests = {digest for inputs, mask in needed for digest in (*json.loads(inputs), mask)}
                stored = [digest for (digest,) in db.execute("SELECT digest FROM inputs")]
                unneeded = [(digest,) for digest in stored if digest not in digests]
                db.executemany("DELETE FROM inputs WHERE digest = ?", unneeded)
                deleted += len(unneeded)
        if deleted:
            self.db.execute("PRAGMA incremental_vacuum").fetchall()
        return deleted

    def give_back(self) -> None:
        """Rewrite the file if much of it is free, so that the disk gets that back."""
        (free,) = self.db.execute("PRAGMA freelist_count").fetchone()
        (page,) = self.db.execute("PRAGMA page_size").fetchone()
        if free * page >= _WORTH_A_VACUUM:
            self.db.execute("VACUUM")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

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
from apimodels_async.gateway.tasks import TaskRecord
from apimodels_async.gateway.triggers import Failure
from apimodels_async.gateway.webhooks import DeliveryProgress

__all__ = ["HostedFile", "PaintSpec", "Store"]

_TASKS_AND_FILES = """
CREATE TABLE tasks (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, n INTEGER NOT NULL, output_format TEXT NOT NULL,
    created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,
    fail_code TEXT, fail_msg TEXT, retryable INTEGER,
    price INTEGER NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL,
    inputs TEXT NOT NULL, mask TEXT, request TEXT NOT NULL, callback_url TEXT
) WITHOUT ROWID;
CREATE TABLE inputs (digest TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE results (
    task_id TEXT NOT NULL, picture INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (task_id, picture)
);
CREATE TABLE files (
    id TEXT PRIMARY KEY, content_type TEXT NOT NULL, length INTEGER NOT NULL,
    upload_until INTEGER NOT NULL, expires INTEGER NOT NULL, data BLOB
);
"""
_CALLS = """
CREATE TABLE calls (
    task_id TEXT PRIMARY KEY, origin TEXT NOT NULL,
    due INTEGER, owed INTEGER NOT NULL, failures INTEGER NOT NULL, until INTEGER
) WITHOUT ROWID;
CREATE INDEX calls_due ON calls (due) WHERE due IS NOT NULL;
"""
_STEPS = (_TASKS_AND_FILES, _CALLS)
"""The migration to each version from the one before. Version 1 sent no webhooks and accepted any URL: its tasks get
none."""
_NEW_TASK = f"INSERT INTO tasks VALUES ({', '.join('?' * 19)})"  # noqa: S608  (only question marks)
_FIND_TASK = """
SELECT id, model, n, output_format, created, started, ended, fail_code, fail_msg, retryable FROM tasks WHERE id = ?
"""


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
    """A file that is hosted, or is about to be.

    Attributes:
        id: the unguessable part of its URL.
        content_type: the type it was announced with.
        length: bytes.
        upload_until: when its upload URL stops working, epoch ms.
        expires: when it is no longer served, epoch ms.
        data: its bytes; ``None`` until they are uploaded.
    """

    id: str
    content_type: str
    length: int
    upload_until: int
    expires: int
    data: bytes | None


class Store:
    """The SQLite file. Use it in the thread that opened it.

    Args:
        path: the file; made if it does not exist.
        deposited: paid into the account, in millionths of a dollar; the completed tasks in the file reduce it.

    Raises:
        OSError: the file is not a store, is a store of another version, or is in use by another gateway.
    """

    def __init__(self, path: Path, deposited: int) -> None:
        self.account: Account = Account(deposited)
        self._db: sqlite3.Connection | None = None
        try:
            self._db = sqlite3.connect(path, timeout=1, isolation_level=None)
            self._open(path)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise OSError(f"cannot use {path} as the gateway's store: {error}") from error
            raise

    def _open(self, path: Path) -> None:
        # The balance is kept in memory, so the file must not be shared with a second gateway.
        self.db.executescript(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        )
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if version > len(_STEPS):
            raise OSError(f"{path} is the store of another version of the gateway")
        steps = "".join(_STEPS[version:])
        if steps:
            self.db.executescript(f"BEGIN; {steps} PRAGMA user_version = {len(_STEPS)}; COMMIT;")
        for ended, price, failed in self.db.execute("SELECT ended, price, fail_code IS NOT NULL FROM tasks"):
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

    def balance(self, now: int) -> int:
        """The balance after the tasks that have completed by `now`."""
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
                request, callback_url,
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
        (data,) = self.db.execute("SELECT data FROM inputs WHERE digest = ?", (digest,)).fetchone()
        return data  # type: ignore[no-any-return]

    def task(self, task_id: str) -> TaskRecord | None:
        """The task with this id."""
        row = self.db.execute(_FIND_TASK, (task_id,)).fetchone()
        if row is None:
            return None
        *_, code, message, retryable = row
        return TaskRecord(
            id=row[0], model=row[1], n=row[2], output_format=row[3], created=row[4], started=row[5], ended=row[6],
            failure=None if code is None else Failure(code, message, bool(retryable)),
        )  # fmt: skip

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

    def result(self, task_id: str, picture: int) -> bytes | None:
        """A painted picture, if it has been painted."""
        row = self.db.execute(
            "SELECT data FROM results WHERE task_id = ? AND picture = ?", (task_id, picture)
        ).fetchone()
        return row and row[0]  # type: ignore[no-any-return]

    def save_result(self, task_id: str, picture: int, data: bytes) -> None:
        """Store a painted picture."""
        self.db.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (task_id, picture, data))

    def file(self, file_id: str) -> HostedFile | None:
        """The file with this id, uploaded or not."""
        row = self.db.execute("SELECT * FROM files WHERE id = ?", (file_id,)).fetchone()
        if row is None:
            return None
        return HostedFile(
            id=row[0], content_type=row[1], length=row[2], upload_until=row[3], expires=row[4], data=row[5]
        )

    def save_file(self, file: HostedFile) -> None:
        """Store a file, replacing its earlier record."""
        values = (file.id, file.content_type, file.length, file.upload_until, file.expires, file.data)
        self.db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", values)

"""`SqliteLedger`: requests, sends and results, each on the disk before it matters.

The file is a plain SQLite database in WAL mode with ``synchronous=FULL``: what was written and acknowledged survives a
crash of the process and of the machine. Prompts and task ids are in it; keys, tokens and pictures are not.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from apimodels_async import _sqlite
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import server as servers
from apimodels_async.ledger import sql
from apimodels_async.ledger.entries import Entry, Step, task_from_json
from apimodels_async.ledger.file_lock import FileLock
from apimodels_async.ledger.port import Change, Slots
from apimodels_async.ledger.resolve import resolve

__all__ = ["SqliteLedger"]

logger: logging.Logger = logging.getLogger("apimodels_async")

_KEYS_AT_ONCE = 900


class SqliteLedger:
    """A ledger in a file. Its calls block; a client makes them in a worker thread.

    One process at a time can have it open. Use it as a context manager, or `close` it; a client that is given a path
    in place of a ledger does so by itself.

    Args:
        path: the file, made if it is not there.
        read_only: take a copy of what is in the file at this moment, to look at while a run goes on. Nothing can be
            written.
        connect: opens the database; for tests. Its connections need no more than ``execute``, ``total_changes`` and
            ``close``.

    Raises:
        ConfigurationError: the path is a URL.
        LedgerError: the file cannot be used: it is locked by another process, read-only, not a ledger, corrupt, or
            written by a newer version.
    """

    shared: bool = False

    def __init__(
        self, path: str | os.PathLike[str], *, read_only: bool = False, connect: Callable[[str], Any] = _sqlite.connect
    ) -> None:
        self.path: Path = Path(_sqlite.file_path(path, "path"))
        self._read_only = read_only
        self._connect = connect
        self._database = _sqlite.Database(self._copy if read_only else self._open)
        self._lock = None if read_only else FileLock(self.path)
        try:
            with self._errors("cannot be opened"), self._database.use():
                pass
        except BaseException:
            self.close()
            raise

    def _open(self) -> Any:
        database = self._connect(str(self.path.absolute()))  # SQLite gives short names such as :memory: a meaning
        try:
            list(database.execute("PRAGMA synchronous=FULL"))
            with self._errors("cannot be used"):
                # A row that a damaged index hides would be sent, and paid for, once more.
                _sqlite.prepare(database, sql.FORMAT, check_integrity=True)
            for statement in sql.PREPARATION:
                list(database.execute(statement))
        except BaseException:
            database.close()
            raise
        return database

    def _copy(self) -> sqlite3.Connection:
        """What is in the file now, in memory: a run that uses the file is not disturbed, and no entry is changed."""
        path = str(self.path.absolute())
        if not self.path.is_file():
            raise FileNotFoundError("there is no such file")
        in_use = self.path.with_name(self.path.name + "-wal").exists()
        if not in_use and not (os.access(path, os.W_OK) and os.access(self.path.absolute().parent, os.W_OK)):
            # It would make files there, and leave them to the owner of the ledger, who could not write to them.
            raise PermissionError("SQLite has to write beside it even to read it, and this user may not")
        with contextlib.closing(_sqlite.connect(path)) as file, self._errors("cannot be opened"):
            file.execute("BEGIN")
            # Now, because this waits for a limited time only; a copy would wait without limit.
            version = _sqlite.version_of(file, sql.FORMAT, check_integrity=True)
            memory = _sqlite.connect(":memory:")
            try:
                file.backup(memory)
                if version < sql.SCHEMA_VERSION:
                    _sqlite.prepare(memory, sql.FORMAT)
            except BaseException:
                memory.close()
                raise
        return memory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let others have it; may be called twice."""
        try:
            self._database.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    # --- the server

    def bind(self, server: str) -> None:
        """Use the ledger for `server`, to which it and its entries belong from the first time on.

        Entries of older versions, which did not note their server, are taken to be of this one, with a warning; those
        with links to this machine are never taken to be a remote server's.

        Args:
            server: as `server_identity` names it.

        Raises:
            LedgerError: the ledger, or an entry, belongs to another server.
        """
        with self._errors("cannot be bound to its server"), self._database.use() as database:
            bound = _servers(database)
            if bound == {server} and list(database.execute(sql.OWN_SERVER)):
                return
            servers.check(str(self.path), bound, server)
            with _sqlite.transaction(database):
                tasks = [
                    (key, None if task is None else task_from_json(task)) for key, task in database.execute(sql.UNBOUND)
                ]
                found = servers.servers_of(tasks, server)
                for key, its_own in found.items():
                    database.execute("UPDATE entries SET server = ? WHERE key = ?", (its_own, key))
                bound = _servers(database)
                if bound <= {server}:
                    database.execute("DELETE FROM ledger")
                    database.execute("INSERT INTO ledger VALUES (?)", (server,))
        if found:
            logger.warning(
                "%s was written by a version that did not note the server: %d entries are taken to be of %s",
                self.path, len(found), " and ".join(sorted(set(found.values()))),
            )  # fmt: skip
        servers.check(str(self.path), bound, server)

    def servers(self) -> set[str]:
        """The servers to which the ledger and its entries belong: one, or none before the first run."""
        with self._errors("cannot be read"), self._database.use() as database:
            return _servers(database)

    def move_server(self, old: str, new: str) -> int:
        """Say that what belongs to one server belongs to another: it is the same service at a new address.

        Args:
            old: a base URL, or a server as `servers` gives it.
            new: likewise.

        Returns:
            How many entries were moved.

        Raises:
            ValueError: one of them is no server.
            LedgerError: nothing belongs to `old`, or the file cannot be written.
        """
        old, new = servers.named(old), servers.named(new)
        self._check_writable()
        with self._errors("cannot be written"), self._database.transaction() as database:
            bound = _servers(database)
            if old not in bound:
                belongs = f"belongs to {' and '.join(sorted(bound))}" if bound else "belongs to no server yet"
                raise LedgerError(f"{self.path} {belongs}, not to {old}")
            database.execute("UPDATE ledger SET server = ? WHERE server = ?", (new, old))
            before = database.total_changes
            database.execute("UPDATE entries SET server = ? WHERE server = ?", (new, old))
            moved: int = database.total_changes - before
        return moved

    # --- reading

    def find(self, key: str) -> Entry | None:
        """The entry with this key, or ``None``."""
        rows = self._select(f"{sql.READ} WHERE key = ?", (key,))
        return self._entry(rows[0]) if rows else None

    def steps(self, keys: Collection[str] | None = None) -> dict[str, Step]:
        """The step of each entry by its key: of all entries, or of those among `keys`."""
        if keys is None:
            rows: list[Any] = self._select("SELECT key, step FROM entries", ())
        else:
            wanted = list(keys)
            rows = []
            for first in range(0, len(wanted), _KEYS_AT_ONCE):
                some = wanted[first : first + _KEYS_AT_ONCE]
                marks = ", ".join("?" * len(some))
                rows += self._select(f"SELECT key, step FROM entries WHERE key IN ({marks})", tuple(some))  # noqa: S608
        try:
            return {key: Step(step) for key, step in rows}
        except ValueError as broken:
            raise self._trouble("has an entry that makes no sense", broken) from broken

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order in which they were begun."""
        for row in self._select(f"{sql.READ} ORDER BY number", ()):
            yield self._entry(row)

    def _select(self, statement: str, values: Sequence[Any]) -> list[Any]:
        with self._errors("cannot be read"), self._database.use() as database:
            return list(database.execute(statement, values))

    def _entry(self, row: Sequence[Any]) -> Entry:
        try:
            return sql.entry_of(tuple(row))
        except (ValueError, KeyError, TypeError) as broken:
            raise self._trouble(f"has an entry that makes no sense ({row[0]})", broken) from broken

    # --- writing

    def apply(self, changes: Iterable[Change]) -> list[int]:
        """Carry out changes in one transaction, and return when it is on the disk.

        Returns:
            For each change, how many entries it changed: 1 or 0.

        Raises:
            LedgerError: none of them was written.
        """
        self._check_writable()
        changes = list(changes)
        if self._lock is not None and (moved := self._lock.moved()) is not None:
            # The next run would not look here: nothing more may be sent. What is already sent is still recorded, as
            # long as the file exists under another name.
            news = [] if self._lock.deleted() else [each for each in changes if each.step is not Step.SENDING]
            return self._apply_news(changes, news, moved)
        return self._apply(changes)

    def _apply_news(self, changes: Sequence[Change], news: Sequence[Change], moved: str) -> list[int]:
        if not news:
            raise LedgerError(f"{moved}: nothing more is sent")
        counts = iter(self._apply(news))
        return [0 if change.step is Step.SENDING else next(counts) for change in changes]

    def _apply(self, changes: Sequence[Change]) -> list[int]:
        with self._errors("cannot be written"):
            try:
                self._apply_at_once(changes)
            except sqlite3.IntegrityError:
                return self._apply_one_by_one(changes)
            return [1] * len(changes)

    def _apply_at_once(self, changes: Sequence[Change]) -> None:
        statements = sql.changed(changes)
        with self._database.use() as database:
            if len(statements) == 1:
                # A transaction by itself. Each call of SQLite releases the interpreter lock several times, and has to
                # wait for it where the loop is busy.
                database.execute(*statements[0])
                return
            with _sqlite.transaction(database):
                for each in statements:
                    database.execute(*each)

    def _apply_one_by_one(self, changes: Sequence[Change]) -> list[int]:
        """Carry out changes of which some change nothing, to see which."""
        counts: list[int] = []
        with self._database.transaction() as database:
            for change in changes:
                before = database.total_changes
                [statement] = sql.changed([change], must_change=False)
                database.execute(*statement)
                counts.append(database.total_changes - before)
        return counts

    def is_being_sent(self, key: str) -> bool:
        """Return False: a file has one process at a time."""
        return False

    def slots(self, number: int) -> Slots | None:
        """Return ``None``: a file has one process at a time, which has its own rate."""
        return None

    def resolve(self, key: str, how: str) -> Entry:
        """Decide about an entry whose outcome is unknown, after having looked at the vendor's console.

        Args:
            key: the entry's key.
            how: ``"resubmit"``: the server does not have it, the next run sends it again. ``"abandon"``: it is no
                longer wanted. ``"undo"``: take an earlier decision back, so that it is unknown again. Anything else is
                the id of its task: the next run waits for that.

        Raises:
            LedgerError: no such entry, or there is nothing to decide: its outcome is known. A decision can be changed
                until a run has acted on it, and a task that the server did not know can be decided about.
        """
        return resolve(self, key, how)

    # --- errors

    def _check_writable(self) -> None:
        if self._read_only:
            raise LedgerError(f"{self.path} was opened to be read only")

    @contextlib.contextmanager
    def _errors(self, what: str) -> Generator[None]:
        """Whatever SQLite or the system raises becomes a `LedgerError` that names the file."""
        try:
            yield
        except LedgerError:
            raise
        except _sqlite.UnusableError as error:
            raise LedgerError(f"{self.path} {error}") from error
        except Exception as error:
            raise self._trouble(what, error) from error

    def _trouble(self, what: str, error: Exception) -> LedgerError:
        return LedgerError(f"{self.path} {what}: {error}")


def _servers(database: Any) -> set[str]:
    """The servers of the ledger and of its entries."""
    return {server for (server,) in database.execute(sql.SERVERS)}

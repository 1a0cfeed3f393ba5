"""SQLite files of our own: recognised by their mark, migrated in one transaction, used by one thread at a time."""

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from apimodels_async._arguments import path_text
from apimodels_async._urls import database_url
from apimodels_async.errors import ConfigurationError


class UnusableError(sqlite3.ProgrammingError):
    """The file is not ours, too new, damaged, closed, or was opened before a fork. The message leaves out its name."""


class Format(NamedTuple):
    """One kind of file.

    Attributes:
        name: with its article, for messages: ``"a ledger"``.
        application_id: the mark in the file's header, so that another program's database is never taken for ours.
        migrations: the statements that lead from each version of the schema to the next.
        unmarked: whether early versions of ours wrote no mark: then a file with a version and no mark is ours.
    """

    name: str
    application_id: int
    migrations: Sequence[Sequence[str]]
    unmarked: bool = False


def connect(path: str, timeout: float = 5.0) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and may move between threads.

    `timeout` is how many seconds it waits for another process that is writing.
    """
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=timeout)


def version_of(database: Any, form: Format, *, check_integrity: bool = False) -> int:
    """The version of the schema in a file of ours; 0 for a new one. Nothing is written.

    Raises:
        UnusableError: it is not ours, was written by a newer version, or is damaged.
    """
    version: int
    (mark,) = next(iter(database.execute("PRAGMA application_id")))
    (version,) = next(iter(database.execute("PRAGMA user_version")))
    has_tables = bool(list(database.execute("SELECT 1 FROM sqlite_master LIMIT 1")))
    early = form.unmarked and version > 0
    if mark not in (0, form.application_id) or (mark == 0 and has_tables and not early):
        raise UnusableError(f"is a database, but not {form.name}")
    if version > len(form.migrations):
        raise UnusableError(
            f"was written by a newer version of apimodels-async (schema {version}, here {len(form.migrations)}): "
            f"update the package"
        )
    if check_integrity:
        (verdict,) = next(iter(database.execute("PRAGMA integrity_check(1)")))
        if verdict != "ok":
            raise UnusableError(f"is corrupt: {verdict}")
    return version


def prepare(database: Any, form: Format, *, check_integrity: bool = False) -> None:
    """Bring a new or older file to this version's schema, in WAL mode.

    The migration is one transaction: a crash leaves the old schema or the new one. It always writes, so that a file
    that cannot be written fails here and not later.

    Raises:
        UnusableError: as `version_of`.
    """
    with transaction(database):
        version = version_of(database, form, check_integrity=check_integrity)
        for statements in form.migrations[version:]:
            for statement in statements:
                database.execute(statement)
        database.execute(f"PRAGMA application_id={form.application_id}")
        database.execute(f"PRAGMA user_version={len(form.migrations)}")
    with contextlib.suppress(sqlite3.OperationalError):  # busy: another process is opening the file as well
        list(database.execute("PRAGMA journal_mode=WAL"))


@contextlib.contextmanager
def transaction(database: Any) -> Generator[None]:
    """A transaction that writes: committed at the end of the block, or rolled back where the block or that fails."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(Exception):  # SQLite has rolled back by itself, as on a full disk
            database.execute("ROLLBACK")
        raise


class Database:
    """One connection, used by one thread at a time.

    A handle of SQLite must not be used, nor even closed, in a forked child.

    Args:
        open_: makes and prepares the connection; called on first use.
        reopen: whether a forked child opens the file for itself; else the file is refused there.
    """

    def __init__(self, open_: Callable[[], Any], *, reopen: bool = False) -> None:
        self._open = open_
        self._reopen = reopen
        self._turn = threading.Lock()
        self._connection: Any = None
        self._closed = False
        self._forked = False
        _open_databases.add(self)

    @contextlib.contextmanager
    def use(self) -> Generator[Any]:
        """The connection, for one thread.

        Raises:
            UnusableError: it is closed, or was opened before a fork.
        """
        with self._turn:
            if self._closed:
                raise UnusableError("is closed")
            if self._forked:
                raise UnusableError("was opened before a fork: open it in one process only")
            if self._connection is None:
                self._connection = self._open()
            yield self._connection

    @contextlib.contextmanager
    def transaction(self) -> Generator[Any]:
        """The connection, for one thread, in a transaction that writes."""
        with self.use() as connection, transaction(connection):
            yield connection

    def close(self) -> None:
        """Close the connection; may be called twice."""
        with self._turn:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def after_fork(self) -> None:
        """In a forked child: drop what belongs to the parent."""
        self._turn = threading.Lock()  # a thread that does not exist here may have held the old one
        self._forked = self._connection is not None and not self._reopen
        _inherited.append(self._connection)
        self._connection = None


_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[Any] = []
"""The parent's connections, kept so that a forked child never closes them."""


def _after_fork() -> None:
    for database in list(_open_databases):
        database.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def file_path(given: str | os.PathLike[str], argument: str) -> str:
    """The path of a database's file.

    Raises:
        ArgumentTypeError: it is no path.
        ConfigurationError: it is a URL. Taken for a path, it would be the name of a new and empty file.
    """
    text = path_text(given, argument, "give the path of a file")
    if database_url(text, argument) is not None:
        raise ConfigurationError(f"{argument} is the URL of a database: give the path of a file")
    return text

"""The connections of one process to the ledger's database, and its errors as `LedgerError`."""

import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, LiteralString, TypeVar

from apimodels_async._postgres import AwayError, Connection, Dsn, Session, in_words
from apimodels_async.errors import LedgerError

T = TypeVar("T")

_ROWS_AT_ONCE = 1000


class LedgerDatabase:
    """Two connections, apart, so that what is read does not wait for what is written.

    Args:
        dsn: where to.
        patience: seconds for which a database that is away is waited for.
        read_only: whether to refuse everything that writes.

    Attributes:
        dsn: where to.
        name: of the database, without user and password.
    """

    def __init__(self, dsn: Dsn, *, patience: float, read_only: bool) -> None:
        self.dsn: Dsn = dsn
        self.name: str = dsn.name
        self._read_only = read_only
        self._writing = Session(dsn, patience=patience)
        self._reading = Session(dsn, patience=patience)

    def read(self, work: Callable[[Connection], T], what: str = "cannot be read") -> T:
        """What `work` reads.

        Raises:
            LedgerError: it cannot be read.
        """
        with self.errors(what):
            return self._reading.run(work)

    def write(
        self,
        work: Callable[[Connection], T],
        what: str = "cannot be written",
        *,
        also: tuple[type[Exception], ...] = (),
        patience: float | None = None,
    ) -> T:
        """What `work` returns, which may be carried out twice.

        Args:
            work: what to do.
            what: for the message.
            also: errors that are raised as they are.
            patience: seconds, in place of the usual.

        Raises:
            LedgerError: it cannot be carried out.
        """
        self.check_writable()
        with self.errors(what, also):
            return self._writing.run(work, patience=patience)

    def check_writable(self) -> None:
        """Refuse a ledger that was opened to be read.

        Raises:
            LedgerError: it was.
        """
        if self._read_only:
            raise LedgerError(f"{self.name} was opened to be read only")

    def select(self, statement: LiteralString, values: Any = ()) -> list[Any]:
        """The rows that a statement finds."""
        return self.read(lambda c: c.execute(statement, values).fetchall())

    def execute(self, statement: LiteralString, values: Any = ()) -> int:
        """Carry out a statement that may be carried out twice, and return how many rows it changed."""
        return self.write(lambda c: c.execute(statement, values).rowcount)

    def stream(self, statement: LiteralString, values: Any = ()) -> Iterator[Any]:
        """The rows that a statement finds as they were at one moment, a thousand at a time."""
        self.select("SELECT 1")  # it is not closed, was opened in this process, and is there
        with (
            self.errors("cannot be read"),
            self.dsn.connect() as connection,
            connection.transaction(),
            connection.cursor(name="rows") as cursor,
        ):
            cursor.itersize = _ROWS_AT_ONCE
            yield from cursor.execute(statement, values)

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._writing.close()
        self._reading.close()

    @contextlib.contextmanager
    def errors(self, what: str, also: tuple[type[Exception], ...] = ()) -> Generator[None]:
        """Whatever psycopg or the values raise becomes a `LedgerError` that names the database, but for `also`."""
        try:
            yield
        except AwayError as error:
            raise LedgerError(f"{self.name} {error}") from error
        except Exception as error:
            if isinstance(error, (LedgerError, *also)):
                raise
            raise LedgerError(f"{self.name} {what}: {in_words(error)}") from error

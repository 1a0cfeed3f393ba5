"""What a ledger's name stands for: the path of a file, or the URL of a database."""

import os
from typing import TYPE_CHECKING, TypeAlias

from apimodels_async import _urls
from apimodels_async.errors import LedgerError

if TYPE_CHECKING:
    from apimodels_async.ledger.postgres.store import PostgresLedger
    from apimodels_async.ledger.sqlite import SqliteLedger

OpenLedger: TypeAlias = "SqliteLedger | PostgresLedger"


def database_url(name: str | os.PathLike[str]) -> str | None:
    """The URL if `name` is that of a PostgreSQL database; ``None`` if it is a path.

    Raises:
        ConfigurationError: it is another URL.
    """
    return _urls.database_url(os.fspath(name), "ledger")


def shown(name: str | os.PathLike[str]) -> str:
    """A ledger's name for messages and commands: a URL without its password.

    Raises:
        ConfigurationError: it is a URL that cannot be used, or psycopg is not installed.
    """
    url = database_url(name)
    if url is None:
        return os.fspath(name)
    from apimodels_async._postgres import Dsn  # noqa: PLC0415  (an extra)

    return Dsn(url).url


def open_ledger(
    name: str | os.PathLike[str], *, read_only: bool = False, create: bool = True, patience: float | None = None
) -> OpenLedger:
    """Open a ledger by its name.

    Args:
        name: a path, or the URL of a database.
        read_only: look only, at what is there at this moment.
        create: whether to make one that is not there.
        patience: seconds for which a database that is away is waited for; by default that of `PostgresLedger`.

    Raises:
        ConfigurationError: the name is a URL that cannot be used, or what it needs is not installed.
        LedgerError: it cannot be opened.
    """
    url = database_url(name)
    if url is not None:
        from apimodels_async.ledger.postgres.store import PATIENCE, PostgresLedger  # noqa: PLC0415  (an extra)

        return PostgresLedger(
            url, read_only=read_only, create=create, patience=PATIENCE if patience is None else patience
        )
    if not (create or os.path.isfile(name)):  # noqa: PTH113  (of text)
        raise LedgerError(f"FILE {name}: {'not a regular file' if os.path.exists(name) else 'no such file'}")  # noqa: PTH110
    from apimodels_async.ledger.sqlite import SqliteLedger  # noqa: PLC0415  (many use no SQLite)

    return SqliteLedger(name, read_only=read_only)

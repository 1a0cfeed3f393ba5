"""The ledger's tables and functions in a database: whether they are there, and making them."""

from importlib import resources

from apimodels_async._postgres import Connection, encoding_fault, make_schema
from apimodels_async.errors import LedgerError

VERSION = 2


def version_in(connection: Connection, name: str) -> int:
    """The version of the ledger in a database; 0 if there is none.

    Args:
        connection: to the database.
        name: of the database, for messages.

    Raises:
        LedgerError: a newer version of this package wrote it.
    """
    if connection.execute("SELECT to_regclass('apimodels.ledger') IS NULL").fetchone() == (True,):
        return 0
    row = connection.execute("SELECT version FROM apimodels.ledger").fetchone()
    version = 0 if row is None else int(row[0])
    if version > VERSION:
        raise LedgerError(
            f"{name} was written by a newer version of apimodels-async (schema {version}, here {VERSION}): "
            "update the package"
        )
    return version


def install(connection: Connection, name: str, *, create: bool = True) -> None:
    """Make the ledger, or bring it up to date, in one transaction. Several processes may do so at once.

    Args:
        connection: to the database.
        name: of the database, for messages.
        create: whether to make one in a database that has none.

    Raises:
        LedgerError: there is none, a newer version of this package wrote it, or the database is of an encoding that
            holds too little.
    """
    if (fault := encoding_fault(connection)) is not None:
        raise LedgerError(f"{name} {fault}")
    if not create:
        check_there(connection, name)
    if version_in(connection, name) == VERSION:
        return
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        make_schema(connection)
        match version_in(connection, name):  # another process may have been first
            case 0:
                # As one text each, without parameters, so that it may hold many statements.
                connection.execute(_text("schema.sql"))
                connection.execute(_text("functions.sql"))
                connection.execute("SELECT apimodels.settle_here()")
                connection.execute("INSERT INTO apimodels.ledger (version) VALUES (%s)", (VERSION,))
            case 1:
                is_here = connection.execute("SELECT apimodels.moved() IS NULL").fetchone() == (True,)
                connection.execute(_text("from_1_to_2.sql"))
                connection.execute(_text("functions.sql"))
                if is_here:
                    connection.execute("SELECT apimodels.settle_here()")
                connection.execute("UPDATE apimodels.ledger SET version = %s", (VERSION,))
            case _:
                pass


def check_there(connection: Connection, name: str) -> None:
    """Refuse a database without a ledger.

    Raises:
        LedgerError: there is none, or a newer version of this package wrote it.
    """
    if version_in(connection, name) == 0:
        raise LedgerError(f"{name}: there is no ledger in this database")


def _text(name: str) -> bytes:
    return (resources.files(__package__ or "") / name).read_bytes()

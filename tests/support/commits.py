"""When what a ledger's connection executes becomes durable."""

import sqlite3

from apimodels_async.ledger.sql import CHANGE


def commits(database: sqlite3.Connection, statement: str) -> bool:
    """Whether this statement commits changes: by its name, or because it is a transaction by itself."""
    return statement == "COMMIT" or (statement.startswith(CHANGE) and not database.in_transaction)

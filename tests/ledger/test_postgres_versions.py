"""A ledger that an older version of the package made in PostgreSQL is brought up to date, and stays what it was."""

from pathlib import Path

import pytest

pytest.importorskip("psycopg")

import psycopg

from apimodels_async.errors import LedgerError
from apimodels_async.ledger import PostgresLedger, Step
from apimodels_async.ledger.port import Change, Result
from apimodels_async.ledger.postgres.schema import VERSION
from tests.shards.conftest import MODEL, requests

pytestmark = pytest.mark.postgres

GOLDEN = Path(__file__).parent / "golden" / "postgres-v1.sql"
"""The tables and functions of version 1, in the place where they are made."""
ENTRY = b"\x01" * 16


@pytest.fixture
def older(postgres: str) -> str:
    """A ledger of version 1 with one entry, whose task was created."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(GOLDEN.read_bytes())
        connection.execute(
            "INSERT INTO apimodels.entry (digest, occurrence, step, cost, changed, task_id, attempt) "
            "VALUES (%s, 0, 'created', 30000, 1, 'task-1', 7)",
            (ENTRY,),
        )
        connection.execute(
            "INSERT INTO apimodels.request (digest, occurrence, content, model, body) VALUES (%s, 0, %s, %s, %s)",
            (ENTRY, ENTRY * 2, MODEL, '{"prompt": "a cat"}'),
        )
        connection.execute("UPDATE apimodels.ledger SET create_rate = 2.0")
    return postgres


@pytest.mark.parametrize("create", [True, False])
def test_it_is_brought_up_to_date_with_its_entries(older: str, create: bool) -> None:
    with PostgresLedger(older, create=create) as ledger:
        [entry] = ledger.entries()
        ledger.check_place()
        assert (entry.step, entry.attempt, entry.model) == (Step.CREATED, 7, MODEL)
        assert ledger.database.select("SELECT version FROM apimodels.ledger") == [(VERSION,)]
        assert ledger.slots(1) is not None
        ledger.load(requests(2), model=MODEL)
        key = next(key for key, step in ledger.steps().items() if step is Step.INTENT)
        assert ledger.apply([Change(key, Step.SENDING, attempt=1)]) == [Result.CHANGED]


def test_one_that_was_moved_still_refuses_to_send(older: str) -> None:
    with psycopg.connect(older, autocommit=True) as connection:
        connection.execute("UPDATE apimodels.place SET system_identifier = 1")
    with PostgresLedger(older) as ledger:
        assert ledger.database.select("SELECT version FROM apimodels.ledger") == [(VERSION,)]
        with pytest.raises(LedgerError, match="accept-failover"):
            ledger.check_place()
        ledger.accept_failover()
        ledger.check_place()


def test_to_look_at_it_changes_nothing(older: str) -> None:
    with PostgresLedger(older, read_only=True) as ledger:
        assert [entry.step for entry in ledger.entries()] == [Step.CREATED]
        assert ledger.database.select("SELECT version FROM apimodels.ledger") == [(1,)]


def test_it_has_the_columns_of_one_that_was_made_now(older: str) -> None:
    columns = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'apimodels'"
    )
    with PostgresLedger(older) as ledger:
        upgraded = set(ledger.database.select(columns))
        with psycopg.connect(older, autocommit=True) as connection:
            connection.execute("DROP SCHEMA apimodels CASCADE")
    with PostgresLedger(older) as ledger:
        assert upgraded == set(ledger.database.select(columns))

"""The ledger in databases that were set up in another way than PostgreSQL's own."""

import psycopg
import pytest

pytest.importorskip("psycopg")

from apimodels_async.callbacks.postgres import PostgresStore
from apimodels_async.errors import ConfigurationError, LedgerError
from apimodels_async.ledger import PostgresLedger, Step
from tests.shards.conftest import MODEL, requests
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.postgres


def name_of(dsn: str) -> str:
    return dsn.rpartition("/")[2]


def as_role(dsn: str, role: str) -> str:
    return dsn.replace("postgres@", f"{role}@")


@pytest.fixture
def role(postgres_server: PostgresServer, postgres: str) -> str:
    """A role without rights."""
    name = f"role_of_{name_of(postgres)}"
    postgres_server.sql("postgres", f"CREATE ROLE {name} LOGIN")
    return name


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused_before_anything_is_paid(
    postgres_server: PostgresServer, postgres: str, encoding: str
) -> None:
    name = f"{name_of(postgres)}_{encoding.lower()}"
    postgres_server.sql(
        "postgres",
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    with pytest.raises(LedgerError, match=f"{name} has the encoding {encoding}.*ENCODING 'UTF8'"):
        PostgresLedger(postgres_server.dsn(name))
    with pytest.raises(ConfigurationError, match=f"{name} has the encoding {encoding}.*ENCODING 'UTF8'"):
        PostgresStore(postgres_server.dsn(name))


@pytest.mark.parametrize(
    "setting",
    [
        "standard_conforming_strings = off",
        "bytea_output = 'escape'",
        "default_transaction_isolation = 'serializable'",
        "search_path = 'public, pg_temp'",
        "statement_timeout = '50ms'",
    ],
)
def test_settings_of_the_database_change_nothing(postgres_server: PostgresServer, postgres: str, setting: str) -> None:
    name = name_of(postgres)
    postgres_server.sql(name, "CREATE TABLE loading (other int)")
    postgres_server.sql("postgres", f"ALTER DATABASE {name} SET {setting}")
    with PostgresLedger(postgres) as ledger:
        assert ledger.load(requests(300), model=MODEL).added == 300
        shards = [ledger.shard(number) for number in range(ledger.divide(4))]

        assert sum(len(list(shard.requests())) for shard in shards) == 300
        assert sum(shard.counts()[Step.INTENT] for shard in shards) == 300
    assert postgres_server.sql(name, "SELECT count(*) FROM public.loading") == [(0,)]


def test_a_schema_that_was_made_for_the_role_is_enough(
    postgres_server: PostgresServer, postgres: str, role: str
) -> None:
    with pytest.raises(LedgerError, match=f"permission denied for database {name_of(postgres)}$"):
        PostgresLedger(as_role(postgres, role))
    postgres_server.sql(name_of(postgres), f"CREATE SCHEMA apimodels AUTHORIZATION {role}")

    with PostgresLedger(as_role(postgres, role)) as ledger, PostgresStore(as_role(postgres, role)):
        assert ledger.load(requests(2), model=MODEL).added == 2


def test_a_role_that_may_only_read_can_look(postgres_server: PostgresServer, postgres: str, role: str) -> None:
    with PostgresLedger(postgres) as ledger:
        ledger.load(requests(2), model=MODEL)
    postgres_server.sql(name_of(postgres), f"GRANT USAGE ON SCHEMA apimodels TO {role}")
    postgres_server.sql(name_of(postgres), f"GRANT SELECT ON ALL TABLES IN SCHEMA apimodels TO {role}")

    with PostgresLedger(as_role(postgres, role), read_only=True) as ledger:
        assert ledger.counts() == {Step.INTENT: 2}
        assert len(list(ledger.entries())) == 2
    with PostgresLedger(as_role(postgres, role)) as ledger, pytest.raises(LedgerError, match="permission denied"):
        ledger.load(requests(3), model=MODEL)


def test_a_database_that_is_read_only_is_not_waited_for(postgres_server: PostgresServer, postgres: str) -> None:
    postgres_server.sql("postgres", f"ALTER DATABASE {name_of(postgres)} SET default_transaction_read_only = on")
    with pytest.raises(LedgerError, match=r"in a read-only transaction$"):
        PostgresLedger(postgres, patience=3600.0)


def test_a_renamed_database_is_the_same_and_one_made_from_it_is_a_copy(
    postgres_server: PostgresServer, postgres: str
) -> None:
    name = name_of(postgres)
    with PostgresLedger(postgres) as ledger:
        ledger.load(requests(1), model=MODEL)
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", (name,))
        connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_renamed".encode())
        connection.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}_renamed".encode())
    with PostgresLedger(f"{postgres}_renamed") as renamed:
        renamed.check_place()
    with PostgresLedger(f"{postgres}_copy") as copy:
        copy.divide(1)
        with pytest.raises(LedgerError, match=r"it is a copy of another database.*accept-failover"):
            copy.shard(0)
        copy.accept_failover()
        assert len(list(copy.shard(0).requests())) == 1

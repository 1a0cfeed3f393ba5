"""One connection to PostgreSQL that is made anew: what passes is waited for, and everything else is said at once."""

import logging
import os
import socket
import threading
from contextlib import closing
from typing import Any

import pytest

pytest.importorskip("psycopg")

import psycopg

from apimodels_async._postgres import AwayError, Dsn, Session
from apimodels_async.errors import ConfigurationError

pytestmark = pytest.mark.postgres


def asks(connection: Any) -> Any:
    return connection.execute("SELECT 1").fetchone()[0]


@pytest.fixture
def nowhere() -> str:
    """The URL of a port at which no server is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"postgresql://user:secret@127.0.0.1:{free.getsockname()[1]}/db"


def test_a_place_is_shown_without_its_password(nowhere: str) -> None:
    dsn = Dsn(nowhere)
    assert str(dsn).endswith("/db")
    assert "secret" not in str(dsn) + repr(dsn)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Dsn("postgresql://[secret")


def test_a_server_that_is_away_is_tried_for_as_long_as_there_is_patience(
    nowhere: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session(Dsn(nowhere), patience=2.0)
    with caplog.at_level(logging.WARNING), closing(session), pytest.raises(AwayError, match="is away: "):
        session.run(asks)
    assert "is away, and is tried again" in caplog.text
    assert "secret" not in caplog.text


def test_what_does_not_pass_is_raised_at_once(postgres: str) -> None:
    base = postgres.rpartition("/")[0]
    session = Session(Dsn(f"{base}/no_such_database"), patience=3600.0)
    with closing(session), pytest.raises(psycopg.OperationalError, match="does not exist"):
        session.run(asks)
    with closing(Session(Dsn(postgres), patience=3600.0)) as session:
        with pytest.raises(psycopg.errors.SyntaxError):
            session.run(lambda connection: connection.execute("NO SQL"))
        assert session.run(asks) == 1


def test_a_connection_that_breaks_is_made_anew(postgres: str) -> None:
    broken: list[bool] = []

    def breaks_once(connection: Any) -> Any:
        if not broken:
            broken.append(True)
            connection.close()
        return asks(connection)

    with closing(Session(Dsn(postgres), patience=60.0)) as session:
        assert session.run(breaks_once) == 1


def test_a_session_that_was_closed_or_is_of_another_process_says_so(
    postgres: str, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(Dsn(postgres), patience=60.0)
    session.close()
    with pytest.raises(AwayError, match="is closed"):
        session.run(asks)
    waiting = Session(Dsn(nowhere), patience=3600.0)
    closer = threading.Timer(0.2, waiting.close)
    closer.start()
    with pytest.raises(AwayError, match="is closed"):
        waiting.run(asks)
    closer.join(60)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(AwayError, match="before a fork"):
        session.run(asks)

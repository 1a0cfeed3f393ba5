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


@pytest.mark.parametrize(
    ("given", "url", "name"),
    [
        ("postgresql://u:secret@h/d", "postgresql://u@h/d", "postgresql://h/d"),
        ("postgresql://u:secret%2F%40@h:5/d", "postgresql://u@h:5/d", "postgresql://h:5/d"),
        ("postgresql://h/d?user=u&password=secret", "postgresql://u@h/d", "postgresql://h/d"),
        ("postgresql://h/d?sslpassword=secret", "postgresql://h/d", "postgresql://h/d"),
        ("postgresql://u:sec[ret@h/d", "postgresql://u@h/d", "postgresql://h/d"),
        ("postgresql://u:sec#ret@h/d", "postgresql://u@h/d", "postgresql://h/d"),
        ("postgresql://u:secret@h,i/d", "postgresql://u@h,i/d", "postgresql://h,i/d"),
        ("postgresql://u:secret@h:1,i:2/d?sslmode=require", "postgresql://u@h:1,i:2/d?sslmode=require",
         "postgresql://h:1,i:2/d"),
        ("postgresql://u:secret@[::1]:5/d", "postgresql://u@[::1]:5/d", "postgresql://[::1]:5/d"),
        ("postgresql://?service=s", "postgresql:///?service=s", "postgresql:///?service=s"),
    ],
)  # fmt: skip
def test_a_url_is_shown_as_it_may_be_typed_again_without_its_secrets(given: str, url: str, name: str) -> None:
    dsn = Dsn(given)
    assert (dsn.url, dsn.name) == (url, name)
    assert Dsn(url).url == url


@pytest.mark.parametrize("password", ["sec/ret", "sec@ret", "sec/ret@"])
def test_a_password_that_is_cut_off_by_its_own_signs_is_shown_nowhere(password: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write @ as %40, / as %2F") as raised:
        Dsn(f"postgresql://user:{password}@host/db")
    assert "sec" not in str(raised.value)


@pytest.mark.parametrize("options", ["sslmode=require", "sslmode=foo"])
def test_an_encryption_that_the_server_does_not_have_is_not_waited_for(postgres: str, options: str) -> None:
    session = Session(Dsn(f"{postgres}?{options}"), patience=3600.0)
    with closing(session), pytest.raises(psycopg.OperationalError, match=r"SSL|sslmode"):
        session.run(asks)


def test_a_statement_that_is_cancelled_is_carried_out_again(postgres: str) -> None:
    timeouts = iter(["20ms", "0"])

    def work(connection: Any) -> Any:
        connection.execute(f"SET statement_timeout = '{next(timeouts)}'")
        return connection.execute("SELECT pg_sleep(0.2)").rowcount

    with closing(Session(Dsn(postgres), patience=60.0)) as session:
        assert session.run(work) == 1


def test_a_full_disk_is_waited_for(postgres: str) -> None:
    codes = iter(["53100", "53200"])

    def work(connection: Any) -> Any:
        if code := next(codes, None):
            connection.execute(f"DO $$ BEGIN RAISE 'no space left' USING ERRCODE = '{code}'; END $$")
        return asks(connection)

    with closing(Session(Dsn(postgres), patience=60.0)) as session:
        assert session.run(work) == 1


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

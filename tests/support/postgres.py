"""A throw-away PostgreSQL from the distribution's packages: started, crashed, copied and promoted by tests."""

import getpass
import importlib.util
import itertools
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest

REQUIRED = "REQUIRE_POSTGRES"
"""The environment variable with which a missing PostgreSQL is an error: in the session that is there for it."""

USER = "postgres" if os.name == "posix" and os.getuid() == 0 else getpass.getuser()
"""The server refuses to run as root."""


def program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs, the newest that is found."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(places[-1]) if places else shutil.which(name) or shutil.which(name, path="/usr/sbin")


def free_port() -> int:
    """A port that the system gives to nobody who asks for any: it must still be free when a server starts again."""
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
    raise OSError("100 ports are taken")


def run(name: str, *arguments: str, user: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs as the user who may."""
    path = program(name)
    assert path is not None, f"{name} is not installed"
    if os.getuid() == 0:
        user = user or USER
    done = subprocess.run(
        [path, *arguments], user=user, cwd="/", capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )  # fmt: skip
    assert not check or done.returncode == 0, f"{name} {' '.join(arguments)}: {done.stdout} {done.stderr}"
    return done


def new_folder(prefix: str) -> Path:
    """A temporary folder of the user's. Root makes none in TMPDIR: others cannot reach it where that is in its home."""
    if os.getuid() != 0:
        return Path(tempfile.mkdtemp(prefix=prefix))
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    shutil.chown(folder, USER)
    return folder


class PostgresServer:
    """One server in a temporary folder, on a port of this machine.

    Attributes:
        folder: where its data are.
        port: where it listens.
    """

    def __init__(self, *, copy_of: "PostgresServer | None" = None, settings: tuple[str, ...] = ()) -> None:
        self.folder = new_folder("apimodels-postgres-")
        self.port = free_port()
        self._data = str(self.folder / "data")
        self._numbers = itertools.count()
        if copy_of is None:
            run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        else:
            run("pg_basebackup", "-D", self._data, "-R", "-d", copy_of.dsn("postgres"), "-c", "fast")
        lines = [
            f"port = {self.port}",
            "listen_addresses = '127.0.0.1'",
            "unix_socket_directories = ''",  # the path of one may have 107 characters
            "max_connections = 100",
            "shared_buffers = 64MB",
            *settings,
        ]
        configuration = Path(self._data) / "postgresql.conf"
        configuration.write_text(configuration.read_text() + "\n".join(lines) + "\n")
        self.start()

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        run("pg_ctl", "start", "-w", "-t", "240", "-D", self._data, "-l", str(self.folder / "log"))

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it; "immediate" is a crash."""
        run("pg_ctl", "stop", "-w", "-D", self._data, "-m", mode)

    def promote(self) -> None:
        """Make a standby the primary."""
        run("pg_ctl", "promote", "-w", "-D", self._data)

    def remove(self) -> None:
        """Stop it and delete its folder."""
        run("pg_ctl", "stop", "-w", "-D", self._data, "-m", "immediate", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, database: str, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows."""
        import psycopg

        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return [] if cursor.description is None else list(cursor.fetchall())

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.sql("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        return self.dsn(name)


class PgBouncer:
    """A pooler in transaction mode before a server: far fewer connections to it than clients have to the pooler."""

    def __init__(self, server: PostgresServer, *, pool_size: int = 2) -> None:
        path = program("pgbouncer")
        assert path is not None, "pgbouncer is not installed"
        self.port = free_port()
        self._folder = new_folder("apimodels-pgbouncer-")
        (self._folder / "users").write_text('"postgres" ""\n')
        (self._folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port} user=postgres\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nauth_type = trust\nunix_socket_dir =\n"
            f"auth_file = {self._folder / 'users'}\npool_mode = transaction\ndefault_pool_size = {pool_size}\n"
            f"max_client_conn = 100\nlogfile = {self._folder / 'log'}\n"
        )
        if os.getuid() == 0:
            for each in self._folder.iterdir():
                shutil.chown(each, USER)
        self._process = subprocess.Popen(
            [path, "-q", str(self._folder / "pgbouncer.ini")], cwd="/",
            user=USER if os.getuid() == 0 else None, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def dsn(self, dsn: str) -> str:
        """The URL of a database through the pooler."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{dsn.rpartition('/')[2]}"

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self._process.terminate()
        with self._process:
            self._process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def running(**options: Any) -> Iterator[PostgresServer]:
    """A server that is removed afterwards; the test is skipped where PostgreSQL or psycopg is not installed."""
    missing = [] if program("initdb") else ["PostgreSQL"]
    if importlib.util.find_spec("psycopg") is None:
        missing.append("psycopg")
    if missing:
        message = f"{' and '.join(missing)} not installed"
        assert not os.environ.get(REQUIRED), message
        pytest.skip(message)
    server = PostgresServer(**options)
    try:
        yield server
    finally:
        server.remove()

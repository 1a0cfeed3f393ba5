"""PostgreSQL by psycopg, blocking: what a DSN is, one connection that is made again when it breaks, and patience.

No state of a session is used (no prepared statements, no advisory locks beyond a transaction), so that a pooler in
transaction mode may stand in between.
"""

import logging
import os
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from apimodels_async._arguments import check_type
from apimodels_async._secret import Secret
from apimodels_async.errors import ConfigurationError

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
except ImportError as missing:
    raise ConfigurationError(
        "a postgresql:// URL needs psycopg 3: pip install 'apimodels-async[postgres]'"
    ) from missing

if TYPE_CHECKING:
    from psycopg.abc import ConnParam

logger: logging.Logger = logging.getLogger("apimodels_async")

T = TypeVar("T")
Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"
PostgresError: TypeAlias = psycopg.Error
"""What the server or psycopg raises. From here, so that where psycopg is missing, this module says so."""

_DEFAULTS: "dict[str, ConnParam]" = {
    "connect_timeout": 10,
    "client_encoding": "UTF8",
    "application_name": "apimodels",
    # A server that is gone without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_PASSING = ("40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "53")
"""How the codes of errors begin after which the same may succeed: conflicts, cancelled statements, restarts, and
what there is not enough of (53): connections, memory, disk."""
_READ_ONLY = "25006"
_LASTING = (
    *("authentication failed", "does not exist", "no pg_hba.conf entry", "no such database", "no such user"),
    *("no password supplied", "permission denied", "is not permitted to log in"),
    *(' value: "', "invalid integer value", "invalid port number", "definition of service", "statement pooling mode"),
    *("does not support SSL", "certificate verify failed", "server certificate for"),
)
"""Words of errors after which waiting is no use. libpq gives no code for them."""
_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret"})
_IN_ADDRESS = frozenset({"user", "host", "port", "dbname"})
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class AwayError(Exception):
    """The server could not be used for as long as patience lasted, or will not be by waiting."""


class Dsn:
    """Where a database is, and who one is there. Shown without its password.

    Args:
        text: a ``postgresql://`` URL.

    Attributes:
        url: the same without secrets, as it may be typed again.
        name: for messages, without the user.

    Raises:
        ConfigurationError: it is none.
    """

    def __init__(self, text: str) -> None:
        check_type(text, str, "dsn", "give a postgresql:// URL")
        try:
            given = conninfo_to_dict(text)
        except psycopg.Error:  # its words would quote the password
            raise ConfigurationError(
                "the PostgreSQL URL cannot be read: postgresql://USER@HOST:PORT/DATABASE is one"
            ) from None
        if _is_torn(given):
            raise ConfigurationError(
                "the PostgreSQL URL cannot be read: in its user and password, write @ as %40, / as %2F, : as %3A"
            )
        self._conninfo = Secret(make_conninfo("", **{**_DEFAULTS, **given}))
        user = f"{quote(str(given['user']), safe='')}@" if given.get("user") else ""
        options = urlencode({name: str(value) for name, value in given.items() if name not in _SECRETS | _IN_ADDRESS})
        database = quote(str(given.get("dbname") or ""), safe="")
        self.url: str = f"postgresql://{user}{_hosts(given)}/{database}{'?' if options else ''}{options}"
        if given.get("service") and not given.get("host"):
            self.name: str = self.url
        else:
            hosts = _hosts(given) or os.environ.get("PGHOST") or "localhost"
            name = given.get("dbname") or os.environ.get("PGDATABASE") or given.get("user") or ""
            self.name = f"postgresql://{hosts}/{name}"

    def connect(self, **options: Any) -> Connection:
        """A new connection, each of whose statements is a transaction."""
        # Prepared statements belong to a session, and a pooler gives each transaction another one.
        connection = psycopg.connect(self._conninfo.reveal(), autocommit=True, prepare_threshold=None, **options)
        # Where it is off, libpq writes the bytes of a parameter in a way that the server reads as other bytes. Poolers
        # keep this one setting for each of their clients.
        if connection.info.parameter_status("standard_conforming_strings") == "off":
            connection.execute("SET standard_conforming_strings = on")
        return connection

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Dsn({self.name!r})"


def _hosts(given: "dict[str, ConnParam]") -> str:
    """Hosts and ports as they stand in a URL: there may be several, and one may be the folder of a socket."""
    hosts = str(given.get("host") or "").split(",")
    ports = str(given.get("port") or "").split(",")
    if len(ports) < len(hosts):
        ports = [ports[0]] * len(hosts)
    named = [quote(host, safe=":") if host.startswith("/") else f"[{host}]" if ":" in host else host for host in hosts]
    return ",".join(f"{host}:{port}" if port else host for host, port in zip(named, ports, strict=False))


def _is_torn(given: "dict[str, ConnParam]") -> bool:
    """Whether a sign of the password was taken for the end of it: what follows would be shown as host or port."""
    hosts, ports = str(given.get("host") or ""), str(given.get("port") or "")
    return "@" in hosts or any(port and not port.isdecimal() for port in ports.split(","))


def make_schema(connection: Connection) -> None:
    """Make the schema ``apimodels`` unless it is there. Others that do so wait for the end of this transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('apimodels'))")
    # Not by IF NOT EXISTS: that needs the right to make one even where it is there.
    if connection.execute("SELECT to_regnamespace('apimodels') IS NULL").fetchone() == (True,):
        connection.execute("CREATE SCHEMA apimodels")


def encoding_fault(connection: Connection) -> str | None:
    """Why the database's encoding cannot hold what a server may say; ``None`` if it can."""
    [encoding] = connection.execute("SELECT current_setting('server_encoding')").fetchone() or [""]
    if encoding == "UTF8":
        return None
    return (
        f"has the encoding {encoding}, which cannot hold what a server may say: make a database with CREATE DATABASE … "
        "ENCODING 'UTF8' TEMPLATE template0"
    )


def is_lasting(error: psycopg.Error) -> bool:
    """Whether the server refuses for a reason that does not pass by itself."""
    return any(words in str(error) for words in _LASTING)


class Session:
    """One connection, used by one thread at a time, and made anew when it breaks.

    What is run must be harmless when it is run twice: where a connection breaks during a COMMIT, it is not known
    whether that was carried out.

    Args:
        dsn: where to.
        patience: seconds for which a server that is away, or refuses for now, is tried again.
    """

    def __init__(self, dsn: Dsn, *, patience: float) -> None:
        self._dsn = dsn
        self._patience = patience
        self._turn = threading.Lock()
        self._closed = threading.Event()
        self._connection: Connection | None = None
        self._process = os.getpid()

    def run(self, work: Callable[[Connection], T], *, patience: float | None = None) -> T:
        """Call `work` with the connection, and again after what passes.

        Raises:
            AwayError: it did not pass, or the session is closed or another process's.
            psycopg.Error: the server refused what `work` wanted.
        """
        if self._process != os.getpid():
            raise AwayError("was opened before a fork: open it in one process only")
        ends = time.monotonic() + (self._patience if patience is None else patience)
        pause = _FIRST_PAUSE
        with self._turn:
            while True:
                if self._closed.is_set():
                    raise AwayError("is closed")
                try:
                    return self._try(work)
                except psycopg.Error as error:
                    if not self._is_passing(error):
                        raise
                    if time.monotonic() + pause > ends:
                        raise AwayError(f"is away: {in_words(error)}") from error
                    if pause >= 4 * _FIRST_PAUSE:  # the first tries are quick: a conflict is no news
                        logger.warning(
                            "%s is away, and is tried again: %s", self._dsn, in_words(error), extra={"is_away": True}
                        )
                self._closed.wait(random.uniform(pause / 2, pause))  # noqa: S311  (no secret)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _try(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._dsn.connect()
        try:
            return work(self._connection)
        except BaseException:
            if self._connection.closed:
                self._connection = None
            raise

    def _is_passing(self, error: psycopg.Error) -> bool:
        if self._connection is None:  # it could not be made, or broke
            return not is_lasting(error)
        if error.sqlstate == _READ_ONLY:  # a standby may be promoted; another server was told to be so
            return self._is_standby(self._connection)
        return (error.sqlstate or "").startswith(_PASSING)

    def _is_standby(self, connection: Connection) -> bool:
        try:
            return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        except psycopg.Error:
            return True

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close the connection; may be called twice. What is being tried again ends."""
        self._closed.set()
        if self._process == os.getpid():
            with self._turn:
                self._drop()


def in_words(error: Exception) -> str:
    """What an error says, on one line and without the places in our own SQL."""
    said = isinstance(error, psycopg.Error) and error.diag.message_primary
    return " ".join((said or str(error)).split())

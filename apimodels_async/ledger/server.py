"""To which service a ledger and its entries belong. Pure.

A task id means nothing at another server, and a picture of a trial server is not the one that is asked for. So a
ledger is bound to one server when it is opened first, and each entry with it.
"""

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from apimodels_async._urls import is_loopback, origin, server_identity
from apimodels_async.errors import LedgerError
from apimodels_async.models import Task


def named(server: str) -> str:
    """A server as a person writes it, in the one spelling: a base URL, or the name of a gateway.

    Raises:
        ValueError: it is neither.
    """
    if "://" in server:
        return server_identity(server)
    if not server.startswith("gateway:"):
        raise ValueError(
            f"{server}: give the base URL of a server, or the name of a gateway as `ledger show` prints it"
        )
    return server


def is_remote(server: str) -> bool:
    """Whether a server is on another machine."""
    return "://" in server and not is_loopback(urlsplit(server).hostname or "")


def servers_of(entries: Iterable[tuple[str, Task | None]], server: str) -> dict[str, str]:
    """The server of each entry that has none yet, by its key, now that its ledger is opened for `server`.

    What has links to this machine was made by a trial server here, and is never taken for a remote server's.
    """
    return {key: (is_remote(server) and task is not None and _local_origin(task)) or server for key, task in entries}


def _local_origin(task: Task) -> str | None:
    for url in task.result_urls:
        try:
            parts = urlsplit(url)
            if is_loopback(parts.hostname or ""):
                return origin(parts)
        except ValueError:  # a link that is no URL
            continue
    return None


def check(ledger: str, bound: Collection[str], server: str) -> None:
    """Refuse a ledger that is bound to other servers than `server`.

    Args:
        ledger: its name, for the message.
        bound: the servers of the ledger and its entries.
        server: of the client that opens it.

    Raises:
        LedgerError: names both.
    """
    others = sorted(set(bound) - {server})
    if others:
        raise LedgerError(
            f"{ledger} belongs to {' and '.join(others)}, and this client uses {server}: nothing was sent. Use another "
            f"ledger for each server. If it is the same service at a new address: "
            f"`apimodels ledger move-server {ledger} {others[0]} {server}`"
        )

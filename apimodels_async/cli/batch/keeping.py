"""Which ledger a batch keeps: the one that was named, or one in the output folder for each server."""

import hashlib
import itertools
import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from apimodels_async.cli.output import Target
from apimodels_async.ledger.entries import Step
from apimodels_async.ledger.port import Change
from apimodels_async.ledger.sqlite import SqliteLedger

__all__ = ["FOLDER", "Again", "Keeping", "automatic_ledger", "automatic_ledgers", "clear", "local_store"]

FOLDER = ".apimodels"
"""Below the output folder."""


class Again(StrEnum):
    """What of an earlier run is made again."""

    ALL = "all"
    FAILED = "failed"


WORDS = tuple(each.value for each in Again)


class Keeping(NamedTuple):
    """How a batch keeps its ledger.

    Attributes:
        automatic: whether it is kept in the output folder, because none was named.
        again: what of an earlier run is made again.
    """

    automatic: bool = False
    again: Again | None = None


def automatic_ledger(target: Target, server: str) -> Path:
    """The ledger below an output folder for one server, so that trying with ``--local`` first costs nothing.

    Args:
        target: where the pictures go. What goes into a store has a ledger in the current folder, one for each store.
        server: the identity of the server.
    """
    whose = server if isinstance(target.pictures, Path) else f"{server} {target.pictures}"
    name = re.sub(r"[^a-z0-9.]+", "-", whose.rpartition("://")[2].lower()).strip("-.")[:60]
    return target.folder / FOLDER / f"ledger-{name}-{hashlib.sha256(whose.encode()).hexdigest()[:8]}.db"


def automatic_ledgers(directory: Path) -> list[Path]:
    """The ledgers below an output folder, one a server. Those that are not used any more are left out."""
    found = sorted((directory / FOLDER).glob("ledger-*.db"))
    return [path for path in found if re.search(r"-[0-9a-f]{8}\.db$", path.name)]


def local_store(directory: Path, ledger: Path | None) -> Path:
    """Where the gateway of ``--local`` keeps its tasks, so that the same command again finds them."""
    if ledger is None:
        return directory / FOLDER / "gateway.db"
    return ledger.with_name(f"{ledger.name}.gateway")


def clear(ledger: Path, again: Again) -> None:
    """Let a run make again what an earlier one made: all of it, or the tasks that failed.

    A ledger that is not used any more is kept, under a name with a number: it may be all that knows some task ids.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    if not ledger.exists():
        return
    with SqliteLedger(ledger) as opened:
        failed = [entry.key for entry in opened.entries() if entry.step is Step.FAILED]
        if again is Again.FAILED:
            opened.apply([Change(key, Step.INTENT, before=frozenset({Step.FAILED})) for key in failed])
            return
    names = (ledger.with_name(f"{ledger.stem}.{number}{ledger.suffix}") for number in itertools.count(1))
    ledger.rename(next(name for name in names if not name.exists()))

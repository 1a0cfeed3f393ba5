"""The power fails in the middle of writing: is anything lost of what was acknowledged?

    python tests/proofs/power_cuts.py [CUTS]

SQLite runs on a disk in memory that keeps apart what was synced and what was only written. At a cut each file holds
what was synced, and of the rest any writes in any order, each whole, torn, or not at all. As a control the same is
done with ``synchronous=NORMAL``, which may lose what it has acknowledged.
"""

import contextlib
import random
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import apsw

sys.path.insert(0, str(Path(__file__).parents[2]))

from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SqliteLedger
from apimodels_async.ledger.entries import Step
from apimodels_async.ledger.port import Change
from apimodels_async.models import Task

SECTOR = 512
"""Bytes that are written whole or not at all."""
LIFE = (Step.INTENT, Step.SENDING, Step.CREATED, Step.DONE)


class Content:
    """One file: what is read from it, and what would be left of it."""

    def __init__(self, synced: bytes = b"") -> None:
        self.live = bytearray(synced)
        self.synced = bytes(synced)
        self.unsynced: list[tuple[int, bytes]] = []

    def write(self, data: bytes, offset: int) -> None:
        put(self.live, data, offset)
        self.unsynced.append((offset, data))

    def truncate(self, size: int) -> None:
        del self.live[size:]
        # Kept simple: shortening is taken for synced with all before it, as a journalling file system would.
        self.sync()

    def sync(self) -> None:
        self.synced = bytes(self.live)
        self.unsynced.clear()

    def after_a_cut(self, chance: random.Random) -> bytes:
        """What the disk holds when the power is back."""
        left = bytearray(self.synced)
        for offset, data in chance.sample(self.unsynced, len(self.unsynced)):
            match chance.choice(("lost", "torn", "whole")):
                case "whole":
                    put(left, data, offset)
                case "torn":
                    put(left, data[: chance.randrange(0, len(data) + 1, min(SECTOR, len(data) or 1))], offset)
                case _:
                    pass
        return bytes(left)


def put(content: bytearray, data: bytes, offset: int) -> None:
    """Write, filling a hole with nought."""
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class Disk(apsw.VFS):
    """A disk in memory, until its power fails after so many writes and syncs."""

    def __init__(self, name: str, files: dict[str, bytes], operations: int) -> None:
        super().__init__(name, "")
        self.name = name
        self.files = {path: Content(content) for path, content in files.items()}
        self.operations = operations

    def work(self) -> None:
        """One more operation, if there is power."""
        if self.operations <= 0:
            raise apsw.IOError("no power")
        self.operations -= 1

    def after_a_cut(self, chance: random.Random) -> dict[str, bytes]:
        return {path: content.after_a_cut(chance) for path, content in self.files.items()}

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        return pathname in self.files

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.work()
        self.files.pop(filename, None)

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802
        path = name if isinstance(name, str) else name.filename()
        flags[1] = flags[0]
        return Handle(self, self.files.setdefault(path, Content()))


class Handle:
    """An open file. There is one connection, so there is nothing to lock."""

    def __init__(self, disk: Disk, content: Content) -> None:
        self._disk = disk
        self._content = content

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._content.live[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.work()
        self._content.write(bytes(data), offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.work()
        self._content.sync()

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._disk.work()
        self._content.truncate(newsize)

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._content.live)

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802
        return False

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xLock(self, level: int) -> None:  # noqa: N802
        """Nobody else is there."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """Nobody else is there."""

    def xClose(self) -> None:  # noqa: N802
        """The content stays."""


class Wired:
    """A connection to that disk, spoken to as `sqlite3` is; one that is not `full` does not sync each commit."""

    def __init__(self, database: apsw.Connection, *, full: bool) -> None:
        self._database = database
        self._full = full

    def execute(self, sql: str, values: Any = ()) -> Any:
        try:
            return self._database.execute(sql if self._full else sql.replace("=FULL", "=NORMAL"), values)
        except apsw.ConstraintError as error:
            raise sqlite3.IntegrityError(str(error)) from error

    @property
    def total_changes(self) -> int:
        return self._database.total_changes()

    def close(self) -> None:
        self._database.close()


class Cut(NamedTuple):
    """What one cut did.

    Attributes:
        acknowledged: entries that were acknowledged before it.
        lost: of those, how many are gone, or at an earlier step, afterwards.
        damaged: whether the ledger could not be opened again, or SQLite finds fault with it.
    """

    acknowledged: int
    lost: int
    damaged: bool


def open_on(disk: Disk, path: Path, *, full: bool) -> SqliteLedger:
    """A ledger on that disk."""

    def connect(name: str) -> Any:
        database = apsw.Connection(name, vfs=disk.name)
        # Without shared memory, which a disk in Python cannot offer, WAL wants a connection that is alone.
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        database.execute("PRAGMA wal_autocheckpoint=12")
        return Wired(database, full=full)

    return SqliteLedger(path, connect=connect)


def _changes(steps: dict[str, int], chance: random.Random) -> tuple[list[Change], dict[str, int]]:
    """What some tasks write together, and where that brings them."""
    changes: list[Change] = []
    brought: dict[str, int] = {}
    for _ in range(chance.randint(1, 4)):
        waiting = [key for key, step in steps.items() if step < len(LIFE) - 1 and key not in brought]
        if waiting and chance.random() < 0.6:
            key = chance.choice(waiting)
            brought[key] = steps[key] + 1
            step = LIFE[brought[key]]
            task = Task(id=f"task-{key}", state="pending") if step is Step.CREATED else None
            changes.append(Change(key, step, task=task))
        else:
            key = f"k{len(steps) + len(brought)}"
            if key not in steps and key not in brought:
                brought[key] = 0
                changes.append(Change(key, Step.INTENT, "d" * 64, "m", {"prompt": "x" * chance.randint(1, 3000)}))
    return changes, brought


def cut_once(home: Path, seed: int, *, full: bool) -> Cut:
    """Write until the power fails, and look what is left."""
    chance = random.Random(seed)
    disk = Disk(f"disk-{seed}-{full}-before", {}, chance.randint(30, 400))
    path = home / f"{seed}-{full}.db"
    steps: dict[str, int] = {}
    with contextlib.suppress(LedgerError):
        ledger = open_on(disk, path, full=full)
        try:
            for _ in range(500):
                changes, brought = _changes(steps, chance)
                ledger.apply(changes)
                steps.update(brought)
        finally:
            with contextlib.suppress(Exception):  # as there is no power
                ledger.close()
    again = Disk(f"disk-{seed}-{full}-after", disk.after_a_cut(chance), 1 << 30)
    try:
        with open_on(again, path, full=True) as ledger:
            found = ledger.steps()
    except LedgerError:
        return Cut(len(steps), len(steps), damaged=True)
    lost = sum(key not in found or LIFE.index(found[key]) < step for key, step in steps.items())
    return Cut(len(steps), lost, damaged=False)


def cut_often(home: Path, cuts: int, *, full: bool) -> tuple[int, int, int, int]:
    """How many entries were acknowledged, how many of them lost, in how many cuts, and how many ledgers damaged."""
    all_cuts = [cut_once(home, seed, full=full) for seed in range(cuts)]
    return (
        sum(cut.acknowledged for cut in all_cuts),
        sum(cut.lost for cut in all_cuts),
        sum(cut.lost > 0 for cut in all_cuts),
        sum(cut.damaged for cut in all_cuts),
    )


def main() -> None:
    """Cut, and print the figures."""
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as home:
        for full in (True, False):
            acknowledged, lost, in_cuts, damaged = cut_often(Path(home), cuts, full=full)
            print(
                f"synchronous={'FULL' if full else 'NORMAL (control)'}: {cuts} cuts, {acknowledged} entries "
                f"acknowledged, {lost} lost in {in_cuts} cuts, {damaged} ledgers damaged"
            )
            if (lost > 0 or damaged > 0) is full:
                sys.exit(1)


if __name__ == "__main__":
    main()

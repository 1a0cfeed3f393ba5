"""One process at a time for one file. The system releases the lock when the process ends, however it ends."""

import os
import weakref
from pathlib import Path
from typing import BinaryIO

from apimodels_async.errors import LedgerError


class FileLock:
    """A lock on a file, held until `release`.

    Raises:
        LedgerError: another run holds it, or the file cannot be locked.
    """

    def __init__(self, path: Path) -> None:
        try:
            path = path.resolve()  # a link to a ledger is that ledger
            place = path.with_name(path.name + ".lock")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = place.open("ab")
        except OSError as error:
            raise LedgerError(f"{path} cannot be locked: {error}") from error
        try:
            _lock(self._file)
        except OSError:
            self._file.close()
            raise LedgerError(f"{path} is in use by another run: wait for it to end") from None
        _held.add(self)

    def release(self) -> None:
        """Let other processes have the file; may be called twice."""
        if not self._file.closed:
            _unlock(self._file)
            self._file.close()

    def after_fork(self) -> None:
        """In a forked child: the lock is the parent's, and must not outlive it here."""
        self._file.close()


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in list(_held):
        lock.after_fork()


if os.name == "posix":
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough while a forked child has it open as well

    os.register_at_fork(after_in_child=_after_fork)

else:  # pragma: no cover
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

    def _unlock(file: BinaryIO) -> None:
        """Closing is enough."""

"""One process at a time for one ledger file, by whatever path it reaches the file.

SQLite keeps the write-ahead log of a database beside the name by which it was opened. Two runs that reach one file by
two names therefore do not see each other's entries, and would send them twice. So the lock is on the file itself, and
a file with a second name is refused.
"""

import errno
import os
import stat
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

from apimodels_async.errors import LedgerError

__all__ = ["FileLock"]

_IN_USE = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}
_MOUNTS = Path("/proc/self/mountinfo")


class FileLock:
    """A lock on a file, held until `release`. The system releases it when the process ends, however it ends.

    There are two locks: one on a file ``<name>.lock`` beside it, which older versions take as well, and one on the file
    itself, which is the same by every path. (Only on Linux, where ``flock`` and SQLite's own locks are independent.)

    Args:
        path: of the file, made if it is not there.

    Attributes:
        identity: the file's device and inode, while it is locked.

    Raises:
        LedgerError: another run holds it, it cannot be locked, or it has a second name.
    """

    def __init__(self, path: Path) -> None:
        self._files: list[int] = []
        self.identity: tuple[int, int] | None = None
        try:
            self._path = path = path.resolve()  # a link to a ledger is that ledger
            path.parent.mkdir(parents=True, exist_ok=True)
            _refuse_second_name(path)
            self._lock(path.with_name(path.name + ".lock"))
            if not path.exists() or path.is_file():  # SQLite says what is wrong with anything else
                self._lock_itself()
        except OSError as error:
            self.release()
            raise LedgerError(f"{path} cannot be locked: {error.strerror or error}") from error
        except BaseException:
            self.release()
            raise
        _held.add(self)

    def _lock_itself(self) -> None:
        if _LOCKS_THE_FILE:
            # Asked before the file is opened: closing it again would release SQLite's locks in this process.
            if self._path.exists() and any(_identity(self._path) == held.identity for held in list(_held)):
                raise LedgerError(f"{self._path} is in use by another run: wait for it to end")
            self._lock(self._path)
        else:
            self._path.touch()
        self.identity = _identity(self._path)
        _refuse_second_name(self._path)

    def _lock(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        self._files.append(file)
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise LedgerError(
                    f"{self._path} is on a file system without locks ({error.strerror}): two runs could send the same "
                    f"requests there; keep the ledger on a local disk"
                ) from error
            if error.errno in _IN_USE:
                raise LedgerError(f"{self._path} is in use by another run: wait for it to end") from None
            raise

    def moved(self) -> str | None:
        """What happened to the file if it is no longer at its path; ``None`` as long as it is. Cheap."""
        if self.identity is None:
            return None
        try:
            if _identity(self._path) == self.identity:
                return None
        except OSError:
            return f"{self._path} was moved or deleted while it was in use"
        return f"{self._path} was replaced by another file while it was in use"

    def deleted(self) -> bool:
        """Whether the file that was locked has no name any more, so that what is written into it is lost."""
        return not self._files or os.fstat(self._files[-1]).st_nlink == 0

    def release(self) -> None:
        """Let other processes have the file; may be called twice. Call it after SQLite has closed the file."""
        self.identity = None
        while self._files:
            file = self._files.pop()
            _unlock(file)
            os.close(file)

    def after_fork(self) -> None:
        """In a forked child: the lock is the parent's, and must not outlive it here."""
        self.identity = None
        while self._files:
            os.close(self._files.pop())


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _refuse_second_name(path: Path) -> None:
    """Refuse a file that has hard links, or is a mount point of its own.

    Raises:
        LedgerError: it has a second name.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        return
    if found.st_nlink > 1:
        raise LedgerError(
            f"{path} has {found.st_nlink} names (hard links): a run that uses the other name would send everything "
            f"again; copy the file or remove the other name"
        )
    if _is_mount_point(path, found):
        raise LedgerError(
            f"{path} is mounted as a single file: its write-ahead log would stay outside, and another run would send "
            f"everything again; mount the folder that it is in"
        )


def _is_mount_point(path: Path, found: os.stat_result) -> bool:
    """Whether a file is mounted by itself, as `docker -v run.db:/app/run.db` does."""
    try:
        return str(path) in _mount_points(_MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:  # not Linux, or no /proc
        return found.st_dev != path.parent.stat().st_dev


def _mount_points(mountinfo: str) -> Iterator[str]:
    """The mount points that Linux lists, the fifth field of each line; blanks and the like are octal in it."""
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > 4:
            place = fields[4]
            for code in ("040", "011", "012", "134"):
                place = place.replace(f"\\{code}", chr(int(code, 8)))
            yield place


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in list(_held):
        lock.after_fork()


_LOCKS_THE_FILE = sys.platform == "linux"

if os.name == "posix":
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough while a forked child has it open as well

    os.register_at_fork(after_in_child=_after_fork)

else:  # pragma: no cover
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

    def _unlock(file: int) -> None:
        """Closing is enough."""

"""One run at a time on one file, by whatever path it is reached; real processes, links and mounts."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from apimodels_async import AsyncImagesClient, NotSubmittedError, Outcome
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SqliteLedger, Step, file_lock
from apimodels_async.ledger.port import Change
from apimodels_async.models import Task
from apimodels_async.pacing import FixedPacing
from tests.ledger.machine import Life, Vendor
from tests.support.changes import begun

linux = pytest.mark.skipif(sys.platform != "linux", reason="about flock and mounts of Linux")

HOLDING = """
import sys
from apimodels_async.ledger import SqliteLedger, Step
from apimodels_async.ledger.port import Change

ledger = SqliteLedger(sys.argv[1])
ledger.apply([Change("k", Step.INTENT, "d", "m", {}), Change("k", Step.SENDING)])
print("open", flush=True)
sys.stdin.read()
ledger.close()
"""


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the ledger open, with an entry in its write-ahead log."""
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"open\n"
            yield other
        finally:
            other.kill()


def mounts_allowed() -> bool:
    return (
        sys.platform == "linux"
        and os.geteuid() == 0
        and shutil.which("unshare") is not None
        and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
    )


mounting = pytest.mark.skipif(not mounts_allowed(), reason="mounting needs root and unshare")

OPENING = """
import sys
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SqliteLedger
try:
    with SqliteLedger(sys.argv[1]) as ledger:
        print("opened", {key: step.value for key, step in ledger.steps().items()})
except LedgerError as error:
    print(error)
"""


def opened_in_a_namespace(*mount: str, path: Path) -> str:
    """What opening `path` says in a process with a mount of its own."""
    script = f'mount {" ".join(mount)} && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", OPENING, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


# --- the same file by another path


def test_a_hard_link_is_refused_whichever_of_its_names_is_given(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "run.db").close()
    os.link(tmp_path / "run.db", tmp_path / "other.db")

    for name in ("run.db", "other.db"):
        with pytest.raises(LedgerError, match=rf"{name} has 2 names \(hard links\)"):
            SqliteLedger(tmp_path / name)
    (tmp_path / "other.db").unlink()
    SqliteLedger(tmp_path / "run.db").close()


@linux
def test_a_hard_link_to_a_ledger_in_use_is_refused(tmp_path: Path) -> None:
    with held(tmp_path / "run.db"):
        os.link(tmp_path / "run.db", tmp_path / "other.db")
        with pytest.raises(LedgerError, match=r"2 names"):
            SqliteLedger(tmp_path / "other.db")


@linux
@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_ledger_in_use_that_was_moved_is_refused_at_its_new_place(tmp_path: Path, what: str) -> None:
    (tmp_path / "a").mkdir()
    with held(tmp_path / "a/run.db"):
        if what == "folder":
            (tmp_path / "a").rename(tmp_path / "b")
        else:
            (tmp_path / "b").mkdir()
            (tmp_path / "a/run.db").rename(tmp_path / "b/run.db")
        with pytest.raises(LedgerError, match=r"in use by another run"):
            SqliteLedger(tmp_path / "b/run.db")


@linux
def test_a_ledger_in_use_in_this_process_is_refused_at_its_new_place(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "run.db") as ledger:
        ledger.apply([begun("k")])
        (tmp_path / "run.db").rename(tmp_path / "other.db")
        for _ in range(2):
            with pytest.raises(LedgerError, match=r"in use by another run"):
                SqliteLedger(tmp_path / "other.db")
        (tmp_path / "other.db").rename(tmp_path / "run.db")
        assert ledger.apply([Change("k", Step.SENDING)]) == [1]


@mounting
def test_a_ledger_that_is_mounted_as_a_single_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out side").mkdir()
    (tmp_path / "in side").mkdir()
    SqliteLedger(tmp_path / "out side/run.db").close()
    target = tmp_path / "in side/run.db"
    target.touch()

    told = opened_in_a_namespace("--bind", f"'{tmp_path}/out side/run.db'", f"'{target}'", path=target)

    assert f"{target} is mounted as a single file" in told
    assert "mount the folder that it is in" in told


@mounting
def test_a_folder_that_is_mounted_elsewhere_is_the_same_ledger(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    mount = ("--bind", str(tmp_path / "a"), str(tmp_path / "b"))
    with held(tmp_path / "a/run.db") as other:
        assert "in use by another run" in opened_in_a_namespace(*mount, path=tmp_path / "b/run.db")
        other.send_signal(signal.SIGKILL)
        assert other.wait(60) == -signal.SIGKILL
        # What the killed run left in its write-ahead log is found by the other path.
        assert opened_in_a_namespace(*mount, path=tmp_path / "b/run.db") == "opened {'k': 'sending'}"


@mounting
def test_a_ledger_on_another_file_system_is_no_mounted_file(tmp_path: Path) -> None:
    told = opened_in_a_namespace("-t tmpfs tmpfs", str(tmp_path), path=tmp_path / "run.db")

    assert told == "opened {}"


# --- moved while it is in use


def fill(ledger: SqliteLedger) -> None:
    ledger.apply([begun("sent"), Change("sent", Step.SENDING), begun("new")])


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be moved")
def test_after_a_move_nothing_more_is_marked_and_what_was_sent_is_still_recorded(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with SqliteLedger(tmp_path / "a/run.db") as ledger:
        fill(ledger)
        (tmp_path / "a").rename(tmp_path / "b")

        with pytest.raises(
            LedgerError, match=r"run\.db was moved or deleted while it was in use: nothing more is sent"
        ):
            ledger.apply([Change("new", Step.SENDING)])
        news = [Change("new", Step.SENDING), Change("sent", Step.CREATED, task=Task(id="t", state=""))]
        assert ledger.apply(news) == [0, 1]
    with SqliteLedger(tmp_path / "b/run.db") as ledger:
        assert ledger.steps() == {"sent": Step.CREATED, "new": Step.INTENT}


@linux
def test_after_a_deletion_nothing_can_be_recorded(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "run.db") as ledger:
        fill(ledger)
        (tmp_path / "run.db").unlink()
        with pytest.raises(LedgerError, match=r"was moved or deleted"):
            ledger.apply([Change("sent", Step.CREATED, task=Task(id="t", state=""))])
        shutil.copy(Path(__file__).parent / "golden/v3-empty.db", tmp_path / "run.db")
        with pytest.raises(LedgerError, match=r"was replaced by another file"):
            ledger.apply([Change("sent", Step.CREATED, task=Task(id="t", state=""))])


@linux
@pytest.mark.anyio
async def test_a_batch_whose_ledger_is_moved_sends_nothing_more(tmp_path: Path) -> None:
    vendor = Vendor()
    http = httpx.AsyncClient(transport=vendor.transport(Life(None)))
    client = AsyncImagesClient(
        "sk_test", base_url="https://api.example/v1", model="m", http_client=http, pacing=FixedPacing(0.001)
    )
    (tmp_path / "a").mkdir()
    outcomes: list[Outcome] = []
    async with client, client.batch(list("abcdef"), ledger=tmp_path / "a/run.db", max_in_flight=1) as batch:
        async for outcome in batch:
            if not outcomes:
                await anyio.Path(tmp_path / "a").rename(tmp_path / "b")
            outcomes.append(outcome)

    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert outcomes[0].ok
    assert vendor.posts.total() == 6 - len(failed) < 6
    assert all(isinstance(error, (LedgerError, NotSubmittedError)) for error in failed)
    with SqliteLedger(tmp_path / "b/run.db") as ledger:
        created = {entry.task.id for entry in ledger.entries() if entry.task is not None}
    assert created == {each for ids in vendor.accepted.values() for each in ids}


# --- file systems


@linux
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(file_lock, "_lock", refused)
    with pytest.raises(LedgerError, match=r"run\.db is on a file system without locks .*local disk"):
        SqliteLedger(tmp_path / "run.db")


def test_a_lock_that_fails_for_another_reason_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(file_lock, "_lock", broken)
    with pytest.raises(LedgerError, match="cannot be locked: Input/output error"):
        SqliteLedger(tmp_path / "run.db")


def test_mount_points_are_read_as_linux_writes_them() -> None:
    mountinfo = (
        "22 27 0:21 / /proc rw,nosuid - proc proc rw\n"
        "95 27 254:0 /home/run.db /srv/a\\040b\\134c/run.db rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "torn\n"
    )
    assert list(file_lock._mount_points(mountinfo)) == ["/proc", "/srv/a b\\c/run.db"]

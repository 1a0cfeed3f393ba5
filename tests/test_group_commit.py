"""One thread writes for all: in order, in few groups, whether its writers wait, leave or fork."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import anyio
import pytest

from apimodels_async import _group_commit
from apimodels_async._group_commit import GroupCommit


class Disk:
    """Keeps what is written, each group by itself."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.fails = False
        self.may_go = threading.Event()
        self.may_go.set()
        self.begun = threading.Event()
        self.written = threading.Event()
        self.thread = threading.current_thread()

    def write(self, changes: list[str]) -> list[str]:
        self.thread = threading.current_thread()
        self.begun.set()
        assert self.may_go.wait(20)
        if self.fails:
            raise OSError("the disk is full")
        self.groups.append(list(changes))
        self.written.set()
        return [change.upper() for change in changes]


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.may_go.set()


def test_threads_get_their_own_results(disk: Disk) -> None:
    commit = GroupCommit(disk.write)
    results: dict[int, object] = {}

    def write(number: int) -> None:
        results[number] = commit.submit(f"a{number}", f"b{number}").result()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert results == {number: [f"A{number}", f"B{number}"] for number in range(50)}


def test_what_comes_during_a_write_is_the_next_group(disk: Disk) -> None:
    commit = GroupCommit(disk.write)
    disk.may_go.clear()
    first = commit.submit("first")
    assert disk.begun.wait(20)
    others = [commit.submit(each) for each in "abc"]
    commit.post("posted")
    disk.may_go.set()

    assert first.result() == ["FIRST"]
    assert [each.result() for each in others] == [["A"], ["B"], ["C"]]
    assert disk.groups == [["first"], ["a", "b", "c", "posted"]]


def test_what_is_posted_is_written_without_anyone_waiting(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_group_commit, "LAZY", 0.01)
    commit = GroupCommit(disk.write)
    commit.post("a")

    assert disk.written.wait(20)
    assert disk.groups == [["a"]]


def test_a_posted_change_that_cannot_be_written_fails_the_next_flush_once(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_group_commit, "LAZY", 0.0)
    commit = GroupCommit(disk.write)
    disk.fails = True
    disk.may_go.clear()
    commit.post("a")
    assert disk.begun.wait(20)
    waiting = commit.flush()
    disk.may_go.set()
    with pytest.raises(OSError, match="full"):
        waiting.result()
    disk.fails = False

    with pytest.raises(OSError, match="full"):
        commit.flush().result()
    assert commit.flush().result() == []
    assert commit.submit("b").result() == ["B"]


@pytest.mark.anyio
async def test_tasks_get_their_own_results(disk: Disk) -> None:
    commit = GroupCommit(disk.write)
    results: dict[int, object] = {}

    async def write(number: int) -> None:
        results[number] = await commit.submit(f"a{number}").wait()

    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(write, number)

    assert results == {number: [f"A{number}"] for number in range(200)}


@pytest.mark.anyio
async def test_a_cancelled_write_is_written_all_the_same(disk: Disk) -> None:
    commit = GroupCommit(disk.write)
    disk.may_go.clear()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await commit.submit("a").wait()
    assert scope.cancelled_caught

    disk.may_go.set()
    await commit.flush().wait()
    assert disk.groups == [["a"]]


def test_the_thread_ends_when_it_is_told_to_and_another_is_started(disk: Disk) -> None:
    commit = GroupCommit(disk.write)
    commit.submit("a").result()
    commit.stop()
    disk.thread.join(20)
    assert not disk.thread.is_alive()

    assert commit.submit("b").result() == ["B"]


def test_where_no_thread_can_be_started_the_writer_writes(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refused)
    commit = GroupCommit(disk.write)
    commit.post("a")

    assert commit.submit("b").result() == ["B"]
    commit.post("c")
    assert commit.flush().result() == []
    assert disk.groups == [["a", "b"], ["c"]]


FORKED = """
import os, threading, warnings
from apimodels_async._group_commit import GroupCommit

may_go, begun = threading.Event(), threading.Event()

def write(changes):
    begun.set()
    assert parent != os.getpid() or may_go.wait(20)
    return changes

parent = os.getpid()
commit = GroupCommit(write)
held = commit.submit("parent's")
assert begun.wait(20)
warnings.simplefilter("ignore")
pid = os.fork()
if pid == 0:
    os._exit(0 if commit.submit("child's").result() == ["child's"] else 1)
assert os.waitpid(pid, 0)[1] == 0
may_go.set()
assert held.result() == ["parent's"]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_has_a_thread_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=40)


def test_writers_are_not_kept_waiting_once_enough_have_gathered(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, gathers = GroupCommit(disk.write, gather=3600.0), threading.Event()
    disk.may_go.clear()
    first = commit.submit("first")
    assert disk.begun.wait(20)
    several = [commit.submit("a"), commit.submit("b")]
    disk.may_go.set()
    assert [write._group.outcome.result(20) for write in (first, *several)]
    wait = commit._called.wait

    def gathering(timeout: float | None = None) -> bool:
        if commit._patient:
            gathers.set()
        return wait(timeout)

    monkeypatch.setattr(commit._called, "wait", gathering)

    names = [f"c{number}" for number in range(_group_commit.ENOUGH)]
    waiting = [commit.submit(names[0])]  # the last group had several writers: this one gathers
    assert gathers.wait(20)
    waiting += [commit.submit(name) for name in names[1:]]

    assert [write._group.outcome.result(20) for write in waiting]
    assert disk.groups == [["first"], ["a", "b"], names]


def test_a_store_that_raises_what_ends_tasks_holds_no_writer_up() -> None:
    def write(_: list[str]) -> list[str]:
        raise SystemExit(3)

    commit: GroupCommit[str, str] = GroupCommit(write)
    with pytest.raises(RuntimeError, match=r"SystemExit\(3\), raised by the store"):
        commit.submit("a").result()

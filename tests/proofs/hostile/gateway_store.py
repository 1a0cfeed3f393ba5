"""A disk that is full, files that are damaged, and a clock that goes back."""

import contextlib
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.proofs.hostile.processes import Gateway
from tests.proofs.hostile.row import Row, unless

CREATE = "/api/v1/images/generations"
CLOCK = """
import sys, time
from pathlib import Path
from apimodels_async.gateway import serve
shift = Path(sys.argv[2])
serve(port=0, store=sys.argv[1], latency="0.2/0.2", clock=lambda: time.time() + float(shift.read_text()),
      on_ready=lambda url: print(f"export APIMODELS_BASE_URL={url}", flush=True))
"""


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A file system of 4 MB in a folder; ``False`` where none can be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    able = shutil.which("mount") is not None and os.geteuid() == 0
    mounted = able and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def full_disk(row: Row) -> None:
    """A full disk, or a file that may not grow: it says so once, answers 500, loses nothing, and recovers."""
    with tempfile.TemporaryDirectory() as folder, _small_disk(Path(folder)) as mounted:
        row.notes.append("a disk of 4 MB" if mounted else "a limit of the file's size")
        with Gateway(Path(folder)) as gateway:
            before = gateway.create().data["taskId"]
            filler = Path(folder, "filler")
            if mounted:
                with contextlib.suppress(OSError), filler.open("wb") as file:
                    while True:
                        file.write(bytes(4096))
                        file.flush()
            else:
                size = max(path.stat().st_size for path in Path(folder).glob("store*"))
                resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            statuses = [gateway.create("a " * 40_000).status for _ in range(row.count(60))]
            for status in statuses:
                row.judge("create", unless(status in (200, 500), f"answered {status}"))
            row.judge("it was full", unless(500 in statuses, "no create request met the full disk"))
            balance = gateway.ask("GET", "/api/v1/balance")
            row.judge("balance", unless(balance.status in (200, 500), f"answered {balance.status}"))
            filler.unlink(missing_ok=True)
            if not mounted:
                limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, limits)
            row.judge("create afterwards", unless(gateway.create().status == 200, "refused"))
            found = gateway.ask("GET", f"{CREATE}?task_id={before}")
            row.judge("the task of before", unless(found.status == 200, f"answered {found.status}"))
            log = gateway.log
            row.judge(
                "log", unless(len(log) < 1000 and "Traceback" not in log, f"{len(log)} characters, {log[:300]!r}")
            )


def damaged(row: Row) -> None:
    """Stores that are cut, zeroed, or changed: found at the start, on one line, or they work."""
    with tempfile.TemporaryDirectory() as folder:
        with Gateway(Path(folder)) as gateway:
            for number in range(12):
                gateway.create(f"picture {number}")
            tasks = [gateway.create(f"picture {number}").data["taskId"] for number in range(12)]
            gateway.ask("GET", f"{CREATE}?task_id={tasks[0]}")
        with contextlib.closing(sqlite3.connect(Path(folder, "store.sqlite3"))) as db:
            db.execute("PRAGMA journal_mode = DELETE")
        whole = Path(folder, "store.sqlite3").read_bytes()
    chance = random.Random(21)
    for number in range(row.count(24)):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "store.sqlite3").write_bytes(_spoilt(whole, number, chance))
            with Gateway(Path(folder)) as gateway:
                if not gateway.started:
                    gateway.process.wait(60)
                    lines = gateway.log.strip().splitlines()
                    row.judge(
                        f"damage {number}",
                        unless(gateway.process.returncode not in (0, 1, None), f"code {gateway.process.returncode}"),
                        unless(len(lines) == 1 and "store" in lines[0], f"it said {lines[-3:]}"),
                    )
                    continue
                asked = [gateway.ask("GET", f"{CREATE}?task_id={task}").status for task in tasks]
                asked += [gateway.ask("GET", "/api/v1/balance").status, gateway.create().status]
                row.judge(f"damage {number}", unless(set(asked) <= {200, 404}, f"it started, and answered {asked}"))


def _spoilt(whole: bytes, number: int, chance: random.Random) -> bytes:
    data = bytearray(whole)
    start = chance.randrange(100, len(data) - 5000)
    match number % 6:
        case 0:
            return whole[: chance.randrange(100, len(whole))]
        case 1:
            data[start : start + 600] = bytes(600)
        case 2:
            for _ in range(40):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 3:
            start = start // 4096 * 4096
            data[start : start + 4096] = chance.randbytes(4096)
        case 4:
            data[:100] = chance.randbytes(100)
        case _:
            return chance.randbytes(len(whole))
    return bytes(data)


def clock(row: Row) -> None:
    """A clock that goes back by an hour or a year: a task that was completed stays so."""
    with tempfile.TemporaryDirectory() as folder:
        shift = Path(folder, "shift")
        shift.write_text("0")
        with Gateway(Path(folder), str(shift), program=CLOCK) as gateway:
            tasks = [gateway.create(f"a clock {number}", n=2).data["taskId"] for number in range(row.count(20))]
            shift.write_text("60")
            for task in tasks:
                state = _state(gateway, task)
                row.judge("later", unless(state == "completed", f"{state} after a minute"))
            for back in (0, -3600, -86400 * 365, 86400 * 3, 60):
                shift.write_text(str(back))
                for task in tasks:
                    state = _state(gateway, task)
                    row.judge(f"{back:+} s", unless(state == "completed", f"a completed task is {state}"))
            shift.write_text("-7200")
            fresh = gateway.create("of before")
            row.judge("a create request two hours ago", unless(fresh.status == 200, str(fresh)))
            row.judge("log", unless("Traceback" not in gateway.log, gateway.log[-300:]))


def _state(gateway: Gateway, task: str) -> str:
    answer = gateway.ask("GET", f"{CREATE}?task_id={task}")
    return str(answer.data["state"]) if answer.status == 200 else f"answered {answer.status}"

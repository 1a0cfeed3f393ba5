"""The client inside other people's programs: ``python tests/proofs/hosts [ROW …]``.

Each row is a real program (`programs`) with its real libraries, before an embedded gateway of its own. A row holds if
the program ends with 0 in time and without a traceback, leaves no process behind, has saved as many different pictures
as it should, was charged for each once, and was refused where it should be.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from apimodels_async import ImagesClient
from apimodels_async.gateway import LocalGateway

PROGRAMS = Path(__file__).with_name("programs")
LIMIT = 300.0
"""Seconds for one program; a busy machine needs many."""
MODEL = "grok-image/grok-4.2-image"
PRICE = 0.03
"""US dollars for one picture of this model."""
CREDIT = 1000.0


class Row(NamedTuple):
    """A program and what must come of it.

    Attributes:
        command: its file and arguments.
        pictures: how many different ones it makes.
        refused: calls that are refused at once.
        latency: of the gateway.
    """

    command: tuple[str, ...]
    pictures: int
    refused: int = 0
    latency: str = "0.2/0.4"


ROWS = {
    "gevent": Row(("gevent_all.py",), 1, 4),
    "gevent-late": Row(("gevent_late.py",), 0, 1),
    "gevent-sockets": Row(("gevent_sockets.py",), 3),
    "eventlet": Row(("eventlet_all.py",), 1, 3),
    "eventlet-trio": Row(("eventlet_with_trio.py",), 0, 1),
    "uvloop": Row(("uvloop_program.py",), 9),
    "nest_asyncio": Row(("nest.py",), 5),
    "django-threads": Row(("django_program.py", "threads"), 16),
    "django-gevent": Row(("django_program.py", "gevent"), 3, 6),
    "celery": Row(("celery_program.py",), 7, 1, "4/4"),
    "fastapi": Row(("fastapi_program.py",), 62),
    "streamlit": Row(("streamlit_reruns.py",), 6),
    "spawn": Row(("processes.py", "spawn"), 6, 1),
    "fork": Row(("processes.py", "fork"), 6, 3),
    "jupyter": Row(("notebook.py",), 5),
}


def environment(gateway: LocalGateway) -> dict[str, str]:
    """The variables of a program."""
    path = [str(PROGRAMS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "APIMODELS_API_KEY": gateway.api_key,
        "APIMODELS_BASE_URL": gateway.base_url,
        "APIMODELS_MODEL": MODEL,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONFAULTHANDLER": "1",
    }


def is_left(group: int) -> bool:
    """Whether a process of a group is still there; it gets a moment to end."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def is_shown(path: str) -> bool:
    """Whether a file is a whole picture."""
    try:
        with Image.open(path) as image:
            image.load()
            return True
    except (OSError, SyntaxError):
        return False


def run(row: Row, gateway: LocalGateway, folder: Path) -> list[str]:
    """What is wrong with a row."""
    command = [sys.executable, str(PROGRAMS / row.command[0]), *row.command[1:]]
    out, err = folder / "out.txt", folder / "err.txt"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(gateway), stdout=stdout, stderr=stderr, start_new_session=True
        )
        try:
            code: int | None = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            code = None
            process.send_signal(signal.SIGABRT)  # which says where it hangs
            process.wait()
    wrong = ["it did not end"] if code is None else [f"it ended with {code}"] if code else []
    if is_left(process.pid):
        wrong.append("it left processes behind")
        os.killpg(process.pid, signal.SIGKILL)
    said = err.read_text(errors="replace")
    wrong += [f"it said {said[-3000:]}"] if "Traceback" in said or wrong else []
    lines = out.read_text(errors="replace").splitlines()
    try:
        told = json.loads(lines[-1])
    except (IndexError, ValueError):
        return [*wrong, f"its last line is {lines[-1:]}"]
    files = set(told["files"])
    with ImagesClient(gateway.api_key, base_url=gateway.base_url) as client:
        paid = round((CREDIT - client.balance()) / PRICE, 3)
    if len(files) != row.pictures or not all(map(is_shown, files)):
        wrong.append(f"{len(files)} pictures, not {row.pictures}")
    if paid != row.pictures:
        wrong.append(f"{paid:g} pictures paid, not {row.pictures}")
    if told["refused"] != row.refused:
        wrong.append(f"{told['refused']} calls refused, not {row.refused}")
    return wrong


def main() -> int:
    """Run the rows, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    names = parser.parse_args().rows or list(ROWS)
    failed = 0
    for name in names:
        row = ROWS[name]
        begun = time.monotonic()
        with LocalGateway(balance=CREDIT, latency=row.latency) as gateway, tempfile.TemporaryDirectory() as folder:
            wrong = run(row, gateway, Path(folder))
        seconds = time.monotonic() - begun
        words = "; ".join(wrong) or "ended"
        print(f"{name:16} {row.pictures:3} pictures, {row.refused} refused, {seconds:5.1f} s: {words}", flush=True)
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

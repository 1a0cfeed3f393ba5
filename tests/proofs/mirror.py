"""Runs the cases beside this file as often as is wanted: ``python tests/proofs/mirror.py [TIMES] [CASE …]``."""

import json
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import count, pairwise
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.envelopes import wrapped
from tests.support.servers import Handler, http_server

CASES = Path(__file__).parents[1] / "sync" / "cases.py"
LIMIT = 150.0
"""Seconds for one program."""
EXIT = 20.0
"""Seconds for an interpreter's exit, on a machine that is busy with others of its kind."""
UNCAUGHT = {"interrupt_that_nobody_catches": "KeyboardInterrupt"}
"""Cases that end by an exception, and which."""


class _Vendor(Handler):
    """A task whose prompt says so is slow: it is never done. The others are."""

    numbers = count()

    def post(self) -> None:
        speed = "slow" if "slow" in json.loads(self.body())["prompt"] else "quick"
        self._answer({"taskId": f"{speed}-{next(self.numbers)}", "state": "pending"})

    def get(self) -> None:
        [task_id] = parse_qs(urlsplit(self.path).query)["task_id"]
        done = {"state": "completed", "resultUrls": ["http://127.0.0.1/x.png"]}
        self._answer({"taskId": task_id, **({"state": "processing"} if task_id.startswith("slow") else done)})

    def _answer(self, data: object) -> None:
        self.answer(200, json.dumps(wrapped(data)).encode())


def vendor() -> AbstractContextManager[str]:
    """A server on a free port; its base URL."""
    return http_server(_Vendor)


class Result(NamedTuple):
    """How one program went.

    Attributes:
        trouble: what was wrong with it; empty if nothing was.
        seconds: how long the interpreter's exit took.
    """

    trouble: str
    seconds: float


def run(case: str, base_url: str) -> Result:
    """One run of a case in an interpreter of its own, in which every warning is an error."""
    command = [sys.executable, "-W", "error", str(CASES), case, base_url]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        return Result(f"a hang\n{error.stderr!r}", LIMIT)
    ended = time.monotonic()
    if case in UNCAUGHT:
        last = done.stderr.strip().splitlines()[-1:] or [""]
        return Result("" if last[0].startswith(UNCAUGHT[case]) and not done.stdout else done.stderr or "no error", 0.0)
    lines = done.stdout.split()
    seconds = ended - float(lines[-1]) if lines else 0.0
    trouble = done.stderr or (f"exit code {done.returncode}" if done.returncode else "")
    return Result(trouble or (f"the exit took {seconds:.1f} s" if seconds > EXIT else ""), seconds)


def names() -> list[str]:
    """The cases, as their file lists them."""
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return [after.partition("(")[0][4:] for line, after in pairwise(lines) if line == "@case"]


def main() -> int:
    """Run them, and print a line for each case."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    failed = 0
    sys.stdout.write(f"Python {sys.version.split()[0]}, {times} times each\n")
    with vendor() as base_url, ThreadPoolExecutor(4) as side_by_side:
        for case in sys.argv[2:] or names():
            results = list(side_by_side.map(run, [case] * times, [base_url] * times))
            troubles = Counter(result.trouble for result in results if result.trouble)
            failed += troubles.total()
            slowest = max(result.seconds for result in results)
            sys.stdout.write(f"{case:50} {troubles.total():4} wrong, slowest exit {slowest:.2f} s\n")
            for trouble, often in troubles.most_common(3):
                sys.stdout.write(f"  {often} times: {trouble}\n")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""What importing `AsyncImagesClient` costs beside the import of its own four parts, and of other clients of such APIs.

Each round starts one fresh interpreter for each, in turn, so that a noisy machine troubles all alike, and they are
compared within it; the interpreter's own start is taken off. User and system time of the process, not the clock on the
wall.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rows import Row, at_most, show

ROUNDS = 15
OFTEN = 2
"""Ours and the parts so many times a round: these two are close."""
NOTHING = "pass"
PARTS = "import httpx, attrs, cattrs, anyio"
OURS = "from apimodels_async import AsyncImagesClient"
MADE = f"{OURS}; AsyncImagesClient('sk_localdevelopment')"
PARTS_MADE = f"{PARTS}; httpx.AsyncClient()"
OTHERS = ("openai", "replicate", "fal_client", "runwayml")
# An installed package has its bytecode beside it; a checkout gets it on the first of the rounds.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_seconds(code: str) -> float:
    """CPU of one fresh interpreter that runs `code` outside any checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tempfile.gettempdir(), env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows() -> Iterator[Row]:
    codes = [NOTHING, *(f"import {name}" for name in OTHERS), MADE, PARTS_MADE, *[PARTS, OURS] * OFTEN]
    for code in set(codes):
        cpu_seconds(code)  # the bytecode is written, and the files are in memory
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        taken = [(code, cpu_seconds(code)) for code in codes]
        means = {code: statistics.fmean(each for of, each in taken if of == code) for code in codes}
        rounds.append({code: mean - means[NOTHING] for code, mean in means.items()})
    imported, made = "`import AsyncImagesClient`, CPU", "the same, and a client made, CPU"
    for what, mine, words, code, bound in (
        (imported, OURS, "its own four parts", PARTS, 1.15),
        (made, MADE, "its own four parts, and an `httpx.AsyncClient` made", PARTS_MADE, 1.15),
        *((imported, OURS, f"`{name}`", f"import {name}", 1.0) for name in OTHERS),
    ):
        ratio = statistics.median(each[mine] / each[code] for each in rounds)
        ours, theirs = (1000 * statistics.median(each[of] for each in rounds) for of in (mine, code))
        yield at_most(
            what,
            words,
            ratio,
            bound,
            told=f"{ours:.0f} ms : {theirs:.0f} ms",
        )


if __name__ == "__main__":
    show(rows())

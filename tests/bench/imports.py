"""What `import apimodels_async` costs beside the import of its own four parts.

Each round starts one fresh interpreter for each, in turn, so that a noisy machine troubles both alike; the
interpreter's own start is taken off. User and system time of the process, not the clock on the wall.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 31
NOTHING = "pass"
PARTS = "import httpx, attrs, cattrs, anyio"
OURS = "import apimodels_async"
# An installed package has its bytecode beside it; a checkout gets it on the first of the rounds.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_seconds(code: str) -> float:
    """CPU of one fresh interpreter that runs `code` outside any checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tempfile.gettempdir(), env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    for code in (NOTHING, PARTS, OURS):
        cpu_seconds(code)
    rounds = [(cpu_seconds(NOTHING), cpu_seconds(PARTS), cpu_seconds(OURS)) for _ in range(ROUNDS)]
    nothing, parts, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"interpreter alone        {nothing * 1000:6.1f} ms CPU (median of {ROUNDS})")
    print(f"{PARTS:24} {parts * 1000:6.1f} ms")
    print(f"{OURS:24} {ours * 1000:6.1f} ms")
    print(f"ratio, interpreter taken off: {(ours - nothing) / (parts - nothing):.3f} (at most 1.15)")


if __name__ == "__main__":
    main()

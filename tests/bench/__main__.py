"""Every measurement, one after another: prints one table, and writes it to docs/benchmarks.md.

With names of files beside this one, only those, and the page is left as it is. Ends with 1 if a bound was missed, and
with 2 if something could not be measured; then the page is left alone as well.
"""

import os
import platform
import subprocess
import sys
import textwrap
import time
import traceback
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.rows import Row, as_markdown, as_text  # noqa: E402  (found from there)

NAMES = (
    "query",
    "end_to_end",
    "batch",
    "ledger",
    "growth",
    "download",
    "inputs",
    "callbacks",
    "mirror",
    "imports",
    "poll_rate",
    "pacing",
)
"""In the order of the table."""
PAGE = ROOT / "docs" / "benchmarks.md"
LIBRARIES = (
    *("httpx", "httpcore", "anyio", "attrs", "cattrs", "httpx-aiohttp", "aiohttp", "psycopg"),
    *("fal-client", "replicate", "openai", "runwayml"),
)

INTRODUCTION = """\
# Benchmarks

How fast it is, and how much it takes, beside others. First what the figures mean for you, then the figures.
"""
MEANING = (
    (
        "Waiting for pictures costs next to nothing: a status query takes {0} less CPU than with httpx as it comes.",
        ("`client.get` with the extra `fast`, CPU a query saved", "stock httpx, 100 connections, `.json()`"),
    ),
    (
        "A thousand pictures take as long as the vendor takes. Beside fal-client they take {0} time and {1} CPU.",
        ("1,000 pictures, time", "fal-client"),
        ("1,000 pictures, CPU", "fal-client"),
    ),
    (
        "Ten thousand tasks at once fit into one small process: {0} of memory for each.",
        ("10,000 tasks in flight: peak memory a task", ""),
    ),
    (
        "With a ledger you can kill a batch anywhere and pay once. It takes {0} the time of a batch without one.",
        ("2,000 tasks with a ledger, time", "without one"),
    ),
    (
        "Downloads of any size take a few megabytes of memory: {0} for a file of 1 GB.",
        ("download of 1 GB on asyncio: memory over the baseline", ""),
    ),
    (
        "With callbacks you have a picture {0} after it is done, and {1} query is made for it.",
        ("40 `generate` at once, called back: median delay after completion", "the same, asking"),
        ("40 `generate` at once, called back: queries a task", "the same, asking"),
    ),
    (
        "The blocking client costs {0} the CPU of the async one for a call.",
        ("`get` of the mirror, CPU a call", "`await client.get`"),
    ),
    (
        "Your program starts sooner: the import takes {0} CPU than that of `openai`.",
        ("`import AsyncImagesClient`, CPU", "`openai`"),
    ),
)
"""What the figures mean: a sentence, and the rows that it takes its figures from."""
HOW_TO_READ = """\
Every comparison is made within one run, in turn, and most several times; a ratio is the median over those turns. Only
ratios travel from one machine to another: the seconds and bytes beside them are there so that they can be judged.
In "measured", ours stands before the colon. All servers are on the same machine, and cost little.

`nox -s bench` measures all of it again in about a quarter of an hour and overwrites this page;
`nox -s bench -- imports` repeats one part of it, and only prints. What a change must not exceed stands in the files of
`tests/bench`, and is printed beside each figure.
"""


def meaning(rows: list[Row]) -> str:
    """What the figures mean for a reader, as a list."""
    figures = {(row.what, row.against): row.compared() for row in rows}
    lines = [f"- {words.format(*(figures[each] for each in taken))}" for words, *taken in MEANING]
    return "\n".join(textwrap.fill(line, 120, subsequent_indent="  ") for line in lines)


def measured(name: str) -> list[Row] | None:
    """The rows of one file, each told as it comes; or ``None`` where it fails: the others are measured all the same."""
    print(f"{name} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    found: list[Row] = []
    try:
        for row in import_module(f"tests.bench.{name}").rows():
            print("   ", *filter(None, row.cells()), sep="  ", file=sys.stderr, flush=True)
            found.append(row)
    except (Exception, SystemExit):  # noqa: BLE001  (told, and the others are measured all the same)
        traceback.print_exc()
        return None
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def surroundings() -> str:
    """Where the figures come from."""
    libraries: list[str] = []
    for name in LIBRARIES:
        try:
            libraries.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    curl = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=False).stdout.split()
    if len(curl) > 1:
        libraries.append(f"curl {curl[1]}")
    words = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()} on {platform.system()}, "
        f"{os.cpu_count()} cores; {', '.join(libraries)}."
    )
    return textwrap.fill(words, 120)


def page(rows: list[Row]) -> str:
    """The page of the figures."""
    parts = [INTRODUCTION, "## What it means for you", "", meaning(rows), "", "## The figures", "", HOW_TO_READ]
    parts += [surroundings(), "", as_markdown(rows), "", "## How each is measured", ""]
    for name in NAMES:
        parts += [f"### {name}", "", (import_module(f"tests.bench.{name}").__doc__ or "").strip(), ""]
    return "\n".join(parts).rstrip() + "\n"


def main(names: list[str]) -> int:
    if unknown := set(names) - set(NAMES):
        print(f"there is no {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    found = [measured(name) for name in names or NAMES]
    rows = [row for each in found if each is not None for row in each]
    print(as_text(rows))
    if None in found:
        return 2
    if not names:
        PAGE.write_text(page(rows), encoding="utf-8")
    return 1 if any(row.missed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

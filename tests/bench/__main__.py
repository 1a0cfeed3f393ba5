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
LEDGER = ("CPU here", "CPU of the server", "disk")
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
PRICES = (0.015, 0.05)
"""US dollars: of a picture, as the vendor asks for a cheap one; and of an hour of one core, as clouds ask."""
MACHINE = """\
A thousand pictures take {thousand:.1f} s of one core, which is nothing beside the US$ {thousand_pictures:,.0f} that
they cost. A hundred thousand take {minutes:.0f} minutes of one core (US$ {hundred_thousand:.2f}) and, all of them in
flight in one process, {megabytes:,.0f} MB; the pictures cost US$ {hundred_thousand_pictures:,.0f}. Ten million, on
several machines with a ledger in PostgreSQL, take {hours:.0f} hours of one core of the workers and {server:.1f} of the
database (US$ {ten_million:.2f}), and {gigabytes:.0f} GB of its disk, for US$ {ten_million_pictures:,.0f} of pictures:
one core keeps up with {rate:.0f} pictures a second, so how fast the vendor takes requests decides. Assumed are
US$ {price_picture} a picture and US$ {price_hour} an hour of a core.
"""
HOW_TO_READ = """\
Every comparison is made within one run, in turn, and most several times; a ratio is the median over those turns. Only
ratios travel from one machine to another: the seconds and bytes beside them are there so that they can be judged.
In "measured", ours stands before the colon. All servers are on the same machine, and cost little.

`nox -s bench` measures all of it again in about three quarters of an hour and overwrites this page;
`nox -s bench -- imports` repeats one part of it, and only prints. What a change must not exceed stands in the files of
`tests/bench`, and is printed beside each figure.
"""


def meaning(rows: list[Row]) -> str:
    """What the figures mean for a reader, as a list."""
    figures = {(row.what, row.against): row.compared() for row in rows}
    lines = [f"- {words.format(*(figures[each] for each in taken))}" for words, *taken in MEANING]
    return "\n".join(textwrap.fill(line, 120, subsequent_indent="  ") for line in lines)


def machine(rows: list[Row]) -> str:
    """How much of a machine it takes for many pictures."""
    figures = {(row.what, row.against): row.figure for row in rows}
    picture = figures["1,000 pictures: CPU a picture", ""] / 1000
    memory = figures["10,000 tasks in flight: peak memory a task", ""]
    ledger = {each: figures[f"a request on a ledger of 1,000,000, {each}", ""] for each in LEDGER}
    price_picture, price_hour = PRICES
    hours, server = 1e7 * (picture + 1e-6 * ledger["CPU here"]) / 3600, 10 * ledger["CPU of the server"] / 3600
    words = MACHINE.format(
        thousand=1000 * picture,
        thousand_pictures=1000 * price_picture,
        minutes=1e5 * picture / 60,
        hundred_thousand=1e5 * picture / 3600 * price_hour,
        hundred_thousand_pictures=1e5 * price_picture,
        megabytes=memory * 100,
        hours=hours,
        server=server,
        gigabytes=1e7 * ledger["disk"] / 1e9,
        ten_million=(hours + server) * price_hour,
        ten_million_pictures=1e7 * price_picture,
        rate=1 / picture,
        price_picture=price_picture,
        price_hour=price_hour,
    )
    return textwrap.fill(words, 120)


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
    parts = [
        INTRODUCTION,
        "## What it means for you",
        "",
        meaning(rows),
        "",
        machine(rows),
        "",
        "## The figures",
        "",
        HOW_TO_READ,
    ]
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

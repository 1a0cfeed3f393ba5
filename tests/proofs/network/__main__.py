"""The SDK against real network parts: runs all settings, or those named, and prints a table in Markdown.

    nox -s network
    nox -s network -- outage_1s rate_429 --lane fast

Needs root, for network namespaces, and programs of the distribution. Ends with 1 if a row misses what must hold, and
with 2 if something could not be measured.
"""

import argparse
import os
import signal
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.proofs.network import links, names, outages, refusals
from tests.proofs.network.lab import Lab
from tests.proofs.network.processes import LabError, missing_packages
from tests.proofs.network.report import HEAD, HEADING, RULE, Row, keep, kept, page
from tests.proofs.network.settings import ALL_LANES, CONTROL, Setting

PARTS = (outages, refusals, links, names)
SETTINGS = {setting.name: setting for part in PARTS for setting in part.SETTINGS}
PAGE = Path(__file__).parents[3] / "docs" / "faults.md"


def measure(setting: Setting, lane: str, *, verbose: bool) -> Row | None:
    """Run one setting on one lane, and print its line; ``None`` if it could not be measured."""
    print(f"{setting.name} on {lane} …", file=sys.stderr, flush=True)
    try:
        with Lab(lane) as lab:
            row = Row(setting, lane, setting.run(lab))
    except (LabError, OSError) as error:
        traceback.print_exc()
        print(f"| {setting.name} | {setting.part} | {lane} | not measured: {str(error).splitlines()[-1]} |", flush=True)
        return None
    print(row.line(), flush=True)
    if verbose:
        for line in row.result.lines:
            if line["error"] is not None:
                text = f"{line['seconds']:6.1f} s {line['prompt']}: {line['error']}: {line['message']}"
                print(f"    {text}", file=sys.stderr, flush=True)
    return row


def arguments() -> argparse.Namespace:
    """What was given on the command line."""
    parser = argparse.ArgumentParser(prog="nox -s network --", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="SETTING", help=f"left out: all of {', '.join(SETTINGS)}")
    parser.add_argument(
        "--lane",
        choices=(*ALL_LANES, CONTROL),
        action="append",
        help="may be given again; left out: all but the control",
    )
    parser.add_argument("--verbose", action="store_true", help="every error with its message")
    parser.add_argument("--write", action="store_true", help=f"write the table into docs/{PAGE.name}")
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="keep each row in FILE, so that several runs make one table"
    )
    given = parser.parse_args()
    if wrong := [name for name in given.names if name not in SETTINGS]:
        parser.error(f"no such setting: {', '.join(wrong)}; there are {', '.join(SETTINGS)}")
    return given


def terminate(number: int, frame: object) -> None:
    """End as after an error, so that everything is taken down."""
    sys.exit(2)


def main() -> int:
    given = arguments()
    if os.geteuid() != 0:
        print("network namespaces need root: run it as root, or with sudo", file=sys.stderr)
        return 2
    if missing := missing_packages():
        print(f"programs are missing: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, terminate)
    print(HEAD + "\n" + RULE, flush=True)
    began = time.monotonic()
    measured: list[Row | None] = []
    for name in given.names or SETTINGS:
        for lane in given.lane or ALL_LANES:
            row = measure(SETTINGS[name], lane, verbose=given.verbose)
            measured.append(row)
            if row is not None and given.rows is not None:
                keep(row, given.rows)
    print(f"{len(measured)} rows in {time.monotonic() - began:.0f} s", file=sys.stderr)
    rows = [row for row in measured if row is not None]
    if given.write:
        before = PAGE.read_text(encoding="utf-8").partition(HEADING)[0]
        shown = rows if given.rows is None else kept(given.rows, SETTINGS)
        PAGE.write_text(before + HEADING + "\n" + page(shown), encoding="utf-8")
    if len(rows) < len(measured):
        return 2
    return int(any(row.missed for row in rows))


if __name__ == "__main__":
    sys.exit(main())

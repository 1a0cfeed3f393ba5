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

from tests.proofs.network import links, outages, refusals
from tests.proofs.network.lab import Lab
from tests.proofs.network.processes import LabError, missing_packages
from tests.proofs.network.result import Result
from tests.proofs.network.settings import ALL_LANES, Setting, judge

SETTINGS = {setting.name: setting for setting in (*outages.SETTINGS, *refusals.SETTINGS, *links.SETTINGS)}
HEAD = "| setting | what | lane | n | outcomes | twice | lost | s | ideal s | must | verdict |"
RULE = "| --- | --- | --- | ---: | --- | ---: | ---: | ---: | ---: | --- | --- |"


def row(setting: Setting, lane: str, result: Result, missed: list[str]) -> str:
    """One line of the table."""
    measured = "".join(f", {name} {value:.4g}" for name, value in result.measured.items())
    under_way = f" ({result.under_way} creates under way)" if result.under_way else ""
    cells = [setting.name, setting.part, lane, result.n, result.text() + under_way + measured]
    cells += [result.twice, result.lost, f"{result.seconds:.1f}", f"{setting.ideal:g}", setting.must]
    cells.append("**missed**: " + "; ".join(missed) if missed else "good")
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def run(setting: Setting, lane: str, *, verbose: bool) -> bool | None:
    """Run one setting on one lane, print its line, and return whether it held; ``None`` if it could not be measured."""
    print(f"{setting.name} on {lane} …", file=sys.stderr, flush=True)
    try:
        with Lab(lane) as lab:
            result = setting.run(lab)
    except (LabError, OSError) as error:
        traceback.print_exc()
        print(f"| {setting.name} | {setting.part} | {lane} | not measured: {error} |", flush=True)
        return None
    missed = judge(setting, result)
    print(row(setting, lane, result, missed), flush=True)
    if verbose:
        for line in result.lines:
            if line["error"] is not None:
                text = f"{line['seconds']:6.1f} s {line['prompt']}: {line['error']}: {line['message']}"
                print(f"    {text}", file=sys.stderr, flush=True)
    return not missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="nox -s network --", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="SETTING", help=f"left out: all of {', '.join(SETTINGS)}")
    parser.add_argument("--lane", choices=ALL_LANES, action="append", help="left out: all; may be given again")
    parser.add_argument("--verbose", action="store_true", help="every error with its message")
    given = parser.parse_args()
    if wrong := [name for name in given.names if name not in SETTINGS]:
        parser.error(f"no such setting: {', '.join(wrong)}; there are {', '.join(SETTINGS)}")
    if os.geteuid() != 0:
        print("network namespaces need root: run it as root, or with sudo", file=sys.stderr)
        return 2
    if missing := missing_packages():
        print(f"programs are missing: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # so that everything is taken down
    print(HEAD + "\n" + RULE, flush=True)
    began = time.monotonic()
    held = [
        run(SETTINGS[name], lane, verbose=given.verbose)
        for name in given.names or SETTINGS
        for lane in SETTINGS[name].lanes
        if lane in (given.lane or ALL_LANES)
    ]
    print(f"{len(held)} rows in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return 2 if None in held else int(not all(held))


if __name__ == "__main__":
    sys.exit(main())

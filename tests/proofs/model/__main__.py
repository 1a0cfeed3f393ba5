"""Check the algorithm of the PostgreSQL ledger exhaustively with Spin: ``nox -s model``.

The whole algorithm must have no state with two sends, no lost task and no false report; without any one of its rules
there must be one, or the model would not show what the rule is for.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

MODEL = Path(__file__).with_name("ledger.pml")


class Case(NamedTuple):
    """One run of the checker.

    Attributes:
        name: what is checked.
        options: of the model.
        holds: whether nothing forbidden is reached.
    """

    name: str
    options: tuple[str, ...]
    holds: bool


CASES = (
    Case("two requests, two holds", ("-DHOLDS=2",), holds=True),
    Case("one request, three holds", ("-DREQUESTS=1",), holds=True),
    Case("a call without a shard", ("-DREQUESTS=1", "-DHOLDS=2", "-DWITH_CALLER"), holds=True),
    Case("a standby is promoted", ("-DREQUESTS=1", "-DHOLDS=2", "-DFAILOVER"), holds=True),
    Case("without the fence", ("-DHOLDS=2", "-DNO_FENCE"), holds=False),
    Case("without the compare-and-set", ("-DREQUESTS=1", "-DHOLDS=2", "-DWITH_CALLER", "-DNO_CAS"), holds=False),
    Case("without the attempt", ("-DREQUESTS=1", "-DNO_ATTEMPT"), holds=False),
    Case("without the place", ("-DREQUESTS=1", "-DHOLDS=2", "-DFAILOVER", "-DNO_PLACE"), holds=False),
)


class Verdict(NamedTuple):
    """What Spin says.

    Attributes:
        holds: whether nothing forbidden is reached.
        states: how many states were looked at.
        violated: the assertion that was.
    """

    holds: bool
    states: int
    violated: str


def check(case: Case, folder: Path) -> Verdict:
    """Check one case, exhaustively.

    Raises:
        RuntimeError: the search was not exhaustive, or the programs failed.
    """
    spin, compiler = shutil.which("spin"), shutil.which("cc") or shutil.which("gcc")
    if spin is None or compiler is None:
        raise RuntimeError("spin and a C compiler are needed: apt-get install spin gcc")
    _run([spin, "-a", *case.options, str(MODEL)], folder)
    _run([compiler, "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=3000", "-o", "pan", "pan.c"], folder)
    text = _run(["./pan", "-m100000", "-E"], folder)
    errors = re.search(r"errors: (\d+)", text)
    states = re.search(r"(\d+) states, stored", text)
    if errors is None or states is None or (errors[1] == "0" and "Search not completed" in text):
        raise RuntimeError(f"the search was not completed:\n{text}")
    violated = re.search(r"pan:1: (.*)\(at depth", text)
    return Verdict(errors[1] == "0", int(states[1]), "" if violated is None else violated[1].strip())


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    """Check every case, and return 1 if one is not as it should be."""
    wrong = 0
    for case in CASES:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            verdict = check(case, Path(folder))
        right = verdict.holds is case.holds
        wrong += not right
        found = "holds in every state" if verdict.holds else f"counterexample: {verdict.violated}"
        print(
            f"{'ok   ' if right else 'WRONG'} {case.name}: {found} "
            f"({verdict.states:,} states, {time.monotonic() - began:.0f} s)",
            flush=True,
        )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())

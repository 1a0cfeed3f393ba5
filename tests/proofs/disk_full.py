"""Fills the disk at every write of the command line, one after another: no paid task may be lost.

    python tests/proofs/disk_full.py [--series NAME ...] [--errors NAME ...] [--every N] [--workers N]

The command is run in a process of its own. A shim (full_disk.c) makes every write, rename, flush and creation in one
folder fail, from the k-th one on, for k = 1, 2, 3, ... until the command ends without having met it. After each run:

- every task id that the server accepted stands in results.jsonl, in a ledger, on stdout or on stderr;
- no traceback was printed, and the command ended by itself;
- the exit code is 14, or 16 if the ledger could not be written and the command says so; 2 as well if nothing was
  bought, or 0 if nothing is missing;
- no create was sent after the disk was full, except for those under way;
- with space again, the same command finishes the batch, and pays for no request twice. It may leave out what its ledger
  could not learn, if that task's id was printed, or it was never bought.
"""

import argparse
import errno
import json
import queue
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.proofs.disk_figures import HEADING, Figures
from tests.proofs.forked_command import Forge
from tests.proofs.paid_server import Accepted, PaidServer, picture

SHIM = Path(__file__).with_name("full_disk.c")
REQUESTS = 4
AT_ONCE = 2
LONGEST_RUN = 300.0
"""Seconds after which a command is taken to hang."""
MOST_CALLS = 1000
"""Writes of one run: more means that the command tries without end."""
CANNOT_BE_SAVED = 14
SUBMISSION_UNKNOWN = 10
LEDGER_UNUSABLE = 16
BEFORE_ANYTHING_WAS_SENT = (2, CANNOT_BE_SAVED, LEDGER_UNUSABLE)


class Series(NamedTuple):
    """A command, and which of its folders is full; ``{out}``, ``{ledger}`` and ``{file}`` are paths."""

    arguments: tuple[str, ...]
    full: str
    requests: int = REQUESTS

    @property
    def can_be_repeated(self) -> bool:
        """Whether the same command again goes on where the first ended."""
        return self.arguments[0] == "batch"


BATCH = ("batch", "{file}", "-o", "{out}", "--max-in-flight", str(AT_ONCE))
SERIES = {
    "batch": Series(BATCH, "out"),
    "batch-sidecar": Series((*BATCH, "--sidecar"), "out"),
    "batch-ledger": Series((*BATCH, "--ledger", "{ledger}"), "out"),
    "batch-full-ledger": Series((*BATCH, "--ledger", "{ledger}"), "ledger"),
    "batch-both-full": Series((*BATCH, "--ledger", "{ledger}"), "."),
    "generate": Series(("generate", "{prompt}", "-o", "{out}"), "out", requests=1),
}
"""The ledger has a folder of its own, beside that of the pictures."""
ERRORS = {
    "ENOSPC": (errno.ENOSPC, False),
    "ENOSPC-half": (errno.ENOSPC, True),  # the first write that fails is a short one
    "EDQUOT": (errno.EDQUOT, False),
    "EROFS": (errno.EROFS, False),
    "EIO": (errno.EIO, False),
}


class Ended(NamedTuple):
    """A command that has ended; `code` is ``None`` if it had to be killed."""

    code: int | None
    output: str


class Proof:
    """Runs commands against one server, with the shim."""

    def __init__(self, home: Path, server: PaidServer) -> None:
        self.home = home
        self.server = server
        self.shim = home / "full_disk.so"
        options = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
        subprocess.run(["gcc", *options, "-o", str(self.shim), str(SHIM), "-ldl"], check=True)
        self._forges: queue.SimpleQueue[Forge] = queue.SimpleQueue()
        self._all: list[Forge] = []

    @contextmanager
    def forge(self) -> Generator[Forge]:
        """A process that forks commands, for one thread at a time."""
        try:
            forge = self._forges.get_nowait()
        except queue.Empty:
            forge = Forge(self.shim)
            self._all.append(forge)
        yield forge
        self._forges.put(forge)

    def close(self) -> None:
        """End the processes that fork."""
        for forge in self._all:
            forge.close()

    def prove(self, name: str, error: str, every: int) -> Figures:
        """Fill the disk at each `every`-th write of a command."""
        figures = Figures()
        for call in range(1, MOST_CALLS, every):
            if not self._one(f"{name}-{error}-{call}", SERIES[name], error, call, figures):
                if not figures.runs:
                    raise AssertionError(f"{name}: nothing was written, so that the shim cannot be at work")
                return figures
        raise AssertionError(f"{name}: still writing after {MOST_CALLS} calls")

    def _one(self, name: str, series: Series, error: str, call: int, figures: Figures) -> bool:
        """One run, and whether it met the full disk."""
        run = Run(self, name, series)
        try:
            ended = run.on_a_full_disk(*ERRORS[error], call)
            met = run.met()
            if met is None:
                if ended.code != 0:
                    raise AssertionError(f"{name}: code {ended.code} on an empty disk\n{ended.output}")
                return False
            when, what = met
            figures.runs += 1
            figures.calls[what] += 1
            run.judge(ended, when, f"{name} ({what})", figures)
            return True
        finally:
            run.remove()


class Run:
    """One command with folders of its own."""

    def __init__(self, proof: Proof, name: str, series: Series) -> None:
        self.proof = proof
        self.series = series
        self.prompt = f"{name}/"
        self.home = proof.home / name
        self.work = self.home / "work"
        self.out = self.work / "out"
        self.ledger = self.work / "ledger" / "run.db"
        self.report = self.home / "report"
        self.file = self.home / "prompts.txt"
        self.ledger.parent.mkdir(parents=True)
        self.prompts = [f"{self.prompt}{number}" for number in range(series.requests)]
        self.file.write_text("".join(prompt + "\n" for prompt in self.prompts))

    def remove(self) -> None:
        """Take everything away."""
        shutil.rmtree(self.home)

    def on_a_full_disk(self, error: int, half: bool, call: int) -> Ended:
        """Run the command; the disk is full from the given call on."""
        folder, report = str(self.work / self.series.full), str(self.report)
        return self._run({"folder": folder, "call": call, "errno": error, "half": half, "report": report})

    def _run(self, full: dict[str, Any] | None) -> Ended:
        output = self.home / "output"
        values = {"out": self.out, "ledger": self.ledger, "file": self.file, "prompt": self.prompts[0]}
        order = {
            "arguments": [argument.format(**values) for argument in self.series.arguments],
            "folder": str(self.home),
            "environment": {
                "HOME": str(self.home),
                "APIMODELS_API_KEY": "sk_fullDisk",
                "APIMODELS_BASE_URL": self.proof.server.base_url,
                "COLUMNS": "1000",
            },
            "output": str(output),
            "seconds": LONGEST_RUN,
            "full": full,
        }
        with self.proof.forge() as forge:
            code = forge.run(order)
        return Ended(code, output.read_text(errors="replace"))

    def met(self) -> tuple[float, str] | None:
        """When the disk was full for the first time, and for which call; ``None`` if it never was."""
        if not self.report.exists():
            return None
        when, call = self.report.read_text().split()
        return float(when), call

    def judge(self, ended: Ended, when: float, name: str, figures: Figures) -> None:
        """Look at everything that is left, and then run the command again, with space."""
        accepted = self.proof.server.accepted(self.prompt)
        figures.bought += len(accepted)
        figures.codes[ended.code] += 1
        said = f"{name}: code {ended.code}, {len(accepted)} bought: {ended.output[-1500:]}"
        kept = ended.output + "\n".join((*self._results(), *self._ledgers(name, figures)))
        if not self.series.can_be_repeated:
            kept += "\n".join(self._notes())
        lost = [task.task_id for task in accepted if task.task_id not in kept]
        figures.fault("ids lost", len(lost), said)
        figures.fault("tracebacks", "Traceback" in ended.output, said)
        figures.fault("hung", ended.code is None, said)
        figures.fault("exit codes", not self._is_right(ended.code, ended.output, accepted), said)
        later = [task for task in accepted if task.when > when]
        figures.fault("bought later", max(len(later) - AT_ONCE, 0), f"{len(later)} after the disk was full: {said}")
        if accepted and self.series.can_be_repeated:
            self._again(name, ended.output, figures)

    def _is_right(self, code: int | None, output: str, accepted: list[Accepted]) -> bool:
        if not accepted:
            return code in BEFORE_ANYTHING_WAS_SENT
        if code == LEDGER_UNUSABLE:
            return ".db cannot be written" in output
        return code == CANNOT_BE_SAVED or (code == 0 and not self._unfinished(accepted))

    def _unfinished(self, accepted: list[Accepted]) -> set[str]:
        """The requests without their picture, whole, or without a line in results.jsonl if it was a batch."""
        pictures = {path.read_bytes() for path in self.out.glob("*.png")}
        results = "\n".join(self._results())
        recorded = {task.prompt for task in accepted if task.task_id in results or not self.series.can_be_repeated}
        return {prompt for prompt in self.prompts if prompt not in recorded or picture(prompt) not in pictures}

    def _again(self, name: str, output: str, figures: Figures) -> None:
        again = self._run(None)
        accepted = self.proof.server.accepted(self.prompt)
        said = f"{name}, again: code {again.code}, {len(accepted)} bought in all: {again.output[-1500:]}"
        figures.fault("paid twice", len(accepted) - len({task.prompt for task in accepted}), said)
        figures.fault("tracebacks", "Traceback" in again.output, said)
        left = self._unfinished(accepted)
        unknown = {task.prompt for task in accepted if task.task_id not in output}
        if again.code == SUBMISSION_UNKNOWN and left.isdisjoint(unknown):
            figures.unresolved += len(left)
        else:
            figures.fault("unfinished", again.code != 0 or bool(left), said)

    def _results(self) -> Iterator[str]:
        """The lines of results.jsonl that are whole."""
        path = self.out / "results.jsonl"
        if path.is_file():
            for line in path.read_text(errors="replace").split("\n"):
                try:
                    json.loads(line)
                except ValueError:
                    continue
                yield line

    def _ledgers(self, name: str, figures: Figures) -> Iterator[str]:
        """All that is committed in the SQLite files, wherever the command has put them; read from copies."""
        for path in self.work.rglob("*"):
            if path.is_file() and path.open("rb").read(16) == b"SQLite format 3\x00":
                with tempfile.TemporaryDirectory(dir=self.home) as copy:
                    for suffix in ("", "-wal", "-journal"):
                        if path.with_name(path.name + suffix).is_file():
                            shutil.copy(path.with_name(path.name + suffix), Path(copy, "copy" + suffix))
                    try:
                        yield from _rows(Path(copy, "copy"))
                    except sqlite3.DatabaseError as error:
                        figures.fault("damaged", 1, f"{name}: {path.name}: {error}")

    def _notes(self) -> Iterator[str]:
        """Names and contents of what lies beside the pictures."""
        for path in self.out.rglob("*"):
            yield path.name
            if path.is_file() and path.suffix != ".png":
                yield path.read_text(errors="replace")


def _rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return [repr(row) for table in tables for row in database.execute(f'SELECT * FROM "{table}"')]


def main() -> None:
    """Fill the disk, print the table, and fail if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES))
    parser.add_argument("--errors", nargs="+", choices=ERRORS, default=list(ERRORS))
    parser.add_argument("--every", type=int, default=1, help="fill it at every N-th write only")
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    every: int = options.every
    lanes: list[tuple[str, str]] = [(name, error) for name in options.series for error in options.errors]
    with (
        tempfile.TemporaryDirectory() as home,
        PaidServer() as server,
        closing(Proof(Path(home).resolve(), server)) as proof,
        ThreadPoolExecutor(options.workers) as threads,
    ):
        jobs = {threads.submit(proof.prove, name, error, every): f"{name} {error}" for name, error in lanes}
        print(HEADING, flush=True)
        total = Figures()
        for job in as_completed(jobs):
            print(job.result().row(jobs[job]), flush=True)
            total.add(job.result())
    print(total.row("total"))
    print("calls that met the full disk first:", dict(total.calls.most_common()))
    print("exit codes:", dict(total.codes.most_common()))
    print("requests left to be resolved by hand:", total.unresolved)
    for kind, example in total.examples.items():
        print(f"\n--- {kind}, such as\n{example}")
    sys.exit(bool(total.faults))


if __name__ == "__main__":
    main()

"""Small mistakes, put into a copy of the package one at a time: does the state machine find every one?

python tests/proofs/mutants.py [NUMBER …]
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PATIENCE = 1200.0
"""Seconds for the search for one mutant."""


class Mutant(NamedTuple):
    """One line changed.

    Attributes:
        what: the mistake, in words.
        file: where, below the package.
        right: what stands there.
        wrong: what is put in its place.
    """

    what: str
    file: str
    right: str
    wrong: str


MUTANTS = (
    Mutant(
        "the mark is not awaited before the first byte",
        "ledger/recorder.py",
        "results = await self._writer.write(self._change(Step.SENDING, intent_id=self._intent_id))",
        "results = self._writer.post(self._change(Step.SENDING, intent_id=self._intent_id)) or [Result.CHANGED]",
    ),
    Mutant(
        "the task id is not awaited",
        "ledger/recorder.py",
        "if list(await self._writer.write(self._change(Step.CREATED, task=task))) != [Result.CHANGED]:",
        "if self._writer.post(self._change(Step.CREATED)):",
    ),
    Mutant(
        "what was being sent is sent again",
        "ledger/entries.py",
        "case None | Step.INTENT | Step.REJECTED:",
        "case None | Step.INTENT | Step.REJECTED | Step.SENDING:",
    ),
    Mutant(
        "what is unknown is sent again",
        "ledger/entries.py",
        "return Plan.REPORT_UNKNOWN",
        "return Plan.SUBMIT",
    ),
    Mutant(
        "the occurrence is ignored",
        "ledger/run.py",
        "key_of(prepared.digest, occurrence)",
        "key_of(prepared.digest, 0)",
    ),
    Mutant(
        "a picture's sum is not compared",
        "ledger/run.py",
        "return files if sums == [file.sha256 for file in entry.files] else None",
        "return files if sums else None",
    ),
    Mutant(
        "a missing picture is taken for whole",
        "ledger/run.py",
        "        except OSError:\n            return None\n",
        "        except OSError:\n            return files\n",
    ),
    Mutant(
        "any step may follow any other",
        "ledger/sql.py",
        "for each in sorted(steps)",
        "for each in sorted(Step)",
    ),
    Mutant(
        "after a lost answer it counts as not taken",
        "ledger/recorder.py",
        "await self._try(self._change(Step.UNKNOWN, error=str(error)))",
        "await self.not_taken()",
    ),
    Mutant(
        "a failed download is made again",
        "_batch/pipeline.py",
        "            if (stop := stop_after_download(error, self._options.download_to)) is not None:\n",
        "            from apimodels_async.ledger.entries import Step\n"
        "            from apimodels_async.ledger.port import Change\n"
        "            await self._records._writer.write(Change(item.key, Step.INTENT, before=frozenset(Step)))\n"
        "            if (stop := stop_after_download(error, self._options.download_to)) is not None:\n",
    ),
    Mutant(
        "who is told that it is sent already sends it too",
        "ledger/entries.py",
        "return before if step is Step.SENDING else before | {step}",
        "return before | {step} | {Step.CREATED, Step.DONE, Step.SAVED, Step.SENDING, Step.UNKNOWN}",
    ),
    Mutant(
        "a transport without events is not announced",
        "_http/creates.py",
        "            await trace.announce()\n",
        "            pass\n",
    ),
    Mutant(
        "what was refused for the time being stays marked",
        "ledger/recorder.py",
        "await self._try(self._change(Step.INTENT))",
        "pass",
    ),
    Mutant(
        "the task of a decision is not kept",
        "ledger/resolve.py",
        'task=Task(id=how, state="", model=entry.model)',
        "task=None",
    ),
    Mutant(
        "one bad word spoils a transaction",
        "ledger/sql.py",
        'text.encode("utf-8", "backslashreplace").decode()',
        "text",
    ),
    Mutant(
        "a key that is on its way is not looked up",
        "ledger/once.py",
        "if entry is None or plan(entry.step) is Plan.SUBMIT:",
        "if entry is None or entry.task is None:",
    ),
)
CONTROL = Mutant("no mistake", "ledger/sql.py", "\nSCHEMA_VERSION = ", "\n\nSCHEMA_VERSION = ")


def search(mutant: Mutant, seed: int) -> tuple[str, str]:
    """What finds a mutant: the state machine, another test, or nothing; and the last words of it."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        for folder in ("apimodels_async", "tests"):
            shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", home)
        place = home / "apimodels_async" / mutant.file
        text = place.read_text(encoding="utf-8")
        assert text.count(mutant.right) == 1, f"{mutant.what}: {text.count(mutant.right)} places"
        place.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
        env = {**os.environ, "PYTHONPATH": str(home), "LEDGER_EXAMPLES": "150"}
        words = ""
        for finder in ("test_machine.py", "."):
            command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "--show-capture=no", "--timeout=1100"]
            command += [f"--hypothesis-seed={seed}", "-p", "no:cacheprovider", "-m", "not postgres"]
            command += [f"tests/ledger/{finder}"]
            command += ["--ignore=tests/ledger/test_kills.py", "--ignore=tests/ledger/test_power_cuts.py"]
            done = subprocess.run(
                command, cwd=home, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            words = done.stdout.strip().rpartition("\n")[2][:150]
            if done.returncode == 1:
                return ("the state machine" if finder == "test_machine.py" else "another test"), words
            if done.returncode != 0:
                return "", f"pytest ended with {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}"
        return "", words


def main() -> None:
    """Search, and print what was found."""
    chosen = [MUTANTS[int(number)] for number in sys.argv[1:]] or list(MUTANTS)
    finder, words = search(CONTROL, 0)
    print(f"{finder or 'nothing':20} {CONTROL.what} (the control)", flush=True)
    if finder or not words:
        sys.exit(2)
    missed = 0
    with ThreadPoolExecutor(2) as threads:
        for mutant, (finder, words) in zip(chosen, threads.map(search, chosen, range(len(chosen))), strict=True):
            missed += not finder
            print(f"{finder or 'NOT FOUND':20} {mutant.what}   {words}", flush=True)
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()

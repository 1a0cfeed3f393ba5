"""``results.jsonl``: what became of each request of a batch, beside the pictures."""

import contextlib
import itertools
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from apimodels_async._download import part_file
from apimodels_async._json_values import json_bytes
from apimodels_async.cli.batch.request_lines import Line
from apimodels_async.errors import SubmissionUnknownError
from apimodels_async.models import Outcome, Task

__all__ = ["NAME", "Results", "found_in", "row", "state_of", "sweep"]

NAME = "results.jsonl"
_NUMBERED = re.compile(r"results\.(\d+)\.jsonl")
_PART = re.compile(rf"{re.escape(NAME)}\.(?P<pid>\d+)-[0-9a-f]{{8}}\.part")


def row(
    index: int | None,
    line: Line | None,
    state: str,
    *,
    task: Task | None = None,
    files: tuple[Path, ...] = (),
    seconds: float | None = None,
    error: Exception | None = None,
) -> dict[str, Any]:
    """One line of the file. Neither index nor line: a task that belongs to one of several requests."""
    return {
        "index": index,
        "line": None if line is None else line.number,
        "prompt": None if line is None else line.request.prompt,
        "model": None if line is None else line.request.model,
        "state": state,
        "task_id": getattr(error, "task_id", None) if task is None else task.id,
        "files": [str(path) for path in files],
        "seconds": None if seconds is None else round(seconds, 3),
        "error": None if error is None else {"class": type(error).__name__, "message": str(error)},
    }


def state_of(outcome: Outcome) -> str:
    """The task's own state; without a task, whether there may be one all the same."""
    if outcome.task is not None:
        return str(outcome.task.state)
    if isinstance(outcome.error, SubmissionUnknownError):
        return "unknown"
    # A task that was created when the ledger could no longer be written.
    return "not_submitted" if getattr(outcome.error, "task_id", None) is None else "detached"


class Results:
    """Takes the lines as they come and, at the end, puts the file in its place, whole and in the order of the input.

    Until then they are in a part file, so that a kill does not lose what was known. A disk that takes no more is no
    reason to end the batch: what could not be written is kept, for the end.

    Attributes:
        path: of the file.
        there: whether it is in place.
        trouble: why the last line could not be written.
    """

    def __init__(self, directory: Path) -> None:
        self.path: Path = directory / NAME
        self.there: bool = False
        self.trouble: OSError | None = None
        self._part = directory / f"{NAME}.{os.getpid()}-{secrets.token_hex(4)}.part"
        self._file = self._part.open("x+b")
        self._places: list[tuple[int, int]] = []  # (index, offset)
        self._end = 0
        self._unwritten: list[dict[str, Any]] = []

    def add(self, line: dict[str, Any]) -> None:
        """Note the line of a request; never raises for a disk that takes no more."""
        text = json_bytes(line)
        try:
            self._append(text)
        except OSError as error:
            self.trouble = error
            self._unwritten.append(line)
            self._reopen()
        else:
            self._places.append((line["index"], self._end))
            self._end += len(text)

    def _append(self, text: bytes) -> None:
        self._file.seek(self._end)
        self._file.write(text)
        self._file.flush()

    def _reopen(self) -> None:
        """Drop what a failed write left in the buffer: it would be written again, and fail again, when closed."""
        with contextlib.suppress(OSError):
            self._file.detach().close()
        with contextlib.suppress(OSError):
            self._file = self._part.open("r+b")

    def finish(self, others: Sequence[dict[str, Any]]) -> None:
        """Put the lines so far in place, and the `others` after them. May be called again when there is news.

        The file of an earlier batch may be all that knows some task ids: it is kept, under another name.

        Raises:
            OSError: as the system says.
        """
        whole = part_file.PartFile(self.path.parent, NAME)
        try:
            whole.begin()
            for text in self._in_order(others):
                whole.write(text)
            if not self.there and self.path.exists():
                self.path.rename(_free_name(self.path))
            whole.finish(NAME)
            self.there = True
        finally:
            whole.discard()

    def _in_order(self, others: Sequence[dict[str, Any]]) -> Iterable[bytes]:
        unwritten = {line["index"]: line for line in self._unwritten}
        places = dict(self._places)
        for index in sorted({*places, *unwritten}):
            if index in unwritten:
                yield json_bytes(unwritten[index])
            else:
                self._file.seek(places[index])
                yield self._file.readline()
        for other in others:
            yield json_bytes(other)

    def unwritten(self, others: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The lines that stand in no file, those of `others` included."""
        return [] if self.there else [*self._unwritten, *others]

    @property
    def part(self) -> Path | None:
        """The part file, if it holds lines that the whole file does not."""
        return None if self.there or not self._places else self._part

    def close(self) -> None:
        """No line comes any more. The part file goes when the whole one is there, or when it holds nothing."""
        with contextlib.suppress(OSError):
            self._file.close()
        if self.part is None:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)


def found_in(directory: Path) -> list[Path]:
    """The results files of all batches in a directory, the oldest first."""
    numbered = [(int(found[1]), path) for path in directory.iterdir() if (found := _NUMBERED.fullmatch(path.name))]
    return [*(path for _, path in sorted(numbered)), *filter(Path.is_file, [directory / NAME])]


def sweep(directory: Path) -> None:
    """Tidy the part files of killed runs: one with lines becomes a numbered results file, an empty one goes.

    The lines may be all that knows some task ids.

    Raises:
        OSError: as the system says.
    """
    for path in sorted(directory.glob(f"{NAME}.*.part")):
        found = _PART.fullmatch(path.name)
        if found is None or _is_alive(int(found["pid"])):
            continue
        if path.stat().st_size:
            path.rename(_free_name(directory / NAME))
        else:
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in itertools.count(1))
    return next(name for name in names if not name.exists())

"""``results.jsonl``: what became of each request of a batch, beside the pictures."""

import contextlib
import itertools
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apimodels_async._download import part_file
from apimodels_async.cli.batch.request_lines import Line
from apimodels_async.errors import SubmissionUnknownError
from apimodels_async.models import Outcome, Task

__all__ = ["NAME", "Results", "row", "state_of"]

NAME = "results.jsonl"


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
    """One line of the file. Neither index nor line: a task of which nobody knows whose it is."""
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
    """The task's own state; where there is no task, whether there may be one all the same."""
    if outcome.task is not None:
        return str(outcome.task.state)
    if isinstance(outcome.error, SubmissionUnknownError):
        return "unknown"
    # A task that was created when the ledger could no longer be written.
    return "not_submitted" if getattr(outcome.error, "task_id", None) is None else "detached"


class Results:
    """Takes the lines as they come and, at the end, puts the file in its place, whole and in the order of the input.

    Until then they are in a part file, so that not even a kill loses what was known.

    Attributes:
        path: of the file.
        there: whether it is in place.
    """

    def __init__(self, directory: Path) -> None:
        self.path: Path = directory / NAME
        self.there: bool = False
        self._part = directory / f"{NAME}.{secrets.token_hex(4)}.part"
        self._file = self._part.open("x+b")
        self._places: list[tuple[int, int]] = []  # (index, offset)
        self._end = 0

    def add(self, line: dict[str, Any]) -> None:
        """Note the line of a request.

        Raises:
            OSError: as the system says, such as a full disk.
        """
        text = _encoded(line)
        self._file.seek(self._end)
        self._file.write(text)
        self._file.flush()
        self._places.append((line["index"], self._end))
        self._end += len(text)

    def finish(self, others: Sequence[dict[str, Any]]) -> None:
        """Put the lines so far in place, and the `others` after them. May be called again when there is news.

        The file of an earlier batch may be all that knows some task ids: it is kept, under another name.

        Raises:
            OSError: as the system says.
        """
        whole = part_file.PartFile(self.path.parent, NAME)
        try:
            whole.begin()
            for _, place in sorted(self._places):
                self._file.seek(place)
                whole.write(self._file.readline())
            for other in others:
                whole.write(_encoded(other))
            if not self.there and self.path.exists():
                self.path.rename(_free_name(self.path))
            whole.finish(NAME)
            self.there = True
        finally:
            whole.discard()

    def close(self) -> None:
        """Nothing comes any more. The part file goes when the whole one is there."""
        with contextlib.suppress(OSError):
            self._file.close()
        if self.there:
            self._part.unlink(missing_ok=True)


def _encoded(line: dict[str, Any]) -> bytes:
    # A server's words may hold half a character, which UTF-8 has no room for; written like this JSON has.
    return json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in itertools.count(1))
    return next(name for name in names if not name.exists())

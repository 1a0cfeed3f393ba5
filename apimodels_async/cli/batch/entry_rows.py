"""``results.jsonl`` of a ledger: what became of each of its requests, whichever run has made it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from apimodels_async._download import part_file
from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.results import NAME
from apimodels_async.cli.failures import CommandFailed
from apimodels_async.errors import (
    APIError,
    ApimodelsError,
    GenerationFailedError,
    NotSubmittedError,
    SubmissionUnknownError,
    WaitTimeoutError,
)
from apimodels_async.ledger import Entry, Step

__all__ = ["row_of", "write_results"]

_ERRORS: dict[Step, type[ApimodelsError]] = {
    Step.INTENT: NotSubmittedError,
    Step.SENDING: SubmissionUnknownError,
    Step.UNKNOWN: SubmissionUnknownError,
    Step.CREATED: WaitTimeoutError,
    Step.FAILED: GenerationFailedError,
    Step.REJECTED: APIError,
    Step.ABANDONED: NotSubmittedError,
}
_STATES = {Step.INTENT: "not_submitted", Step.ABANDONED: "not_submitted", Step.REJECTED: "not_submitted"}


def row_of(index: int, entry: Entry) -> dict[str, Any]:
    """A line of the file, with the fields that it has for any batch."""
    task = entry.task
    kind = _ERRORS.get(entry.step)
    return {
        "index": index,
        "line": None,
        "prompt": entry.request.get("prompt"),
        "model": entry.model,
        "state": _STATES.get(entry.step, "unknown") if task is None else str(task.state),
        "task_id": None if task is None else task.id,
        "files": [file.path for file in entry.files],
        "seconds": None,
        "error": None if kind is None else {"class": kind.__name__, "message": entry.error or ""},
    }


def write_results(entries: Iterable[Entry], folder: Path) -> Path:
    """Write the file for all entries, whole or not at all, and return its path.

    Raises:
        CommandFailed: it cannot be written.
    """
    part = part_file.PartFile(folder, NAME)
    try:
        part.begin()
        try:
            for index, entry in enumerate(entries):
                part.write(json.dumps(row_of(index, entry)).encode() + b"\n")
            return part.finish(NAME)
        finally:
            part.discard()
    except OSError as error:
        why = f"{folder / NAME} cannot be written: {error.strerror or error}"
        raise CommandFailed(why, exit_codes.UNEXPECTED) from error

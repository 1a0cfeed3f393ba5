"""What is to be done about the unknown entries of a ledger, as it is typed or written into a CSV file."""

import csv
import difflib
import io
from pathlib import Path
from typing import NamedTuple

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed

__all__ = ["Decision", "checked", "decisions_of"]

_WORDS = ("resubmit", "abandon", "undo")
_COLUMNS = ("key", "decision")


class Decision(NamedTuple):
    """One entry, and what is to be done about it.

    Attributes:
        key: of the entry.
        how: one of the words, or the id of a task.
    """

    key: str
    how: str


def checked(decision: Decision, where: str = "") -> Decision:
    """A decision without the slip of a letter: taken for a task's id, a run would wait for a task that does not exist.

    Raises:
        CommandFailed: it is empty, or nearly one of the words.
    """
    how = decision.how.strip()
    if not how:
        raise CommandFailed(
            f"{where}TASK_ID is empty: give resubmit, abandon, undo or the id of the task", exit_codes.USAGE
        )
    if how not in _WORDS and (close := difflib.get_close_matches(how.lower(), _WORDS, 1, 0.7)):
        raise CommandFailed(f"{where}{how}: did you mean {close[0]}?", exit_codes.USAGE)
    return Decision(decision.key.strip(), how)


def decisions_of(path: Path) -> list[Decision]:
    """The decisions in a CSV file. Further columns are ignored, and so are lines without a decision.

    So the output of ``ledger export --csv`` can be used, with a column ``decision`` added to it.

    Raises:
        CommandFailed: it cannot be read, a column is missing, or a line is not a decision.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CommandFailed(f"--from {path}: the file is not UTF-8; save it as UTF-8", exit_codes.USAGE) from None
    except OSError as error:
        raise CommandFailed(f"--from {path}: {error.strerror or error}", exit_codes.USAGE) from error
    header = text.partition("\n")[0]
    separator = ";" if header.count(";") > header.count(",") else ","  # as Excel writes it in half of Europe
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = [name.strip().lower() for name in lines.fieldnames or ()]
        if missing := [name for name in _COLUMNS if name not in columns]:
            raise CommandFailed(
                f"--from {path}: no column {' and no column '.join(missing)}; its first line names the columns",
                exit_codes.USAGE,
            )
        lines.fieldnames = columns
        found = [
            checked(Decision(line["key"] or "", line["decision"]), f"--from {path} line {lines.line_num}: ")
            for line in lines
            if (line["decision"] or "").strip()
        ]
    except csv.Error as error:
        raise CommandFailed(f"--from {path} line {lines.line_num}: {error}", exit_codes.USAGE) from error
    if not found:
        raise CommandFailed(f"--from {path}: there is no decision in it", exit_codes.USAGE)
    return found

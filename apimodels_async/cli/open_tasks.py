"""Which tasks of earlier commands are open: accepted, and without pictures here. Their ends are written there, too."""

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from attrs import define, evolve, field, frozen

from apimodels_async._download import part_file
from apimodels_async._download.destination import Place, absolute
from apimodels_async._download.links import file_stem
from apimodels_async._json_values import json_bytes
from apimodels_async.cli import exit_codes, notes
from apimodels_async.cli.batch import results
from apimodels_async.cli.batch.keeping import FOLDER, automatic_ledger
from apimodels_async.cli.failures import CommandFailed, is_empty
from apimodels_async.cli.output import Target
from apimodels_async.cli.stderr import current
from apimodels_async.ledger import SavedFile, SqliteLedger, Step
from apimodels_async.ledger.port import Change
from apimodels_async.models import Task, TaskState

__all__ = ["OpenTask", "OpenTasks"]

_IDS = re.compile(r'"task_id": ?"([^"\\]+)"')


@frozen
class OpenTask:
    """A task that is open.

    Attributes:
        id: its id.
        line: of its request, where that stood in a file.
        prompt: what was asked for, where it is known.
        model: likewise.
        key: of its entry in the ledger, if it has one.
        name: of its pictures, as an earlier run chose it.
    """

    id: str
    line: int | None = None
    prompt: str | None = None
    model: str | None = None
    key: str | None = None
    name: str | None = None


@define
class OpenTasks:
    """The open tasks of a results.jsonl, of a folder's notes and of its ledger.

    Attributes:
        source: as it was typed.
        folder: where their pictures go.
        tasks: by their ids, in the order in which they were found.
        elsewhere: how many were left out, because they are another server's.
        last_line: the highest number of a line.
    """

    source: Path
    folder: Path
    tasks: dict[str, OpenTask] = field(factory=dict[str, OpenTask])
    elsewhere: int = 0
    last_line: int = 0
    _ledger: SqliteLedger | None = None
    _results: list[Path] = field(factory=list[Path])
    _noted: set[str] = field(factory=set[str])
    _ended: dict[str, dict[str, Any]] = field(factory=dict[str, dict[str, Any]])

    @classmethod
    def at(cls, source: Path) -> "OpenTasks":
        """What a file or a folder is asked for.

        Raises:
            CommandFailed: it is neither, or has no tasks in it.
        """
        if not source.exists():
            raise CommandFailed(f"--from {source}: no such file or folder", exit_codes.USAGE)
        if source.is_dir():
            return cls(source, source)
        return cls(source, source.parent.parent if source.parent.name == FOLDER else source.parent)

    def read(self, server: str, target: Target) -> None:
        """Find the open tasks of a server.

        Args:
            server: its identity.
            target: where their pictures go.

        Raises:
            CommandFailed: a file cannot be read, or holds no tasks at all.
            LedgerError: the folder's ledger cannot be used, such as by a batch that still runs.
        """
        found = self._read_files(server)
        ledger = automatic_ledger(target._replace(folder=self.folder), server)
        if ledger.is_file():
            self._ledger = SqliteLedger(ledger)
            self._read_ledger(self._ledger, all_of_them=self.source.is_dir())
            found = True
        if not found:
            raise is_empty(f"--from {self.source}", "give a results.jsonl, or a folder that has one")

    def _read_files(self, server: str) -> bool:
        noted = self.folder / FOLDER / notes.NAME
        files = [self.source] if self.source.is_file() else [*results.found_in(self.folder), noted]
        found = False
        for path in filter(Path.is_file, files):
            for row in _rows(path):
                found = True
                self._take(row, server)
        self._results = [path for path in files if path != noted]
        return found

    def _take(self, row: dict[str, Any], server: str) -> None:
        task_id, line = row.get("task_id"), row.get("line")
        self.last_line = max(self.last_line, line) if isinstance(line, int) else self.last_line
        if not isinstance(task_id, str) or not task_id:
            return
        if "ended" in row:
            self.tasks.pop(task_id, None)
        elif "noted" in row:
            if row.get("server") not in {None, server}:
                self.elsewhere += 1
            elif not any(self.folder.glob(f"{file_stem(task_id, 0)}.*")):  # saved by an older version
                self._noted.add(task_id)
                self.tasks.setdefault(task_id, OpenTask(task_id, None, row.get("prompt"), row.get("model")))
        elif row.get("files") or row.get("state") == TaskState.FAILED:
            self.tasks.pop(task_id, None)  # open in the file of an earlier run
        else:
            self.tasks[task_id] = OpenTask(task_id, line, row.get("prompt"), row.get("model"))

    def _read_ledger(self, ledger: SqliteLedger, *, all_of_them: bool) -> None:
        for entry in ledger.entries():
            task_id = None if entry.task is None else entry.task.id
            if task_id is None:
                continue
            if entry.step in {Step.CREATED, Step.DONE}:
                known = self.tasks.get(task_id)
                if known is None and all_of_them:
                    known = OpenTask(task_id, None, entry.request.get("prompt"), entry.model)
                if known is not None:
                    self.tasks[task_id] = evolve(known, key=entry.key, name=entry.name)
            else:  # the ledger knows best
                self.tasks.pop(task_id, None)

    def end(self, open_task: OpenTask, task: Task, files: Sequence[Place], sums: Sequence[str]) -> None:
        """Note that a task has ended; for `results.jsonl`, until `close`.

        Args:
            open_task: which.
            task: as it is now.
            files: its pictures.
            sums: their sha256 sums.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        failed = task.state == TaskState.FAILED
        self._ended[open_task.id] = {"state": str(task.state), "files": [str(file) for file in files]}
        if failed:
            self._ended[open_task.id]["error"] = {"class": "GenerationFailedError", "message": task.fail_msg or ""}
        if open_task.id in self._noted:
            with contextlib.suppress(OSError):  # then it is asked about once more
                notes.note_end(self.folder, task, files)
        if self._ledger is not None and open_task.key is not None:
            saved = [SavedFile(absolute(file), each) for file, each in zip(files, sums, strict=True)]
            step = Step.FAILED if failed else Step.DONE
            changes = [Change(open_task.key, step, task=task, error=task.fail_msg)]
            if not failed:
                changes.append(Change(open_task.key, Step.SAVED, files=saved))
            self._ledger.apply(changes)

    def close(self) -> None:
        """Bring `results.jsonl` up to date, and let others have the ledger.

        Raises:
            OSError: the file cannot be written.
        """
        try:
            for path in self._results if self._ended else ():
                _rewrite(path, self._ended)
            self._ended = {}
        finally:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield from _objects(text, f"--from {path}, line {number}")
    except OSError as error:
        raise CommandFailed(f"--from {path}: {error.strerror or error}", exit_codes.USAGE) from error


def _object(text: str) -> dict[str, Any] | None:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    return cast("dict[str, Any]", row) if isinstance(row, dict) else None


def _objects(text: str, where: str) -> list[dict[str, Any]]:
    """The object of a line; of a line that breaks off, and of what was appended to it, the ids that stand in it."""
    row = _object(text)
    if row is not None:
        return [row]
    if not text.lstrip("\0 ").startswith("{"):
        raise CommandFailed(f"{where}: no JSON object, as results.jsonl has one a line", exit_codes.USAGE)
    ids = _IDS.findall(text)
    told = f"; {', '.join(ids)} in it is asked about" if ids else ", and is left out"
    current().warn(f"{where} breaks off: a command was killed there, or the disk was full{told}")
    return [{"task_id": task_id, "noted": ""} for task_id in ids]


def _rewrite(path: Path, ended: dict[str, dict[str, Any]]) -> None:
    """Put what has ended into its lines; all others stay as they are."""
    if not any(row.get("task_id") in ended for row in _rows(path)):
        return
    part = part_file.PartFile(path.parent, path.name)
    try:
        part.begin()
        with path.open("rb") as file:
            for text in file:
                row = _object(text.decode("utf-8", "surrogateescape")) or {}
                news = ended.get(str(row.get("task_id")))
                part.write(text if news is None else json_bytes({**row, **news}))
        part.finish(path.name)
    finally:
        part.discard()

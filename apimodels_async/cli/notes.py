"""Ids of paid tasks, recorded beside the pictures before the wait, so that a kill loses no id."""

import errno
import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apimodels_async._download.destination import Place, absolute
from apimodels_async._json_values import json_bytes
from apimodels_async.cli.batch.keeping import FOLDER
from apimodels_async.models import Task

__all__ = ["NAME", "note_end", "note_task"]

NAME = "tasks.jsonl"


def note_task(directory: Path, task: Task, server: str, prompt: str | None = None) -> None:
    """Append a line about a task, and flush it to the disk.

    Args:
        directory: where its pictures go.
        task: the task.
        server: the identity of its server.
        prompt: what was asked for, where it is known.

    Raises:
        OSError: it cannot be written.
    """
    view = {"task_id": task.id, "server": server, "model": task.model, "prompt": prompt, "noted": _now()}
    _append(directory, view)


def note_end(directory: Path, task: Task, files: Sequence[Place]) -> None:
    """Append a line that says that a task has ended, and where its pictures are.

    Args:
        directory: where the task was noted.
        task: the task.
        files: its pictures.

    Raises:
        OSError: it cannot be written.
    """
    names = [absolute(file) for file in files]
    _append(directory, {"task_id": task.id, "ended": _now(), "state": task.state, "files": names})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _append(directory: Path, line: dict[str, Any]) -> None:
    path = directory / FOLDER / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json_bytes(line)
    # O_NONBLOCK because the name may be that of a pipe: opening one blocks until somebody reads from it.
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o644)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, f"{FOLDER}/{NAME} is not a regular file")
        if os.lseek(handle, 0, os.SEEK_END):
            os.lseek(handle, -1, os.SEEK_END)
            if os.read(handle, 1) != b"\n":  # of a command that was killed, or whose disk was full
                text = b"\n" + text
        # One write of one line at the end of the file: several commands may note at the same time.
        if os.write(handle, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)
    finally:
        os.close(handle)

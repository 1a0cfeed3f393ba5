"""Lines on stderr: errors, warnings, and the log of the SDK; as JSON objects where the command prints JSON."""

import contextlib
import json
import logging
import time
from collections.abc import Generator, Mapping
from contextvars import ContextVar

import typer
from rich.console import Console
from rich.text import Text

from apimodels_async.cli.failures import CommandFailed, one_line

__all__ = ["Stderr", "current", "show_everything"]

LOGGER = logging.getLogger("apimodels_async")


class Stderr(logging.Handler):
    """The stderr of one command.

    Errors of the log are always shown: those of the SDK for which no caller is left, such as a create request that was
    cut off by Ctrl-C.

    Args:
        as_json: whether each line is a JSON object.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        super().__init__(logging.ERROR)
        self.as_json: bool = as_json
        self._console: Console | None = None
        self._began = time.monotonic()

    def say(self, words: str) -> None:
        """Print a line as it is."""
        self._print({"note": one_line(words)}, words)

    def warn(self, message: str) -> None:
        """Print a warning."""
        self._print({"warning": one_line(message)}, f"apimodels: {one_line(message)}")

    def fail(self, failure: CommandFailed) -> None:
        """Print how a command ended."""
        view = {
            "error": failure.error,
            "message": one_line(failure.message),
            "task_id": failure.task_id,
            "exit_code": failure.code,
        }
        self._print(view, f"apimodels: {one_line(failure.message)}")

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record of the log."""
        if record.levelno >= logging.ERROR:
            self.warn(record.getMessage())
            return
        seconds, words = time.monotonic() - self._began, one_line(record.getMessage())
        self._print({"log": words, "seconds": round(seconds, 3)}, f"apimodels: {seconds:6.2f} s  {words}")

    def _print(self, view: Mapping[str, object], line: str) -> None:
        text = json.dumps(view) if self.as_json else line
        with contextlib.suppress(OSError):  # a terminal that was closed
            if self._console is None:
                typer.echo(text, err=True)
            else:
                self._console.print(Text(text), soft_wrap=True)

    @contextlib.contextmanager
    def above(self, console: Console) -> Generator[None]:
        """Print above what moves on a terminal, for as long as the block lasts."""
        self._console = console if console.is_terminal else None
        try:
            yield
        finally:
            self._console = None

    @contextlib.contextmanager
    def listening(self) -> Generator["Stderr"]:
        """Show the log of the SDK for as long as the block lasts, and be `current`."""
        level, token = LOGGER.level, _CURRENT.set(self)
        LOGGER.addHandler(self)
        try:
            yield self
        finally:
            LOGGER.removeHandler(self)
            LOGGER.setLevel(level)
            _CURRENT.reset(token)


_CURRENT: ContextVar[Stderr] = ContextVar("stderr of the command")


def current() -> Stderr:
    """The stderr of the command that is running."""
    return _CURRENT.get(None) or Stderr()


def show_everything() -> None:
    """Show all of the log: `--verbose`."""
    current().setLevel(logging.DEBUG)
    LOGGER.setLevel(logging.DEBUG)

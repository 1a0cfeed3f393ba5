"""Terminal output. Results go to stdout; notes and the spinner go to stderr, and only if it is a terminal."""

import json
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import typer
from attrs import define, field
from rich.console import Console, RichCast
from rich.live import Live
from rich.text import Text

from apimodels_async._download.destination import Place
from apimodels_async.cli.failures import one_line
from apimodels_async.cli.stderr import current
from apimodels_async.models import Task

__all__ = ["Activity", "Screen", "task_view"]


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _console(stream: TextIO | None, *, stderr: bool = False) -> Console:
    # Said outright, because rich would take FORCE_COLOR for a terminal and write its control codes into a pipe.
    terminal = _is_terminal(stream)
    return Console(stderr=stderr, force_terminal=terminal, markup=False, highlight=False, emoji=False)


@define
class Activity:
    """What the command is doing now, as the spinner shows it.

    Attributes:
        words: what it is doing.
        task_id: of the task it is about.
        began: on the monotonic clock, seconds.
    """

    words: str
    task_id: str | None = None
    began: float = field(factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self.began

    def __rich__(self) -> Text:
        """Render it; called again for every frame."""
        line = Text(f"{self.words}… {self.elapsed:.0f} s", no_wrap=True, overflow="ellipsis")
        if self.task_id is not None:
            line.append(f"  task {one_line(self.task_id)}", style="dim")
        return line


class Screen:
    """The streams of one command."""

    def __init__(self) -> None:
        self.out: Console = _console(sys.stdout)
        self.notes: Console = _console(sys.stderr, stderr=True)
        self._live: Live | None = None

    @property
    def for_people(self) -> bool:
        """Whether stdout is a terminal and not a pipe or a file."""
        return self.out.is_terminal

    @contextmanager
    def busy(self, words: str) -> Generator[Activity]:
        """Spin, on a terminal, for as long as the block lasts. The activity may be changed while it goes on."""
        activity = Activity(words)
        spinner = "dots" if self.notes.encoding.startswith("utf") else "line"
        with self.notes.status(activity, spinner=spinner), current().above(self.notes):
            yield activity

    @contextmanager
    def live(self, display: RichCast) -> Generator[None]:
        """Show `display`, on a terminal, for as long as the block lasts, and again and again."""
        if not self.notes.is_terminal:
            yield
            return
        shown = Live(display, console=self.notes, transient=True, refresh_per_second=8)
        with shown as self._live, current().above(self.notes):
            yield

    def stop(self) -> None:
        """Stop the live display, for a command that ends without leaving its blocks."""
        if self._live is not None:
            with suppress(OSError):
                self._live.stop()

    def say(self, words: str) -> None:
        """Print a message on stderr. A closed terminal is ignored: it must not end the command."""
        current().say(words)

    def note(self, words: str) -> None:
        """Print a note if stderr is a terminal; otherwise print nothing."""
        with suppress(OSError):
            if self.notes.is_terminal:
                self.notes.print(words, style="dim", soft_wrap=True)

    def lines(self, lines: Sequence[object]) -> None:
        """Results, one a line."""
        for line in lines:
            typer.echo(one_line(line))

    def paths(self, paths: Sequence[Place]) -> None:
        """Saved files, one a line, exactly as they are called."""
        for path in paths:
            typer.echo(str(path))

    def pairs(self, pairs: Mapping[str, object]) -> None:
        """Names and values in two columns."""
        width = max(map(len, pairs))
        for name, value in pairs.items():
            self.out.print(Text(name.ljust(width), style="dim"), one_line(value), sep="  ", soft_wrap=True)

    def pairs_plain(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Names and values for a program, or for `grep`: a pair a line, whatever the width of a terminal."""
        for name, value in pairs:
            typer.echo(f"{name.ljust(9)}  {one_line(value)}")

    def json(self, value: Mapping[str, Any]) -> None:
        """One JSON object, and nothing else."""
        # ASCII, so that it can be written to whatever stdout is.
        typer.echo(json.dumps(value, indent=2 if self.for_people else None))


def task_view(task: Task) -> dict[str, Any]:
    """`Task.to_dict` without `raw`, and with no pictures inside."""
    view = task.to_dict()
    del view["raw"]
    view["result_urls"] = [_shortened(url) for url in task.result_urls]
    return view


def _shortened(url: str) -> str:
    if url[:5].lower() != "data:":
        return url
    return f"{url[:40].partition(',')[0]},… (a picture inside the answer, {len(url)} characters)"

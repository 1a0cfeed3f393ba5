"""The progress display of a batch."""

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from attrs import define, field
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from apimodels_async.models import BatchStats

__all__ = ["BatchProgress"]

_NOTICEABLE = 2.0
"""Seconds of an outage after which it is shown."""
_WINDOW = 30.0
"""Seconds over which the rate is averaged."""


@define
class BatchProgress:
    """The display of a batch, redrawn repeatedly by a thread.

    Attributes:
        total: the number of requests, if known.
        stats: returns the progress of the batch.
        words: what the batch is doing instead of making pictures, if anything.
        done: requests with an outcome.
        failed: of those, how many have no picture.
        own: of those, how many were work of this run. What an earlier run finished comes back at once, and says nothing
            about how long the rest will take.
        clock: seconds.
    """

    total: int | None
    stats: Callable[[], BatchStats] = BatchStats
    words: str = ""
    done: int = 0
    failed: int = 0
    own: int = 0
    clock: Callable[[], float] = time.monotonic
    _samples: deque[tuple[float, int]] = field(factory=deque[tuple[float, int]])

    def __rich__(self) -> Table:
        """Render it."""
        line = Table.grid(padding=(0, 2))
        line.add_column()
        line.add_column(no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(total=self.total, completed=self.done, width=24, pulse=self.total is None)
        line.add_row(bar, self.figures())
        return line

    def figures(self) -> Text:
        """What stands beside the bar."""
        stats, rate = self.stats(), self._rate(self.clock())
        figures = [
            Text(f"{self.done}" if self.total is None else f"{self.done}/{self.total}", style="bold"),
            Text(f"in flight {stats.in_flight}"),
            Text(f"failed {self.failed}", style="red" if self.failed else "dim"),
            Text(f"{rate:.1f}/s"),
        ]
        if self.total is not None:
            figures.append(Text(_left(self.total - self.done, rate)))
        figures.append(Text(f"US$ {stats.spent:.2f}"))
        if stats.uploaded:
            figures.insert(2, Text(f"sent {stats.uploaded / 1e6:.1f} MB"))
        if stats.saving:
            figures.insert(2, Text(f"saving {stats.saving}"))
        if stats.outage >= _NOTICEABLE:
            words = f"the server has been unreachable for {stats.outage:.0f} s; {stats.waiting} requests wait"
            figures.append(Text(words, style="yellow"))
        if self.words:
            figures.append(Text(self.words, style="yellow"))
        return Text("  ").join(figures)

    def count(self, done: int, failed: int, *, own: bool) -> None:
        """One more request has its outcome."""
        self.done, self.failed = done, failed
        self.own += own

    def _rate(self, now: float) -> float:
        """Requests a second that this run has done, lately."""
        self._samples.append((now, self.own))
        while now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()
        began, done = self._samples[0]
        return (self.own - done) / (now - began) if now > began else 0.0


def _left(requests: int, rate: float) -> str:
    if not requests:
        return "0:00:00 left"
    return f"{timedelta(seconds=round(requests / rate))} left" if rate else "-:--:-- left"

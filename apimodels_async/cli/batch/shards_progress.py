"""The progress display of a batch that many processes share."""

from attrs import define
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from apimodels_async.models import Outcome
from apimodels_async.shards.report import ShardEnd, ShardReport

__all__ = ["ShardsProgress"]


@define
class ShardsProgress:
    """How far all processes together are, by the shards that are finished.

    Attributes:
        finished: shards that are finished.
        shards: that there are; 0 as long as that is not known.
        pictures: saved, as far as this process knows.
        failed: outcomes of this process without a picture.
        elsewhere: shards that other processes have finished.
        words: what it is doing instead, if anything.
    """

    finished: int = 0
    shards: int = 0
    pictures: int = 0
    failed: int = 0
    elsewhere: int = 0
    words: str = ""
    _own: int = 0

    def hear(self, report: ShardReport) -> None:
        """Take notice of a report."""
        self.finished, self.shards = report.finished, report.shards
        self._own += report.pictures
        self.pictures = max(self.pictures, self._own)
        self.elsewhere += report.end is ShardEnd.FINISHED and report.seconds == 0.0

    def came(self, outcome: Outcome) -> None:
        """Take notice of an outcome of this process."""
        self.pictures += len(outcome.files)
        self.failed += outcome.error is not None

    def __rich__(self) -> Table:
        """Render it."""
        line = Table.grid(padding=(0, 2))
        line.add_column()
        line.add_column(no_wrap=True, overflow="ellipsis")
        figures = [
            Text(f"{self.finished}/{self.shards} shards", style="bold"),
            Text(f"{self.pictures} pictures"),
            Text(f"failed {self.failed}", style="red" if self.failed else "dim"),
        ]
        if self.elsewhere:
            figures.append(Text(f"{self.elsewhere} shards made elsewhere", style="dim"))
        if self.words:
            figures.append(Text(self.words, style="yellow"))
        bar = ProgressBar(total=self.shards or None, completed=self.finished, width=24, pulse=self.shards == 0)
        line.add_row(bar, Text("  ").join(figures))
        return line

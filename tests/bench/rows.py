"""One row of the table of measurements, and how the table is written.

Every file beside this one that measures has a function `rows`, which gives its rows as it gets them, and a docstring,
which the page of the figures quotes.
"""

from collections.abc import Iterable
from typing import NamedTuple

RATIO = "\u00d7"


class Row(NamedTuple):
    """One figure.

    Attributes:
        what: what was measured.
        against: what it is compared with, if with anything.
        figure: the result.
        unit: of the figure; a ratio as a rule.
        bound: what was asked for, in the same unit; ``None`` where the figure is only told.
        least: whether that is the least that will do, rather than the most.
        told: what the figure was made from.
    """

    what: str
    against: str
    figure: float
    unit: str = RATIO
    bound: float | None = None
    least: bool = False
    told: str = ""

    @property
    def missed(self) -> bool:
        if self.bound is None:
            return False
        return not (self.figure >= self.bound if self.least else self.figure <= self.bound)

    def for_readers(self) -> tuple[str, ...]:
        """As the page shows it: without what was asked for."""
        return self.what, self.against, self.compared(), self.told

    def compared(self) -> str:
        """The figure in words that need no calculation: a ratio of 0.09 is 11 times less."""
        if self.unit == RATIO and 0 < self.figure < 0.95:
            return f"{_number(1 / self.figure)} {RATIO} less"
        if self.unit == "s" and self.figure < 0.1:
            return f"{_number(1000 * self.figure)} ms"
        return f"{_number(self.figure)} {self.unit}".rstrip()

    def cells(self) -> tuple[str, ...]:
        """As a terminal shows it, with what was asked for."""
        if self.bound is None:
            asked = verdict = ""
        else:
            asked = f"{'at least' if self.least else 'at most'} {_number(self.bound)} {self.unit}"
            verdict = "MISSED" if self.missed else "met"
        return self.what, self.against, f"{_number(self.figure)} {self.unit}", asked, verdict, self.told


HEAD = ("what", "against", "figure", "asked for", "", "measured")
PAGE_HEAD = ("what", "beside", "figure", "measured")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or (value >= 10 and value == int(value)) else f"{value:.3g}"


def at_most(what: str, against: str, figure: float, bound: float, unit: str = RATIO, *, told: str = "") -> Row:
    """A figure that had better be small."""
    return Row(what, against, figure, unit, bound, told=told)


def at_least(what: str, against: str, figure: float, bound: float, unit: str = RATIO, *, told: str = "") -> Row:
    """A figure that had better be large."""
    return Row(what, against, figure, unit, bound, least=True, told=told)


def just(what: str, against: str, figure: float, unit: str = RATIO, *, told: str = "") -> Row:
    """A figure that nothing was asked of."""
    return Row(what, against, figure, unit, told=told)


def as_text(rows: Iterable[Row]) -> str:
    """For a terminal."""
    table = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(cells[at]) for cells in table) for at in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in table
    )


def as_markdown(rows: Iterable[Row]) -> str:
    """For a page."""
    lines = [PAGE_HEAD, ("---",) * len(PAGE_HEAD), *(row.for_readers() for row in rows)]
    return "\n".join("|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|" for cells in lines)


def show(rows: Iterable[Row]) -> None:
    """Print rows; what a file does that is run by itself."""
    print(as_text(list(rows)))

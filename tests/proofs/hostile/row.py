"""One row of the table: what was tried, how much of it was right, and what was wrong."""

import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

PACKAGE = "tests.proofs.hostile"
_SHOWN = 5
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


@dataclass
class Row:
    """One attack, many times.

    Attributes:
        name: of the attack.
        scale: how much of it is tried; 1 is the whole.
        tried: cases.
        wrong: what was not right, in words.
        notes: figures that were measured.
        seconds: that all of it took.
        longest: seconds that the longest case took, and its name.
        began: when the last case ended.
    """

    name: str
    scale: float = 1.0
    tried: int = 0
    wrong: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    seconds: float = 0.0
    longest: tuple[float, str] = (0.0, "")
    began: float = field(default_factory=time.monotonic)

    def count(self, whole: int) -> int:
        """How many of `whole` to try."""
        return max(1, round(whole * self.scale))

    def judge(self, case: str, *wrong: str) -> None:
        """One case is done: right if nothing is wrong with it."""
        now = time.monotonic()
        self.longest = max(self.longest, (now - self.began, case))
        self.began = now
        self.tried += 1
        found = [each for each in wrong if each]
        if found:
            self.wrong.append(f"{case}: {'; '.join(found)}"[:500])

    @property
    def right(self) -> int:
        """Cases that were right."""
        return self.tried - len(self.wrong)

    def line(self) -> str:
        """The row, as a line of Markdown."""
        seconds, case = self.longest
        measured = ", ".join([*self.notes, f"{seconds:.1f} s for {case}"])
        return f"| {self.name} | {self.tried} | {self.right} | {self.seconds:.0f} | {measured} |"

    def complaints(self) -> list[str]:
        """What is wrong, shortened."""
        more = len(self.wrong) - _SHOWN
        shown = [f"  {self.name}: {each!r}" for each in self.wrong[:_SHOWN]]
        return [*shown, f"  {self.name}: and {more} more"] if more > 0 else shown


def unless(right: bool, words: str) -> str:
    """The words, if something is not right."""
    return "" if right else words


def control_characters(text: str) -> str:
    """Where a terminal or a log file would obey a text, in words; empty if nowhere. Line ends and tabs are allowed."""
    found = _CONTROL.search(text)
    return "" if found is None else f"raw control character in {text[max(0, found.start() - 60) : found.end() + 20]!r}"


Attack = Callable[[Row], None]


def run(place: str, name: str, scale: float) -> Row:
    """Run one row, here."""
    module, _, function = place.partition(".")
    attack: Attack = getattr(import_module(f"{PACKAGE}.{module}"), function)
    row = Row(name, scale)
    began = time.monotonic()
    try:
        attack(row)
    except Exception as error:  # noqa: BLE001  (the other rows go on)
        traceback.print_exc()
        row.judge("the row itself", f"{type(error).__name__}: {error}")
    row.seconds = time.monotonic() - began
    return row

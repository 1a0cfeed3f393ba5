"""The totals of a batch: counted while it runs and reported at its end."""

import time
from collections.abc import Iterator
from datetime import timedelta

from attrs import define, field

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.request_lines import Line
from apimodels_async.cli.failures import one_line, words_of
from apimodels_async.errors import (
    ApimodelsError,
    AuthenticationError,
    DownloadError,
    InsufficientCreditsError,
    LedgerError,
    NotSubmittedError,
    SubmissionUnknownError,
)
from apimodels_async.models import BatchStats, Outcome

__all__ = ["Tally"]

_WEIGHTIEST = (
    SubmissionUnknownError,
    LedgerError,
    AuthenticationError,
    InsufficientCreditsError,
    DownloadError,
    NotSubmittedError,
)
"""The errors that determine the exit code of a whole batch, the most important first."""


@define
class _Failures:
    """Those of one kind.

    Attributes:
        number: how many.
        line: of the first.
        error: the first.
    """

    number: int
    line: int
    error: Exception


@define
class Tally:
    """Counts outcomes.

    Attributes:
        done: all of them.
        failed: those without pictures.
        pictures: files saved.
    """

    done: int = 0
    failed: int = 0
    pictures: int = 0
    _kinds: dict[type[Exception], _Failures] = field(factory=dict[type[Exception], _Failures])
    _began: float = field(factory=time.monotonic)

    def count(self, line: Line, outcome: Outcome) -> None:
        """Count an outcome."""
        self.done += 1
        self.pictures += len(outcome.files)
        error = outcome.error
        if error is not None:
            self.failed += 1
            if (known := self._kinds.get(type(error))) is None:
                self._kinds[type(error)] = _Failures(1, line.number, error)
            else:
                known.number += 1

    def summary(self, stats: BatchStats, total: int | None) -> Iterator[str]:
        """Return the final message, as lines."""
        words = [
            f"{self.done} of {_many(self.done if total is None else total, 'request')} done",
            f"{_many(self.pictures, 'picture')} saved ({stats.bytes / 1e6:.1f} MB)",
        ]
        if self.failed:
            words.append(f"{self.failed} failed")
        words.append(_span(self.seconds))
        if stats.spent:
            words.append(f"about US$ {stats.spent:.2f}")
        if stats.unpriced:
            words.append(f"{_many(stats.unpriced, 'request')} without a known price")
        yield ", ".join(words)
        for kind, those in self._kinds.items():
            why = one_line(words_of(those.error))
            yield f"  {those.number} {kind.__name__}, the first for line {those.line}: {why}"

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    def first(self, code: int) -> Exception | None:
        """The first error with this exit code, if one has it."""
        errors = (those.error for those in self._kinds.values() if isinstance(those.error, ApimodelsError))
        return next((error for error in errors if exit_codes.code_of(error) == code), None)

    def code(self) -> int:
        """The exit code."""
        for kind in _WEIGHTIEST:
            if any(issubclass(each, kind) for each in self._kinds):
                return exit_codes.code_of(kind.__new__(kind))
        codes = {
            exit_codes.code_of(those.error) if isinstance(those.error, ApimodelsError) else exit_codes.SOME_FAILED
            for those in self._kinds.values()
        }
        if len(codes) == 1 and self.failed == self.done:
            return codes.pop()
        return exit_codes.SOME_FAILED if codes else exit_codes.OK


def _many(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))

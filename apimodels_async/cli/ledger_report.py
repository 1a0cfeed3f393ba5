"""The report on a ledger: counts, money, unknown outcomes, expiring pictures. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define, field, frozen

from apimodels_async._prices import price_as_sent
from apimodels_async.catalogue import PUBLISHED, PriceTable
from apimodels_async.ledger import Entry, Step
from apimodels_async.ledger.entries import IN_WORDS

__all__ = ["LIFETIME", "NEXT_RUN", "SOON", "LedgerReport", "Waiting", "row"]

LIFETIME = timedelta(days=7)
"""How long the vendor keeps pictures after a task has ended."""

SOON = timedelta(days=2)
"""Pictures that are gone within this time are named one by one."""

NEXT_RUN: Mapping[Step, str] = {
    Step.INTENT: "sends it",
    Step.SENDING: "reports it: only you can decide",
    Step.CREATED: "waits for it",
    Step.DONE: "downloads its pictures",
    Step.SAVED: "returns its files",
    Step.FAILED: "reports it; it was not billed",
    Step.REJECTED: "sends it again",
    Step.UNKNOWN: "reports it: perhaps accepted, perhaps billed; only you can decide",
    Step.ABANDONED: "leaves it out",
}
"""What the next run of the same requests does about an entry at each step."""

_SPENT = {Step.DONE, Step.SAVED}
_UNKNOWN = {Step.SENDING, Step.UNKNOWN}


@frozen
class Waiting:
    """Pictures that are at the server only.

    Attributes:
        entry: whose.
        gone: when the vendor deletes them; for a task that was not seen to end, the earliest that may be.
    """

    entry: Entry
    gone: datetime


@define
class LedgerReport:
    """What a whole ledger comes to. Money is in US dollars, estimated by the catalogue's prices.

    Attributes:
        counts: of entries, by step.
        spent: for completed tasks.
        under_way: for tasks that were accepted and not seen to end.
        at_risk: for entries that may have been accepted without being known here.
        unpriced: entries that count in one of the three sums, and whose price is not known.
        unknown: those that only a person can decide about.
        not_found: those whose task the server does not know.
        servers: to which they belong.
        waiting: pictures that are not saved here, the first to go first.
        prices: what pictures cost.
    """

    counts: Counter[Step] = field(factory=Counter[Step])
    spent: float = 0.0
    under_way: float = 0.0
    at_risk: float = 0.0
    unpriced: int = 0
    unknown: list[Entry] = field(factory=list[Entry])
    not_found: list[Entry] = field(factory=list[Entry])
    servers: set[str] = field(factory=set[str])
    waiting: list[Waiting] = field(factory=list[Waiting])
    prices: PriceTable = PUBLISHED

    @classmethod
    def of(cls, entries: Iterable[Entry], prices: PriceTable = PUBLISHED) -> "LedgerReport":
        """The report on these entries."""
        report = cls(prices=prices)
        for entry in entries:
            report._add(entry)
        report.waiting.sort(key=lambda each: each.gone)
        return report

    def _add(self, entry: Entry) -> None:
        self.counts[entry.step] += 1
        if entry.step in _UNKNOWN:
            self.unknown.append(entry)
        if entry.step is Step.CREATED and entry.error is not None:
            self.not_found.append(entry)
        if entry.server is not None:
            self.servers.add(entry.server)
        if (gone := _gone(entry)) is not None:
            self.waiting.append(Waiting(entry, gone))
        if entry.step in _SPENT | _UNKNOWN | {Step.CREATED}:
            cost = price_as_sent(entry.request, entry.model, self.prices)
            self.unpriced += cost is None
            self.spent += (cost or 0.0) if entry.step in _SPENT else 0.0
            self.under_way += (cost or 0.0) if entry.step is Step.CREATED else 0.0
            self.at_risk += (cost or 0.0) if entry.step in _UNKNOWN else 0.0

    def going(self, now: datetime) -> tuple[int, list[Waiting]]:
        """How many pictures' tasks are gone by `now`, and those that go `SOON`."""
        gone = sum(each.gone <= now for each in self.waiting)
        return gone, [each for each in self.waiting if now < each.gone <= now + SOON]

    def view(self, now: datetime) -> dict[str, Any]:
        """The same as JSON's own types."""
        gone, _ = self.going(now)
        return {
            "requests": self.counts.total(),
            "servers": sorted(self.servers),
            "steps": {step.value: self.counts[step] for step in IN_WORDS},
            "spent": round(self.spent, 6),
            "under_way": round(self.under_way, 6),
            "at_risk": round(self.at_risk, 6),
            "unpriced": self.unpriced,
            "unknown": [_undecided(entry) for entry in self.unknown],
            "not_found": [_undecided(entry) for entry in self.not_found],
            "gone": gone,
            "expires": [
                {
                    "key": each.entry.key,
                    "task_id": None if each.entry.task is None else each.entry.task.id,
                    "prompt": each.entry.request.get("prompt"),
                    "when": each.gone.isoformat(),
                }
                for each in self.waiting
                if each.gone > now
            ],
        }


def _undecided(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "model": entry.model,
        "prompt": entry.request.get("prompt"),
        "task_id": None if entry.task is None else entry.task.id,
        "when": moment(entry),
        "why": entry.error,
    }


def row(entry: Entry, prices: PriceTable = PUBLISHED) -> dict[str, Any]:
    """An entry as one flat object of JSON's own types."""
    task = entry.task
    ended = None if task is None or task.complete_time is None else task.complete_time.isoformat()
    return {
        "key": entry.key,
        "step": entry.step.value,
        "prompt": entry.request.get("prompt"),
        "model": entry.model,
        "task_id": None if task is None else task.id,
        "state": None if task is None else str(task.state) or None,
        "completed": ended,
        "name": entry.name,
        "files": [file.path for file in entry.files],
        "sha256": [file.sha256 for file in entry.files],
        "result_urls": [] if task is None else list(task.result_urls),
        "price": price_as_sent(entry.request, entry.model, prices),
        "error": entry.error,
        "changed": moment(entry),
        "server": entry.server,
        "request": dict(entry.request),
    }


def moment(entry: Entry) -> str:
    """When an entry was written last."""
    return datetime.fromtimestamp(entry.changed, UTC).isoformat(timespec="seconds")


def _gone(entry: Entry) -> datetime | None:
    """When the vendor deletes the pictures of an entry; ``None`` if there are none but ours."""
    task = entry.task
    if task is None or task.id is None or entry.step not in {Step.DONE, Step.CREATED}:
        return None
    ended = task.complete_time or (task.create_time if entry.step is Step.CREATED else None)
    return (ended or datetime.fromtimestamp(entry.changed, UTC)) + LIFETIME


def lines(report: LedgerReport, now: datetime) -> Iterator[tuple[str, str]]:
    """The report as names and values, for a pipe."""
    for server in sorted(report.servers):
        yield "server", server
    for step, words in IN_WORDS.items():
        if report.counts[step]:
            yield words, str(report.counts[step])
    yield from money(report)
    gone, soon = report.going(now)
    if gone:
        yield "gone", f"{gone}, not saved within 7 days"
    for each in soon:
        yield "expires", f"{each.gone.isoformat(timespec='seconds')} {each.entry.key} {each.entry.request['prompt']}"


def money(report: LedgerReport) -> Iterator[tuple[str, str]]:
    """The sums, in words."""
    yield "spent", f"US$ {report.spent:.2f}"
    if report.counts[Step.CREATED]:
        yield "under way", f"US$ {report.under_way:.2f}"
    yield "at risk", f"US$ {report.at_risk:.2f}"
    if report.unpriced:
        yield "no price", f"{report.unpriced} of them: their models are not in the catalogue"

"""What a run has come to: the outcomes the caller was given, beside what the server wrote down. Pure but for `load`."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNKNOWN = "SubmissionUnknownError"


@dataclass(frozen=True)
class Result:
    """One setting on one lane.

    Attributes:
        n: requests.
        lines: an entry for each outcome that the caller was given.
        seconds: that it took.
        accepted: prompts of the tasks that the server accepted, by task id.
        under_way: create requests that were under way when the server was killed, all kills together.
        kills: how often the server was killed.
        detached: ids the client kept of tasks whose outcome was cut off.
        measured: what else the setting has measured.
    """

    n: int
    lines: list[dict[str, Any]]
    seconds: float
    accepted: dict[str, str]
    under_way: int = 0
    kills: int = 0
    detached: tuple[str, ...] = ()
    measured: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def ok(self) -> int:
        """Outcomes without an error."""
        return sum(line["error"] is None for line in self.lines)

    @property
    def errors(self) -> Counter[str]:
        """Errors by class; requests that have no outcome at all are counted as ``no outcome``."""
        counted = Counter(line["error"] for line in self.lines if line["error"] is not None)
        if len(self.lines) < self.n:
            counted["no outcome"] = self.n - len(self.lines)
        return counted

    @property
    def unknown(self) -> int:
        """Outcomes that say: may or may not have been accepted."""
        return self.errors[UNKNOWN]

    @property
    def unknown_accepted(self) -> int:
        """Of those, how many the server had accepted."""
        unknown = {line["prompt"] for line in self.lines if line["error"] == UNKNOWN}
        return len(unknown & set(self.accepted.values()))

    @property
    def twice(self) -> int:
        """Create requests that the server accepted although it had accepted their prompt before."""
        return len(self.accepted) - len(set(self.accepted.values()))

    @property
    def lost(self) -> int:
        """Tasks that the server accepted, and of which neither an outcome nor the client says anything."""
        named = {line["task_id"] for line in self.lines} | set(self.detached)
        unknown = {line["prompt"] for line in self.lines if line["error"] == UNKNOWN}
        return sum(id_ not in named and prompt not in unknown for id_, prompt in self.accepted.items())

    @property
    def others(self) -> Counter[str]:
        """Errors that are not `SubmissionUnknownError`."""
        return Counter({kind: count for kind, count in self.errors.items() if kind != UNKNOWN})

    def text(self) -> str:
        """The counts in one line."""
        counted = ", ".join(f"{count} {kind}" for kind, count in sorted(self.others.items()))
        unknown = f"unknown {self.unknown}/{self.unknown_accepted}" if self.unknown else ""
        return ", ".join(part for part in (f"{self.ok} ok", counted, unknown) if part)


def events(journal: Path) -> list[dict[str, Any]]:
    """What the server wrote down. The last line may be cut short, where it was killed."""
    if not journal.exists():
        return []
    found: list[dict[str, Any]] = []
    for line in journal.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def accepted(journal: Path) -> dict[str, str]:
    """The prompts of the tasks that the server accepted, by id."""
    return {event["id"]: event["prompt"] for event in events(journal) if event["event"] == "accepted"}


def answered(journal: Path) -> int:
    """Create requests that the server has answered."""
    return sum(event["event"] == "answered" for event in events(journal))


def unanswered(journal: Path) -> set[str]:
    """Create requests of which the server has read the head, and that it has not answered so far."""
    found = [event for event in events(journal) if "create" in event]
    begun = {event["create"] for event in found if event["event"] == "begun"}
    return begun - {event["create"] for event in found if event["event"] != "begun"}

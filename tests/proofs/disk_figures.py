"""What the proof of the full disk has counted."""

from collections import Counter

from attrs import Factory, define

FAULTS = ("ids lost", "tracebacks", "hung", "exit codes", "bought later", "paid twice", "unfinished", "damaged")
HEADING = f"{'':30} {'writes':>7} {'bought':>7} " + " ".join(f"{kind:>12}" for kind in FAULTS)


@define
class Figures:
    """What one series came to with one error.

    Attributes:
        runs: commands that met the full disk.
        calls: which calls met it first.
        codes: how they ended.
        bought: tasks accepted in these runs.
        unresolved: requests that the next run did not send again, because the ledger could not learn what came of
            them: a task whose id had been printed, or none.
        faults: by kind, how many.
        examples: one of each kind.
    """

    runs: int = 0
    calls: Counter[str] = Factory(Counter[str])
    codes: Counter[int | None] = Factory(Counter[int | None])
    bought: int = 0
    unresolved: int = 0
    faults: Counter[str] = Factory(Counter[str])
    examples: dict[str, str] = Factory(dict[str, str])

    def fault(self, kind: str, number: int, example: str) -> None:
        """Count faults of one kind."""
        if number:
            self.faults[kind] += number
            self.examples.setdefault(kind, example)

    def add(self, other: "Figures") -> None:
        """Add those of another series."""
        self.runs += other.runs
        self.calls += other.calls
        self.codes += other.codes
        self.unresolved += other.unresolved
        self.bought += other.bought
        self.faults += other.faults
        self.examples = {**other.examples, **self.examples}

    def row(self, name: str) -> str:
        """A row of the table."""
        counts = " ".join(f"{self.faults[kind]:12}" for kind in FAULTS)
        return f"{name:30} {self.runs:7} {self.bought:7} {counts}"
